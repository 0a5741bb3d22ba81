//! The plan of a process that is added to a container.

use init::step::{BecomeRoot, Fork, Join};
use kernel::namespace::flags::{NEWPID, NEWTIME, NEWUSER};
use spec::{ConfigPath, Process, Spec};

use super::process::{self, Surroundings};
use super::{Draft, Plan, PlanError, RuntimeStep, terminal};
use crate::host::HostFacts;

/// The container that is joined.
#[derive(Clone, Debug, Default)]
pub struct Joining {
    /// Its id.
    pub id: String,
    /// The types of namespaces in which it differs from the runtime.
    pub namespaces: u64,
    /// setgroups(2) works in it.
    pub set_groups: bool,
    /// There is a cgroup for the process.
    pub has_cgroup: bool,
    /// The process can be started in that cgroup; else it must be moved there.
    pub cloned_into_cgroup: bool,
    /// Keep the caller's session keyring.
    pub no_keyring: bool,
    /// The process's user outside, where the container has a user namespace that maps it.
    pub outside: Option<u32>,
}

/// Compiles a process to the plan that adds it to a container. `spec` is the container's config with the process in its
/// place: what concerns the system call filter comes from it.
///
/// The slot after the fixed ones holds a pidfd of the container.
///
/// # Errors
/// As [`super::create`].
pub fn exec(spec: &Spec<'_>, joining: &Joining, host: &HostFacts) -> Result<Plan, PlanError> {
    let at = ConfigPath::of("process");
    let missing = || PlanError::missing(at.clone());
    let given: &Process<'_> = spec.process.as_ref().ok_or_else(missing)?;
    let mut draft = Draft::new(spec, host);
    let draft = &mut draft;
    let container = draft.slot(&at)?;
    terminal::connect(draft)?;
    if joining.outside.is_some() {
        process::give_streams_to(draft, given, joining.outside);
    }
    draft.runtime(&at, RuntimeStep::StartChild { namespaces: 0 });
    // Processors for the time before the cgroup are only worth something if there is such a time.
    let before = process::scheduling::initial_affinity(draft, given)?;
    if joining.has_cgroup && (before || !joining.cloned_into_cgroup) {
        draft.runtime(
            &ConfigPath::of("linux.cgroupsPath"),
            RuntimeStep::PlaceChild,
        );
    }
    process::before_joining_for(draft, given)?;
    let from = ConfigPath::of("linux.namespaces");
    // As in `create`: with privileges the user namespace comes last, because it would take the rights to the others
    // away; without, one call joins them all with the rights that it gives.
    let groups = if host.privileged {
        [joining.namespaces & !NEWUSER, joining.namespaces & NEWUSER]
    } else {
        [joining.namespaces, 0]
    };
    for flags in groups.into_iter().filter(|flags| *flags != 0) {
        draft.child(
            &from,
            Join {
                slot: container,
                flags,
            },
        );
    }
    if joining.namespaces & NEWUSER != 0 {
        draft.child(&from, BecomeRoot {});
    }
    if joining.namespaces & (NEWPID | NEWTIME) != 0 {
        draft.child(&from, Fork {});
    }
    process::begin_for(draft, &joining.id, joining.no_keyring, true)?;
    terminal::open_for(draft, given)?;
    let surroundings = Surroundings {
        user_namespace: joining.namespaces & NEWUSER != 0,
        set_groups: joining.set_groups,
        waits: false,
        listen_fds: 0,
    };
    draft.part(|draft| process::prepare(draft, given, surroundings));
    let finished = std::mem::replace(draft, Draft::new(spec, host));
    finished.finish()
}
