//! `pause`, `resume`: the freezer.

use super::Container;
use crate::Error;
use crate::state::Status;

impl Container {
    /// Freezes all processes of a running container.
    ///
    /// # Errors
    /// It does not run, has no cgroup, or something in it does not freeze.
    pub fn pause(&self) -> Result<(), Error> {
        let _locked = self.locked()?;
        match self.status()? {
            Status::Running | Status::Created => self.frozen_group()?.freeze().map_err(Error::from),
            _ => Err(Error::wrong_status(self.id(), "container not running")),
        }
    }

    /// Thaws a paused container.
    ///
    /// # Errors
    /// It is not paused.
    pub fn resume(&self) -> Result<(), Error> {
        let _locked = self.locked()?;
        match self.status()? {
            Status::Paused => self.frozen_group()?.thaw().map_err(Error::from),
            _ => Err(Error::wrong_status(self.id(), "container not paused")),
        }
    }

    fn frozen_group(&self) -> Result<cgroups::Group, Error> {
        self.group()?
            .ok_or_else(|| Error::wrong_status(self.id(), "the container has no cgroup to freeze"))
    }
}
