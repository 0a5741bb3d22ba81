//! Numbers of calls: defaults, newer calls, architectures, whole profiles.

use super::*;

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
    assert_eq!(filter.flags, tare_seccomp::flags::SPEC_ALLOW);
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
fn engines_profiles() {
    for (name, text) in [
        ("docker", include_str!("../profiles/docker.json")),
        ("docker-28", include_str!("../profiles/docker-28.json")),
        ("podman", include_str!("../profiles/podman.json")),
        ("containerd", include_str!("../profiles/containerd.json")),
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
    let architectures: Vec<String> = tare_seccomp::ARCHITECTURES
        .iter()
        .map(|name| format!("{name:?}"))
        .collect();
    let profile = format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","architectures":[{}],"syscalls":[
        {{"names":["read","write","exit","openat","sendto"],"action":"SCMP_ACT_ALLOW","args":[{{"index":1,"value":9,"op":"SCMP_CMP_LE"}}]}}]}}"#,
        architectures.join(",")
    );
    let filter = compiled(&profile, &x86_64());
    for architecture in tare_seccomp::ARCHITECTURES {
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
    let text = tare_seccomp::describe(&profile, &x86_64()).unwrap();
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
fn no_call_takes_long() {
    let filter = compiled(include_str!("../profiles/docker.json"), &x86_64());
    for (number, name) in Architecture::X86_64.calls() {
        let call = Call {
            number,
            audit: Architecture::X86_64.audit(),
            ..Call::default()
        };
        let steps = run(&filter.program, &call, false).1;
        assert!(steps <= 24, "{name}: {steps} instructions");
    }
}
