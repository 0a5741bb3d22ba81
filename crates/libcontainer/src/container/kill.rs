//! `kill`: signals for the container.

use std::time::{Duration, Instant};

use kernel::process::Watch;
use kernel::{Errno, Fd, process};
use nix::libc::SIGKILL;

use super::Container;
use crate::Error;
use crate::state::{Liveness, Status};

/// How long a killed process may take to die. One that waits for a dead file server, or in a cgroup of v1 below a frozen one,
/// does not die at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends a process for good and waits until it is dead; a child of ours is reaped. False when it does not die.
pub(super) fn end(pidfd: &Fd) -> bool {
    let _ = process::signal(pidfd.raw(), SIGKILL);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut watch = [Watch {
            fd: pidfd.raw(),
            events: Watch::IN,
            came: 0,
        }];
        let left = deadline.saturating_duration_since(Instant::now());
        match process::poll(&mut watch, Some(left.as_nanos() as u64)) {
            Err(fault) if fault.is(Errno::EINTR) => {}
            Ok(0) => return false,
            _ => break,
        }
    }
    let _ = process::wait(pidfd.raw(), false);
    true
}

impl Container {
    /// Sends a signal to the container's first process, or with `all` to all of its processes. (runtime.md, "Kill")
    ///
    /// # Errors
    /// The container does not run (with `all` that is no error), or a signal that the kernel does not know.
    pub fn kill(&self, signal: i32, all: bool) -> Result<(), Error> {
        let (status, liveness) = self.status_and_liveness()?;
        // Without a pid namespace of its own the other processes outlive the first: what is to die dies as a whole.
        let whole = all || (signal == SIGKILL && !self.record.owns_pids);
        // Without a recorded process nothing in that cgroup is known to be the container's.
        if whole
            && self.record.pid != 0
            && let Some(group) = self.group()?
        {
            group.kill(signal)?;
            if all || status == Status::Stopped {
                return Ok(());
            }
        }
        match liveness {
            Liveness::Gone if all => Ok(()),
            Liveness::Gone => Err(Error::wrong_status(self.id(), "container not running")),
            Liveness::Alive(pidfd) => match process::signal(pidfd.raw(), signal) {
                Err(fault) if fault.is(Errno::ESRCH) => {
                    Err(Error::wrong_status(self.id(), "container not running"))
                }
                Err(fault) => Err(crate::perform::own(&format!("send signal {signal}"), fault)),
                Ok(()) => {
                    // A frozen process does not see any signal but the last one, and that only once thawed on v1.
                    if signal == SIGKILL
                        && status == Status::Paused
                        && let Some(group) = self.group()?
                    {
                        let _ = group.thaw();
                    }
                    Ok(())
                }
            },
        }
    }
}
