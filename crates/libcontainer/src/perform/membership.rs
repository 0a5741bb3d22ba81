//! The cgroup of a walk's child: made, entered, handed on.

use std::os::fd::OwnedFd;

use kernel::BorrowedFd;

use crate::plan::Devices;

/// The cgroup of the child.
#[allow(clippy::large_enum_variant, reason = "a walk has one")]
pub(crate) enum Cgroup<'a> {
    /// The container's own, which the walk makes.
    New {
        place: &'a cgroups::Place,
        settings: &'a cgroups::Settings,
        /// Whether there may be something of it, also where it could not be made: the caller removes it if the walk does not
        /// come to its end.
        has_begun: &'a mut bool,
        /// As soon as it is made.
        group: &'a mut Option<cgroups::Group>,
    },
    /// One that exists, for a process that is added to a container.
    Existing(cgroups::Seat),
}

impl Cgroup<'_> {
    /// The directory to start the child in, where that is possible.
    pub(super) fn entry(&self) -> Option<BorrowedFd<'_>> {
        let entry = match self {
            Cgroup::Existing(seat) => seat.entry(),
            Cgroup::New { group, .. } => group.as_ref().and_then(cgroups::Group::entry),
        };
        entry.map(BorrowedFd::from)
    }

    /// Files by which the child enters the hierarchies of v1 by itself: all of them, or none where it has to be moved.
    pub(super) fn tasks(&self) -> Vec<OwnedFd> {
        match self {
            Cgroup::Existing(seat) => seat.tasks(),
            Cgroup::New { group, .. } => group
                .as_ref()
                .map(cgroups::Group::tasks)
                .unwrap_or_default(),
        }
    }

    /// The container's own, once it is made.
    pub(super) fn group(&self) -> Option<&cgroups::Group> {
        match self {
            Cgroup::New { group, .. } => group.as_ref(),
            Cgroup::Existing(_) => None,
        }
    }

    pub(super) fn make(&mut self, devices: Devices) -> Result<(), cgroups::Error> {
        let Cgroup::New {
            place,
            settings,
            has_begun,
            group,
        } = self
        else {
            return Ok(());
        };
        **has_begun = true;
        let create = match devices {
            Devices::Later => cgroups::Group::create_before_devices,
            Devices::Now | Devices::IfPermitted => cgroups::Group::create,
        };
        note_skipped(group.insert(create(place, settings)?));
        Ok(())
    }

    pub(super) fn limit_devices(&mut self) -> Result<(), cgroups::Error> {
        let Cgroup::New {
            settings,
            group: Some(group),
            ..
        } = self
        else {
            return Ok(());
        };
        group.limit_devices(settings)?;
        note_skipped(group);
        Ok(())
    }

    /// Moves the child here; `rest` where it was started in the v2 hierarchy of a hybrid host.
    pub(super) fn place(&mut self, pid: i32, rest: bool) -> Result<(), cgroups::Error> {
        match self {
            Cgroup::Existing(seat) if rest => seat.place_rest(pid),
            Cgroup::Existing(seat) => seat.place(pid),
            Cgroup::New {
                group: Some(group), ..
            } if rest => group.place_rest(pid),
            Cgroup::New {
                group: Some(group), ..
            } => group.place(pid),
            Cgroup::New { group: None, .. } => Ok(()),
        }
    }
}

fn note_skipped(group: &cgroups::Group) {
    for skipped in group.skipped() {
        log::debug!("cgroup: without {skipped}");
    }
}
