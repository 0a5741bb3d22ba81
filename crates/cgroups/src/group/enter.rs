//! Putting processes into cgroups.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use kernel::Errno;

use super::Group;
use super::claim::Claim;
use crate::dir::{Dir, read_path};
use crate::host::memberships;
use crate::place::normal;
use crate::systemd::{Unit, attach};
use crate::{Driver, Error, Place, Version};

/// Where a process can be put: the container's cgroup, one below it, or the one that its init is in.
#[derive(Debug)]
pub struct Seat {
    /// Opened directories; each hierarchy that the place has.
    dirs: Vec<Dir>,
    /// Which of them is that of v2.
    unified: Option<usize>,
    /// The unit, and the path below its cgroup.
    unit: Option<(Unit, String)>,
    is_frozen: bool,
    /// With v1: whose it is and its first process, for when others remove it before it is entered.
    container: Option<(Place, i32)>,
}

/// How often who moves the container's processes elsewhere is followed.
const MOST_MOVES: usize = 100;

impl Seat {
    /// The directory of v2 for CLONE_INTO_CGROUP, if there is one. `None` also where the user's systemd has to do the move,
    /// and in a cgroup that is frozen.
    pub fn entry(&self) -> Option<BorrowedFd<'_>> {
        let dir = self.unified.filter(|_| self.can_be_entered())?;
        self.dirs[dir].fd().map(AsFd::as_fd)
    }

    /// For a process of one thread that is to enter the hierarchies of v1 by itself, by writing 0 to each of these files: a
    /// thread that moves itself does not wait for the rest of the machine, as whoever moves another process does. None where
    /// that does not go, or there are none.
    pub fn tasks(&self) -> Vec<OwnedFd> {
        match self.can_be_entered() {
            true => tasks_of(self.dirs.iter().enumerate(), self.unified),
            false => Vec::new(),
        }
    }

    fn can_be_entered(&self) -> bool {
        // Between parts of the tree that are not the user's only the manager can move.
        let by_manager = self.unit.as_ref().is_some_and(|(unit, _)| unit.user);
        !by_manager && !self.is_frozen
    }

    /// The same in a cgroup that is frozen: who is in there from the beginning never comes as far as to be executed, and whoever
    /// waits for that cannot be interrupted. So it has to be moved.
    #[must_use]
    pub fn frozen(mut self) -> Seat {
        self.is_frozen = true;
        self
    }

    /// Whether who was cloned into [`Seat::entry`] has to be moved into hierarchies of v1 as well, by [`Seat::place_rest`].
    pub fn has_rest(&self) -> bool {
        self.dirs.len() > 1
    }

    /// Moves a process that was cloned into [`Seat::entry`] into the other hierarchies.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    pub fn place_rest(&self, pid: i32) -> Result<(), Error> {
        self.until_inside(|seat| {
            let dirs = seat.dirs.iter().enumerate();
            let rest = dirs.filter(|(index, _)| Some(*index) != seat.unified);
            place_all(rest.map(|(_, dir)| dir), pid)
        })
    }

    /// Moves a process here.
    ///
    /// # Errors
    /// `EBUSY` when the cgroup cannot hold processes because controllers are enabled for those below it.
    pub fn place(&self, pid: i32) -> Result<(), Error> {
        self.until_inside(
            |seat| match (place_all(seat.dirs.iter(), pid), &seat.unit) {
                // A user may not move processes out of what is not the user's, but the user's manager can have it done.
                (Err(error), Some((unit, below))) if error.is_refusal() => attach(unit, below, pid)
                    .map_err(|refused| {
                        log::debug!("{refused}");
                        error
                    }),
                (result, _) => result,
            },
        )
    }

    /// Where systemd has v1 it may move the container's processes out of a hierarchy's cgroup, and remove that: then to where they are.
    fn until_inside(&self, act: impl Fn(&Seat) -> Result<(), Error>) -> Result<(), Error> {
        let mut answer = act(self);
        for _ in 0..MOST_MOVES {
            let (place, init) = match (&answer, &self.container) {
                (Err(error), Some(container)) if error.is_gone() => container,
                _ => break,
            };
            let seat = Group::open(place).and_then(|group| group.seat_for(*init));
            answer = seat.and_then(|seat| act(&seat));
        }
        answer
    }
}

/// All hierarchies back to back: each write waits for the kernel, but the waits of writes that follow each other at
/// once are shared.
fn place_all<'d>(dirs: impl Iterator<Item = &'d Dir>, pid: i32) -> Result<(), Error> {
    let number = pid.to_string();
    for dir in dirs {
        dir.enter(&number).map_err(|error| match error {
            Error::File { path, fault, .. } => {
                let why = match fault.errno {
                    Errno::EBUSY => {
                        " (controllers are enabled for cgroups below, so it cannot hold processes)"
                    }
                    Errno::EOPNOTSUPP => " (it is threaded, or below a threaded one)",
                    _ => "",
                };
                let doing = format!("error adding pid {pid} to cgroups{why}: write");
                Error::file(doing, path, fault)
            }
            other => other,
        })?;
    }
    Ok(())
}

/// The files of these directories but for that of v2.
fn tasks_of<'d>(
    dirs: impl Iterator<Item = (usize, &'d Dir)>,
    unified: Option<usize>,
) -> Vec<OwnedFd> {
    let rest = dirs.filter(|(index, _)| Some(*index) != unified);
    let opened: Result<Vec<_>, Error> = rest.map(|(_, dir)| dir.open_tasks()).collect();
    match opened {
        Ok(opened) => opened.into_iter().map(OwnedFd::from).collect(),
        // Who moves the process then says what is wrong.
        Err(error) => {
            log::debug!("{error}");
            Vec::new()
        }
    }
}

impl Group {
    /// As [`Seat::tasks`].
    pub fn tasks(&self) -> Vec<OwnedFd> {
        let by_manager = self.place.unit.as_ref().is_some_and(|unit| unit.user);
        match by_manager || self.pending.is_some() {
            true => Vec::new(),
            false => {
                let dirs = self.dirs.iter().enumerate();
                let dirs = dirs.filter_map(|(index, dir)| Some((index, dir.as_ref()?)));
                tasks_of(dirs, self.place.unified())
            }
        }
    }

    /// Moves a process into the cgroup, in all hierarchies; with the systemd driver this starts the scope and applies
    /// what has to be there early. Not needed for a process that was cloned into [`Group::entry`].
    ///
    /// # Errors
    /// Whatever the kernel or systemd refuses.
    pub fn place(&mut self, pid: i32) -> Result<(), Error> {
        if let Driver::Systemd { .. } = self.place.driver
            && let Some(settings) = self.pending.take()
        {
            return self.start_unit(pid, &settings);
        }
        if self.place.unit.as_ref().is_some_and(|unit| unit.user) {
            return self.seat()?.place(pid);
        }
        self.until_inside(|group| place_all(group.existing(), pid))?;
        self.claim.iter().for_each(Claim::give_up);
        Ok(())
    }

    /// Moves a process that was cloned into [`Group::entry`] into the hierarchies of v1 that hybrid hosts have besides.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    pub fn place_rest(&mut self, pid: i32) -> Result<(), Error> {
        let unified = self.place.unified();
        self.until_inside(|group| {
            let dirs = group.dirs.iter().enumerate();
            let rest = dirs.filter(|(index, _)| Some(*index) != unified);
            place_all(rest.filter_map(|(_, dir)| dir.as_ref()), pid)
        })?;
        self.claim.iter().for_each(Claim::give_up);
        Ok(())
    }

    /// A seat for a further process: the container's own cgroup, or, if that cannot hold processes because controllers
    /// are enabled for the cgroups below it ("no internal processes", cgroups(7)) or is there no more because somebody has
    /// moved everything elsewhere, the one that `init` is in.
    ///
    /// # Errors
    /// Where that is cannot be seen, or it does not exist any more.
    pub fn seat_for(&self, init: i32) -> Result<Seat, Error> {
        let divided = match self.unified() {
            Some(dir) if self.place.locations.len() == 1 => {
                let enabled = dir.read_if_there("cgroup.subtree_control")?;
                enabled.is_some_and(|enabled| !enabled.trim().is_empty())
            }
            _ => false,
        };
        let moved = !self.place.optional && self.dirs.iter().any(Option::is_none);
        let mut seat = match divided || moved {
            true => self.beside(init)?,
            false => match self.seat() {
                Err(error) if error.is_gone() => self.beside(init)?,
                seat => seat?,
            },
        };
        if self.place.version != Version::V2 {
            seat.container = Some((self.place.clone(), init));
        }
        Ok(seat)
    }

    /// The container's own cgroup as a seat for a further process.
    ///
    /// # Errors
    /// It does not exist any more.
    pub fn seat(&self) -> Result<Seat, Error> {
        self.seat_at(
            self.place
                .locations
                .iter()
                .map(|location| location.path.clone()),
        )
    }

    /// Where the container's init is, for when its own cgroup cannot hold processes (`EBUSY`): a container that runs
    /// systemd has moved everything into cgroups below and enabled controllers for them. Or for when it was removed: then
    /// nothing of the container is under its limits any more, wherever init is.
    ///
    /// # Errors
    /// The process is gone, or is in a cgroup that cannot be seen from here.
    pub fn beside(&self, init: i32) -> Result<Seat, Error> {
        let file = PathBuf::from(format!("/proc/{init}/cgroup"));
        let text = read_path(&file)?;
        let mut paths = Vec::new();
        for (location, dir) in self.place.locations.iter().zip(&self.dirs) {
            let same = |line: &crate::host::Membership<'_>| match location.controllers.first() {
                None => line.controllers.is_empty(),
                Some(first) => line.controllers.split(',').any(|name| name == first),
            };
            let inside = memberships(&text)
                .find(same)
                .filter(|line| !line.is_outside);
            let path = inside.map(|line| location.mount.join(normal(line.path)));
            // Never outside of what is there: whatever the file says, the process stays under the container's limits.
            let is_removed = !dir.as_ref().is_some_and(Dir::is_there) && !self.place.optional;
            let path = path.filter(|path| is_removed || path.starts_with(&location.path));
            paths.push(path.unwrap_or_else(|| location.path.clone()));
        }
        self.seat_at(paths.into_iter())
    }

    /// A cgroup below the container's, as `exec --cgroup [CONTROLLER[,CONTROLLER…]:]PATH` names it. On v1 hierarchies that
    /// are not named the container's own cgroup is meant.
    ///
    /// # Errors
    /// [`Error::SubPath`] for a path that leads out, [`Error::UnknownController`], or there is no such cgroup.
    pub fn sub(&self, arguments: &[impl AsRef<str>]) -> Result<Seat, Error> {
        let mut paths: Vec<PathBuf> = self
            .place
            .locations
            .iter()
            .map(|l| l.path.clone())
            .collect();
        let mut named = vec![false; paths.len()];
        for argument in arguments.iter().map(AsRef::as_ref) {
            let (controllers, inside) = match argument.split_once(':') {
                Some((controllers, inside)) => (controllers.split(',').collect(), inside),
                None if arguments.len() == 1 => (vec![""], argument),
                None => {
                    return Err(Error::SubPath(format!(
                        "{argument} (missing <controller>: prefix)"
                    )));
                }
            };
            for controller in controllers {
                let index = self.named_location(controller, argument)?;
                let base = &self.place.locations[index].path;
                let path = below(base, inside)
                    .ok_or_else(|| Error::SubPath(base.join(inside).display().to_string()))?;
                if std::mem::replace(&mut named[index], true) && paths[index] != path {
                    return Err(Error::SubPath(format!(
                        "{argument} (controller {controller} given twice)"
                    )));
                }
                paths[index] = path;
            }
        }
        self.seat_at(paths.into_iter())
    }

    fn named_location(&self, controller: &str, argument: &str) -> Result<usize, Error> {
        let v2_only = self.place.locations.len() == 1 && self.place.locations[0].is_unified();
        match controller {
            _ if v2_only => Ok(0),
            "" if argument.contains(':') => Err(Error::SubPath(format!(
                "{argument} (empty <controller> prefix)"
            ))),
            "" => self.place.unified().ok_or_else(|| {
                Error::SubPath(format!("{argument} (missing <controller>: prefix)"))
            }),
            name => self
                .place
                .locations
                .iter()
                .position(|location| location.has(name))
                .ok_or_else(|| Error::UnknownController(name.to_owned())),
        }
    }

    fn seat_at(&self, paths: impl Iterator<Item = PathBuf>) -> Result<Seat, Error> {
        let mut dirs = Vec::new();
        let (mut unit, mut unified) = (None, None);
        for (path, location) in paths.zip(&self.place.locations) {
            if let (true, Some(own)) = (location.is_unified(), &self.place.unit) {
                let below = match path.strip_prefix(&location.path) {
                    Ok(below) => below,
                    Err(_) => Path::new(""),
                };
                unit = Some((own.clone(), below.display().to_string()));
            }
            match Dir::open(&path) {
                Ok(dir) => {
                    unified = unified.or(location.is_unified().then_some(dirs.len()));
                    dirs.push(dir);
                }
                // Rootless: this hierarchy was left out.
                Err(error)
                    if self.place.optional
                        && (error.is(Errno::ENOENT) || error.is_refusal())
                        && path == location.path => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Seat {
            dirs,
            unified,
            unit,
            is_frozen: false,
            container: None,
        })
    }
}

/// The path below `base`, `None` when `..` leads above it.
fn below(base: &Path, inside: &str) -> Option<PathBuf> {
    let mut depth = 0i32;
    for part in inside.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return None;
        }
    }
    Some(base.join(normal(inside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_paths_stay_below() {
        let base = Path::new("/cg/box");
        for (inside, path) in [
            ("a", Some("/cg/box/a")),
            ("/a//b/../c", Some("/cg/box/a/c")),
            ("", Some("/cg/box")),
            ("..", None),
            ("a/../../b", None),
            ("../box/a", None),
        ] {
            assert_eq!(below(base, inside), path.map(PathBuf::from), "{inside}");
        }
    }
}
