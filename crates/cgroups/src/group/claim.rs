//! Who has a cgroup in which nothing runs: whoever makes it ready, or removes it.

use std::path::Path;

use kernel::file::Status;
use kernel::{Errno, Fd, file};

use crate::dir::Dir;
use crate::error::c_string;
use crate::place::Location;
use crate::{Error, Place};

/// Two who make the same cgroup ready at once would both find it empty, and who removes an empty one would take it from somebody who
/// is about to use it. One of them has this lock, until there is a process in it or all is done. It is on a file that nobody can
/// open who may only look at the cgroup: users, or containers that see the hierarchy, could keep everybody off with one on the directory.
#[derive(Debug)]
pub(super) struct Claim(Fd);

pub(super) enum Answer {
    /// With what holds it, if there is something that can.
    Mine(Option<Claim>),
    /// Somebody else has it.
    Others,
    /// There is no such cgroup.
    Gone,
}

impl Claim {
    /// There is a process, by which others see that the cgroup is in use.
    pub(super) fn give_up(&self) {
        if let Err(fault) = file::unlock(self.0.borrow()) {
            log::debug!("{fault}");
        }
    }

    /// Asks for it, of a directory of the hierarchy that [`Place::order`] has first.
    pub(super) fn take(dir: &Dir, location: &Location) -> Result<Answer, Error> {
        let name = name_in(location);
        let Some(fd) = dir.open_to_change(name)? else {
            return Ok(Answer::Mine(None));
        };
        match file::try_lock(fd.borrow()) {
            Ok(()) => Ok(Answer::Mine(Some(Claim(fd)))),
            Err(fault) if fault.is(Errno::EAGAIN) => Ok(Answer::Others),
            Err(fault) => Err(Error::file("lock", dir.path().join(name), fault)),
        }
    }

    /// Asks for that of a cgroup that is to be removed by its path. systemd's units nobody claims.
    pub(super) fn to_remove(place: &Place) -> Result<Answer, Error> {
        let mut order = place.order().map(|index| &place.locations[index]);
        let Some(first) = order.next().filter(|_| place.unit.is_none()) else {
            return Ok(Answer::Mine(None));
        };
        match Claim::take(&Dir::named(&first.path), first)? {
            // Removed since it was opened, and perhaps made anew.
            Answer::Mine(Some(claim)) if !claim.is_below(first)? => Ok(Answer::Others),
            Answer::Mine(None) => unclaimed(first, order),
            answer => Ok(answer),
        }
    }

    fn is_below(&self, location: &Location) -> Result<bool, Error> {
        let path = location.path.join(name_in(location));
        let mine = file::status(self.0.borrow());
        let mine = mine.map_err(|fault| Error::file("look at", &path, fault))?;
        let is_mine = |there: Status| (mine.device, mine.inode) == (there.device, there.inode);
        Ok(status_of(&path)?.is_some_and(is_mine))
    }
}

fn status_of(path: &Path) -> Result<Option<Status>, Error> {
    match file::status_at(file::HERE, &c_string(path)?) {
        Ok(status) => Ok(Some(status)),
        Err(fault) if fault.is(Errno::ENOENT) => Ok(None),
        Err(fault) => Err(Error::file("look at", path, fault)),
    }
}

/// There was nothing to be claimed: the cgroup is gone, nobody can have it, or it was made just now.
fn unclaimed<'p>(
    first: &Location,
    mut rest: impl Iterator<Item = &'p Location>,
) -> Result<Answer, Error> {
    match Dir::open(&first.path) {
        Ok(dir) => match Claim::take(&dir, first)? {
            Answer::Mine(None) if is_as_it_was(&dir, false)? => Ok(Answer::Mine(None)),
            _ => Ok(Answer::Others),
        },
        Err(error) if error.is_refusal() => Ok(Answer::Mine(None)),
        Err(error) if !error.is(Errno::ENOENT) => Err(error),
        Err(_) => loop {
            match rest.next() {
                None => return Ok(Answer::Gone),
                Some(location) if status_of(&location.path)?.is_none() => {}
                Some(_) => return without_first(first),
            }
        },
    }
}

/// Somebody was killed while making or removing it, and has left the rest, which nobody can claim; so it is made, to be claimed
/// at the next attempt.
fn without_first(first: &Location) -> Result<Answer, Error> {
    match file::make_directory(file::HERE, &c_string(&first.path)?, 0o755) {
        Err(fault) if !fault.is(Errno::EEXIST) => {
            log::debug!(
                "{} is not made to be claimed: {fault}",
                first.path.display()
            );
            Ok(Answer::Mine(None))
        }
        _ => Ok(Answer::Others),
    }
}

/// Whether nobody has removed this directory since it was opened, nor has come into it, if it was new, before it was claimed.
pub(super) fn is_as_it_was(dir: &Dir, fresh: bool) -> Result<bool, Error> {
    match dir.read("cgroup.procs") {
        Ok(list) => Ok(!fresh || list.is_empty()),
        Err(error) if error.is_gone() => Ok(false),
        // Among threaded ones.
        Err(error) if error.is(Errno::EOPNOTSUPP) => Ok(true),
        Err(error) => Err(error),
    }
}

/// In words, so that a copy that some child still has for a moment does not keep it.
impl Drop for Claim {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn name_in(location: &Location) -> &'static str {
    match location.is_unified() {
        true => "cgroup.kill",
        false => "devices.deny",
    }
}
