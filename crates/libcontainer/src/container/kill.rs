//! `kill`: signals for the container.

use std::time::{Duration, Instant};

use kernel::process::PollFd;
use kernel::{Errno, Fd, process};
use nix::libc::SIGKILL;

use super::Container;
use super::cgroup::group_of;
use crate::Error;
use crate::state::{Liveness, observe};

/// How long a killed process may take to die. One that waits for a dead file server, or in a cgroup of v1 below a frozen one,
/// does not die at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends a process for good and waits until it is dead; a child of ours is reaped. False when it does not die.
pub(super) fn end(pidfd: &Fd) -> Result<bool, Error> {
    match process::signal(pidfd.borrow(), SIGKILL) {
        Err(fault) if !fault.is(Errno::ESRCH) => return Err(Error::call("end the process", fault)),
        _ => {}
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut watch = [PollFd::new(pidfd.borrow(), PollFd::IN)];
        let left = deadline.saturating_duration_since(Instant::now());
        match process::poll(&mut watch, Some(left.as_nanos() as u64)) {
            Ok(0) => return Ok(false),
            Ok(_) => break,
            Err(fault) if fault.is(Errno::EINTR) => {}
            Err(fault) => return Err(Error::call("wait for the end of the process", fault)),
        }
    }
    loop {
        match process::wait(pidfd.borrow(), false) {
            Err(fault) if fault.is(Errno::EINTR) => {}
            // Somebody else's child.
            Err(fault) if fault.is(Errno::ECHILD) => return Ok(true),
            answer => {
                return answer
                    .map(|_| true)
                    .map_err(|fault| Error::call("take note of the end of the process", fault));
            }
        }
    }
}

impl Container {
    /// Sends a signal to the container's first process, or with `all` to all of its processes. (runtime.md, "Kill")
    ///
    /// # Errors
    /// The container does not run (with `all` that is no error), or a signal that the kernel does not know.
    pub fn kill(&self, signal: i32, all: bool) -> Result<(), Error> {
        let liveness = observe::liveness(&self.record)?;
        // Without a pid namespace of its own the other processes outlive the first: what is to die dies as a whole.
        let whole = all || (signal == SIGKILL && !self.record.owns_pids);
        // Without a recorded process nothing in that cgroup is known to be the container's.
        if whole
            && self.record.pid != 0
            && let Some(group) = group_of(&self.record)?
        {
            group.kill(signal)?;
            if all || matches!(liveness, Liveness::Gone) {
                return Ok(());
            }
        }
        let not_running = || Error::wrong_status(self.id(), "container not running");
        match liveness {
            Liveness::Gone if all => Ok(()),
            Liveness::Gone => Err(not_running()),
            Liveness::Alive(pidfd) => match process::signal(pidfd.borrow(), signal) {
                Err(fault) if fault.is(Errno::ESRCH) => Err(not_running()),
                Err(fault) => Err(Error::call(format!("send signal {signal}"), fault)),
                // A frozen process does not see any signal but the last one, and that only once thawed on v1.
                Ok(()) if signal == SIGKILL && observe::is_frozen(&self.record)? => {
                    match group_of(&self.record)? {
                        Some(group) => Ok(group.thaw()?),
                        None => Ok(()),
                    }
                }
                Ok(()) => Ok(()),
            },
        }
    }
}
