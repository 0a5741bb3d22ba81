//! Children of this process that it has not started itself: their parents have ended (it is a subreaper).

use std::fs;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Whether a child of ours has ended; it is reaped then.
pub fn has_ended(child: Pid) -> bool {
    !matches!(
        waitpid(child, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive)
    )
}

/// A child of ours that has ended.
#[derive(Debug)]
pub struct Zombie {
    /// Its name, of which the kernel keeps 15 bytes.
    pub name: String,
    /// Its number in the innermost pid namespace, if that is not ours.
    pub inside: Option<i32>,
}

/// Reaps those that are wanted.
pub fn reap(wanted: impl Fn(&Zombie) -> bool) {
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim()
        };
        if field("PPid:") != own || !field("State:").starts_with('Z') {
            continue;
        }
        // Its end is its tracer's first.
        if field("TracerPid:") != "0" {
            continue;
        }
        let zombie = Zombie {
            name: field("Name:").to_owned(),
            inside: (field("NSpid:").split_whitespace().nth(1))
                .and_then(|_| field("NSpid:").split_whitespace().last()?.parse().ok()),
        };
        if wanted(&zombie) {
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}
