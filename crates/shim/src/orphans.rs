//! Children of containers' processes that have outlived their parents come to the shim, and are to be waited for by it.

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

/// Waits for all children that have ended, but not for one that is known: whoever has its handle wants its status.
pub(crate) fn reap(is_known: impl Fn(i32) -> bool) {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, look) {
        let pid = match status {
            WaitStatus::StillAlive => return,
            status => status.pid(),
        };
        match pid {
            // Its end is told at its pidfd, after which this is called again.
            Some(pid) if is_known(pid.as_raw()) => return,
            Some(pid)
                if waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG).is_ok() => {}
            _ => return,
        }
    }
}
