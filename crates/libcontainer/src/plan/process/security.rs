//! `process.apparmorProfile`, `process.selinuxLabel`, `process.noNewPrivileges`, `linux.seccomp`.

use init::step::{Label, NoNewPrivileges, Seccomp};
use seccomp::{Filter, Support};
use spec::{ConfigPath, Process};

use super::{Draft, PlanError, field};
use crate::plan::draft::without_nul;

pub(super) fn label(draft: &mut Draft<'_>, process: &Process<'_>) -> Result<(), PlanError> {
    if let Some(profile) = process
        .apparmor_profile
        .as_deref()
        .filter(|profile| !profile.is_empty())
    {
        let at = field("apparmorProfile");
        if draft.host.apparmor {
            let path = draft.own_text("thread-self/attr/apparmor/exec");
            let older = draft.own_text("thread-self/attr/exec");
            let value = draft.text(&at, &format!("exec {profile}"))?;
            draft.child(&at, Label { path, older, value });
        } else if profile != "unconfined" {
            return Err(PlanError::unsupported(
                at,
                format!("profile {profile:?}: AppArmor is not enabled on this host"),
            ));
        }
    }
    if let Some(label) = process
        .selinux_label
        .as_deref()
        .filter(|label| !label.is_empty())
    {
        let at = field("selinuxLabel");
        if !draft.host.selinux {
            return Err(PlanError::unsupported(
                at,
                "SELinux is not enabled on this host",
            ));
        }
        let (path, older) = (draft.own_text("thread-self/attr/exec"), draft.own_text(""));
        let value = draft.text(&at, label)?;
        draft.child(&at, Label { path, older, value });
    }
    Ok(())
}

pub(super) fn no_new_privileges(draft: &mut Draft<'_>) {
    draft.child(&field("noNewPrivileges"), NoNewPrivileges {});
}

/// The container's filter, compiled. A profile without any effect is still loaded: its flags may matter.
pub(super) fn filter(draft: &mut Draft<'_>) -> Result<Option<Filter>, PlanError> {
    let Some(profile) = draft
        .spec
        .linux
        .as_ref()
        .and_then(|linux| linux.seccomp.as_ref())
    else {
        return Ok(None);
    };
    let listener = profile.listener_path.as_deref().unwrap_or_default();
    without_nul(&ConfigPath::of("linux.seccomp.listenerPath"), listener)?;
    let filter = seccomp::compile(profile, &Support::default())
        .map_err(|error| PlanError::invalid(error.at, error.why.to_string()))?;
    for warning in &filter.warnings {
        draft.warn(warning.at.clone(), warning.text.clone());
    }
    Ok(Some(filter))
}

pub(super) fn load(draft: &mut Draft<'_>, filter: &Filter) -> Result<(), PlanError> {
    let at = ConfigPath::of("linux.seccomp");
    let program = draft.bytes(&filter.bytes());
    let listener = draft.slot(&at)?;
    draft.child(
        &at,
        Seccomp {
            program,
            flags: filter.flags,
            listener,
        },
    );
    Ok(())
}
