//! The container's cgroup as the operations need it.

use super::Container;
use crate::Error;

impl Container {
    /// The container's cgroup, if it has one.
    pub(super) fn group(&self) -> Result<Option<cgroups::Group>, Error> {
        match &self.record.cgroup {
            None => Ok(None),
            Some(place) => {
                let group = cgroups::Group::open(place)?;
                Ok(if group.is_none() { None } else { Some(group) })
            }
        }
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.record
            .cgroup
            .as_ref()
            .is_some_and(cgroups::Place::is_frozen)
    }

    /// The processes in the container, by their numbers in the caller's pid namespace.
    ///
    /// # Errors
    /// The container has no cgroup, or it cannot be read.
    pub fn processes(&self) -> Result<Vec<i32>, Error> {
        match self.group()? {
            Some(group) => Ok(group.processes()?),
            None => Err(Error::wrong_status(
                self.id(),
                "the container has no cgroup to list the processes of",
            )),
        }
    }
}
