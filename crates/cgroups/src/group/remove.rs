//! Removing a cgroup and everything below it.

use std::path::Path;
use std::time::Duration;

use kernel::file::{self, HERE};
use kernel::{Errno, Fault};

use super::Group;
use super::claim::{Answer, Claim};
use super::kill::processes_below;
use crate::dir::Dir;
use crate::error::c_string;
use crate::patience::Patience;
use crate::place::Location;
use crate::{Error, Place};

/// How long the kernel may take to let go. A process that was killed leaves its cgroup some time after its parent can
/// see it dead, and on v1 a removed child may hold its parent for a moment. It is for all hierarchies together.
const PATIENCE: Duration = Duration::from_secs(3);

impl Place {
    /// Removes the cgroup if it is a plain directory without anything in it or below it, as it nearly always is when a
    /// container has ended: one call for each hierarchy, and what keeps others off. False when more has to be done; what is gone
    /// then stays gone.
    pub fn remove_if_empty(&self) -> bool {
        let removed =
            |path: &Path| match c_string(path).map(|name| file::remove_directory(HERE, &name)) {
                Ok(Err(fault)) => is_gone(fault),
                Ok(Ok(())) => true,
                Err(_) => false,
            };
        if self.unit.is_some() {
            return false;
        }
        let _claim = match Claim::to_remove(self) {
            Ok(Answer::Mine(claim)) => claim,
            Ok(Answer::Gone) => {
                self.locations.iter().for_each(remove_above);
                return true;
            }
            Ok(Answer::Others) | Err(_) => return false,
        };
        let mut locations = self.order().rev().map(|index| &self.locations[index]);
        locations.all(|location| {
            let removed = removed(&location.path);
            if removed {
                remove_above(location);
            }
            removed
        })
    }
}

/// The directories that were made for it, too, as long as nobody else has come to use them.
fn remove_above(location: &Location) {
    for path in location.path.ancestors().skip(1).take(location.above) {
        let removed = c_string(path).map(|name| file::remove_directory(HERE, &name));
        match removed {
            Ok(Ok(())) => {}
            Ok(Err(fault)) if is_gone(fault) => {}
            Ok(Err(fault)) => return log::debug!("{} stays: {fault}", path.display()),
            Err(error) => return log::debug!("{error}"),
        }
    }
}

impl Group {
    /// Removes the cgroup with everything below it, in every hierarchy, and stops the systemd unit. Kills nothing. Succeeds
    /// if it is gone already.
    ///
    /// # Errors
    /// [`Error::Busy`] when processes are still inside after some seconds, [`Error::Claimed`] when somebody else is making it ready.
    pub fn remove(mut self) -> Result<(), Error> {
        if self.place.unit.is_none() {
            // Closing a directory that is gone costs more than closing one that is there, and there may be few descriptors.
            self.dirs.clear();
        }
        self.remove_within(PATIENCE)
    }

    /// As [`Group::remove`], without waiting for anybody to leave (a systemd unit is waited for). The processes that are inside
    /// still, if it could not be removed for that: none of them while the kernel lets go of those that have ended.
    ///
    /// # Errors
    /// It cannot be removed for another reason.
    pub fn try_remove(mut self) -> Result<Option<Vec<i32>>, Error> {
        match self.remove_within(Duration::ZERO) {
            Ok(()) => Ok(None),
            Err(error) if error.is_busy() => self.processes().map(Some),
            Err(error) => Err(error),
        }
    }

    fn remove_within(&mut self, patience: Duration) -> Result<(), Error> {
        const PAUSE: Duration = Duration::from_millis(1);
        self.claim = None;
        let stopped = self.stop_unit();
        let mut failed = Ok(());
        let mut patience = Patience::of(patience);
        let _claim = loop {
            match Claim::to_remove(&self.place)? {
                Answer::Mine(claim) => break claim,
                Answer::Gone => {
                    self.place.locations.iter().for_each(remove_above);
                    return stopped;
                }
                Answer::Others if patience.wait(PAUSE) => {}
                Answer::Others => return Err(Error::Claimed),
            }
        };
        for location in self.place.order().rev().map(|at| &self.place.locations[at]) {
            match remove_tree(&location.path, &mut patience) {
                // Rootless: what could not be made cannot be removed either.
                Err(error) if self.place.optional && error.is_refusal() => {}
                Ok(()) => remove_above(location),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        stopped.and(failed)
    }
}

impl Group {
    /// Waits, with the same bound, for what is being killed to leave.
    pub(crate) fn wait_until_empty(&self) -> Result<(), Error> {
        let mut patience = Patience::of(PATIENCE);
        loop {
            let Some(dir) = self.existing().next() else {
                return Ok(());
            };
            match self.processes()?.len() {
                0 => return Ok(()),
                _ if patience.wait(Duration::from_millis(5)) => {}
                processes => {
                    let path = dir.path().to_owned();
                    return Err(Error::Busy { path, processes });
                }
            }
        }
    }
}

/// The usual cgroup has nothing below it: one call.
fn remove_tree(path: &Path, patience: &mut Patience) -> Result<(), Error> {
    let name = c_string(path)?;
    let mut pause = Duration::from_micros(200);
    let mut rounds = 0;
    loop {
        let fault = match file::remove_directory(HERE, &name) {
            Ok(()) => return Ok(()),
            Err(fault) if is_gone(fault) => return Ok(()),
            Err(fault) => fault,
        };
        if !matches!(fault.errno, Errno::EBUSY | Errno::ENOTEMPTY | Errno::EINTR) {
            return Err(Error::file("remove", path, fault));
        }
        let dir = match Dir::open(path) {
            Ok(dir) => dir,
            Err(error) if error.is(Errno::ENOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        // Below a cgroup that is in use everything belongs to whoever uses it, even if it is empty now.
        let processes = processes_below(&dir)?.len();
        // Not for ever: somebody may be making new ones.
        if processes == 0 && rounds < 100 && remove_children(&dir)? {
            rounds += 1;
            continue;
        }
        if !patience.wait(pause) {
            let path = path.to_owned();
            return Err(match processes {
                0 => Error::file("remove", path, fault),
                processes => Error::Busy { path, processes },
            });
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn is_gone(fault: Fault) -> bool {
    matches!(fault.errno, Errno::ENOENT | Errno::ENODEV)
}

/// Deepest first. True when something was removed, so that trying the parent again at once is worth while.
fn remove_children(dir: &Dir) -> Result<bool, Error> {
    let mut any = false;
    for name in dir.children()? {
        let child = match dir.child(&name) {
            Ok(child) => child,
            Err(error) if error.is(Errno::ENOENT) => continue,
            Err(error) => return Err(error),
        };
        any |= remove_children(&child)?;
        match dir
            .descriptor()
            .and_then(|dir| file::remove_directory(dir, &name))
        {
            Ok(()) => any = true,
            Err(fault) if is_gone(fault) => {}
            Err(fault) if matches!(fault.errno, Errno::EBUSY | Errno::ENOTEMPTY) => {}
            Err(fault) => return Err(Error::file("remove", child.path(), fault)),
        }
    }
    Ok(any)
}
