//! What a profile may say, and what else comes out beside the program.

use super::*;

#[test]
fn what_is_refused_and_where() {
    let rule = |rule: &str| {
        format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW"}},{rule}]}}"#
        )
    };
    let cases = [
        (r#"{"defaultAction":"ALLOW"}"#.to_owned(), "linux.seccomp.defaultAction", Why::Action("ALLOW".into())),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}"#.to_owned(), "linux.seccomp.defaultErrnoRet", Why::ErrnoNotTaken("SCMP_ACT_ALLOW".into())),
        (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#.to_owned(), "linux.seccomp.defaultAction", Why::NotifyDefault),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","SCMP_ARCH_VAX"]}"#.to_owned(), "linux.seccomp.architectures[1]", Why::Architecture("SCMP_ARCH_VAX".into())),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_FUN"]}"#.to_owned(), "linux.seccomp.flags[0]", Why::Flag("SECCOMP_FILTER_FLAG_FUN".into())),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}"#.to_owned(), "linux.seccomp.listenerMetadata", Why::MetadataWithoutListener),
        (rule(r#"{"names":[],"action":"SCMP_ACT_ALLOW"}"#), "linux.seccomp.syscalls[1].names", Why::NoNames),
        (rule(r#"{"names":["dup"],"action":"SCMP_ACT_KILL","errnoRet":0}"#), "linux.seccomp.syscalls[1].errnoRet", Why::ErrnoNotTaken("SCMP_ACT_KILL".into())),
        (rule(r#"{"names":["dup"],"action":"SCMP_ACT_ERRNO","errnoRet":4096}"#), "linux.seccomp.syscalls[1].errnoRet", Why::ErrnoTooLarge(4095)),
        (rule(r#"{"names":["dup"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}"#), "linux.seccomp.syscalls[1].args[0].index", Why::Index(6)),
        (rule(r#"{"names":["dup"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"},{"index":0,"value":0,"op":"=="}]}"#), "linux.seccomp.syscalls[1].args[1].op", Why::Operator("==".into())),
        (rule(r#"{"names":["dup","write"],"action":"SCMP_ACT_NOTIFY"}"#), "linux.seccomp.syscalls[1].names[1]", Why::NotifyWrite),
        (rule(r#"{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}"#), "linux.seccomp.listenerPath", Why::NoListener),
        (
            rule(r#"{"names":["dup"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":3,"op":"SCMP_CMP_EQ"}]},{"names":["dup"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":3,"op":"SCMP_CMP_EQ"}]}"#),
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
        |flag| flag != tare_seccomp::flags::WAIT_KILLABLE_RECV,
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
