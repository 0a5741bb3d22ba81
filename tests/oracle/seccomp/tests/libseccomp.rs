//! Random profiles, compiled by both, asked the same questions.

use std::io::Write as _;

use oracle::generate::{Generated, Kind, Random, profile};
use oracle::interpreter::{Call, run, verify};
use oracle::libseccomp;
use oracle::referee::{Verdict, judge, multiplexed, reached};
use oracle::vectors::{Newer, call, is_big_endian};
use seccomp::{Architecture, Support, Why, compile};
use seccompiler::BpfProgram;
use spec::{Seccomp, SeccompRule};

const ENOSYS: u32 = 0x0005_0026;
const EEXIST: i32 = -17;

/// Comparisons wanted in each test; `ORACLE_COMPARISONS` changes it.
fn wanted() -> usize {
    std::env::var("ORACLE_COMPARISONS").map_or(1_000_000, |text| text.parse().unwrap())
}

/// What was seen.
#[derive(Default, Debug)]
struct Count {
    profiles: usize,
    /// Profiles that contradict themselves, or that libseccomp stops at although a later rule would have settled them.
    refused: usize,
    /// Our answers compared with libseccomp's.
    comparisons: usize,
    /// Our answers compared with the text of the profile.
    judged: usize,
    /// Calls for which rules with different actions hold.
    overlaps: usize,
    /// Answers of ours that differ from libseccomp's.
    differences: usize,
    /// Of these, where libseccomp's answer is that of no rule that holds for the call.
    libseccomp_errs: usize,
}

/// Both compilers on the same profile; none where one refuses.
fn both(
    generated: &Generated,
    profile: &Seccomp<'_>,
    count: &mut Count,
) -> Option<(BpfProgram, BpfProgram)> {
    let kernel = Support {
        native: Some(generated.architectures[0]),
        ..Support::default()
    };
    let theirs = libseccomp::build(profile, &generated.architectures, true);
    let theirs =
        theirs.and_then(|context| context.program(is_big_endian(generated.architectures[0])));
    match (compile(profile, &kernel), theirs) {
        (Ok(ours), Ok(theirs)) => {
            verify(&ours.program).unwrap();
            count.profiles += 1;
            return Some((ours.program, theirs));
        }
        (_, Err(EEXIST)) => count.refused += 1,
        (Err(error), _) if matches!(error.why, Why::Contradicts(_)) => count.refused += 1,
        (Err(error), _) => panic!("we refuse: {error}\n{}", generated.json),
        (_, Err(code)) => panic!("libseccomp refuses ({code})\n{}", generated.json),
    }
    None
}

/// Whole programs against whole programs. libseccomp's are trees: its linear ones forget to load the number where the first call
/// in their list is one of its own that no program contains, such as accept on x86.
fn compare_programs(kind: Kind, seed: u64) -> Count {
    let mut random = Random::new(seed);
    let mut count = Count::default();
    while count.comparisons < wanted() {
        let generated = profile(&mut random, kind);
        let read: Seccomp<'_> = serde_json::from_str(&generated.json).unwrap();
        let Some((ours, theirs)) = both(&generated, &read, &mut count) else {
            continue;
        };
        let newer = Newer::new(&read, &generated.architectures);
        for _ in 0..200 {
            let call = call(&mut random, &read, &generated.architectures);
            ask(
                &generated,
                &read,
                (&ours, Some(&theirs)),
                &newer,
                &call,
                &mut count,
            );
        }
    }
    count.print(kind);
    count
}

/// Our whole program against libseccomp's program for the one call that is asked about, if its rules are of a kind for which
/// libseccomp can be taken at its word, and against the text of the profile always.
fn compare_calls(kind: Kind, seed: u64) -> Count {
    let mut random = Random::new(seed);
    let mut count = Count::default();
    while count.comparisons < wanted() {
        let generated = profile(&mut random, kind);
        let read: Seccomp<'_> = serde_json::from_str(&generated.json).unwrap();
        let kernel = Support {
            native: Some(generated.architectures[0]),
            ..Support::default()
        };
        let ours = match compile(&read, &kernel) {
            Ok(filter) => filter.program,
            Err(error) if matches!(error.why, Why::Contradicts(_)) => {
                count.refused += 1;
                continue;
            }
            Err(error) => panic!("{error}\n{}", generated.json),
        };
        verify(&ours).unwrap();
        count.profiles += 1;
        let newer = Newer::new(&read, &generated.architectures);
        for _ in 0..8 {
            let first = call(&mut random, &read, &generated.architectures);
            let Some(architecture) = architecture_of(&generated.architectures, &first) else {
                continue;
            };
            let mut alone = read.clone();
            for rule in &mut alone.syscalls {
                rule.names
                    .retain(|name| !reached(architecture, name, first.number).is_empty());
            }
            alone.syscalls.retain(|rule| !rule.names.is_empty());
            if alone.syscalls.is_empty() {
                continue;
            }
            let theirs = sound(&alone, architecture)
                .then(|| libseccomp::build(&alone, &[architecture], true));
            let theirs = theirs
                .and_then(Result::ok)
                .map(|context| context.program(is_big_endian(architecture)).unwrap());
            for _ in 0..50 {
                let arguments = call(&mut random, &alone, &[architecture]).arguments;
                let call = Call { arguments, ..first };
                ask(
                    &generated,
                    &read,
                    (&ours, theirs.as_ref()),
                    &newer,
                    &call,
                    &mut count,
                );
            }
        }
    }
    count.print(kind);
    count
}

/// Where libseccomp 2.5.4 can be taken at its word, for the rules of one call: each has one condition, or there is only one, and
/// none with a condition is reached through socketcall or ipc. Elsewhere its blocks are shared between rules although they expect
/// other words in the accumulator, or one rule's subtree is hung under another's, and its answers contradict its own rules.
fn sound(alone: &Seccomp<'_>, architecture: Architecture) -> bool {
    let rules = || alone.syscalls.iter().filter(|rule| !rule.args.is_empty());
    let repeated = |rule: &SeccompRule<'_>| {
        (0..6).any(|index| rule.args.iter().filter(|one| one.index == index).count() > 1)
    };
    let simple = rules().all(|rule| rule.args.len() == 1 || repeated(rule)) || rules().count() == 1;
    let multiplexer = ["socketcall", "ipc"]
        .iter()
        .any(|name| architecture.number_of(name).is_some());
    let names = || rules().flat_map(|rule| &rule.names);
    simple
        && !shared_high_word(alone)
        && !(multiplexer
            && names()
                .any(|name| multiplexed(name) || ["socketcall", "ipc"].contains(&name.as_str())))
}

/// Two rules with different actions whose comparison of the high word is one and the same test: whichever was added first then
/// answers for all values with another high word, while low words are asked by value.
fn shared_high_word(alone: &Seccomp<'_>) -> bool {
    let kind = |op: &str| {
        ["SCMP_CMP_NE", "SCMP_CMP_GE", "SCMP_CMP_GT"]
            .iter()
            .position(|one| *one == op)
            .map(|at| at.min(1))
    };
    let conditions = || {
        alone
            .syscalls
            .iter()
            .flat_map(|rule| rule.args.iter().map(move |one| (rule, one)))
    };
    conditions().any(|(rule, one)| {
        conditions().any(|(other_rule, other)| {
            let different =
                rule.action != other_rule.action || rule.errno_ret != other_rule.errno_ret;
            let alike = kind(&one.op).is_some()
                && kind(&one.op) == kind(&other.op)
                && one.index == other.index;
            different && alike && (one.op == "SCMP_CMP_NE" || one.value == other.value)
        })
    })
}

fn ask(
    generated: &Generated,
    profile: &Seccomp<'_>,
    (ours, theirs): (&BpfProgram, Option<&BpfProgram>),
    newer: &Newer,
    call: &Call,
    count: &mut Count,
) {
    let big_endian = is_big_endian(generated.architectures[0]);
    let our = run(ours, call, big_endian).0;
    let newer = newer.is(call);
    let architecture = architecture_of(&generated.architectures, call).filter(|_| !newer);
    let verdict = architecture.map(|one| judge(profile, one, call));
    match &verdict {
        Some(Verdict::Clear(right)) => assert_eq!(
            our, *right,
            "against the profile's text\n{}\n{call:x?}",
            generated.json
        ),
        Some(Verdict::Overlap(actions)) => {
            count.overlaps += 1;
            assert!(
                actions.contains(&our),
                "against the profile's text\n{}\n{call:x?}",
                generated.json
            );
        }
        None => {}
    }
    count.judged += usize::from(architecture.is_some());
    let Some(theirs) = theirs else { return };
    let their = if newer {
        ENOSYS
    } else {
        run(theirs, call, big_endian).0
    };
    count.comparisons += 1;
    if our != their {
        count.differences += 1;
        count.libseccomp_errs += usize::from(match &verdict {
            Some(Verdict::Clear(_)) => true,
            Some(Verdict::Overlap(actions)) => !actions.contains(&their),
            None => false,
        });
        if count.differences < 3 {
            report(&generated.json, call, our, their);
        }
    }
}

/// None for a call of an architecture (or of an ABI of x86-64) that the profile does not have.
fn architecture_of(architectures: &[Architecture], call: &Call) -> Option<Architecture> {
    let x32 = call.number & 0x4000_0000 != 0;
    let fits = |one: &Architecture| {
        one.audit() == call.audit
            && match *one {
                Architecture::X86_64 => !x32 && call.number >> 31 == 0,
                Architecture::X32 => x32,
                _ => true,
            }
    };
    architectures.iter().copied().find(fits)
}

impl Count {
    fn print(&self, kind: Kind) {
        std::io::stdout()
            .lock()
            .write_all(format!("{kind:?}: {self:?}\n").as_bytes())
            .unwrap();
    }
}

fn report(json: &str, call: &Call, our: u32, their: u32) {
    eprintln!(
        "{json}\n{:#x} number {} ({:#x}) arguments {:#x?}\n  ours {our:#x}, theirs {their:#x}",
        call.audit, call.number, call.number, call.arguments
    );
}

#[test]
fn programs_of_plain_profiles() {
    assert_eq!(compare_programs(Kind::Plain, 1).differences, 0);
}

#[test]
fn calls_whose_rules_have_one_action() {
    assert_eq!(compare_calls(Kind::SameAction, 2).differences, 0);
}

#[test]
fn calls_whose_rules_overlap() {
    assert_eq!(compare_calls(Kind::Overlapping, 3).differences, 0);
}

/// Anything at all. Values of more than 32 bits are where libseccomp errs even for simple rules, so the profile's text judges
/// alone; what libseccomp says is only counted.
#[test]
fn wild_profiles_are_read_as_they_are_written() {
    compare_calls(Kind::Wild, 4);
}
