//! Calls to ask about: those the profile names, their neighbours, and all around them.

use seccomp::Architecture;
use spec::Seccomp;

use crate::generate::{Random, value};
use crate::interpreter::Call;
use crate::referee::reached;

/// Whether arguments lie in memory with the high word first: the audit number says it.
pub fn is_big_endian(architecture: Architecture) -> bool {
    architecture.audit() & 0x4000_0000 == 0
}

/// A call that has to do with the profile.
pub fn call(random: &mut Random, profile: &Seccomp<'_>, architectures: &[Architecture]) -> Call {
    let architecture = architectures[random.below(architectures.len())];
    let rule = &profile.syscalls[random.below(profile.syscalls.len())];
    let name = &rule.names[random.below(rule.names.len())];
    let named = architecture.number_of(name);
    let through = ["socketcall", "ipc"][random.below(2)];
    let number = match random.below(12) {
        0 => random.below(600) as u32,
        1 => named.unwrap_or(0).wrapping_add(1),
        2 => named.unwrap_or(0).wrapping_sub(1),
        3 => named.unwrap_or(0) | 0x4000_0000,
        4 => [
            u32::MAX,
            0x4000_0000,
            0x7fff_ffff,
            0x8000_0000,
            0xf0005,
            0xf0007,
            5000,
            1 << 20,
        ][random.below(8)],
        5 | 6 => architecture.number_of(through).or(named).unwrap_or(1),
        _ => named.unwrap_or(3),
    };
    let mut call = Call {
        number,
        audit: architecture.audit(),
        arguments: [0; 6],
    };
    if random.once_in(50) {
        call.audit ^= 1 << random.below(32);
    }
    for (index, argument) in call.arguments.iter_mut().enumerate() {
        // Mostly what a condition on this argument says, or its neighbour.
        let conditions: Vec<u64> = rule
            .args
            .iter()
            .filter(|one| one.index as usize == index)
            .map(|one| {
                if one.op == "SCMP_CMP_MASKED_EQ" {
                    one.value & one.value_two
                } else {
                    one.value
                }
            })
            .collect();
        *argument = match random.below(8) {
            0..4 if !conditions.is_empty() => conditions[random.below(conditions.len())],
            4 if !conditions.is_empty() => conditions[0].wrapping_add(1),
            5 if !conditions.is_empty() => conditions[0].wrapping_sub(1),
            6 => random.below(25) as u64,
            _ => value(random),
        };
    }
    call
}

/// What runc puts before libseccomp's program: ENOSYS for numbers above the largest that the profile names, unless the default
/// lets calls through or is ENOSYS already. Three differences from runc: numbers set aside for ARM and x32 are not counted, and
/// socketcall and ipc are, where they stand for a call that is named.
pub struct Newer {
    newest: Vec<(Architecture, Option<u32>)>,
    wanted: bool,
}

impl Newer {
    /// For a profile.
    pub fn new(profile: &Seccomp<'_>, architectures: &[Architecture]) -> Newer {
        let permits = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"]
            .contains(&profile.default_action.as_str());
        let names = || profile.syscalls.iter().flat_map(|rule| &rule.names);
        let newest = |architecture: Architecture| {
            let behind = |name: &str| {
                let through = ["socketcall", "ipc"].map(|through| architecture.number_of(through));
                through
                    .into_iter()
                    .flatten()
                    .find(|number| !reached(architecture, name, *number).is_empty())
            };
            let numbers = names()
                .flat_map(|name| [architecture.number_of(name), behind(name)])
                .flatten();
            numbers
                .filter(|number| !set_aside(architecture, *number))
                .max()
        };
        Newer {
            newest: architectures
                .iter()
                .map(|one| (*one, newest(*one)))
                .collect(),
            wanted: !permits && profile.default_errno_ret != Some(38),
        }
    }

    /// Whether the call gets ENOSYS.
    pub fn is(&self, call: &Call) -> bool {
        let x32 = self.newest.iter().any(|(one, _)| *one == Architecture::X32);
        let bit = call.number & 0x4000_0000 != 0;
        let upper = call.number & 0x8000_0000 != 0;
        let found = self.newest.iter().find(|(architecture, _)| {
            architecture.audit() == call.audit
                && match *architecture {
                    Architecture::X32 => bit || upper,
                    Architecture::X86_64 => !(bit || upper && x32),
                    _ => true,
                }
        });
        let Some((architecture, Some(newest))) = found else {
            return false;
        };
        // Above all x32 calls, -1 among them, and in the half that no ABI uses, only where x86-64 is alone the filter kills.
        if *architecture == Architecture::X86_64 && upper {
            return false;
        }
        let s390 = architecture.name().contains("S390") && call.number == 0;
        self.wanted && (s390 || call.number > *newest && !set_aside(*architecture, call.number))
    }
}

fn set_aside(architecture: Architecture, number: u32) -> bool {
    match architecture {
        Architecture::ARM => number >= 0xf0000,
        Architecture::X32 => (0x4000_0000 + 512..0x4000_0000 + 548).contains(&number),
        _ => false,
    }
}
