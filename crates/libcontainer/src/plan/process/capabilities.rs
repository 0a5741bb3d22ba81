//! `process.capabilities`.

use std::collections::BTreeSet;

use init::step::{BoundingSet, Capabilities, capability_names};
use spec::{Process, Text};

use super::{Draft, field};

/// The five sets, one bit per capability.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sets {
    bounding: u64,
    effective: u64,
    inheritable: u64,
    permitted: u64,
    ambient: u64,
}

/// The number of a capability by the specification's name: `CAP_` and capital letters (capabilities(7)).
pub(crate) fn number(name: &str) -> Option<u32> {
    let bare = name.strip_prefix("CAP_")?;
    let number = capability_names().iter().position(|known| *known == bare)?;
    Some(number as u32)
}

/// Unknown names, and what cannot be granted, are left out with a warning (config.md): what the caller does not have to
/// give, what is effective but not permitted, and what is inheritable but not in the bounding set (capset(2)).
pub(super) fn read(draft: &mut Draft<'_>, process: &Process<'_>, user_namespace: bool) -> Sets {
    let Some(given) = &process.capabilities else {
        return Sets::default();
    };
    // In a user namespace of its own the process starts with all of them.
    let grantable = if user_namespace {
        u64::MAX
    } else {
        draft.host.capabilities
    };
    let mut seen = BTreeSet::new();
    let mut ignored = Vec::new();
    let mut set = |names: &'_ [Text<'_>]| {
        let mut bits = 0u64;
        for name in names {
            match number(name) {
                Some(number) if grantable >> number & 1 == 1 => bits |= 1 << number,
                _ if seen.insert(name.to_string()) => ignored.push(name.to_string()),
                _ => {}
            }
        }
        bits
    };
    let mut sets = Sets {
        bounding: set(&given.bounding),
        effective: set(&given.effective),
        inheritable: set(&given.inheritable),
        permitted: set(&given.permitted),
        ambient: set(&given.ambient),
    };
    if !ignored.is_empty() {
        let list = ignored.join(" ");
        let text = format!("ignoring unknown or unavailable capabilities: [{list}]");
        draft.warn(field("capabilities"), text);
    }
    let (permitted, bounding) = (sets.permitted, sets.bounding);
    for (name, set, limit, other) in [
        ("effective", &mut sets.effective, permitted, "permitted"),
        ("inheritable", &mut sets.inheritable, bounding, "bounding"),
    ] {
        let outside = *set & !limit;
        if outside != 0 {
            *set &= limit;
            let list = names(outside).join(" ");
            let text = format!("ignoring capabilities that the {other} set lacks: [{list}]");
            draft.warn(field("capabilities").then(name), text);
        }
    }
    sets
}

/// The names of a set, in the order of their numbers.
pub(crate) fn names(set: u64) -> Vec<String> {
    let all = capability_names().iter().enumerate();
    all.filter(|(number, _)| set >> number & 1 == 1)
        .map(|(_, name)| format!("CAP_{name}"))
        .collect()
}

/// Dropping from the bounding set needs CAP_SETPCAP, so it comes before the change of user.
pub(super) fn bound(draft: &mut Draft<'_>, sets: &Sets) {
    draft.child(
        &field("capabilities").then("bounding"),
        BoundingSet {
            keep: sets.bounding,
        },
    );
}

pub(super) fn set(draft: &mut Draft<'_>, sets: &Sets) {
    let Sets {
        effective,
        permitted,
        inheritable,
        ambient,
        ..
    } = *sets;
    draft.child(
        &field("capabilities"),
        Capabilities {
            effective,
            permitted,
            inheritable,
            ambient,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn names_have_the_kernel_s_numbers() {
        let cases = [
            ("CAP_CHOWN", 0),
            ("CAP_SYS_ADMIN", 21),
            ("CAP_AUDIT_READ", 37),
            ("CAP_CHECKPOINT_RESTORE", 40),
        ];
        for (name, expected) in cases {
            assert_eq!(number(name), Some(expected), "{name}");
        }
        for name in [
            "CAP_NOSUCH",
            "KILL",
            "kill",
            "cap_kill",
            "Cap_Kill",
            "CAP_CAP_KILL",
            "CAP_",
            "",
        ] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
