//! The container's cgroup as the operations need it.

use std::borrow::Cow;

use spec::{LinuxPids, LinuxResources};

use super::Container;
use crate::Error;
use crate::state::Record;

/// The cgroup of a container, if it has one.
pub(super) fn group_of(record: &Record) -> Result<Option<cgroups::Group>, Error> {
    match &record.cgroup {
        None => Ok(None),
        Some(place) => {
            let group = cgroups::Group::open(place)?;
            Ok(if group.is_none() { None } else { Some(group) })
        }
    }
}

/// Where a further process of the container goes: its cgroup, or, if that cannot hold processes because something inside
/// has divided it, the one that the container's first process is in.
pub(super) fn seat_of(record: &Record) -> Result<Option<cgroups::Seat>, Error> {
    let Some(place) = &record.cgroup else {
        return Ok(None);
    };
    let group = cgroups::Group::open(place)?;
    // Made, and removed since: a process of the container would be outside all of its limits.
    if group.is_none() && place.is_optional() {
        return Ok(None);
    }
    Ok(Some(group.seat_for(record.pid)?))
}

/// The resources of a config, or of an update of its container, as that version of the specification means them: before
/// 1.3 a `pids.limit` of 0 was none, and engines of that time write 0 where their users ask for no limit.
pub(super) fn as_of<'a, 'b>(
    version: &str,
    resources: &'b LinuxResources<'a>,
) -> Cow<'b, LinuxResources<'a>> {
    let minor = version.split('.').nth(1).map(str::parse::<u32>);
    let before = matches!(minor, Some(Ok(..3)));
    let mut resources = Cow::Borrowed(resources);
    if before
        && resources
            .pids
            .as_ref()
            .is_some_and(|pids| pids.limit == Some(0))
    {
        let pids = LinuxPids { limit: Some(-1) };
        resources.to_mut().pids = Some(pids);
    }
    resources
}

impl Container {
    /// The processes in the container, by their numbers in the caller's pid namespace.
    ///
    /// # Errors
    /// The container has no cgroup, or it cannot be read, or it was deleted.
    pub fn processes(&self) -> Result<Vec<i32>, Error> {
        if !self.is_there()? {
            return Err(self.gone());
        }
        match group_of(&self.record)? {
            Some(group) => Ok(group.processes()?),
            None => Err(Error::wrong_status(
                self.id(),
                "the container has no cgroup to list the processes of",
            )),
        }
    }
}
