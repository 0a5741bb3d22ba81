//! Running hooks: programs of the caller's or of the container's at points of the life cycle (config.md, "POSIX-platform
//! Hooks").
//!
//! A hook is started by init like everything else, so it gets exactly the environment that it is to have, no descriptors
//! but its standard three, and a failure to start it names the call.

use std::time::{Duration, Instant};

use init::Slot;
use kernel::namespace::flags::{NEWPID, NEWUSER};
use kernel::process::Exit;
use kernel::{BorrowedFd, Fd, file};
use spec::{Hook, Spec, State};

use super::hook_process::{End, HookProcess};
use crate::Error;
use crate::host::HostFacts;
use crate::plan::{self, HookKind, HookSurroundings, Joining, Plan, Reach};
use crate::state::{Held, Record, Store};

/// What hooks need to know about the container.
#[derive(Clone, Copy)]
pub(crate) struct HookState<'a> {
    pub(crate) store: &'a Store,
    pub(crate) spec: &'a Spec<'a>,
    pub(crate) id: &'a str,
    pub(crate) bundle: &'a str,
    /// The container's root directory, outside.
    pub(crate) root: &'a str,
    pub(crate) status: &'a str,
    /// Types of namespaces in which the container differs from the runtime.
    pub(crate) namespaces: u64,
    /// setgroups(2) works in it.
    pub(crate) set_groups: bool,
    /// The container's first process, where another one is started.
    pub(crate) init: Option<i32>,
    /// Where a hook that runs is noted, so that `delete --force` can end it.
    pub(crate) folder: Option<&'a Held>,
    /// When this becomes readable, a hook that runs is ended.
    pub(crate) interrupt: Option<BorrowedFd<'a>>,
}

/// The way into the container, for hooks that run there.
pub(crate) struct Inside<'a> {
    /// Its first process.
    pub(crate) pidfd: &'a Fd,
    /// Namespace files that this has shared.
    pub(crate) shared: &'a [BorrowedFd<'a>],
    /// Its cgroup.
    pub(crate) seat: &'a dyn Fn() -> Result<Option<cgroups::Seat>, Error>,
}

impl<'a> HookState<'a> {
    /// Of a container that exists.
    pub(crate) fn new(
        store: &'a Store,
        spec: &'a Spec<'a>,
        record: &'a Record,
        status: &'a str,
    ) -> HookState<'a> {
        HookState {
            store,
            spec,
            id: &record.id,
            bundle: &record.bundle,
            root: &record.rootfs,
            status,
            namespaces: record.namespaces,
            set_groups: record.set_groups,
            init: None,
            folder: None,
            interrupt: None,
        }
    }
}

impl HookState<'_> {
    /// As the specification's type.
    pub(crate) fn as_spec(&self, pid: Option<i32>) -> State<'_> {
        State {
            oci_version: self.spec.oci_version.as_deref().unwrap_or(spec::VERSION),
            id: self.id,
            status: self.status,
            pid,
            bundle: self.bundle,
            annotations: &self.spec.annotations,
        }
    }

    /// The profile of the system call filter.
    pub(super) fn filter(&self) -> Option<&spec::Seccomp<'_>> {
        self.spec.linux.as_ref()?.seccomp.as_ref()
    }

    pub(super) fn json(&self, pid: Option<i32>) -> Result<String, Error> {
        serde_json::to_string(&self.as_spec(pid))
            .map_err(|error| Error::invalid(&error.to_string(), self.bundle.as_ref()))
    }
}

/// Runs all hooks of one kind. The first failure ends it, except for `poststop`, where each failure is a warning.
pub(crate) fn run_all(
    state: &HookState<'_>,
    kind: HookKind,
    pid: Option<i32>,
    inside: Option<&Inside<'_>>,
    host: &HostFacts,
) -> Result<(), Error> {
    let Some(hooks) = &state.spec.hooks else {
        return Ok(());
    };
    for index in 0..kind.of(hooks).len() {
        match run(state, kind, index, pid, inside, host) {
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
    pid: Option<i32>,
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
    let started = Instant::now();
    let mut process = Start {
        state,
        kind,
        hook,
        index,
        host,
    }
    .start(pid, inside)
    .map_err(|error| failed(error.reason()))?;
    // A time that the clock cannot show never comes.
    let deadline = hook
        .timeout
        .and_then(|seconds| started.checked_add(Duration::from_secs(seconds.unsigned_abs())));
    let end = process
        .wait(deadline, state.interrupt)
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
        End::Interrupted => "interrupted".to_owned(),
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
    fn start(&self, pid: Option<i32>, inside: Option<&Inside<'_>>) -> Result<HookProcess, Error> {
        let state = self.state;
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
        let (plan, given) = match (self.kind, pid, inside) {
            (HookKind::StartContainer, Some(pid), Some(inside)) => {
                self.as_the_process(pid, inside, seat.is_some(), moved)?
            }
            _ => self.as_the_caller(inside, moved)?,
        };
        // The agent of a filter that notifies is told which process the container is.
        let known = HookState {
            init: state.init.or(pid),
            ..*state
        };
        let process = HookProcess::start(&plan, known, seen_pid, seat, given, self.host)?;
        if let Some(folder) = state.folder {
            folder.note_hook(process.started(), self.kind.name())?;
        }
        Ok(process)
    }

    /// A program of the container's: as its process in all but arguments and environment.
    fn as_the_process(
        &self,
        pid: i32,
        inside: &Inside<'_>,
        has_cgroup: bool,
        moved: bool,
    ) -> Result<(Plan, Vec<(Slot, Fd)>), Error> {
        let state = self.state;
        let outside = match &state.spec.process {
            Some(process) if state.namespaces & NEWUSER != 0 => {
                super::outside(pid, process.user.uid)?
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
        let given = super::ways_in(pid, copy(inside.pidfd.borrow())?, state.namespaces)?;
        Ok((plan, given))
    }

    /// A program of the caller's, perhaps in the container's namespaces.
    fn as_the_caller(
        &self,
        inside: Option<&Inside<'_>>,
        moved: bool,
    ) -> Result<(Plan, Vec<(Slot, Fd)>), Error> {
        let (reach, given) = match inside {
            Some(inside) => reach(inside)?,
            None => (Reach::Here, Vec::new()),
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
        Ok((plan, given))
    }
}

fn copy(fd: BorrowedFd<'_>) -> Result<Fd, Error> {
    file::duplicate_above(fd, 3)
        .map_err(|fault| super::own("reach the container's namespaces", fault))
}

/// The way to the container's namespaces: by files that init shared, or by its process.
fn reach(inside: &Inside<'_>) -> Result<(Reach, Vec<(Slot, Fd)>), Error> {
    let first = Slot::FIRST_FREE;
    if inside.shared.is_empty() {
        return Ok((
            Reach::Process(first),
            vec![(first, copy(inside.pidfd.borrow())?)],
        ));
    }
    let mut given = Vec::new();
    for (index, namespace) in inside.shared.iter().enumerate() {
        given.push((Slot(first.0 + index as u8), copy(*namespace)?));
    }
    Ok((Reach::Files(first), given))
}

/// The process's number in its own pid namespace: the last of `NSpid` in proc_pid_status(5).
fn pid_inside(pid: i32) -> Result<i32, Error> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path)
        .map_err(|error| Error::file("read", path.as_ref(), error))?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    match line
        .and_then(|line| line.split_whitespace().last())
        .map(str::parse)
    {
        Some(Ok(inside)) => Ok(inside),
        _ => Err(Error::invalid("has no NSpid", path.as_ref())),
    }
}
