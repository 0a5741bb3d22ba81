//! Running hooks: programs of the caller's at points of the life cycle (config.md, "POSIX-platform Hooks").
//!
//! A hook is started by init like everything else, so it gets exactly the environment of its entry, no descriptors but
//! its standard three, and a failure to start it names the call.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use init::Slot;
use kernel::namespace::flags::NEWPID;
use kernel::process::{Exit, Watch};
use kernel::{Errno, Fd, file, process};
use spec::{Hook, Spec, State};

use super::{Console, Setting, walk};
use crate::Error;
use crate::host::HostFacts;
use crate::plan::{self, HookKind, Reach};

/// Most output of a hook that a message quotes.
const MOST_OUTPUT: usize = 64 * 1024;

/// What a pipe holds without being asked for more (pipe(7)).
const USUAL_PIPE: usize = 64 * 1024;

/// What hooks need to know about the container.
pub(crate) struct HookState<'a> {
    pub(crate) spec: &'a Spec<'a>,
    pub(crate) id: &'a str,
    pub(crate) bundle: &'a str,
    pub(crate) status: &'a str,
    /// Types of namespaces in which the container differs from the runtime.
    pub(crate) namespaces: u64,
    /// The container's first process, where another one is started.
    pub(crate) init: Option<i32>,
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

    fn json(&self, pid: Option<i32>) -> Result<String, Error> {
        serde_json::to_string(&self.as_spec(pid))
            .map_err(|error| Error::invalid(&error.to_string(), self.bundle.as_ref()))
    }
}

/// Runs all hooks of one kind. The first failure ends it, except for `poststop`, where each failure is a warning.
pub(crate) fn run_all(
    state: &HookState<'_>,
    kind: HookKind,
    pid: Option<i32>,
    host: &HostFacts,
) -> Result<(), Error> {
    let Some(hooks) = &state.spec.hooks else {
        return Ok(());
    };
    for index in 0..kind.of(hooks).len() {
        match run(state, kind, index, pid, &[], host) {
            Err(error) if kind == HookKind::Poststop => log::warn!("{error}"),
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
    shared: &[i32],
    host: &HostFacts,
) -> Result<(), Error> {
    let Some(hook) = state
        .spec
        .hooks
        .as_ref()
        .and_then(|hooks| kind.of(hooks).get(index))
    else {
        return Ok(());
    };
    let failed = |why: String| Error::Hook {
        at: kind.field(index),
        text: format!("error running {} hook #{index}: {why}", kind.name()),
    };
    let started = Instant::now();
    let mut running = Running::start(state, kind, hook, index, pid, shared, host)
        .map_err(|error| failed(error.to_string()))?;
    // A time that the clock cannot show never comes.
    let deadline = hook
        .timeout
        .and_then(|seconds| started.checked_add(Duration::from_secs(seconds.unsigned_abs())));
    let (exit, out, err) = running
        .wait(deadline)
        .map_err(|fault| failed(format!("its end cannot be seen: {fault}")))?;
    log::debug!(
        "hook {}: stdout: {}, stderr: {}",
        hook.path,
        one_line(&out),
        one_line(&err)
    );
    let how = match exit {
        Some(Exit::Code(0)) => return Ok(()),
        Some(Exit::Code(code)) => format!("exit status {code}"),
        Some(Exit::Signal(signal)) => format!("signal {signal}"),
        None => format!("timed out after {} s", hook.timeout.unwrap_or_default()),
    };
    Err(failed(format!(
        "{how}, stdout: {}, stderr: {}",
        one_line(&out),
        one_line(&err)
    )))
}

/// Output as part of a message of one line.
fn one_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim().replace('\n', "\\n")
}

struct Running {
    child: kernel::process::Started,
    out: Option<File>,
    err: Option<File>,
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| {
        super::own(
            "make a pipe",
            kernel::Fault::found(kernel::Call::Openat, Errno(errno as i32)),
        )
    })
}

impl Running {
    fn start(
        state: &HookState<'_>,
        kind: HookKind,
        hook: &Hook<'_>,
        index: usize,
        pid: Option<i32>,
        shared: &[i32],
        host: &HostFacts,
    ) -> Result<Running, Error> {
        let inside = matches!(kind, HookKind::CreateContainer | HookKind::StartContainer);
        let (reach, given) = match pid {
            Some(pid) if inside => reach(pid, shared)?,
            _ => (Reach::Here, Vec::new()),
        };
        // A container's process is the first of its pid namespace, or has some other number in a joined one.
        let seen_pid = match pid {
            Some(pid) if inside && state.namespaces & NEWPID != 0 => Some(pid_inside(pid)?),
            pid => pid,
        };
        let directory = if kind == HookKind::StartContainer {
            "/"
        } else {
            state.bundle
        };
        let at = kind.field(index);
        let plan = plan::hook(
            state.spec,
            hook,
            &at,
            reach,
            state.namespaces,
            directory,
            host,
        )?;
        let ((stdin, to_stdin), (from_out, out), (from_err, err)) = (pipe()?, pipe()?, pipe()?);
        let report = super::child::report_page()
            .map_err(|fault| super::own("make the report page", fault))?;
        let setting = Setting {
            host,
            report,
            fence: None,
            console: Console::None,
            cgroup: None,
            preserve_fds: 0,
            standard: [
                Some(stdin.as_raw_fd()),
                Some(out.as_raw_fd()),
                Some(err.as_raw_fd()),
            ],
            given,
            state: None,
        };
        // The state is written before the start, into a pipe that holds all of it: a hook that does not read it does no
        // harm, and nobody waits.
        let json = state.json(seen_pid)?;
        let mut to_stdin = File::from(to_stdin);
        let no_room = |fault| super::own("write the state for the hook", fault);
        if json.len() > USUAL_PIPE {
            file::set_pipe_size(to_stdin.as_raw_fd(), json.len()).map_err(no_room)?;
        }
        file::set_nonblocking(to_stdin.as_raw_fd(), true).map_err(no_room)?;
        to_stdin
            .write_all(json.as_bytes())
            .map_err(|_| no_room(kernel::Fault::found(kernel::Call::Write, Errno::EMSGSIZE)))?;
        drop(to_stdin);
        let (performed, _) = walk(&plan, setting, &mut |_| Ok(()))?;
        drop((stdin, out, err));
        Ok(Running {
            child: performed.child,
            out: Some(File::from(from_out)),
            err: Some(File::from(from_err)),
        })
    }

    /// Collects output until the hook has ended or the time is up; then it is killed, and the answer has no exit.
    fn wait(
        &mut self,
        deadline: Option<Instant>,
    ) -> kernel::Result<(Option<Exit>, Vec<u8>, Vec<u8>)> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        loop {
            let raw = |file: &Option<File>| file.as_ref().map_or(-1, AsRawFd::as_raw_fd);
            let mut watches =
                [self.child.pidfd.raw(), raw(&self.out), raw(&self.err)].map(|fd| Watch {
                    fd,
                    events: Watch::IN,
                    came: 0,
                });
            let left = deadline.map(|deadline| {
                let left = deadline.saturating_duration_since(Instant::now());
                left.as_nanos().min(u64::MAX.into()) as u64
            });
            let count = match process::poll(&mut watches, left) {
                Err(fault) if fault.is(Errno::EINTR) => continue,
                answer => answer?,
            };
            if watches[1].came != 0 {
                collect(&mut self.out, &mut out);
            }
            if watches[2].came != 0 {
                collect(&mut self.err, &mut err);
            }
            if watches[0].came != 0 {
                // What is still in the pipes is wanted, but a process that it left behind may keep them open.
                for (file, output) in [(&mut self.out, &mut out), (&mut self.err, &mut err)] {
                    if let Some(open) = file {
                        file::set_nonblocking(open.as_raw_fd(), true)?;
                        while file.is_some() && collect(file, output) {}
                    }
                }
                // Not where the caller ignores SIGCHLD: then nobody knows whether it has failed.
                let exit = process::wait(self.child.pidfd.raw(), true)?;
                return Ok((exit, out, err));
            }
            if count == 0 && deadline.is_some() {
                super::end(&self.child.pidfd)?;
                return Ok((None, out, err));
            }
        }
    }
}

/// Reads what there is; false when there is nothing (more).
fn collect(file: &mut Option<File>, output: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    match file.as_mut().map(|open| open.read(&mut buffer)) {
        Some(Ok(0)) | None => *file = None,
        Some(Ok(length)) => {
            let room = MOST_OUTPUT.saturating_sub(output.len());
            output.extend_from_slice(&buffer[..length.min(room)]);
            return true;
        }
        Some(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => return true,
        Some(Err(_)) => *file = None,
    }
    false
}

/// The way to the container's namespaces: by files that init shared, or by its process.
fn reach(pid: i32, shared: &[i32]) -> Result<(Reach, Vec<(Slot, Fd)>), Error> {
    let failed = |fault| super::own("reach the container's namespaces", fault);
    let first = Slot::FIRST_FREE;
    if shared.is_empty() {
        return Ok((
            Reach::Process(first),
            vec![(first, process::open(pid).map_err(failed)?)],
        ));
    }
    let mut given = Vec::new();
    for (index, raw) in shared.iter().enumerate() {
        let copy = file::duplicate_above(*raw, 3).map_err(failed)?;
        given.push((Slot(first.0 + index as u8), Fd::adopt(copy)));
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
