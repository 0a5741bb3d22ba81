//! The plan of a process that is added to a container.

use init::slots::kind;
use init::step::{BecomeRoot, ChangeRoot, Fork, Join};
use kernel::namespace::flags::{NEWNS, NEWPID, NEWTIME, NEWUSER};
use spec::{ConfigPath, Hook, Process, Spec};

use super::process::{self, Surroundings};
use super::{Draft, Input, Plan, PlanError, RuntimeStep, terminal};
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
    /// The terminal goes to no socket of the caller's: it is relayed to the caller's own.
    pub relays_terminal: bool,
    /// Keep the caller's session keyring.
    pub no_keyring: bool,
    /// The process's user outside, where the container has a user namespace that maps it.
    pub outside: Option<u32>,
}

/// Compiles a process to the plan that adds it to a container. `spec` is the container's config with the process in its
/// place: what concerns the system call filter comes from it.
///
/// # Errors
/// As [`super::create()`].
pub fn exec(spec: &Spec<'_>, joining: &Joining, host: &HostFacts) -> Result<Plan, PlanError> {
    let at = ConfigPath::of("process");
    let process = spec.process.as_ref().ok_or(PlanError::missing(at))?;
    let mut draft = Draft::new(spec, host);
    draft.warn_about_keys(&process.remarks);
    let (around, console) = join(&mut draft, process, joining)?;
    terminal::open_for(&mut draft, process, console, joining.relays_terminal)?;
    draft.part(|draft| process::prepare(draft, process, around));
    draft.finish()
}

/// Compiles a hook to the plan that runs it exactly as the container's process is run (`hooks.startContainer`): with its
/// user, capabilities, filter, limits, directory and cgroup. Only arguments and environment are the hook's.
pub(crate) fn hook_inside(
    spec: &Spec<'_>,
    hook: &Hook<'_>,
    at: &ConfigPath,
    joining: &Joining,
    host: &HostFacts,
) -> Result<Plan, PlanError> {
    let missing = || PlanError::missing(ConfigPath::of("process"));
    let mut process = spec.process.clone().ok_or_else(missing)?;
    process.terminal = false;
    // That is for processes that are added later.
    process.exec_cpu_affinity = None;
    let spec = Spec {
        process: Some(process.clone()),
        ..spec.clone()
    };
    let mut draft = Draft::new(&spec, host);
    let (around, _) = join(&mut draft, &process, joining)?;
    // Before it does anything: who ends it must know of it.
    draft.runtime(at, RuntimeStep::RecordProcess);
    draft.part(|draft| process::prepare_hook(draft, &process, around, hook, at));
    draft.finish()
}

/// Starts a child and lets it join the container.
fn join(
    draft: &mut Draft<'_>,
    given: &Process<'_>,
    joining: &Joining,
) -> Result<(Surroundings, Option<terminal::Socket>), PlanError> {
    let (at, host) = (ConfigPath::of("process"), draft.host);
    let container = draft.input::<kind::Joinable>(&at, Input::Container)?;
    let root = match joining.namespaces & NEWNS {
        0 => Some(draft.input::<kind::Directory>(&at, Input::ContainerRoot)?),
        _ => None,
    };
    let console = terminal::connect(draft)?;
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
    super::resctrl::place(draft);
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
    if let Some(to) = root {
        draft.child(&ConfigPath::of("root.path"), ChangeRoot { to });
    }
    if joining.namespaces & NEWUSER != 0 {
        draft.child(&from, BecomeRoot {});
    }
    if joining.namespaces & (NEWPID | NEWTIME) != 0 {
        draft.child(&from, Fork {});
    }
    process::begin_for(draft, &joining.id, joining.no_keyring, true)?;
    let around = Surroundings {
        user_namespace: joining.namespaces & NEWUSER != 0,
        set_groups: joining.set_groups,
        waits: false,
        listen_fds: 0,
    };
    Ok((around, console))
}
