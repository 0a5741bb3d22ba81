//! `update`: new limits for a container that exists.

use super::Container;
use super::group::{as_of, group_of};
use crate::Error;
use crate::plan::{PlanError, Why};
use crate::resctrl::ResctrlShares;
use crate::resources::Resources;
use crate::state::Status;

impl Container {
    /// Applies limits: only what is given changes, everything is judged first, and what had been changed when one fails is put
    /// back.
    ///
    /// # Errors
    /// A value that cannot be, a container that has stopped, or one without a cgroup.
    pub fn update(&self, resources: &Resources<'_>) -> Result<(), Error> {
        self.update_with(resources, &ResctrlShares::default())
    }

    /// As [`Container::update`], with other shares of cache and memory bandwidth for the container's resctrl group.
    ///
    /// # Errors
    /// As [`Container::update`]; a container whose config has no `linux.intelRdt`, so no such group.
    pub fn update_with(
        &self,
        resources: &Resources<'_>,
        shares: &ResctrlShares,
    ) -> Result<(), Error> {
        let locked = self.lock()?;
        if locked.look()?.status == Status::Stopped {
            return Err(Error::wrong_status(self.id(), "container not running"));
        }
        let mut resources = resources.spec().clone();
        for remark in &resources.remarks {
            locked
                .folder
                .warn_at(&[(remark.at.clone(), remark.to_string())]);
        }
        let no_cgroup =
            || Error::wrong_status(self.id(), "the container has no cgroup to set limits in");
        let place = locked.record.cgroup.as_ref().ok_or_else(no_cgroup)?;
        let group = group_of(&locked.record)?.ok_or_else(no_cgroup)?;
        group.complete(&mut resources)?;
        let host = locked.folder.store().known().cgroups()?;
        let resources = as_of(&locked.record.oci_version, &resources);
        let settings = cgroups::settings(&resources, host, place).map_err(|error| PlanError {
            at: error.at,
            why: Why::Invalid(error.why),
        })?;
        locked.folder.warn_at(settings.warnings());
        let update = || {
            let updated = group.update(&settings);
            locked.folder.warn_at(&group.take_warnings());
            updated
        };
        let lines = shares.lines()?;
        if lines.is_empty() {
            return Ok(update()?);
        }
        let why = "the container has no resctrl group: its config has no linux.intelRdt";
        let resctrl = locked.record.resctrl.as_ref();
        let resctrl = resctrl.ok_or_else(|| Error::wrong_status(self.id(), why))?;
        let before = resctrl.shares()?;
        resctrl.write_shares(&lines)?;
        update().map_err(|error| {
            // As for limits: what had been changed is put back.
            if let Err(left) = resctrl.write_shares(&before) {
                locked.folder.warn(left);
            }
            error.into()
        })
    }
}
