//! The network of the container: loopback, `linux.netDevices`.

use std::collections::BTreeMap;

use init::step::Loopback;
use kernel::namespace::flags::NEWNET;
use spec::ConfigPath;

use super::{Draft, Namespaces, PlanError, RuntimeStep};

/// The kernel's names have at most 15 bytes (`IFNAMSIZ`, netdevice(7)).
const LONGEST: usize = 15;

pub(crate) fn configure(draft: &mut Draft<'_>, requested: &Namespaces) -> Result<(), PlanError> {
    if requested.new & NEWNET != 0 {
        draft.child(&ConfigPath::of("linux.namespaces"), Loopback {});
    }
    let spec = draft.spec;
    let devices = spec
        .linux
        .as_ref()
        .map_or(&[][..], |linux| &linux.net_devices);
    let list = ConfigPath::of("linux.netDevices");
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, device) in devices {
        let at = list.clone().key(name);
        if !requested.has(NEWNET) {
            let why = "devices are moved to a network namespace other than the host's";
            return Err(requested.shared(at, NEWNET, why));
        }
        if draft.host.rootless() {
            let why = "moving devices of the host needs privileges over its network";
            return Err(PlanError::unsupported(at, why));
        }
        validate_name(&at, name)?;
        let given = device.name.as_deref().filter(|name| !name.is_empty());
        let new_name = given.unwrap_or(name);
        if given.is_some() {
            validate_name(&at.clone().then("name"), &new_name.replacen("%d", "0", 1))?;
        }
        let taken = names.insert(new_name, name);
        if let Some(other) = taken.filter(|_| !new_name.contains("%d")) {
            let why = format!("two devices cannot be called {new_name:?}");
            let at = match given {
                Some(_) => at.then("name"),
                None => at,
            };
            return Err(PlanError::conflicts(at, list.key(other), why));
        }
        draft.runtime(
            &at,
            RuntimeStep::MoveDevice {
                name: name.to_string(),
                new_name: new_name.to_owned(),
            },
        );
    }
    Ok(())
}

/// What the kernel takes for a name.
fn validate_name(at: &ConfigPath, name: &str) -> Result<(), PlanError> {
    let wrong = name.is_empty()
        || name.len() > LONGEST
        || matches!(name, "." | "..")
        || name.contains(|c: char| matches!(c, '/' | ':' | '%' | '\0') || c.is_whitespace());
    if wrong {
        let why = format!(
            "invalid interface name {name:?}: at most 15 bytes without white space, / : and %"
        );
        return Err(PlanError::invalid(at.clone(), why));
    }
    Ok(())
}
