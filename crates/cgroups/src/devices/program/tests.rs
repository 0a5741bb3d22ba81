//! The program against the rules' meaning: an interpreter runs it, an oracle walks the list for each kind of access.

use proptest::prelude::*;
use spec::{ConfigPath, DeviceRule, LinuxResources};

use super::*;
use crate::{Driver, Host, Place, Version};

/// What the rules mean: for each kind of access the last rule that matches decides, and nothing is allowed without one.
fn oracle(rules: &[DeviceRule<'_>], kind: char, major: u32, minor: u32, access: &str) -> bool {
    access.chars().all(|letter| {
        let matching = rules.iter().rev().find(|rule| {
            let number = |given: Option<i64>, actual: u32| {
                given.is_none_or(|n| n == -1 || n == i64::from(actual))
            };
            let of_kind = rule
                .kind
                .as_deref()
                .is_none_or(|k| k == "a" || k == kind.to_string());
            let letters = rule.access.as_deref().unwrap_or("rwm");
            of_kind
                && number(rule.major, major)
                && number(rule.minor, minor)
                && letters.contains(letter)
        });
        matching.is_some_and(|rule| rule.allow)
    })
}

/// Runs a program as the kernel does, for the instructions that are used. Panics where the verifier would refuse.
fn run(program: &[Instruction], kind: char, major: u32, minor: u32, access: &str) -> bool {
    let bits = access
        .chars()
        .map(|c| match c {
            'm' => 1,
            'r' => 2,
            _ => 4,
        })
        .sum::<u32>();
    let context = [bits << 16 | if kind == 'b' { 1 } else { 2 }, major, minor];
    let mut registers: [Option<u64>; 11] = [None; 11];
    let mut at = 0;
    for _ in 0..10_000 {
        let instruction = program[at];
        let destination = usize::from(instruction.registers & 15);
        let source = usize::from(instruction.registers >> 4);
        let immediate = instruction.immediate as i64 as u64;
        let value =
            |register: usize| registers[register].expect("reads a register that was never written");
        at += 1;
        let mut jump = false;
        match instruction.code {
            op::LOAD_WORD => {
                registers[destination] = Some(context[instruction.offset as usize / 4].into())
            }
            op::MOVE => registers[destination] = Some(immediate),
            op::MOVE_REGISTER => registers[destination] = Some(value(source)),
            op::AND => registers[destination] = Some(value(destination) & immediate),
            op::SHIFT_RIGHT => registers[destination] = Some(value(destination) >> immediate),
            op::SHIFT_LEFT_REGISTER => {
                assert!(value(source) < 64, "shifts by more than the width");
                registers[destination] = Some(value(destination) << value(source));
            }
            op::JUMP => jump = true,
            op::IF_SET => jump = value(destination) & immediate != 0,
            op::IF_EQUAL => jump = value(destination) as u32 == immediate as u32,
            op::IF_NOT_EQUAL => jump = value(destination) as u32 != immediate as u32,
            op::IF_GREATER => jump = value(destination) as u32 > immediate as u32,
            op::EXIT => return value(0) != 0,
            code => panic!("unknown operation {code:#x}"),
        }
        if jump {
            assert!(instruction.offset >= 0, "jumps backwards");
            at += instruction.offset as usize;
        }
    }
    panic!("does not end");
}

/// Through the public door: the config's text, compiled, with the default devices.
fn program(rules: &str) -> (Vec<Instruction>, Vec<DeviceRule<'static>>) {
    let json = format!(r#"{{"devices": {rules}}}"#).leak();
    let resources: LinuxResources<'static> = serde_json::from_str(json).unwrap();
    let host = Host::made_up(Version::V2, &[(&[], "/")]);
    let place = Place::resolve(&host, Driver::Direct, Some("/x"), "x", false).unwrap();
    let settings = crate::settings(&resources, &host, &place).unwrap();
    let mut all = resources.devices;
    all.extend(default_rules());
    (compile(&settings.devices).unwrap(), all)
}

fn default_rules() -> Vec<DeviceRule<'static>> {
    let row = |kind: &'static str, major: i64, minor: i64, access: &'static str| DeviceRule {
        allow: true,
        kind: Some(kind.into()),
        major: Some(major),
        minor: Some(minor),
        access: Some(access.into()),
    };
    let mut rules = vec![
        row("c", -1, -1, "m"),
        row("b", -1, -1, "m"),
        row("c", 136, -1, "rwm"),
    ];
    rules.extend(
        [(1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9), (5, 2)]
            .map(|(major, minor)| row("c", major, minor, "rwm")),
    );
    rules
}

const ACCESSES: [&str; 7] = ["r", "w", "m", "rw", "rm", "wm", "rwm"];

/// Devices that programs try, and numbers at the edges of the tests in the program.
const DEVICES: [(char, u32, u32); 19] = [
    ('c', 1, 3),
    ('c', 1, 5),
    ('c', 1, 7),
    ('c', 1, 8),
    ('c', 1, 9),
    ('c', 1, 11),
    ('c', 1, 30),
    ('c', 1, 31),
    ('c', 1, 35),
    ('c', 5, 0),
    ('c', 5, 1),
    ('c', 5, 2),
    ('c', 10, 200),
    ('c', 10, 229),
    ('c', 10, 232),
    ('c', 136, 7),
    ('b', 8, 0),
    ('b', 1, 3),
    ('c', u32::MAX, u32::MAX),
];

fn agree(program: &[Instruction], rules: &[DeviceRule<'_>]) {
    for (kind, major, minor) in DEVICES {
        for access in ACCESSES {
            assert_eq!(
                run(program, kind, major, minor, access),
                oracle(rules, kind, major, minor, access),
                "{kind} {major}:{minor} {access} with {rules:?}\n{program:?}"
            );
        }
    }
}

#[test]
fn a_table_of_rules_means_what_it_says() {
    for rules in [
        "[]",
        r#"[{"allow": false, "access": "rwm"}]"#,
        r#"[{"allow": true, "access": "rwm"}]"#,
        r#"[{"allow": true}, {"allow": false}]"#,
        r#"[{"allow": false}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]"#,
        r#"[{"allow": false}, {"allow": true, "type": "b", "major": 8, "minor": 0, "access": "r"}]"#,
        r#"[{"allow": false}, {"allow": true, "type": "b", "major": -1, "minor": -1, "access": "rw"}]"#,
        r#"[{"allow": false}, {"allow": true, "type": "a", "major": 1, "access": "r"}]"#,
        r#"[{"allow": true, "access": "rwm"}, {"allow": false, "type": "b", "access": "w"}]"#,
        r#"[{"allow": true}, {"allow": false, "type": "c", "major": 10, "minor": 232, "access": "w"}]"#,
        r#"[{"allow": true, "type": "c", "major": 10, "access": "rw"}, {"allow": false, "type": "c", "major": 10, "minor": 200, "access": "w"}]"#,
        r#"[{"allow": true, "type": "c", "minor": 31, "access": "rwm"}]"#,
        r#"[{"allow": true, "type": "c", "major": 4294967295, "minor": 4294967295, "access": "rwm"}]"#,
        r#"[{"allow": false, "access": "w"}, {"allow": true, "access": "r"}]"#,
        r#"[{"allow": true, "access": "rwm"}, {"allow": false, "type": "a", "access": "m"}]"#,
    ] {
        let (program, all) = program(rules);
        agree(&program, &all);
    }
}

#[test]
fn the_usual_programs_are_short() {
    let docker = r#"[{"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 9, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 8, "access": "rwm"},
        {"allow": true, "type": "c", "major": 5, "minor": 0, "access": "rwm"}, {"allow": true, "type": "c", "major": 5, "minor": 1, "access": "rwm"},
        {"allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]"#;
    for (rules, most) in [("[]", 25), (docker, 25), (r#"[{"allow": true}]"#, 2)] {
        let (program, _) = program(rules);
        assert!(
            program.len() <= most,
            "{} instructions for {rules}",
            program.len()
        );
    }
}

#[test]
fn thousands_of_rules_are_refused_or_right() {
    let rules: Vec<String> = (0..9000)
        .map(|n| {
            format!(r#"{{"allow": true, "type": "b", "major": {n}, "minor": 1, "access": "r"}}"#)
        })
        .collect();
    let json = format!(r#"{{"devices": [{}]}}"#, rules.join(","));
    let resources: LinuxResources<'_> = serde_json::from_str(&json).unwrap();
    let host = Host::made_up(Version::V2, &[(&[], "/")]);
    let place = Place::resolve(&host, Driver::Direct, Some("/x"), "x", false).unwrap();
    let settings = crate::settings(&resources, &host, &place).unwrap();
    // Jumps have 16 bits: either there is no program, or it is the right one.
    if let Some(program) = compile(&settings.devices) {
        assert!(run(&program, 'b', 8999, 1, "r"));
        assert!(!run(&program, 'b', 8999, 1, "w"));
    }
}

fn any_rule() -> impl Strategy<Value = DeviceRule<'static>> {
    let number = |most: i64| {
        prop_oneof![
            Just(None),
            Just(Some(-1)),
            (0..most).prop_map(Some),
            Just(Some(31))
        ]
    };
    let kind = prop_oneof![
        Just(None),
        Just(Some("a")),
        Just(Some("b")),
        Just(Some("c"))
    ];
    let access = prop_oneof![
        Just(None),
        prop::sample::select(&ACCESSES[..]).prop_map(Some)
    ];
    (any::<bool>(), kind, number(3), number(40), access).prop_map(
        |(allow, kind, major, minor, access)| DeviceRule {
            allow,
            kind: kind.map(Into::into),
            major,
            minor,
            access: access.map(Into::into),
        },
    )
}

proptest! {
    #[test]
    fn any_list_of_rules_means_what_it_says(
        rules in prop::collection::vec(any_rule(), 0..12),
        major in 0..3u32,
        minor in 0..42u32,
    ) {
        let host = Host::made_up(Version::V2, &[(&[], "/")]);
        let place = Place::resolve(&host, Driver::Direct, Some("/x"), "x", false).unwrap();
        let resources = LinuxResources { devices: rules.clone(), ..Default::default() };
        let settings = crate::settings(&resources, &host, &place).unwrap();
        let program = compile(&settings.devices).unwrap();
        let mut all = rules;
        all.extend(default_rules());
        for kind in ['b', 'c'] {
            for access in ACCESSES {
                prop_assert_eq!(
                    run(&program, kind, major, minor, access),
                    oracle(&all, kind, major, minor, access),
                    "{} {}:{} {} {:?}", kind, major, minor, access, program
                );
            }
        }
    }

    /// v1 gets the same meaning where it can express it: the exceptions, read without order.
    #[test]
    fn exceptions_mean_the_same_as_the_list(
        rules in prop::collection::vec(any_rule(), 0..8),
        major in 0..3u32,
        minor in 0..42u32,
    ) {
        let host = Host::made_up(Version::V1, &[(&["devices"], "/")]);
        let place = Place::resolve(&host, Driver::Direct, Some("/x"), "x", false).unwrap();
        let resources = LinuxResources { devices: rules.clone(), ..Default::default() };
        let settings = crate::settings(&resources, &host, &place);
        if let Err(error) = &settings {
            prop_assert_eq!(error.at.clone(), ConfigPath::of("linux.resources").then("devices"));
            return Ok(());
        }
        let exceptions = settings.unwrap().devices.exceptions.unwrap();
        let mut all = rules;
        all.extend(default_rules());
        for (kind, own) in [('b', Kind::Block), ('c', Kind::Character)] {
            for (letter, bit) in [("r", READ), ("w", WRITE), ("m", MKNOD)] {
                let excepted = exceptions.list.iter().any(|rule| {
                    rule.kind == Some(own)
                        && rule.major.is_none_or(|n| n == major)
                        && rule.minor.is_none_or(|n| n == minor)
                        && rule.access & bit != 0
                });
                prop_assert_eq!(exceptions.allow != excepted, oracle(&all, kind, major, minor, letter), "{:?}", exceptions);
            }
        }
    }
}

/// Processor time of this thread in nanoseconds (/proc/PID/schedstat).
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[test]
fn the_time_grows_with_the_number_of_rules() {
    let cost = |count: u32, majors: u32| {
        let rule = |index| Rule {
            allow: true,
            kind: Some(Kind::Character),
            major: Some(index % majors),
            minor: Some(index),
            access: ALL,
        };
        let rules: Vec<Rule> = (0..count).map(rule).collect();
        let exceptions = crate::devices::exceptions::Exceptions {
            allow: false,
            list: rules.clone(),
        };
        let rules = DeviceRules {
            rules,
            given: true,
            exceptions: Some(exceptions),
            asked: None,
        };
        let once = |_| {
            let begin = spent();
            std::hint::black_box(compile(&rules));
            spent() - begin
        };
        (0..3).map(once).min().unwrap_or(0).max(2_000_000)
    };
    // Quadratic time would be sixteen times as much.
    for majors in [1, u32::MAX] {
        let (short, long) = (cost(25_000, majors), cost(100_000, majors));
        assert!(long < 9 * short, "{short} and {long} nanoseconds");
    }
}
