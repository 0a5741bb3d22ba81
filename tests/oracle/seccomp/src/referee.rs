//! What a profile says about a call, read straight from its text: slow, with nothing in common with either compiler.

use seccomp::Architecture;
use spec::{Seccomp, SeccompArgument, SeccompRule};

use crate::interpreter::Call;
use crate::libseccomp::action;

/// What the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One action.
    Clear(u32),
    /// Rules whose conditions all hold, with different actions: an order must decide.
    Overlap(Vec<u32>),
}

const SOCKET: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];
const IPC: [&str; 25] = [
    "",
    "semop",
    "semget",
    "semctl",
    "semtimedop",
    "",
    "",
    "",
    "",
    "",
    "",
    "msgsnd",
    "msgrcv",
    "msgget",
    "msgctl",
    "",
    "",
    "",
    "",
    "",
    "",
    "shmat",
    "shmdt",
    "shmget",
    "shmctl",
];

/// What happens to the call, whose architecture is one of the profile's.
pub fn judge(profile: &Seccomp<'_>, architecture: Architecture, call: &Call) -> Verdict {
    let default = action(&profile.default_action, profile.default_errno_ret);
    let mut conditional: Vec<u32> = Vec::new();
    for rule in &profile.syscalls {
        let action = action(&rule.action, rule.errno_ret);
        if action == default {
            continue;
        }
        for name in &rule.names {
            for through in reached(architecture, name, call.number) {
                let (always, holds) = applies(rule, architecture, call, through);
                if always {
                    return Verdict::Clear(action);
                }
                if holds && !conditional.contains(&action) {
                    conditional.push(action);
                }
            }
        }
    }
    match conditional[..] {
        [] => Verdict::Clear(default),
        [one] => Verdict::Clear(one),
        _ => Verdict::Overlap(conditional),
    }
}

/// Whether the call can stand behind socketcall or ipc.
pub fn multiplexed(name: &str) -> bool {
    SOCKET.contains(&name) || IPC.contains(&name)
}

/// The ways in which a rule for `name` is one for `number`: directly (none), or as a call behind another.
pub fn reached(architecture: Architecture, name: &str, number: u32) -> Vec<Option<u64>> {
    let mut ways = Vec::new();
    if architecture.number_of(name) == Some(number) {
        ways.push(None);
    }
    if architecture.number_of("socketcall") == Some(number)
        && let Some(at) = SOCKET.iter().position(|one| *one == name)
    {
        ways.push(Some(at as u64 + 1));
    }
    if architecture.number_of("ipc") == Some(number)
        && let Some(at) = IPC.iter().position(|one| *one == name)
    {
        ways.push(Some(at as u64));
    }
    ways
}

/// Whether the rule has no condition that could fail, and whether it holds for the call.
fn applies(
    rule: &SeccompRule<'_>,
    architecture: Architecture,
    call: &Call,
    through: Option<u64>,
) -> (bool, bool) {
    let wide = ["64", "S390X"]
        .iter()
        .any(|mark| architecture.name().contains(mark))
        && !architecture.name().contains("N32");
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let one = |argument: &SeccompArgument<'_>| {
        let (have, want) = (
            cut(call.arguments[argument.index as usize]),
            cut(argument.value),
        );
        match argument.op.as_str() {
            "SCMP_CMP_NE" => have != want,
            "SCMP_CMP_LT" => have < want,
            "SCMP_CMP_LE" => have <= want,
            "SCMP_CMP_EQ" => have == want,
            "SCMP_CMP_GE" => have >= want,
            "SCMP_CMP_GT" => have > want,
            _ => have & want == cut(argument.value_two) & want,
        }
    };
    let tautology = |argument: &SeccompArgument<'_>| {
        argument.op == "SCMP_CMP_MASKED_EQ" && cut(argument.value) == 0
    };
    let own: Vec<&SeccompArgument<'_>> = rule
        .args
        .iter()
        .filter(|one| through.is_none() || one.index != 0)
        .collect();
    let first = through.is_none_or(|call_of| cut(call.arguments[0]) == call_of);
    let repeated =
        (0..6).any(|index| rule.args.iter().filter(|one| one.index == index).count() > 1);
    if !repeated {
        let always = through.is_none() && own.iter().all(|one| tautology(one));
        return (always, first && own.iter().all(|argument| one(argument)));
    }
    // Every condition is a rule of its own; behind a multiplexer one on the first argument leaves only the multiplexer's.
    let alone = |argument: &SeccompArgument<'_>| through.is_some() && argument.index == 0;
    let always = through.is_none() && rule.args.iter().any(tautology);
    (
        always,
        first
            && rule
                .args
                .iter()
                .any(|argument| alone(argument) || one(argument)),
    )
}
