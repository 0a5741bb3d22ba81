//! Whatever stands in the JSON: no panic, and either a program that the kernel's verifier takes or an error that says where.
#![allow(clippy::unwrap_used, reason = "tests stop where something is missing")]

#[allow(unreachable_pub, reason = "the oracle crate exports it")]
mod interpreter;

use interpreter::{Call, run, verify};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tare_seccomp::{
    ACTIONS, ARCHITECTURES, Architecture, FLAGS, OPERATORS, Support, compile, describe,
};

/// A word of the specification, mostly.
fn word(known: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        20 => select(known).prop_map(|word| json!(word)),
        1 => ".{0,12}".prop_map(|word| json!(word)),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..10,
        any::<u64>(),
        Just(u64::MAX),
        Just(0xffff_ffff),
        (0u32..64).prop_map(|bit| 1 << bit)
    ]
}

fn argument() -> impl Strategy<Value = Value> {
    (prop_oneof![20 => 0u32..6, 1 => any::<u32>()], number(), number(), word(OPERATORS)).prop_map(|(index, value, second, operator)| {
        json!({"index": index, "value": value, "valueTwo": second, "op": operator})
    })
}

fn name() -> impl Strategy<Value = Value> {
    let known = Architecture::X86_64
        .calls()
        .chain(Architecture::ARM.calls())
        .map(|(_, name)| name)
        .collect::<Vec<_>>();
    prop_oneof![20 => select(known).prop_map(|name| json!(name)), 1 => "[a-z_0-9\u{e4}]{0,9}".prop_map(|name| json!(name))]
}

fn rule() -> impl Strategy<Value = Value> {
    let data = prop_oneof![20 => Just(Value::Null), 1 => any::<u32>().prop_map(|data| json!(data))];
    (vec(name(), 0..30), word(ACTIONS), data, vec(argument(), 0..8)).prop_map(|(names, action, data, arguments)| {
        json!({"names": names, "action": action, "errnoRet": data, "args": arguments})
    })
}

/// Nearly a profile.
fn profile() -> impl Strategy<Value = Value> {
    let words = |known| vec(word(known), 0..6);
    let path = prop_oneof![
        Just(Value::Null),
        Just(json!("/run/agent.sock")),
        Just(json!(""))
    ];
    (word(ACTIONS), words(ARCHITECTURES), prop_oneof![Just(Value::Null), words(FLAGS).prop_map(Value::Array)], path, vec(rule(), 0..25)).prop_map(
        |(default, architectures, flags, path, rules)| {
            json!({"defaultAction": default, "architectures": architectures, "flags": flags, "listenerPath": path, "syscalls": rules})
        },
    )
}

/// Any JSON at all.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let keys = select(
        &[
            "defaultAction",
            "architectures",
            "flags",
            "syscalls",
            "names",
            "action",
            "args",
            "index",
            "op",
            "value",
            "x",
        ][..],
    );
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((keys.clone(), inner), 0..6).prop_map(|pairs| Value::Object(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

fn check(text: &str, native: Option<Architecture>, calls: &[Call]) {
    // What is no profile is for the reader of the JSON to refuse.
    let Ok(profile) = serde_json::from_str(text) else {
        return;
    };
    let kernel = Support {
        native,
        ..Support::default()
    };
    match compile(&profile, &kernel) {
        Ok(filter) => {
            verify(&filter.program).unwrap();
            assert_eq!(filter.bytes().len(), filter.program.len() * 8);
            assert!(
                describe(&profile, &kernel)
                    .unwrap()
                    .contains("any other architecture")
            );
            for call in calls {
                run(&filter.program, call, false);
            }
        }
        Err(error) => {
            assert!(error.to_string().starts_with("linux.seccomp"), "{error}");
            let described = describe(&profile, &kernel);
            // Only the length of the program is not known to the description.
            assert!(
                described.is_err() || matches!(error.why, tare_seccomp::Why::TooLong(_)),
                "{error}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nearly_profiles(
        profile in profile(),
        native in prop_oneof![5 => select(ARCHITECTURES).prop_map(Some), 1 => Just(None)],
        numbers in vec((any::<u32>(), number()), 8),
    ) {
        let native = native.and_then(Architecture::from_name);
        let audit = native.map_or(0, Architecture::audit);
        let calls: Vec<Call> = numbers.iter().map(|(call, argument)| Call { number: call % 1000, audit, arguments: [*argument; 6] }).collect();
        check(&profile.to_string(), native, &calls);
    }

    #[test]
    fn any_json(value in anything(), bytes in vec(any::<u8>(), 0..64)) {
        check(&value.to_string(), Architecture::NATIVE, &[]);
        check(&String::from_utf8_lossy(&bytes), Architecture::NATIVE, &[]);
    }
}

/// The longest programs: many conditions that nothing can merge, on every architecture.
#[test]
fn too_long_is_said() {
    let rules = |count: u64| {
        let rules: Vec<Value> = (0..count)
            .map(|at| json!({"names": ["ioctl"], "action": "SCMP_ACT_LOG", "args": [{"index": 1, "value": 1u64 << (at % 63), "valueTwo": at, "op": "SCMP_CMP_MASKED_EQ"}, {"index": 2, "value": at * 3, "op": "SCMP_CMP_EQ"}]}))
            .collect();
        json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ARCHITECTURES, "syscalls": rules}).to_string()
    };
    let mut long = false;
    for count in [1, 3, 10, 30, 100, 300, 1000, 5000] {
        let text = rules(count);
        let profile = serde_json::from_str(&text).unwrap();
        match compile(&profile, &Support::default()) {
            Ok(filter) => verify(&filter.program).unwrap(),
            Err(error) => {
                long = true;
                assert!(
                    matches!(error.why, tare_seccomp::Why::TooLong(length) if length > 4096),
                    "{error}"
                );
            }
        }
    }
    assert!(long);
}
