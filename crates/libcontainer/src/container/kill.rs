//! `kill`: signals for the container.

use kernel::process::Watch;
use kernel::{Errno, Fd, process};
use nix::libc::SIGKILL;

use super::Container;
use crate::Error;
use crate::state::{Liveness, Status};

/// Ends a process for good and waits until it is dead; a child of ours is reaped.
pub(super) fn end(pidfd: &Fd) {
    let _ = process::signal(pidfd.raw(), SIGKILL);
    let mut watch = [Watch {
        fd: pidfd.raw(),
        events: Watch::IN,
        came: 0,
    }];
    while matches!(process::poll(&mut watch, None), Err(fault) if fault.is(Errno::EINTR)) {}
    let _ = process::wait(pidfd.raw(), false);
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
