//! `process.user`.

use init::step::{Identity, Umask};
use spec::Process;

use super::{Draft, PlanError, field};

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

pub(super) fn become_user(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    set_groups: bool,
) -> Result<(), PlanError> {
    let user = &process.user;
    // To the system calls this number means "leave it as it is", which would be root.
    let groups = user
        .additional_gids
        .iter()
        .map(|gid| ("additionalGids", *gid));
    for (name, id) in [("uid", user.uid), ("gid", user.gid)]
        .into_iter()
        .chain(groups)
    {
        if id == u32::MAX {
            return Err(PlanError::invalid(
                field("user").then(name),
                format!("invalid id {id}: the kernel keeps it for \"no change\""),
            ));
        }
    }
    if user.additional_gids.len() > MOST_GROUPS {
        let why = format!("more than the {MOST_GROUPS} that a process can have");
        return Err(PlanError::invalid(
            field("user").then("additionalGids"),
            why,
        ));
    }
    let mut bytes = Vec::with_capacity(user.additional_gids.len() * 4);
    for group in &user.additional_gids {
        bytes.extend_from_slice(&group.to_ne_bytes());
    }
    let groups = draft.bytes(&bytes);
    if !set_groups && !user.additional_gids.is_empty() {
        let why = "groups cannot be set where the group mapping is written without privileges";
        return Err(PlanError::unsupported(
            field("user").then("additionalGids"),
            why,
        ));
    }
    draft.child(
        &field("user"),
        Identity {
            uid: user.uid,
            gid: user.gid,
            groups,
            set_groups,
        },
    );
    Ok(())
}
