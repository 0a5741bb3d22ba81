//! `pids`: how many tasks.

use spec::{ConfigPath, LinuxPids};

use crate::SettingError;
use crate::setting::Draft;
use crate::systemd::Property;

/// v1 and v2 share the file. Negative is no limit. With 0 nothing can be forked, exactly as with 1, for who forks is in the
/// cgroup itself; systemd takes 0 for a mistake, so that all get 1. It is applied late, because the runtime forks inside
/// the cgroup until the user's program is started.
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    pids: &LinuxPids,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    let Some(limit) = pids.limit else {
        return Ok(());
    };
    let at = at.clone().then("limit");
    draft.dialect("pids", &at)?;
    let value = match limit {
        ..0 => "max".to_owned(),
        limit => limit.max(1).to_string(),
    };
    draft.write(&at, "pids", "pids.max", value).late();
    draft.property(Property::number(
        "TasksMax",
        u64::try_from(limit).map_or(u64::MAX, |limit| limit.max(1)),
    ));
    Ok(())
}
