//! The network of the container: loopback, `linux.netDevices`.

use init::step::Loopback;
use kernel::namespace::flags::NEWNET;
use spec::ConfigPath;

use super::{Draft, Namespaces, PlanError, RuntimeStep};

/// Longest name of an interface (IFNAMSIZ - 1).
const LONGEST_NAME: usize = 15;

pub(crate) fn configure(draft: &mut Draft<'_>, wanted: &Namespaces) -> Result<(), PlanError> {
    if wanted.new & NEWNET != 0 {
        draft.child(&ConfigPath::of("linux.namespaces"), Loopback {});
    }
    let Some(linux) = &draft.spec.linux else { return Ok(()) };
    for (name, device) in &linux.net_devices {
        let at = ConfigPath::of("linux.netDevices").key(name);
        if !wanted.has(NEWNET) {
            let why = "moving a network device needs a network namespace of the container's own";
            return Err(PlanError::conflicts(at, ConfigPath::of("linux.namespaces"), why));
        }
        if draft.host.rootless() {
            return Err(PlanError::unsupported(at, "network devices can only be moved by root"));
        }
        let inside = device.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
        for (name, at) in [(name.as_str(), at.clone()), (inside, at.clone().then("name"))] {
            let bad = name.is_empty()
                || name.len() > LONGEST_NAME
                || matches!(name, "." | "..")
                || name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c == '\0');
            if bad {
                return Err(PlanError::invalid(at, format!("{name:?} is no interface name")));
            }
        }
        draft.runtime(&at, RuntimeStep::MoveNetDevice { name: name.to_string(), inside: inside.to_owned() });
    }
    Ok(())
}
