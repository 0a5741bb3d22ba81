//! Who is inside, and signalling all of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use kernel::{Errno, process};

use super::Group;
use crate::Error;
use crate::dir::{Dir, number, read_path};

const SIGKILL: i32 = 9;

/// The processes of a cgroup and of all below it.
pub(super) fn processes_below(dir: &Dir) -> Result<BTreeSet<i32>, Error> {
    let mut found = BTreeSet::new();
    collect(dir, &mut found)?;
    Ok(found)
}

fn collect(dir: &Dir, found: &mut BTreeSet<i32>) -> Result<(), Error> {
    // A process outside of this process's pid namespace has the number 0.
    let numbers = |list: &str| -> Result<Vec<i32>, Error> {
        let numbers = list.lines().map(|line| number(dir.path(), line));
        numbers.filter(|id| !matches!(id, Ok(0))).collect()
    };
    match dir.read("cgroup.procs") {
        Ok(list) => found.extend(numbers(&list)?),
        // The kernel lists the processes of threaded cgroups in their domain only, and their threads here.
        Err(error) if error.is(Errno::EOPNOTSUPP) => {
            let threads = dir.read_if_there("cgroup.threads")?.unwrap_or_default();
            for thread in numbers(&threads)? {
                found.extend(process_of(thread)?);
            }
        }
        Err(error) if error.is_gone() => return Ok(()),
        Err(error) => return Err(error),
    }
    for name in dir.children()? {
        match dir.child(&name) {
            Ok(child) => collect(&child, found)?,
            Err(error) if error.is(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The process that a thread is part of; `None` when it is gone.
fn process_of(thread: i32) -> Result<Option<i32>, Error> {
    let path = PathBuf::from(format!("/proc/{thread}/status"));
    let status = match read_path(&path) {
        Err(error) if error.is(Errno::ENOENT) || error.is(Errno::ESRCH) => return Ok(None),
        answer => answer?,
    };
    let mut lines = status.lines();
    let process = lines.find_map(|line| line.strip_prefix("Tgid:"));
    process.map(|process| number(&path, process)).transpose()
}

impl Group {
    /// The processes in the cgroup and in those made below it, as this process's pid namespace numbers them.
    ///
    /// # Errors
    /// A list cannot be read. A cgroup that is gone has no processes.
    pub fn processes(&self) -> Result<Vec<i32>, Error> {
        let mut found = BTreeSet::new();
        // In every hierarchy: who was killed while placing somebody left them in some of the hierarchies only.
        for dir in self.existing() {
            collect(dir, &mut found)?;
        }
        Ok(found.into_iter().collect())
    }

    /// Sends a signal to everything inside.
    ///
    /// SIGKILL is one write on v2, where nothing can escape it. Otherwise the cgroup is frozen meanwhile, so that nobody
    /// forks between being listed and being signalled; where there is no freezer, this is repeated until nobody new is
    /// found.
    ///
    /// # Errors
    /// The lists cannot be read, or a process may not be signalled.
    pub fn kill(&self, signal: i32) -> Result<(), Error> {
        if signal == SIGKILL && self.place.unit.is_some() && self.processes()?.is_empty() {
            self.settle();
            // What systemd has made meanwhile was not there to be opened.
            return Group::open(&self.place)?.kill_inside(signal);
        }
        self.kill_inside(signal)
    }

    fn kill_inside(&self, signal: i32) -> Result<(), Error> {
        if signal == SIGKILL && self.kill_at_once()? && self.place.locations.len() == 1 {
            return Ok(());
        }
        let was_frozen = self.is_frozen()?;
        // Signals that nothing is done about while frozen are kept by the kernel until the thaw.
        let froze = !was_frozen && self.freeze_briefly();
        let result = self.signal_all(signal, was_frozen || froze);
        // A frozen process of v1 does not even die.
        let thawed = match froze || (was_frozen && signal == SIGKILL) {
            true => self.thaw(),
            false => Ok(()),
        };
        result.and(thawed)
    }

    /// `cgroup.kill`; false when there is none.
    fn kill_at_once(&self) -> Result<bool, Error> {
        let Some(dir) = self.unified() else {
            return Ok(false);
        };
        match dir.write("cgroup.kill", "1") {
            Ok(()) => {}
            // Where the directory was removed nothing is in it.
            Err(error) if error.is_gone() => return Ok(!dir.is_there()),
            Err(error) if error.is(Errno::EOPNOTSUPP) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn signal_all(&self, signal: i32, frozen: bool) -> Result<(), Error> {
        const MOST_ROUNDS: usize = 100;
        let mut signalled = BTreeSet::new();
        for _ in 0..MOST_ROUNDS {
            let inside: BTreeSet<i32> = self.processes()?.into_iter().collect();
            let new: Vec<i32> = inside.difference(&signalled).copied().collect();
            if new.is_empty() {
                return Ok(());
            }
            for pid in new {
                match process::kill(pid, signal) {
                    Ok(()) => {}
                    Err(fault) if fault.is(Errno::ESRCH) => {}
                    Err(fault) => {
                        return Err(Error::file(
                            format!("send signal {signal} to"),
                            format!("process {pid}"),
                            fault,
                        ));
                    }
                }
                signalled.insert(pid);
            }
            if frozen {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}
