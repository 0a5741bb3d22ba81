//! The plan of a hook that is the caller's program: perhaps join the container's namespaces, and execute.

use init::Slot;
use init::step::{Directory, Execute, FindProgram, Fork, Join, Session, Umask, each_namespace};
use kernel::namespace::flags::{NEWNS, NEWPID, NEWTIME, NEWUSER};
use spec::{ConfigPath, Hook, Spec};

use super::{Draft, Plan, PlanError, RuntimeStep};
use crate::host::HostFacts;

/// How the namespaces are reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    /// They are the runtime's own.
    Here,
    /// By a pidfd of the container, in this slot.
    Process(Slot),
    /// By one file each, from this slot on, in the order in which init shares them.
    Files(Slot),
}

/// Where a hook runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) reach: Reach,
    /// The types of namespaces in which the container differs from the runtime.
    pub(crate) namespaces: u64,
    /// It must be moved to the container's cgroup: it cannot be started there.
    pub(crate) moved: bool,
    /// The working directory.
    pub(crate) directory: &'a str,
    /// The environment, if the config gives none: `NAME=value`.
    pub(crate) environment: &'a [Vec<u8>],
}

/// Compiles a hook to a plan. The program is looked up where it runs: for `createContainer` before the change of root,
/// so in a mount namespace that still shows the host.
pub(crate) fn hook(
    spec: &Spec<'_>,
    hook: &Hook<'_>,
    at: &ConfigPath,
    around: Surroundings<'_>,
    host: &HostFacts,
) -> Result<Plan, PlanError> {
    let Surroundings {
        reach, namespaces, ..
    } = around;
    let mut draft = Draft::new(spec, host);
    let reserved = match reach {
        Reach::Here => 0,
        Reach::Process(_) => 1,
        Reach::Files(_) => namespaces.count_ones(),
    };
    for _ in 0..reserved {
        draft.slot(at)?;
    }
    draft.runtime(at, RuntimeStep::StartChild { namespaces: 0 });
    if around.moved {
        draft.runtime(at, RuntimeStep::PlaceChild);
    }
    match reach {
        Reach::Here => {}
        Reach::Process(slot) if host.privileged => {
            for flags in [namespaces & !NEWUSER, namespaces & NEWUSER] {
                if flags != 0 {
                    draft.child(at, Join { slot, flags });
                }
            }
        }
        Reach::Process(slot) => draft.child(
            at,
            Join {
                slot,
                flags: namespaces,
            },
        ),
        Reach::Files(first) => {
            // The same order as `ShareNamespaces`, in which the user namespace is the first.
            for mount_last in [false, true] {
                let files = (first.0..=u8::MAX)
                    .map(Slot)
                    .zip(each_namespace(namespaces));
                for (slot, flags) in files.filter(|(_, flag)| (*flag == NEWNS) == mount_last) {
                    draft.child(at, Join { slot, flags });
                }
            }
        }
    }
    if !matches!(reach, Reach::Here) && namespaces & (NEWPID | NEWTIME) != 0 {
        draft.child(at, Fork {});
    }
    draft.child(at, Session {});
    draft.child(at, Umask { mask: 0o022 });
    let (directory, name, path) = (
        draft.text(at, around.directory)?,
        draft.text(at, &hook.path)?,
        draft.own_text(""),
    );
    draft.child(
        at,
        Directory {
            path: directory,
            again: false,
        },
    );
    let own_name = [hook.path.as_str()];
    let given: Vec<&str> = hook.args.iter().map(|argument| argument.as_str()).collect();
    let arguments = draft.strings(
        at,
        if given.is_empty() {
            own_name.to_vec()
        } else {
            given
        },
    )?;
    let environment = match &hook.env {
        Some(given) => draft.strings(at, given.iter().map(|entry| entry.as_str()))?,
        None => draft.own_strings(around.environment),
    };
    draft.child(
        at,
        FindProgram {
            name,
            path,
            arguments,
            environment,
        },
    );
    draft.child(
        at,
        Execute {
            arguments,
            environment,
            tell: false,
        },
    );
    draft.finish()
}
