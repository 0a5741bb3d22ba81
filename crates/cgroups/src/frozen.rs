//! Whether a container is paused, asked by its place alone.

use crate::dir::read_whole;
use crate::{Error, Place};

impl Place {
    /// Whether the cgroup here is frozen, by whomever, at the price of one file: for those who only look. A cgroup that
    /// is gone, or has no freezer, is not.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn is_frozen(&self) -> Result<bool, Error> {
        let unified = |index: usize| self.locations[index].is_unified();
        let Some(index) = self.location_of("freezer") else {
            return Ok(false);
        };
        let name = if unified(index) {
            "cgroup.freeze"
        } else {
            "freezer.state"
        };
        match read_whole(&self.locations[index].path.join(name)) {
            Ok(state) => Ok(is_frozen(&state)),
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What `freezer.state` of v1 and `cgroup.freeze` of v2 say.
pub(crate) fn is_frozen(state: &str) -> bool {
    !matches!(state.trim(), "0" | "THAWED")
}
