//! `process.user`.

use init::step::{Identity, Umask};
use spec::{ConfigPath, Process};

use super::{Draft, IdMaps, PlanError, field};

/// What programs find where nobody says otherwise. The specification would leave the caller's mask, but engines run
/// with 0, and nobody wants files that everybody can write.
const USUAL_MASK: u32 = 0o022;

pub(super) fn umask(draft: &mut Draft<'_>, process: &Process<'_>) -> Result<(), PlanError> {
    let at = field("user").then("umask");
    let mask = process.user.umask.unwrap_or(USUAL_MASK);
    if mask > 0o777 {
        return Err(PlanError::invalid(
            at,
            format!("{mask:o} has bits other than permissions"),
        ));
    }
    draft.child(&at, Umask { mask });
    Ok(())
}

/// NGROUPS_MAX (getgroups(2)).
const MOST_GROUPS: usize = 65_536;

/// An id that the process is to have: a user's, or a group's.
fn validate(draft: &Draft<'_>, at: ConfigPath, id: u32, user: bool) -> Result<(), PlanError> {
    // To the system calls this number means "leave it as it is", which would be root.
    if id == u32::MAX {
        let why = format!("invalid id {id}: the kernel keeps it for \"no change\"");
        return Err(PlanError::invalid(at, why));
    }
    let Some(linux) = &draft.spec.linux else {
        return Ok(());
    };
    let (name, mappings) = match user {
        true => ("linux.uidMappings", &linux.uid_mappings),
        false => ("linux.gidMappings", &linux.gid_mappings),
    };
    // Joined by its file alone, the user namespace has mappings that are not known.
    if !mappings.is_empty() && IdMaps::outside(mappings, id).is_none() {
        let why = format!("{id} is not mapped in the user namespace");
        return Err(PlanError::conflicts(at, ConfigPath::of(name), why));
    }
    Ok(())
}

pub(super) fn become_user(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    set_groups: bool,
) -> Result<(), PlanError> {
    let user = &process.user;
    let at = field("user");
    validate(draft, at.clone().then("uid"), user.uid, true)?;
    validate(draft, at.clone().then("gid"), user.gid, false)?;
    if !set_groups && !user.additional_gids.is_empty() {
        let why = "groups cannot be set where the group mapping is written without privileges";
        return Err(PlanError::unsupported(at.then("additionalGids"), why));
    }
    for (index, gid) in user.additional_gids.iter().enumerate() {
        let at = at.clone().then("additionalGids").index(index);
        validate(draft, at, *gid, false)?;
    }
    if user.additional_gids.len() > MOST_GROUPS {
        let why = format!("more than the {MOST_GROUPS} that a process can have");
        return Err(PlanError::invalid(at.then("additionalGids"), why));
    }
    let mut bytes = Vec::with_capacity(user.additional_gids.len() * 4);
    for group in &user.additional_gids {
        bytes.extend_from_slice(&group.to_ne_bytes());
    }
    let groups = draft.bytes(&bytes);
    draft.child(
        &at,
        Identity {
            uid: user.uid,
            gid: user.gid,
            groups,
            set_groups,
        },
    );
    Ok(())
}
