//! `pause`, `resume`: the freezer.

use super::group::group_of;
use super::{Container, Locked};
use crate::Error;
use crate::state::{Liveness, Status, observe};

impl Container {
    /// Freezes all processes of a running container.
    ///
    /// # Errors
    /// It does not run, has no cgroup, or something in it does not freeze.
    pub fn pause(&self) -> Result<(), Error> {
        let locked = self.lock()?;
        match locked.look()?.status {
            Status::Running | Status::Created => {
                let group = locked.frozen_group()?;
                group.freeze()?;
                if let Liveness::Alive(_) = observe::liveness(&locked.record)? {
                    return Ok(());
                }
                // It has ended meanwhile: what is being started in it is not to stand still for good.
                group.thaw()?;
            }
            _ => {}
        }
        Err(Error::wrong_status(self.id(), "container not running"))
    }

    /// Thaws a paused container.
    ///
    /// # Errors
    /// It is not paused.
    pub fn resume(&self) -> Result<(), Error> {
        let locked = self.lock()?;
        match locked.look()?.status {
            Status::Paused => Ok(locked.frozen_group()?.thaw()?),
            _ => Err(Error::wrong_status(self.id(), "container not paused")),
        }
    }
}

impl Locked {
    fn frozen_group(&self) -> Result<cgroups::Group, Error> {
        group_of(&self.record)?
            .ok_or_else(|| Error::wrong_status(self.id(), "the container has no cgroup to freeze"))
    }
}
