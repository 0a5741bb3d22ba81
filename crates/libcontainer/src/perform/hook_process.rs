//! The process of a hook: its start, its output, its end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use init::Slot;
use kernel::process::{Exit, PollFd, Started};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, file, process};

use super::{Cgroup, Console, Given, HookState, fence, walk};
use crate::Error;
use crate::interrupt::Interrupt;
use crate::plan::Plan;

/// Most output of a hook that a message quotes.
const MOST_OUTPUT: usize = 64 * 1024;

/// What a pipe holds without being asked for more (pipe(7)).
const USUAL_PIPE: usize = 64 * 1024;

/// How a hook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself. What it has started and left behind, such as a daemon, lives on.
    Exit(Option<Exit>),
    /// It was killed, with its process group, when its time was up,
    TimedOut,
    /// or because the caller has changed its mind.
    Interrupted,
}

/// A hook that is dropped before its end was seen is killed and reaped: as a zombie it would keep the container's pid
/// namespace, and who waits for that would wait for ever.
pub(super) struct HookProcess {
    child: Started,
    is_reaped: bool,
    out: Stream,
    err: Stream,
}

/// What the hook writes.
struct Stream {
    from: Option<File>,
    collected: Vec<u8>,
}

fn pipe() -> Result<(Fd, Fd), Error> {
    file::pipe().map_err(|fault| super::own("make a pipe", fault))
}

/// The state is written before the start, into a pipe that holds all of it: a hook that does not read it does no harm, and
/// nobody waits.
fn write_state(to_stdin: Fd, json: &str) -> Result<(), Error> {
    let mut to_stdin = File::from(OwnedFd::from(to_stdin));
    let no_room = |fault| super::own("write the state for the hook", fault);
    if json.len() > USUAL_PIPE {
        file::set_pipe_size(to_stdin.as_fd().into(), json.len()).map_err(no_room)?;
    }
    file::set_nonblocking(to_stdin.as_fd().into(), true).map_err(no_room)?;
    to_stdin
        .write_all(json.as_bytes())
        .map_err(|_| no_room(Fault::found(Call::Write, Errno::EMSGSIZE)))
}

impl HookProcess {
    /// Starts a hook by its plan. `pid` is the container's process as the hook sees it; `note` is told the hook's before the
    /// program runs.
    pub(super) fn start(
        plan: &Plan,
        state: HookState<'_>,
        pid: Option<i32>,
        seat: Option<cgroups::Seat>,
        inputs: Vec<(Slot, Fd)>,
        note: &mut dyn FnMut(&Started) -> Result<(), Error>,
    ) -> Result<HookProcess, Error> {
        let ((stdin, to_stdin), (from_out, out), (from_err, err)) = (pipe()?, pipe()?, pipe()?);
        let report = super::child::report_page()
            .map_err(|fault| super::own("make the report page", fault))?;
        write_state(to_stdin, &state.json(pid)?)?;
        let given = Given {
            store: state.store,
            report,
            fence: plan.waits().then(fence::pipe).transpose()?,
            console: Console::None,
            cgroup: seat.map(Cgroup::Existing),
            resctrl: state.resctrl,
            preserve_fds: 0,
            standard: [&stdin, &out, &err].map(|end| Some(end.borrow())),
            inputs,
            state: Some(state),
            run_hook: None,
        };
        let performed = walk(plan, given, note)?;
        let released = performed.release();
        let stream = |end| Stream {
            from: Some(File::from(OwnedFd::from(end))),
            collected: Vec::new(),
        };
        let process = HookProcess {
            child: performed.child,
            is_reaped: false,
            out: stream(from_out),
            err: stream(from_err),
        };
        match released {
            Ok(None) => Ok(process),
            Ok(Some(fault)) => Err(super::own("execute the hook", fault)),
            Err(fault) => Err(super::own("let the hook go", fault)),
        }
    }

    /// What it has written to standard output and error.
    pub(super) fn output(&self) -> (&[u8], &[u8]) {
        (&self.out.collected, &self.err.collected)
    }

    /// Collects output until the hook has ended, the time is up, or a signal comes.
    pub(super) fn wait(
        &mut self,
        deadline: Option<Instant>,
        interrupt: Option<&dyn Interrupt>,
    ) -> kernel::Result<End> {
        loop {
            let fds = [
                Some(self.child.pidfd.borrow()),
                self.out.borrow(),
                self.err.borrow(),
                interrupt.map(|interrupt| interrupt.as_fd().into()),
            ];
            let mut watches = fds.map(|fd| PollFd::optional(fd, PollFd::IN));
            let left = deadline.map(|deadline| {
                let left = deadline.saturating_duration_since(Instant::now());
                left.as_nanos().min(u64::MAX.into()) as u64
            });
            let count = match process::poll(&mut watches, left) {
                Err(fault) if fault.is(Errno::EINTR) => continue,
                answer => answer?,
            };
            let [ended, out, err, interrupted] = watches.map(|watch| watch.came != 0);
            if out {
                self.out.collect();
            }
            if err {
                self.err.collect();
            }
            if ended {
                self.out.drain()?;
                self.err.drain()?;
                // Not where the caller ignores SIGCHLD: then nobody knows whether it has failed.
                let exit = process::wait(self.child.pidfd.borrow(), true)?;
                self.is_reaped = true;
                return Ok(End::Exit(exit));
            }
            if interrupted {
                self.end()?;
                return Ok(End::Interrupted);
            }
            if count == 0 && deadline.is_some() {
                self.end()?;
                return Ok(End::TimedOut);
            }
        }
    }
}

impl HookProcess {
    fn end(&mut self) -> kernel::Result<()> {
        super::end(&self.child)?;
        self.is_reaped = true;
        Ok(())
    }
}

impl Drop for HookProcess {
    fn drop(&mut self) {
        if !self.is_reaped
            && let Err(fault) = self.end()
        {
            log::debug!("a hook may be left: {fault}");
        }
    }
}

impl Stream {
    fn borrow(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().map(|file| file.as_fd().into())
    }

    /// Reads what there is; false when there is nothing (more).
    fn collect(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.from.as_mut().map(|open| open.read(&mut buffer)) {
            Some(Ok(0)) | None => self.from = None,
            Some(Ok(length)) => {
                let room = MOST_OUTPUT.saturating_sub(self.collected.len());
                self.collected
                    .extend_from_slice(&buffer[..length.min(room)]);
                return true;
            }
            Some(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => return true,
            Some(Err(_)) => self.from = None,
        }
        false
    }

    /// What is still in the pipe is wanted, but a process that the hook left behind may keep it open.
    fn drain(&mut self) -> kernel::Result<()> {
        if let Some(open) = &self.from {
            file::set_nonblocking(open.as_fd().into(), true)?;
            while self.from.is_some() && self.collect() {}
        }
        Ok(())
    }
}
