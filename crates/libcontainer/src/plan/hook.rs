//! The plan of a hook that is the caller's program: perhaps join the container's namespaces, and execute.

use init::step::{Directory, Execute, FindProgram, Fork, Join, Session, Umask, each_namespace};
use kernel::namespace::flags::{NEWNS, NEWPID, NEWTIME, NEWUSER};
use spec::{ConfigPath, Hook, Spec};

use super::{Draft, Input, Plan, PlanError, RuntimeStep};
use crate::host::HostFacts;

/// How the namespaces are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// They are the runtime's own.
    Here,
    /// By a pidfd of the container.
    Process,
    /// By one file each.
    Files,
}

/// Where a hook runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookSurroundings<'a> {
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
    around: HookSurroundings<'_>,
    host: &HostFacts,
) -> Result<Plan, PlanError> {
    let mut draft = Draft::new(spec, host);
    let joins = joins(&mut draft, at, around)?;
    draft.runtime(at, RuntimeStep::StartChild { namespaces: 0 });
    if around.moved {
        draft.runtime(at, RuntimeStep::PlaceChild);
    }
    let inside = joins.iter().fold(0, |all, join| all | join.flags);
    for join in joins {
        draft.child(at, join);
    }
    if inside & (NEWPID | NEWTIME) != 0 {
        draft.child(at, Fork {});
    }
    draft.child(at, Session {});
    draft.child(at, Umask { mask: 0o022 });
    let path = draft.text(at, around.directory)?;
    let again = false;
    draft.child(at, Directory { path, again });
    // Before it does anything: who ends it must know of it.
    draft.runtime(at, RuntimeStep::RecordProcess);
    execute(&mut draft, hook, at, around.environment)?;
    draft.finish()
}

/// The joins that lead into the container's namespaces, in their order.
fn joins(
    draft: &mut Draft<'_>,
    at: &ConfigPath,
    around: HookSurroundings<'_>,
) -> Result<Vec<Join>, PlanError> {
    let namespaces = around.namespaces;
    Ok(match around.reach {
        Reach::Here => Vec::new(),
        Reach::Process => {
            let slot = draft.input(at, Input::Container)?;
            // As in `exec`: with privileges the user namespace comes last.
            let groups = match draft.host.privileged {
                true => [namespaces & !NEWUSER, namespaces & NEWUSER],
                false => [namespaces, 0],
            };
            let groups = groups.into_iter().filter(|flags| *flags != 0);
            groups.map(|flags| Join { slot, flags }).collect()
        }
        Reach::Files => {
            // The user namespace is the first of them, for it gives the rights to the others.
            let mut joins = Vec::new();
            for flags in each_namespace(namespaces) {
                let slot = draft.input(at, Input::Namespace(flags))?;
                joins.push(Join { slot, flags });
            }
            // The mount namespace last: joining it changes root and working directory.
            joins.sort_by_key(|join| join.flags == NEWNS);
            joins
        }
    })
}

fn execute(
    draft: &mut Draft<'_>,
    hook: &Hook<'_>,
    at: &ConfigPath,
    environment: &[Vec<u8>],
) -> Result<(), PlanError> {
    let (name, path) = (draft.text(at, &hook.path)?, draft.own_text(""));
    let arguments = match hook.args.is_empty() {
        true => std::slice::from_ref(&hook.path),
        false => &hook.args,
    };
    let arguments = draft.strings(at, arguments.iter().map(|argument| argument.as_str()))?;
    let environment = match &hook.env {
        Some(given) => draft.strings(at, given.iter().map(|entry| entry.as_str()))?,
        None => draft.own_strings(environment),
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
            prints_failure: false,
        },
    );
    Ok(())
}
