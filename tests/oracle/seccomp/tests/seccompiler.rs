//! seccompiler's own compiler, where it can say the same: one architecture, one action for all rules.

use std::collections::BTreeMap;
use std::io::Write as _;

use oracle::generate::{Random, value};
use oracle::interpreter::{run, verify};
use oracle::referee::{Verdict, judge};
use seccomp::{Architecture, Support, compile};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use spec::Seccomp;

const NAMES: [&str; 6] = ["read", "close", "openat", "dup3", "execve", "clone"];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// One rule, in both languages.
fn rule(random: &mut Random, architecture: Architecture, rules: &mut Rules) -> String {
    let name = random.pick(&NAMES);
    let number = i64::from(architecture.number_of(name).unwrap());
    let mut words = Vec::new();
    let mut conditions = Vec::new();
    for index in 0..6u8 {
        if !random.once_in(3) {
            continue;
        }
        let (one, two) = (value(random), value(random));
        let (word, operator) = match random.below(7) {
            0 => ("NE", SeccompCmpOp::Ne),
            1 => ("LT", SeccompCmpOp::Lt),
            2 => ("LE", SeccompCmpOp::Le),
            3 => ("EQ", SeccompCmpOp::Eq),
            4 => ("GE", SeccompCmpOp::Ge),
            5 => ("GT", SeccompCmpOp::Gt),
            _ => ("MASKED_EQ", SeccompCmpOp::MaskedEq(one)),
        };
        words.push(format!(
            r#"{{"index":{index},"value":{one},"valueTwo":{two},"op":"SCMP_CMP_{word}"}}"#
        ));
        let compared = if word == "MASKED_EQ" { two } else { one };
        conditions.push(
            SeccompCondition::new(index, SeccompCmpArgLen::Qword, operator, compared).unwrap(),
        );
    }
    let known = rules.entry(number).or_default();
    if conditions.is_empty() {
        // Rules with conditions beside it would be asked too; in a profile this one replaces them.
        known.clear();
    } else {
        known.push(SeccompRule::new(conditions).unwrap());
    }
    format!(
        r#"{{"names":["{name}"],"action":"SCMP_ACT_ALLOW","args":[{}]}}"#,
        words.join(",")
    )
}

#[test]
fn same_answers() {
    let mut random = Random::new(6);
    let (mut compared, mut profiles) = (0, 0);
    while compared < 200_000 {
        let (architecture, target) = [
            (Architecture::X86_64, TargetArch::x86_64),
            (Architecture::AARCH64, TargetArch::aarch64),
            (Architecture::RISCV64, TargetArch::riscv64),
        ][random.below(3)];
        let mut rules = Rules::new();
        let words: Vec<String> = (0..1 + random.below(8))
            .map(|_| rule(&mut random, architecture, &mut rules))
            .collect();
        let json = format!(
            r#"{{"defaultAction":"SCMP_ACT_LOG","syscalls":[{}]}}"#,
            words.join(",")
        );
        let profile: Seccomp<'_> = serde_json::from_str(&json).unwrap();
        let theirs =
            SeccompFilter::new(rules, SeccompAction::Log, SeccompAction::Allow, target).unwrap();
        let theirs: seccompiler::BpfProgram = theirs.try_into().unwrap();
        let ours = compile(
            &profile,
            &Support {
                native: Some(architecture),
                ..Support::default()
            },
        )
        .unwrap()
        .program;
        verify(&ours).unwrap();
        profiles += 1;
        for _ in 0..100 {
            let call = oracle::vectors::call(&mut random, &profile, &[architecture]);
            // Calls of x32, which it does not look for.
            if call.number >= 0x4000_0000 {
                continue;
            }
            let (our, their) = (run(&ours, &call, false).0, run(&theirs, &call, false).0);
            if our != their && call.audit == architecture.audit() {
                // It asks rules with conditions also beside one without; only then may it differ.
                assert_eq!(
                    judge(&profile, architecture, &call),
                    Verdict::Clear(our),
                    "{json}\n{call:x?}: theirs {their:#x}"
                );
                assert!(
                    words.iter().any(|word| word.ends_with("\"args\":[]}")),
                    "{json}\n{call:x?}"
                );
                continue;
            }
            assert_eq!(our, their, "{json}\n{call:x?}");
            compared += 1;
        }
    }
    std::io::stdout()
        .lock()
        .write_all(
            format!("seccompiler: {compared} comparisons, {profiles} profiles, 0 differences\n")
                .as_bytes(),
        )
        .unwrap();
}
