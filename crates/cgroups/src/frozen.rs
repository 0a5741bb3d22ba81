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
        // As the handle does it: where v1's freezer has lost the container, that of v2 stops it.
        for index in self
            .location_of("freezer")
            .into_iter()
            .chain(self.unified())
        {
            let location = &self.locations[index];
            let name = match location.is_unified() {
                true => "cgroup.freeze",
                false => "freezer.state",
            };
            match read_whole(&location.path.join(name)) {
                Ok(state) => return Ok(is_frozen(&state)),
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// What `freezer.state` of v1 and `cgroup.freeze` of v2 say.
pub(crate) fn is_frozen(state: &str) -> bool {
    !matches!(state.trim(), "0" | "THAWED")
}
