//! The network of the container: loopback, `linux.netDevices`.

use init::step::Loopback;
use kernel::namespace::flags::NEWNET;
use spec::ConfigPath;

use super::{Draft, Namespaces, PlanError};

pub(crate) fn configure(draft: &mut Draft<'_>, wanted: &Namespaces) -> Result<(), PlanError> {
    if wanted.new & NEWNET != 0 {
        draft.child(&ConfigPath::of("linux.namespaces"), Loopback {});
    }
    match draft
        .spec
        .linux
        .as_ref()
        .and_then(|linux| linux.net_devices.first())
    {
        None => Ok(()),
        Some((name, _)) => {
            let at = ConfigPath::of("linux.netDevices").key(name);
            Err(PlanError::unsupported(
                at,
                "moving network devices is not supported yet",
            ))
        }
    }
}
