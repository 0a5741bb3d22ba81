//! New file systems.

use init::Slot;
use init::step::Filesystem;
use kernel::mount::flags;

use spec::ConfigPath;

use super::{Draft, MountEntry, PlanError, field};
use crate::plan::draft::without_nul;

/// Longest data of mount(2): a page, less the end.
const LONGEST_DATA: usize = 4095;

/// Adds the mount.
pub(crate) fn mount(
    draft: &mut Draft<'_>,
    place: &MountEntry<'_>,
    kind: Option<&str>,
) -> Result<(), PlanError> {
    let (at, options) = (field(place.index), place.options);
    let kind = match kind {
        None | Some("") => return Err(PlanError::missing(at.then("type"))),
        Some("bind") => {
            let why = "a bind mount needs the option bind or rbind";
            return Err(PlanError::conflicts(
                at.clone().then("type"),
                at.then("options"),
                why,
            ));
        }
        Some(kind) => kind,
    };
    let mut data = options.data.join(",");
    if kind == "mqueue" || kind == "sysfs" || kind == "proc" {
        // Labels do not apply to these.
    } else if let Some(label) = mount_label(draft)? {
        data = [data.as_str(), label.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(",");
    }
    if data.len() > LONGEST_DATA {
        return Err(PlanError::invalid(
            at.then("options"),
            "longer than mount(2) takes",
        ));
    }
    let mount = &draft.spec.mounts[place.index];
    let source = mount.source.as_deref().unwrap_or(kind);
    let remount = options.is_remount();
    let tmpfs = kind == "tmpfs" && !remount;
    if remount && !place.options.propagation.is_empty() {
        let why = "a file system that is mounted anew keeps its propagation: give it in an entry with bind";
        return Err(PlanError::invalid(at.then("options"), why));
    }
    let (below, target) = match place.changed {
        Some(slot) => (slot, "/"),
        None => (Slot::ROOT, place.target),
    };
    let step = Filesystem {
        kind: draft.text(&at.clone().then("type"), kind)?,
        source: draft.text(&at.clone().then("source"), source)?,
        below,
        target: draft.text(&at.clone().then("destination"), target)?,
        flags: if tmpfs {
            options.flags & !flags::RDONLY
        } else {
            options.flags
        },
        data: draft.text(&at.clone().then("options"), &data)?,
        propagation: super::propagation(draft, place)?,
        keep: place.keep,
        plain: matches!(kind, "proc" | "sysfs"),
        inherit_mode: tmpfs && !options.data.iter().any(|word| word.starts_with("mode=")),
        copy_up: tmpfs && options.copy_up,
        ids: place.ids(),
    };
    draft.child(&at, step);
    Ok(())
}

/// The option with `linux.mountLabel`, in quotes, as labels may hold commas.
fn mount_label(draft: &Draft<'_>) -> Result<Option<String>, PlanError> {
    let linux = draft.spec.linux.as_ref();
    let label = linux.and_then(|linux| linux.mount_label.as_deref());
    let Some(label) = label.filter(|label| !label.is_empty()) else {
        return Ok(None);
    };
    let at = ConfigPath::of("linux.mountLabel");
    if !draft.host.selinux {
        let why = "SELinux is not enabled on this host";
        return Err(PlanError::unsupported(at, why));
    }
    without_nul(&at, label)?;
    if label.contains('"') {
        let why = "holds a quotation mark, behind which other options would begin";
        return Err(PlanError::invalid(at, why));
    }
    Ok(Some(format!("context=\"{label}\"")))
}
