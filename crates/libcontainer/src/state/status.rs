//! What a container is doing now, derived from the facts and the kernel.

use std::fmt;
use std::os::fd::AsRawFd;

use kernel::process::Watch;
use kernel::{Fd, file, process};

use super::Record;

/// The status (runtime.md, "State"), and `paused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being made, or left half made by a runtime that was killed.
    Creating,
    /// Waits for `start`.
    Created,
    /// The user's program runs.
    Running,
    /// As running, but frozen.
    Paused,
    /// Its first process has ended.
    Stopped,
}

impl Status {
    /// The word in `state`'s output.
    pub fn word(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether the recorded process still is.
#[derive(Debug)]
pub(crate) enum Liveness {
    /// It is, and this is it.
    Alive(Fd),
    /// It has ended, even if its parent has not taken notice yet, or its number belongs to somebody else now.
    Gone,
}

impl Liveness {
    pub(crate) fn of(record: &Record) -> Liveness {
        if record.pid <= 0 {
            return Liveness::Gone;
        }
        let Ok(pidfd) = process::open(record.pid) else {
            return Liveness::Gone;
        };
        // A pidfd is readable once the process has ended, also as a zombie.
        let mut watch = [Watch {
            fd: pidfd.as_raw_fd(),
            events: Watch::IN,
            came: 0,
        }];
        let ended = !matches!(process::poll(&mut watch, Some(0)), Ok(0));
        if ended || identity_of(record.pid, &pidfd) != Some(record.identity) {
            return Liveness::Gone;
        }
        Liveness::Alive(pidfd)
    }
}

/// What tells a process from a later one with the same number; see [`Record::identity`].
pub(crate) fn identity_of(pid: i32, pidfd: &Fd) -> Option<u64> {
    const PIDFS_MAGIC: u64 = 0x5049_4446;
    match file::filesystem(pidfd.raw()) {
        Ok(found) if found.kind == PIDFS_MAGIC => {
            file::status(pidfd.raw()).ok().map(|status| status.inode)
        }
        _ => start_time(pid),
    }
}

fn start_time(pid: i32) -> Option<u64> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything: count from its end.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    std::str::from_utf8(&text[end + 1..])
        .ok()?
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}
