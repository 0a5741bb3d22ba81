//! What compiled profiles answer, by running them.

#![allow(clippy::unwrap_used, reason = "tests stop where something is missing")]

#[allow(unreachable_pub, reason = "the oracle crate exports it")]
mod interpreter;

use interpreter::{Call, run, verify};
use seccomp::{Architecture, Filter, Support, Why, compile};
use spec::Seccomp;

const ALLOW: u32 = 0x7fff_0000;
const LOG: u32 = 0x7ffc_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const fn errno(number: u32) -> u32 {
    0x0005_0000 | number
}
const EPERM: u32 = errno(1);
const ENOSYS: u32 = errno(38);

fn on(architecture: Option<Architecture>) -> Support {
    Support {
        native: architecture,
        ..Support::default()
    }
}

fn x86_64() -> Support {
    on(Some(Architecture::X86_64))
}

fn read(text: &str) -> Seccomp<'_> {
    serde_json::from_str(text).unwrap()
}

fn compiled(text: &str, kernel: &Support) -> Filter {
    let filter = compile(&read(text), kernel).unwrap_or_else(|error| panic!("{error}\n{text}"));
    verify(&filter.program).unwrap();
    filter
}

/// What `filter` answers to a call by name, on the architecture named.
fn ask(filter: &Filter, architecture: &str, name: &str, arguments: &[u64]) -> u32 {
    let architecture = Architecture::from_name(architecture).unwrap();
    ask_number(
        filter,
        architecture,
        architecture.number_of(name).unwrap(),
        arguments,
    )
}

fn ask_number(filter: &Filter, architecture: Architecture, number: u32, arguments: &[u64]) -> u32 {
    let mut call = Call {
        number,
        audit: architecture.audit(),
        ..Call::default()
    };
    call.arguments[..arguments.len()].copy_from_slice(arguments);
    run(&filter.program, &call, is_big_endian(architecture)).0
}

fn is_big_endian(architecture: Architecture) -> bool {
    // The flag of linux/audit.h for little-endian.
    architecture.audit() & 0x4000_0000 == 0
}

fn refused(text: &str) -> (String, Why) {
    let error = compile(&read(text), &x86_64()).expect_err(text);
    (error.at.to_string(), error.why)
}

#[test]
fn rules_without_conditions_and_the_default() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["read","write","close"],"action":"SCMP_ACT_ALLOW"},
            {"names":["open"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
            {"names":["mount"],"action":"SCMP_ACT_LOG"}]}"#,
        &x86_64(),
    );
    assert_eq!(ask(&filter, "SCMP_ARCH_X86_64", "read", &[]), ALLOW);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86_64", "open", &[]), errno(13));
    assert_eq!(ask(&filter, "SCMP_ARCH_X86_64", "close", &[]), ALLOW);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86_64", "mount", &[]), LOG);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86_64", "chdir", &[]), EPERM);
    // Only the architectures of the profile and the kernel's own.
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "read", &[]), KILL_PROCESS);
    assert_eq!(ask(&filter, "SCMP_ARCH_X32", "read", &[]), KILL_PROCESS);
    assert_eq!(ask(&filter, "SCMP_ARCH_AARCH64", "read", &[]), KILL_PROCESS);
    // A tracer's -1 is no x32 call.
    assert_eq!(
        ask_number(&filter, Architecture::X86_64, u32::MAX, &[]),
        EPERM
    );
    assert_eq!(filter.flags, seccomp::flags::SPEC_ALLOW);
    assert!(!filter.notify && filter.warnings.is_empty());
    assert_eq!(filter.bytes().len(), filter.program.len() * 8);
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    let rules = r#""architectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"],"syscalls":[{"names":["read","statx"],"action":"SCMP_ACT_ALLOW"}]"#;
    let newer = |default: &str| {
        let filter = compiled(&format!("{{{default},{rules}}}"), &x86_64());
        ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
            .map(|architecture| ask(&filter, architecture, "openat2", &[]))
    };
    assert_eq!(newer(r#""defaultAction":"SCMP_ACT_ERRNO""#), [ENOSYS; 3]);
    assert_eq!(
        newer(r#""defaultAction":"SCMP_ACT_KILL_PROCESS""#),
        [ENOSYS; 3]
    );
    assert_eq!(
        newer(r#""defaultAction":"SCMP_ACT_ALLOW","x":1"#),
        [ALLOW; 3]
    );
    assert_eq!(newer(r#""defaultAction":"SCMP_ACT_LOG""#), [LOG; 3]);
    assert_eq!(
        newer(r#""defaultAction":"SCMP_ACT_TRACE""#),
        [0x7ff0_0001; 3]
    );
}

#[test]
fn what_the_author_named_is_not_newer_even_without_effect() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["read"],"action":"SCMP_ACT_ALLOW"},{"names":["statx"],"action":"SCMP_ACT_ERRNO"}]}"#,
        &x86_64(),
    );
    assert_eq!(ask(&filter, "SCMP_ARCH_X86_64", "statx", &[]), EPERM);
    assert_eq!(
        ask(&filter, "SCMP_ARCH_X86_64", "io_pgetevents", &[]),
        ENOSYS
    );
}

#[test]
fn arms_own_calls_lie_behind_the_newer_ones() {
    let arm = on(Architecture::from_name("SCMP_ARCH_ARM"));
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","set_tls"],"action":"SCMP_ACT_ALLOW"}]}"#,
        &arm,
    );
    assert_eq!(ask(&filter, "SCMP_ARCH_ARM", "set_tls", &[]), ALLOW);
    assert_eq!(ask(&filter, "SCMP_ARCH_ARM", "cacheflush", &[]), EPERM);
    assert_eq!(ask(&filter, "SCMP_ARCH_ARM", "openat2", &[]), ENOSYS);
    assert_eq!(ask(&filter, "SCMP_ARCH_ARM", "exit", &[]), EPERM);
}

#[test]
fn on_s390_setup_stands_for_calls_that_the_kernel_does_not_know() {
    let s390x = on(Architecture::from_name("SCMP_ARCH_S390X"));
    for first in ["exit", "fork"] {
        let profile = format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["{first}"],"action":"SCMP_ACT_ALLOW"}}]}}"#
        );
        let filter = compiled(&profile, &s390x);
        let architecture = Architecture::from_name("SCMP_ARCH_S390X").unwrap();
        assert_eq!(ask_number(&filter, architecture, 0, &[]), ENOSYS);
        assert_eq!(
            ask_number(&filter, architecture, 1, &[]),
            if first == "exit" { ALLOW } else { EPERM }
        );
        assert_eq!(
            ask_number(&filter, architecture, 2, &[]),
            if first == "fork" { ALLOW } else { ENOSYS }
        );
    }
}

#[test]
fn every_operator_on_every_width() {
    let values = [
        0,
        1,
        4,
        5,
        6,
        0xffff_ffff,
        0x1_0000_0004,
        0x1_0000_0005,
        0x1_0000_0006,
        0x5_0000_0000,
        u64::MAX,
    ];
    type Holds = fn(u64, u64) -> bool;
    let operators: [(&str, Holds); 6] = [
        ("NE", |a, v| a != v),
        ("LT", |a, v| a < v),
        ("LE", |a, v| a <= v),
        ("EQ", |a, v| a == v),
        ("GE", |a, v| a >= v),
        ("GT", |a, v| a > v),
    ];
    for native in [
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_S390X",
        "SCMP_ARCH_PPC",
        "SCMP_ARCH_SHEB",
        "SCMP_ARCH_LOONGARCH64",
    ] {
        let wide = native.contains("64") || native.contains("S390X");
        let kernel = on(Architecture::from_name(native));
        for (operator, holds) in operators {
            for value in values {
                // Once alone (a tree of ranges), once with a second condition (a chain of tests).
                for second in ["", r#",{"index":5,"value":0,"op":"SCMP_CMP_EQ"}"#] {
                    let profile = format!(
                        r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{{"names":["close"],"action":"SCMP_ACT_ERRNO",
                        "args":[{{"index":2,"value":{value},"op":"SCMP_CMP_{operator}"}}{second}]}}]}}"#
                    );
                    let filter = compiled(&profile, &kernel);
                    for argument in values {
                        let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
                        let want = if holds(cut(argument), cut(value)) {
                            EPERM
                        } else {
                            ALLOW
                        };
                        assert_eq!(
                            ask(&filter, native, "close", &[0, 0, argument]),
                            want,
                            "{native} {argument:#x} {operator} {value:#x}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn masks_look_at_their_bits_only() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"syscalls":[
            {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2114060288,"op":"SCMP_CMP_MASKED_EQ"}]},
            {"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":1095216660480,"valueTwo":1099511627775,"op":"SCMP_CMP_MASKED_EQ"}]},
            {"names":["fcntl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":0,"valueTwo":7,"op":"SCMP_CMP_MASKED_EQ"}]}]}"#,
        &x86_64(),
    );
    for architecture in ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"] {
        assert_eq!(ask(&filter, architecture, "clone", &[0x11]), ALLOW);
        assert_eq!(ask(&filter, architecture, "clone", &[0x1000_0000]), EPERM);
        // A mask of nothing always holds.
        assert_eq!(ask(&filter, architecture, "fcntl", &[0, 3]), ALLOW);
    }
    assert_eq!(
        ask(&filter, "SCMP_ARCH_X86_64", "ioctl", &[0, 0xff_0000_0000]),
        ALLOW
    );
    assert_eq!(
        ask(&filter, "SCMP_ARCH_X86_64", "ioctl", &[0, 0xfe_0000_0000]),
        EPERM
    );
    // The high word does not exist there, so the mask looks at nothing.
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "ioctl", &[0, 0]), ALLOW);
}

#[test]
fn an_argument_that_stands_twice_makes_alternatives() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[
            {"index":0,"value":0,"op":"SCMP_CMP_EQ"},{"index":0,"value":8,"op":"SCMP_CMP_EQ"},{"index":1,"value":3,"op":"SCMP_CMP_GT"}]},
            {"names":["dup2"],"action":"SCMP_ACT_ALLOW","args":[
            {"index":1,"value":8,"op":"SCMP_CMP_EQ"},{"index":0,"value":3,"op":"SCMP_CMP_GT"}]}]}"#,
        &x86_64(),
    );
    let personality =
        |arguments: &[u64]| ask(&filter, "SCMP_ARCH_X86_64", "personality", arguments);
    assert_eq!(personality(&[0, 0]), ALLOW);
    assert_eq!(personality(&[8, 0]), ALLOW);
    assert_eq!(personality(&[7, 4]), ALLOW);
    assert_eq!(personality(&[7, 3]), EPERM);
    let dup2 = |arguments: &[u64]| ask(&filter, "SCMP_ARCH_X86_64", "dup2", arguments);
    assert_eq!(dup2(&[4, 8]), ALLOW);
    assert_eq!(dup2(&[3, 8]), EPERM);
    assert_eq!(dup2(&[4, 7]), EPERM);
}

#[test]
fn socket_calls_are_found_behind_socketcall() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"syscalls":[
            {"names":["socket","shmat"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_NE"}]},
            {"names":["bind"],"action":"SCMP_ACT_LOG"}]}"#,
        &x86_64(),
    );
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "socket", &[40]), EPERM);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "socket", &[2]), ALLOW);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "socketcall", &[1, 40]), ALLOW);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "socketcall", &[2, 40]), LOG);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "socketcall", &[3, 40]), EPERM);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "ipc", &[21]), ALLOW);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "ipc", &[22]), EPERM);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86_64", "socket", &[40]), EPERM);
}

#[test]
fn overlapping_rules() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_KILL_PROCESS","syscalls":[
            {"names":["dup"],"action":"SCMP_ACT_ALLOW"},
            {"names":["dup"],"action":"SCMP_ACT_LOG"},
            {"names":["dup2"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},
            {"names":["dup2"],"action":"SCMP_ACT_LOG"},
            {"names":["dup2"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]},
            {"names":["dup3"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":10,"op":"SCMP_CMP_GE"}]},
            {"names":["dup3"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":20,"op":"SCMP_CMP_GE"}]},
            {"names":["dup3"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":25,"op":"SCMP_CMP_EQ"}]},
            {"names":["dup3"],"action":"SCMP_ACT_ERRNO","errnoRet":9,"args":[{"index":2,"value":7,"op":"SCMP_CMP_EQ"}]},
            {"names":["dup3"],"action":"SCMP_ACT_KILL_PROCESS"}]}"#,
        &x86_64(),
    );
    let ask = |name, arguments: &[u64]| ask(&filter, "SCMP_ARCH_X86_64", name, arguments);
    // The first rule without conditions stands, and replaces all with conditions.
    assert_eq!(ask("dup", &[]), ALLOW);
    assert_eq!(
        [ask("dup2", &[1]), ask("dup2", &[2]), ask("dup2", &[3])],
        [LOG; 3]
    );
    // The order is the one of `condition::order`; a rule that repeats the default does nothing.
    let dup3 = |first, third| ask("dup3", &[first, 0, third]);
    assert_eq!(dup3(9, 0), KILL_PROCESS);
    assert_eq!(dup3(10, 0), ALLOW);
    assert_eq!(dup3(20, 0), LOG);
    assert_eq!(dup3(25, 0), EPERM);
    assert_eq!(dup3(0x1_0000_0000, 0), LOG);
    assert_eq!(dup3(25, 7), errno(9));
    assert_eq!(dup3(1, 7), errno(9));
}

#[test]
fn what_is_refused_and_where() {
    let rule = |rule: &str| {
        format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW"}},{rule}]}}"#
        )
    };
    let cases = [
        (r#"{"defaultAction":"ALLOW"}"#.to_owned(), "linux.seccomp.defaultAction", Why::Action("ALLOW".into())),
        (r#"{}"#.to_owned(), "linux.seccomp.defaultAction", Why::Action(String::new())),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}"#.to_owned(), "linux.seccomp.defaultErrnoRet", Why::ErrnoNotTaken("SCMP_ACT_ALLOW".into())),
        (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#.to_owned(), "linux.seccomp.defaultAction", Why::NotifyDefault),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","SCMP_ARCH_VAX"]}"#.to_owned(), "linux.seccomp.architectures[1]", Why::Architecture("SCMP_ARCH_VAX".into())),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_FUN"]}"#.to_owned(), "linux.seccomp.flags[0]", Why::Flag("SECCOMP_FILTER_FLAG_FUN".into())),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}"#.to_owned(), "linux.seccomp.listenerMetadata", Why::MetadataWithoutListener),
        (rule(r#"{"names":[],"action":"SCMP_ACT_ALLOW"}"#), "linux.seccomp.syscalls[1].names", Why::NoNames),
        (rule(r#"{"names":["dup"],"action":"SCMP_ACT_KILL","errnoRet":0}"#), "linux.seccomp.syscalls[1].errnoRet", Why::ErrnoNotTaken("SCMP_ACT_KILL".into())),
        (rule(r#"{"names":["dup"],"action":"SCMP_ACT_ERRNO","errnoRet":4096}"#), "linux.seccomp.syscalls[1].errnoRet", Why::ErrnoTooLarge(4095)),
        (rule(r#"{"names":["dup"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}"#), "linux.seccomp.syscalls[1].args[0].index", Why::Index(6)),
        (rule(r#"{"names":["dup"],"action":"SCMP_ACT_ALLOW","args":[{"op":"SCMP_CMP_EQ"},{"op":"=="}]}"#), "linux.seccomp.syscalls[1].args[1].op", Why::Operator("==".into())),
        (rule(r#"{"names":["dup","write"],"action":"SCMP_ACT_NOTIFY"}"#), "linux.seccomp.syscalls[1].names[1]", Why::NotifyWrite),
        (rule(r#"{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}"#), "linux.seccomp.listenerPath", Why::NoListener),
        (
            rule(r#"{"names":["dup"],"action":"SCMP_ACT_ALLOW","args":[{"value":3,"op":"SCMP_CMP_EQ"}]},{"names":["dup"],"action":"SCMP_ACT_LOG","args":[{"value":3,"op":"SCMP_CMP_EQ"}]}"#),
            "linux.seccomp.syscalls[2].args",
            Why::Contradicts(1),
        ),
    ];
    for (profile, at, why) in cases {
        assert_eq!(refused(&profile), (at.to_owned(), why), "{profile}");
    }
}

#[test]
fn kernels_that_know_less() {
    let old = Support::probe(
        |flag| flag != seccomp::flags::WAIT_KILLABLE_RECV,
        |action| action != LOG,
    );
    let flag = read(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}"#,
    );
    assert_eq!(
        compile(&flag, &old).unwrap_err().to_string(),
        "linux.seccomp.flags[0]: this kernel does not know SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
    );
    let log = read(r#"{"defaultAction":"SCMP_ACT_LOG"}"#);
    assert_eq!(
        compile(&log, &old).unwrap_err().to_string(),
        "linux.seccomp.defaultAction: this kernel does not know SCMP_ACT_LOG"
    );
    assert!(compile(&log, &Support::default()).is_ok());
}

#[test]
fn flags_and_their_company() {
    let flags = |text: &str| {
        compile(
            &read(&format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW",{text}}}"#)),
            &x86_64(),
        )
        .unwrap()
    };
    let notify = r#""listenerPath":"/run/agent.sock","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]"#;
    assert_eq!(flags(r#""flags":[]"#).flags, 0);
    assert_eq!(flags(r#""flags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW"]"#).flags, 7);
    let filter = flags(notify);
    assert_eq!((filter.flags, filter.notify), (4 | 8, true));
    assert_eq!(ask(&filter, "SCMP_ARCH_X86_64", "mkdir", &[]), NOTIFY);
    assert_eq!(
        flags(&format!(
            r#"{notify},"flags":["SECCOMP_FILTER_FLAG_TSYNC"]"#
        ))
        .flags,
        1 | 8 | 16
    );
    assert_eq!(
        flags(&format!(
            r#"{notify},"flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#
        ))
        .flags,
        8 | 32
    );
    let useless = flags(r#""flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#);
    assert_eq!((useless.flags, useless.warnings.len()), (0, 1));
}

#[test]
fn unknown_names_warn_and_foreign_ones_do_not() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","waitpid","frobnicate"],"action":"SCMP_ACT_ALLOW"}]}"#,
        &x86_64(),
    );
    assert_eq!(filter.warnings.len(), 1);
    assert_eq!(
        filter.warnings[0].at.to_string(),
        "linux.seccomp.syscalls[0].names[2]"
    );
    assert!(filter.warnings[0].text.contains("frobnicate"));
}

#[test]
fn engines_profiles() {
    for (name, text) in [
        ("docker", include_str!("profiles/docker.json")),
        ("docker-28", include_str!("profiles/docker-28.json")),
        ("podman", include_str!("profiles/podman.json")),
        ("containerd", include_str!("profiles/containerd.json")),
    ] {
        let filter = compiled(text, &x86_64());
        assert!(
            filter.program.len() <= 400,
            "{name}: {} instructions",
            filter.program.len()
        );
        assert!(filter.warnings.is_empty(), "{name}: {:?}", filter.warnings);
        for architecture in ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"] {
            assert_eq!(ask(&filter, architecture, "read", &[]), ALLOW);
            assert_eq!(ask(&filter, architecture, "exit_group", &[]), ALLOW);
            assert_ne!(ask(&filter, architecture, "kexec_load", &[]), ALLOW);
            let clone3 = if name == "podman" { ALLOW } else { ENOSYS };
            assert_eq!(ask(&filter, architecture, "clone3", &[]), clone3, "{name}");
            assert_eq!(ask(&filter, architecture, "personality", &[8]), ALLOW);
            assert_ne!(ask(&filter, architecture, "personality", &[9]), ALLOW);
            let clone = ask(&filter, architecture, "clone", &[0x1000_0000]);
            assert_eq!(clone == ALLOW, name == "podman", "{name}");
            assert_ne!(ask(&filter, architecture, "socket", &[40]), ALLOW);
            assert_eq!(ask(&filter, architecture, "rseq_slice_yield", &[]), ENOSYS);
        }
    }
}

#[test]
fn all_architectures_in_one_filter() {
    let architectures: Vec<String> = seccomp::ARCHITECTURES
        .iter()
        .map(|name| format!("{name:?}"))
        .collect();
    let profile = format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","architectures":[{}],"syscalls":[
        {{"names":["read","write","exit","openat","sendto"],"action":"SCMP_ACT_ALLOW","args":[{{"index":1,"value":9,"op":"SCMP_CMP_LE"}}]}}]}}"#,
        architectures.join(",")
    );
    let filter = compiled(&profile, &x86_64());
    for architecture in seccomp::ARCHITECTURES {
        assert_eq!(
            ask(&filter, architecture, "write", &[0, 9]),
            ALLOW,
            "{architecture}"
        );
        assert_eq!(
            ask(&filter, architecture, "write", &[0, 10]),
            EPERM,
            "{architecture}"
        );
    }
}

#[test]
fn the_description_says_what_the_program_does() {
    let profile = read(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["read","write","open"],"action":"SCMP_ACT_ALLOW"},
            {"names":["dup"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":2,"op":"SCMP_CMP_GT"}]}]}"#,
    );
    let text = seccomp::describe(&profile, &x86_64()).unwrap();
    let want = "SCMP_ARCH_X86_64 (audit 0xc000003e)\n  0-2: allow: read write open\n  3-31: errno 1 (EPERM): close";
    assert!(text.starts_with(want), "{text}");
    assert!(
        text.contains(
            "  32: by arguments: dup\n    arg0 > 0x2: log\n    otherwise: errno 1 (EPERM)\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("  33-1073741823: errno 38 (ENOSYS): "),
        "{text}"
    );
    assert!(
        text.ends_with("any other architecture: kill process\n"),
        "{text}"
    );
}

#[test]
fn a_multiplexer_is_as_new_as_what_stands_behind_it() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"syscalls":[
            {"names":["close","semtimedop"],"action":"SCMP_ACT_ALLOW"}]}"#,
        &x86_64(),
    );
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "ipc", &[4]), ALLOW);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "ipc", &[3]), EPERM);
    assert_eq!(ask(&filter, "SCMP_ARCH_X86", "fsync", &[]), ENOSYS);
}
