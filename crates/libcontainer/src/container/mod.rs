//! A container, and what can be done with it: one file per operation.

mod cgroup;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod fence;
mod kill;
mod pause;
mod prepare;
mod process;
mod report;
mod run;
mod start;
mod update;

use crate::Error;
use crate::host::HostFacts;
use crate::state::{Folder, Liveness, Record, Status, Store};

pub use events::Event;
pub use exec::{ExecRequest, exec};
pub use features::features;
pub(crate) use prepare::judge;
pub use prepare::{CreateOptions, plan_of, seccomp_text};
pub use process::Process;
pub use report::StateReport;
pub use run::{RunOptions, run};

/// A container that exists.
#[derive(Debug)]
pub struct Container {
    folder: Folder,
    record: Record,
}

impl Container {
    /// Finds a container by its id.
    ///
    /// # Errors
    /// There is none, or its record cannot be read.
    pub fn open(store: &Store, id: &str) -> Result<Container, Error> {
        let folder = store.folder(id)?;
        match folder.record()? {
            Some(record) => Ok(Container { folder, record }),
            None => Err(Error::NotFound { id: id.to_owned() }),
        }
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// What is recorded about it.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What it is doing now.
    ///
    /// # Errors
    /// The report page cannot be read.
    pub fn status(&self) -> Result<Status, Error> {
        self.status_and_liveness().map(|(status, _)| status)
    }

    fn status_and_liveness(&self) -> Result<(Status, Liveness), Error> {
        let liveness = Liveness::of(&self.record);
        if !matches!(liveness, Liveness::Alive(_)) {
            return Ok((Status::Stopped, liveness));
        }
        let step = self.folder.report()?.step;
        let status = match step {
            None => Status::Creating,
            Some(step) if step < self.record.fence => Status::Creating,
            // Whoever waits for `start` can be frozen like any other.
            _ if self.is_frozen() => Status::Paused,
            Some(step) if step == self.record.fence => Status::Created,
            Some(_) => Status::Running,
        };
        Ok((status, liveness))
    }

    fn relock(&self) -> Result<(), Error> {
        self.folder.lock()
    }

    /// As [`Container::relock`], until the answer goes: the lock belongs to an open file, so one that a container kept
    /// would make its own process wait for ever in `delete`, which opens the folder anew.
    fn locked(&self) -> Result<Locked<'_>, Error> {
        self.relock()?;
        Ok(Locked(&self.folder))
    }

    fn facts(&self) -> HostFacts {
        HostFacts::probe()
    }
}

/// A lock on a container's folder.
struct Locked<'a>(&'a Folder);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}
