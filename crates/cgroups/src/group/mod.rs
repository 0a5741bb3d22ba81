//! A cgroup that exists: the handle.

mod apply;
mod claim;
mod complete;
mod delegate;
mod devices;
mod enter;
mod freeze;
mod kill;
mod make;
mod remove;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::Fd;
use spec::ConfigPath;

use crate::dir::Dir;
use crate::{Driver, Error, Place, Settings, Version};
pub use enter::Seat;

/// A cgroup that exists, in every hierarchy of its place.
///
/// Dropping the handle changes nothing; the cgroup stays until [`Group::remove`].
#[derive(Debug)]
pub struct Group {
    pub(crate) place: Place,
    /// One for each location; `None` where none could be made, or not yet (systemd).
    pub(crate) dirs: Vec<Option<Dir>>,
    /// With systemd: what the scope will be started with.
    pending: Option<Settings>,
    /// With v1: what it is made with once more if somebody removes it while nothing is in it.
    early: Option<Settings>,
    /// Whether the rules about devices are among that.
    devices_are_early: bool,
    /// What keeps others from making it ready, too, and from removing it.
    claim: Option<claim::Claim>,
    /// Device programs that are in it: what somebody has left who used it before, or ours.
    worn: Vec<Fd>,
    /// What a rootless caller has to do without.
    skipped: Vec<&'static str>,
    /// What the kernel does not have any more.
    warnings: Mutex<Vec<(ConfigPath, String)>>,
}

impl Group {
    /// Makes the cgroup in every hierarchy, enables controllers, and applies what has to be there before anything enters.
    ///
    /// With the systemd driver the scope is started by [`Group::place`], since it needs a process.
    ///
    /// # Errors
    /// An existing cgroup that is frozen or in which something runs, or one that somebody else is making ready: it is theirs until a
    /// process is placed in it, or the handle is dropped. Whatever the kernel refuses. What had been made is removed again.
    pub fn create(place: &Place, settings: &Settings) -> Result<Group, Error> {
        Group::create_with(place, settings, true)
    }

    /// As [`Group::create`] without the rules about devices, for which the kernel needs longer than for all the rest: they follow
    /// with [`Group::limit_devices`], perhaps while the first process is made ready. Until then its processes can use what the
    /// cgroup above allows. (systemd applies them together with the rest.)
    ///
    /// # Errors
    /// As [`Group::create`].
    pub fn create_before_devices(place: &Place, settings: &Settings) -> Result<Group, Error> {
        Group::create_with(place, settings, false)
    }

    fn create_with(place: &Place, settings: &Settings, devices: bool) -> Result<Group, Error> {
        let mut group = Group::at(place);
        if place.driver != Driver::Direct {
            group.pending = Some(settings.clone());
            return Ok(group);
        }
        group.early = (place.version != Version::V2).then(|| settings.clone());
        group.devices_are_early = devices;
        let made = group.until_inside(|group| group.make_ready(settings));
        if let Err(error) = made {
            // Only what this call made: an existing cgroup with processes in it is somebody else's.
            if !error.is_about_others()
                && let Err(left) = group.remove()
            {
                log::debug!("{left}");
            }
            return Err(error);
        }
        Ok(group)
    }

    /// Opens an existing cgroup. Where it has vanished meanwhile, nothing is opened, which is no error: the handle can
    /// still be asked to kill and remove.
    ///
    /// # Errors
    /// Whatever else the kernel refuses.
    pub fn open(place: &Place) -> Result<Group, Error> {
        let mut group = Group::at(place);
        for (dir, location) in group.dirs.iter_mut().zip(&place.locations) {
            *dir = match Dir::open(&location.path) {
                Ok(opened) => Some(opened),
                Err(error) if error.is(kernel::Errno::ENOENT) => None,
                Err(error) if place.optional && error.is_refusal() => None,
                Err(error) => return Err(error),
            };
        }
        Ok(group)
    }

    fn at(place: &Place) -> Group {
        Group {
            place: place.clone(),
            dirs: place.locations.iter().map(|_| None).collect(),
            pending: None,
            early: None,
            devices_are_early: true,
            claim: None,
            worn: Vec::new(),
            skipped: Vec::new(),
            warnings: Mutex::default(),
        }
    }

    /// The directory of v2 for CLONE_INTO_CGROUP, which spares the move: that waits for the kernel. On hybrid hosts the
    /// process is moved into the rest by [`Group::place_rest`]. `None` on v1 hosts and before systemd has made the scope:
    /// use [`Group::place`] there.
    pub fn entry(&self) -> Option<BorrowedFd<'_>> {
        let by_manager = self.place.unit.as_ref().is_some_and(|unit| unit.user);
        let dir = self.unified().filter(|_| !by_manager)?;
        dir.fd().map(AsFd::as_fd)
    }

    /// True when no cgroup could be made for a rootless caller who asked for no limits.
    pub fn is_none(&self) -> bool {
        self.pending.is_none() && self.dirs.iter().all(Option::is_none)
    }

    /// What was asked for and left out, because the caller lacks the privilege: never silently.
    pub fn skipped(&self) -> &[&'static str] {
        &self.skipped
    }

    /// What was worth a warning since this was asked last, by field.
    pub fn take_warnings(&self) -> Vec<(ConfigPath, String)> {
        std::mem::take(&mut self.noted())
    }

    fn warn(&self, at: &ConfigPath, text: &str) {
        self.noted().push((at.clone(), text.to_owned()));
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "nothing is left half done by who panicked"
    )]
    fn noted(&self) -> MutexGuard<'_, Vec<(ConfigPath, String)>> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory whose files tell about a controller (v1 name).
    pub(crate) fn dir_of(&self, controller: &str) -> Option<&Dir> {
        self.dirs[self.place.location_of(controller)?].as_ref()
    }

    /// The directory of v2.
    pub(crate) fn unified(&self) -> Option<&Dir> {
        self.dirs[self.place.unified()?].as_ref()
    }

    /// Directories that exist.
    pub(crate) fn existing(&self) -> impl Iterator<Item = &Dir> {
        self.dirs.iter().flatten()
    }
}
