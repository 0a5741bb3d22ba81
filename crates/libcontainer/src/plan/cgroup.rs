//! `linux.cgroupsPath`, `linux.resources`: when the container enters its cgroup.

use spec::ConfigPath;

use super::{Creation, Draft, RuntimeStep};

fn from() -> ConfigPath {
    ConfigPath::of("linux.cgroupsPath")
}

/// The cgroup is made, with its limits, before there is a process that could use it.
pub(crate) fn make(draft: &mut Draft<'_>, creation: &Creation) {
    if creation.has_cgroup {
        draft.runtime(
            &from(),
            RuntimeStep::MakeCgroup {
                without_devices: draft.host.rootless(),
            },
        );
    }
}

/// Where the child could not be started inside (v1, systemd), it is moved before it does anything.
pub(crate) fn place(draft: &mut Draft<'_>, creation: &Creation) {
    if creation.has_cgroup && !creation.cloned_into_cgroup {
        draft.runtime(&from(), RuntimeStep::PlaceChild);
    }
}
