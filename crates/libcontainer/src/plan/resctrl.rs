//! `linux.intelRdt`: the resctrl group of the container.

use spec::ConfigPath;

use super::{Creation, Draft, PlanError, RuntimeStep};
use crate::resctrl::Requested;

fn from() -> ConfigPath {
    ConfigPath::of("linux.intelRdt")
}

/// The group is made before there is a process that belongs into it.
pub(crate) fn make(draft: &mut Draft<'_>, creation: &Creation) -> Result<(), PlanError> {
    let linux = draft.spec.linux.as_ref();
    if let Some(given) = linux.and_then(|linux| linux.intel_rdt.as_ref()) {
        let requested = Requested::read(given, &creation.id)?;
        draft.runtime(&from(), RuntimeStep::MakeResctrlGroup(requested));
    }
    Ok(())
}

/// The child is put into it before it does anything; what it starts follows by itself.
pub(crate) fn place(draft: &mut Draft<'_>) {
    let linux = draft.spec.linux.as_ref();
    if linux.is_some_and(|linux| linux.intel_rdt.is_some()) {
        draft.runtime(&from(), RuntimeStep::PlaceInResctrlGroup);
    }
}
