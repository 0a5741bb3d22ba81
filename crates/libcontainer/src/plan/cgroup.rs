//! `linux.cgroupsPath`, `linux.resources`: when the container enters its cgroup.

use kernel::mount::flags;
use kernel::namespace::flags::{NEWCGROUP, NEWUSER};
use spec::ConfigPath;

use super::{Creation, Devices, Draft, HookKind, IdMaps, Namespaces, RuntimeStep, mounts};

fn from() -> ConfigPath {
    ConfigPath::of("linux.cgroupsPath")
}

/// The cgroup is made, with its limits, before there is a process that could use it.
pub(crate) fn make(draft: &mut Draft<'_>, creation: &Creation, requested: &Namespaces) {
    if creation.has_cgroup {
        let devices = match delays_devices(draft, creation) {
            true => Devices::Later,
            false if draft.host.rootless() => Devices::IfPermitted,
            false => Devices::Now,
        };
        draft.runtime(&from(), RuntimeStep::MakeCgroup { devices });
    }
    if creation.cloned_into_cgroup {
        delegate(draft, creation, requested, false);
    }
}

/// On v2 the rules are a program, which takes the kernel longer than all the rest of the cgroup: the child sets up meanwhile,
/// and waits for it before its last steps. Lists of v1 are written line by line, with a moment in which nothing is allowed,
/// which would be in the child's way; and a hook finds the rules in their place, for there are some that change them.
fn delays_devices(draft: &Draft<'_>, creation: &Creation) -> bool {
    let before_root = [
        HookKind::Prestart,
        HookKind::CreateRuntime,
        HookKind::CreateContainer,
    ];
    let mut hooks = draft.spec.hooks.iter();
    let has_hook = hooks.any(|hooks| before_root.iter().any(|kind| !kind.of(hooks).is_empty()));
    creation.cloned_into_cgroup && !has_hook
}

/// The rules about devices, where they were not applied with the limits.
pub(crate) fn limit_devices(draft: &mut Draft<'_>, creation: &Creation) {
    if creation.has_cgroup && delays_devices(draft, creation) {
        let if_permitted = draft.host.rootless();
        let from = ConfigPath::of("linux.resources.devices");
        draft.runtime(&from, RuntimeStep::LimitDevices { if_permitted });
    }
}

/// Where the child could not be started inside (v1, systemd), it is moved before it does anything.
pub(crate) fn place(draft: &mut Draft<'_>, creation: &Creation, requested: &Namespaces) {
    if creation.has_cgroup && !creation.cloned_into_cgroup {
        draft.runtime(&from(), RuntimeStep::PlaceChild);
        // systemd has made it only now.
        delegate(draft, creation, requested, false);
    }
}

/// With a cgroup namespace of its own and a writable cgroup mount the container can make cgroups in its cgroup, if that
/// belongs to the program's user (config-linux.md, "Cgroup ownership"). v1 is never given away: there that is not safe.
///
/// Called where the cgroup and the child's mapping are known: `joined` says whether that is a joined user namespace's.
pub(crate) fn delegate(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
    joined: bool,
) {
    if !creation.has_cgroup
        || draft.host.cgroups != 2
        || requested.new & NEWCGROUP == 0
        || requested.joins(NEWUSER) != joined
    {
        return;
    }
    let process = draft.spec.process.as_ref();
    let user = process.map_or(0, |process| process.user.uid);
    let mappings = draft.spec.linux.as_ref().map(|linux| &linux.uid_mappings);
    let outside = match mappings {
        _ if joined => None,
        Some(mappings) if requested.new & NEWUSER != 0 => match IdMaps::outside(mappings, user) {
            // Running the program as a user who is not mapped fails anyway.
            None => return,
            mapped => mapped,
        },
        _ => Some(user),
    };
    // The caller owns what it has made.
    if outside == Some(draft.host.uid) {
        return;
    }
    let Some(at) = writable_mount(draft, creation) else {
        return;
    };
    if draft.host.privileged {
        draft.runtime(&at, RuntimeStep::DelegateCgroup { user, outside });
    } else if outside.is_some() {
        // Root of the container's user namespace could do it, but the caller would be left with a cgroup that it can
        // neither put further processes into nor remove, if the container makes cgroups in it.
        let why = format!("the cgroup is not given to user {user}, which takes privileges");
        draft.warn(at, why);
    }
}

/// The cgroup mount that makes delegation useful, if there is one.
fn writable_mount(draft: &Draft<'_>, creation: &Creation) -> Option<ConfigPath> {
    let index = draft.spec.mounts.iter().position(|mount| {
        let options = mounts::options_of(mount);
        mounts::destination(draft, creation, mount) == "/sys/fs/cgroup"
            && mount.source.as_deref() == Some("cgroup")
            && matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2"))
            && options.bind.is_none()
            && options.flags & flags::RDONLY == 0
    })?;
    Some(ConfigPath::of("mounts").index(index))
}
