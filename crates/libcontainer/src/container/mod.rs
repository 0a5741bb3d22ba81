//! A container, and what can be done with it: one file per operation.
#![cfg_attr(
    not(test),
    deny(clippy::disallowed_methods, clippy::let_underscore_must_use)
)]

mod checkpoint;
mod checkpoint_check;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod fence;
mod gc;
mod group;
mod kill;
mod pause;
mod pid_file;
mod prepare;
mod report;
mod restore;
mod run;
mod start;
mod update;

#[cfg(any(test, fuzzing))]
pub(crate) use checkpoint_check::lock_owner;

use crate::Error;
use crate::process::Process;
use crate::state::{Folder, Held, Liveness, Record, Status, Store, observe};

pub use checkpoint::{CgroupMode, CheckpointOptions};
pub use create::Created;
pub use delete::Obstacle;
pub use events::Event;
pub use exec::{ExecRequest, ProcessSource};
pub use features::features;
pub use gc::{Found, GcOptions, Leftover, Outcome, Part, gc};
pub(crate) use prepare::validate;
pub use prepare::{CreateOptions, plan_of, seccomp_text};
pub use report::StateReport;
pub use restore::RestoreOptions;

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
        store.folder(id).and_then(Container::of)
    }

    /// All containers of a store with their ids, sorted, and why one cannot be read. One that is deleted meanwhile is left out.
    ///
    /// # Errors
    /// The store's directory cannot be read.
    pub fn all(
        store: &Store,
    ) -> Result<impl Iterator<Item = (String, Result<Container, Error>)> + use<'_>, Error> {
        let read =
            |(id, folder): (String, Result<Folder, Error>)| (id, folder.and_then(Container::of));
        let is_there = |(_, read): &(String, Result<Container, Error>)| {
            !matches!(read, Err(Error::NotFound { .. }))
        };
        Ok(store.folders()?.map(read).filter(is_there))
    }

    fn of(folder: Folder) -> Result<Container, Error> {
        match folder.record()? {
            Some(record) => Ok(Container { folder, record }),
            None => Err(Error::NotFound {
                id: folder.id().to_owned(),
            }),
        }
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// What was recorded about it when it was opened.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What it is doing now.
    ///
    /// # Errors
    /// That cannot be told: the kernel does not answer, or what is stored was damaged.
    pub fn status(&self) -> Result<Status, Error> {
        self.look().map(|look| look.status)
    }

    /// Its first process.
    ///
    /// # Errors
    /// It has ended and was reaped.
    pub fn process(&self) -> Result<Process, Error> {
        let process = first_process(&self.record)?;
        process.ok_or_else(|| Error::wrong_status(self.id(), "container not running"))
    }

    fn look(&self) -> Result<Look, Error> {
        let look = Look::at(&self.folder, &self.record)?;
        if !matches!(look.liveness, Liveness::Gone)
            || !observe::was_unfinished(&self.folder, &self.record)?
        {
            return match look.status {
                // Deleted since it was opened.
                Status::Stopped if !self.is_there()? => Err(self.gone()),
                _ => Ok(look),
            };
        }
        // It is being made, or was never finished: that depends on whether somebody is at work. If nobody is, whoever was
        // may have finished it meanwhile.
        match self.folder.try_lock()? {
            None => Ok(Look {
                status: Status::Creating,
                ..look
            }),
            Some(held) => Ok(Locked::of(held)?.look()?),
        }
    }

    /// Waits until nobody else works on it.
    fn lock(&self) -> Result<Locked, Error> {
        self.held(self.folder.lock()?)
    }

    /// A record with a process is not written any more; runc writes its own anew.
    fn held(&self, folder: Held) -> Result<Locked, Error> {
        if self.may_change() {
            return Locked::of(folder);
        }
        match folder.keeps(&self.record)? {
            true => Ok(Locked {
                folder,
                record: self.record.clone(),
            }),
            false => Err(self.gone()),
        }
    }

    fn may_change(&self) -> bool {
        self.record.pid == 0 || self.record.is_runcs
    }

    /// Whether it was not deleted since it was opened.
    fn is_there(&self) -> Result<bool, Error> {
        match self.may_change() {
            true => self.folder.is_taken(),
            false => self.folder.keeps(&self.record),
        }
    }

    fn gone(&self) -> Error {
        Error::NotFound {
            id: self.record.id.clone(),
        }
    }
}

/// The recorded process, alive or a zombie, which can still be waited for.
fn first_process(record: &Record) -> Result<Option<Process>, Error> {
    let pidfd = observe::held(record)?;
    Ok(pidfd.map(|pidfd| Process::first(record.pid, pidfd, record.identity)))
}

/// What a container is doing, and its process.
struct Look {
    status: Status,
    liveness: Liveness,
    /// The process's number; 0 before there is one.
    pid: i32,
}

impl Look {
    fn at(folder: &Folder, record: &Record) -> Result<Look, Error> {
        let (status, liveness) = observe::status(folder, record)?;
        Ok(Look {
            status,
            liveness,
            pid: record.pid,
        })
    }
}

/// A container that nobody else works on, until this is dropped: what changes, ends or removes one needs it.
#[derive(Debug)]
struct Locked {
    folder: Held,
    record: Record,
}

impl Locked {
    fn of(folder: Held) -> Result<Locked, Error> {
        match folder.record()? {
            Some(record) => Ok(Locked { folder, record }),
            None => Err(Error::NotFound {
                id: folder.id().to_owned(),
            }),
        }
    }

    fn id(&self) -> &str {
        &self.record.id
    }

    fn process(&self) -> Result<Option<Process>, Error> {
        first_process(&self.record)
    }

    /// What it is doing: nobody is making it, for this has the lock.
    fn look(&self) -> Result<Look, Error> {
        Look::at(&self.folder, &self.record)
    }

    /// Lets others work on it.
    fn unlock(self) -> Container {
        Container {
            folder: self.folder.release(),
            record: self.record,
        }
    }
}
