//! `process.capabilities`.

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

/// The number of a capability, by its name with or without `CAP_`, in any case.
pub(crate) fn number(name: &str) -> Option<u32> {
    let name = name.to_ascii_uppercase();
    let bare = name.strip_prefix("CAP_").unwrap_or(&name);
    capability_names()
        .iter()
        .position(|known| *known == bare)
        .map(|number| number as u32)
}

/// Unknown names, and what the caller does not have to give, are left out with a warning (config.md).
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
    let mut ignored: Vec<String> = Vec::new();
    let mut set = |names: &[Text<'_>]| {
        let mut bits = 0u64;
        for name in names {
            match number(name) {
                Some(number) if grantable >> number & 1 == 1 => bits |= 1 << number,
                _ if ignored.iter().any(|known| known.as_str() == name.as_str()) => {}
                _ => ignored.push(name.to_string()),
            }
        }
        bits
    };
    let sets = Sets {
        bounding: set(&given.bounding),
        effective: set(&given.effective),
        inheritable: set(&given.inheritable),
        permitted: set(&given.permitted),
        ambient: set(&given.ambient),
    };
    if !ignored.is_empty() {
        let text = format!(
            "ignoring unknown or unavailable capabilities: [{}]",
            ignored.join(" ")
        );
        draft.warn(field("capabilities"), text);
    }
    sets
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
            ("KILL", 5),
            ("cap_sys_admin", 21),
            ("CAP_AUDIT_READ", 37),
            ("CAP_CHECKPOINT_RESTORE", 40),
        ];
        for (name, expected) in cases {
            assert_eq!(number(name), Some(expected), "{name}");
        }
        assert_eq!(number("CAP_NOSUCH"), None);
    }
}
