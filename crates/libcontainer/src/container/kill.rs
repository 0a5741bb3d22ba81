//! `kill`: signals for the container.

use std::time::Duration;

use kernel::process::signals;
use kernel::{Errno, process};

use super::Container;
use super::group::group_of;
use crate::process::Process;
use crate::state::{Liveness, observe};
use crate::{Error, argument};

/// How long a killed process may take to die. One that waits for a dead file server, or in a cgroup of v1 below a frozen one,
/// does not die at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends a container's first process for good and waits until it is dead; a child of ours is reaped. False when it does not
/// die.
pub(super) fn end(process: &Process) -> Result<bool, Error> {
    process.kill()?;
    Ok(process.wait_timeout(PATIENCE)?.is_some())
}

impl Container {
    /// Sends a signal to the container's first process, or with `all` to all of its processes. (runtime.md, "Kill")
    ///
    /// # Errors
    /// The container does not run (with `all` that is no error), or a signal that the kernel does not know.
    pub fn kill(&self, signal: i32, all: bool) -> Result<(), Error> {
        argument::signal(signal)?;
        let liveness = observe::liveness(&self.record)?;
        // Without a pid namespace of its own the other processes outlive the first: what is to die dies as a whole.
        let whole = all || (signal == signals::KILL && !self.record.owns_pids);
        let mut reached = false;
        // Without a recorded process nothing in that cgroup is known to be the container's.
        if whole
            && self.record.pid != 0
            && let Some(group) = group_of(&self.record)?
        {
            // Of a container that is deleted the group may be another's by now.
            if matches!(liveness, Liveness::Gone) && !self.is_there()? {
                return Err(self.gone());
            }
            group.kill(signal)?;
            if all || matches!(liveness, Liveness::Gone) {
                return Ok(());
            }
            reached = true;
        }
        let not_running = || Error::wrong_status(self.id(), "container not running");
        match liveness {
            Liveness::Gone if all => Ok(()),
            Liveness::Gone => Err(not_running()),
            Liveness::Alive(pidfd) => match process::signal(pidfd.borrow(), signal) {
                // It was there, and who waits for it may have reaped it by now.
                Err(fault) if fault.is(Errno::ESRCH) && reached => Ok(()),
                Err(fault) if fault.is(Errno::ESRCH) => Err(not_running()),
                Err(fault) => Err(Error::call(format!("send signal {signal}"), fault)),
                // A frozen process does not see any signal but the last one, and that only once thawed on v1.
                Ok(()) if signal == signals::KILL && observe::is_frozen(&self.record)? => {
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
