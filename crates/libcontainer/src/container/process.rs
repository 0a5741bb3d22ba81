//! The container's first process, to wait for.

use std::os::fd::{AsFd, BorrowedFd};

use kernel::process::{Exit, PollFd};
use kernel::{Errno, Fd, process};

use super::Container;
use crate::Error;
use crate::state::observe;

/// A process, held by its pidfd: its number cannot come to mean another one.
#[derive(Debug)]
pub struct Process {
    pub(crate) pid: i32,
    pub(crate) pidfd: Fd,
}

impl Process {
    /// Its number in the caller's pid namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until it has ended. How is known to its parent only, and to that only if it does not ignore SIGCHLD: else
    /// `None`.
    ///
    /// # Errors
    /// As poll(2) and waitid(2).
    pub fn wait(&self) -> Result<Option<Exit>, Error> {
        let failed = |fault| Error::call("wait for the process", fault);
        loop {
            match process::wait(self.pidfd.borrow(), true) {
                Ok(exit) => return Ok(exit),
                Err(fault) if fault.is(Errno::EINTR) => {}
                Err(fault) if fault.is(Errno::ECHILD) => break,
                Err(fault) => return Err(failed(fault)),
            }
        }
        let mut watch = [PollFd::new(self.pidfd.borrow(), PollFd::IN)];
        loop {
            match process::poll(&mut watch, None) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                answer => return answer.map(|_| None).map_err(failed),
            }
        }
    }
}

impl AsFd for Process {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Container {
    /// The container's first process.
    ///
    /// # Errors
    /// It has ended and was reaped.
    pub fn process(&self) -> Result<Process, Error> {
        // A zombie of ours can still be waited for.
        match observe::held(&self.record)? {
            Some(pidfd) => Ok(Process {
                pid: self.record.pid,
                pidfd,
            }),
            None => Err(Error::wrong_status(self.id(), "container not running")),
        }
    }
}
