//! Whether a container is paused, asked by its place alone.

use crate::Place;
use crate::dir::read_path;

impl Place {
    /// Whether the cgroup here is frozen, by whomever, at the price of one file: for those who only look. A cgroup that
    /// is gone, or cannot be read, is not.
    pub fn is_frozen(&self) -> bool {
        let unified = |index: usize| self.locations[index].is_unified();
        let Some(index) = self.location_of("freezer") else {
            return false;
        };
        let name = if unified(index) {
            "cgroup.freeze"
        } else {
            "freezer.state"
        };
        let state = read_path(&self.locations[index].path.join(name));
        state.is_ok_and(|state| !matches!(state.trim(), "0" | "THAWED"))
    }
}
