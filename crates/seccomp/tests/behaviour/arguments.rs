//! Conditions on arguments, and calls behind other calls.

use super::*;

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
