//! Running hooks: programs of the caller's or of the container's at points of the life cycle (config.md, "POSIX-platform
//! Hooks").
//!
//! A hook is started by init like everything else, so it gets exactly the environment that it is to have, no descriptors
//! but its standard three, and a failure to start it names the call.

use std::time::{Duration, Instant};

use kernel::namespace::flags::{NEWPID, NEWUSER};
use kernel::process::Exit;
use spec::Hook;

use super::hook_process::{End, HookProcess};
use super::hook_state::{HookState, Inside};
use crate::Error;
use crate::host::HostFacts;
use crate::plan::{self, HookKind, HookSurroundings, Joining, Plan, Reach};

/// Runs all hooks of one kind. The first failure ends it, except for `poststop`, where each failure is a warning.
pub(crate) fn run_all(
    state: &HookState<'_>,
    kind: HookKind,
    inside: Option<&Inside<'_>>,
    host: &HostFacts,
) -> Result<(), Error> {
    let Some(hooks) = &state.spec.hooks else {
        return Ok(());
    };
    for index in 0..kind.of(hooks).len() {
        match run(state, kind, index, inside, host) {
            Err(error) if kind == HookKind::Poststop => {
                state.store.warnings().warn(state.id, error);
            }
            answer => answer?,
        }
    }
    Ok(())
}

/// Runs one hook and waits for it.
pub(crate) fn run(
    state: &HookState<'_>,
    kind: HookKind,
    index: usize,
    inside: Option<&Inside<'_>>,
    host: &HostFacts,
) -> Result<(), Error> {
    let hooks = state.spec.hooks.as_ref();
    let Some(hook) = hooks.and_then(|hooks| kind.of(hooks).get(index)) else {
        return Ok(());
    };
    let at = kind.field(index);
    let failed = |why: String| Error::Hook {
        at: at.clone(),
        text: format!(
            "error running {} hook #{index}: {}: {why}",
            kind.name(),
            hook.path
        ),
        interrupted: false,
    };
    // From before the start: nothing ends this program while it alone knows the hook.
    let interrupt = (state.store.interrupts().begin())
        .map_err(|error| failed(format!("nothing would interrupt it: {error}")))?;
    let started = Instant::now();
    let mut process = Start {
        state,
        kind,
        hook,
        index,
        host,
    }
    .start(inside)
    .map_err(|error| failed(error.reason()))?;
    // A time that the clock cannot show never comes.
    let deadline = hook
        .timeout
        .and_then(|seconds| started.checked_add(Duration::from_secs(seconds.unsigned_abs())));
    let end = process
        .wait(deadline, interrupt.as_deref())
        .map_err(|fault| failed(format!("its end cannot be seen: {fault}")))?;
    let (out, err) = process.output();
    log::debug!(
        "hook {}: stdout: {}, stderr: {}",
        hook.path,
        one_line(out),
        one_line(err)
    );
    let how = match end {
        End::Exit(Some(Exit::Code(0))) => return Ok(()),
        End::Exit(Some(Exit::Code(code))) => format!("exit status {code}"),
        End::Exit(Some(Exit::Signal(signal))) => format!("signal {signal}"),
        End::Exit(None) | End::TimedOut => {
            format!("timed out after {} s", hook.timeout.unwrap_or_default())
        }
        End::Interrupted => match &interrupt {
            Some(interrupt) => format!("interrupted by {}", interrupt.reason()),
            None => "interrupted".to_owned(),
        },
    };
    let mut error = failed(format!(
        "{how}, stdout: {}, stderr: {}",
        one_line(out),
        one_line(err)
    ));
    if let Error::Hook { interrupted, .. } = &mut error {
        *interrupted = end == End::Interrupted;
    }
    Err(error)
}

/// Output as part of a message of one line.
fn one_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim().replace('\n', "\\n")
}

/// One hook about to be started.
struct Start<'a> {
    state: &'a HookState<'a>,
    kind: HookKind,
    hook: &'a Hook<'a>,
    index: usize,
    host: &'a HostFacts,
}

impl Start<'_> {
    fn start(&self, inside: Option<&Inside<'_>>) -> Result<HookProcess, Error> {
        let state = self.state;
        let pid = inside.map(|inside| inside.way.pid);
        let inside = inside.filter(|_| {
            matches!(
                self.kind,
                HookKind::CreateContainer | HookKind::StartContainer
            )
        });
        // A container's process is the first of its pid namespace, or has some other number in a joined one.
        let seen_pid = match pid {
            Some(pid) if inside.is_some() && state.namespaces & NEWPID != 0 => {
                Some(pid_inside(pid)?)
            }
            pid => pid,
        };
        let seat = match inside {
            Some(inside) => (inside.seat)()?,
            None => None,
        };
        let moved = seat
            .as_ref()
            .is_some_and(|seat| seat.entry().is_none() || seat.has_rest());
        let plan = match (self.kind, inside) {
            (HookKind::StartContainer, Some(inside)) => {
                self.as_the_process(inside, seat.is_some(), moved)?
            }
            _ => self.as_the_caller(inside, moved)?,
        };
        let inputs = match inside {
            Some(inside) => inside.way.inputs(&plan)?,
            None => Vec::new(),
        };
        // The agent of a filter that notifies is told which process the container is.
        let known = HookState {
            init: state.init.or(pid),
            ..*state
        };
        HookProcess::start(
            &plan,
            known,
            seen_pid,
            seat,
            inputs,
            &mut |hook| match state.folder {
                Some(folder) => folder.note_hook(hook, self.kind.name()),
                None => Ok(()),
            },
        )
    }

    /// A program of the container's: as its process in all but arguments and environment.
    fn as_the_process(
        &self,
        inside: &Inside<'_>,
        has_cgroup: bool,
        moved: bool,
    ) -> Result<Plan, Error> {
        let state = self.state;
        let outside = match &state.spec.process {
            Some(process) if state.namespaces & NEWUSER != 0 => {
                super::outside(inside.way.pid, process.user.uid)?
            }
            _ => None,
        };
        let joining = Joining {
            id: state.id.to_owned(),
            namespaces: state.namespaces,
            set_groups: state.set_groups,
            has_cgroup,
            cloned_into_cgroup: !moved,
            relays_terminal: false,
            no_keyring: false,
            outside,
        };
        let at = self.kind.field(self.index);
        let plan = plan::hook_inside(state.spec, self.hook, &at, &joining, self.host)?;
        Ok(plan)
    }

    /// A program of the caller's, perhaps in the container's namespaces.
    fn as_the_caller(&self, inside: Option<&Inside<'_>>, moved: bool) -> Result<Plan, Error> {
        let reach = match inside {
            None => Reach::Here,
            Some(inside) if inside.way.shared.is_empty() => Reach::Process,
            Some(_) => Reach::Files,
        };
        // Programs of vendors work on the root directory, such as `ldconfig -r .`; image content has no say in theirs.
        let (directory, environment) = match inside {
            Some(_) => (self.state.root, Vec::new()),
            // The caller's own, for hooks outside whose entry has none: the specification does not say so, but other runtimes
            // pass it on, and many hooks rely on PATH.
            None => (self.state.bundle, self.state.store.environment().strings()),
        };
        let around = HookSurroundings {
            reach,
            namespaces: self.state.namespaces,
            moved,
            directory,
            environment: &environment,
        };
        let at = self.kind.field(self.index);
        let plan = plan::hook(self.state.spec, self.hook, &at, around, self.host)?;
        Ok(plan)
    }
}

/// The process's number in its own pid namespace: the last of `NSpid` in proc_pid_status(5).
fn pid_inside(pid: i32) -> Result<i32, Error> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path)
        .map_err(|error| Error::file("read", path.as_ref(), error))?;
    pid_in(&status).ok_or_else(|| Error::invalid("has no NSpid", path.as_ref()))
}

pub(super) fn pid_in(status: &str) -> Option<i32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let Ok(pid) = line?.split_whitespace().last()?.parse() else {
        return None;
    };
    Some(pid)
}
