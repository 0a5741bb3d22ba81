//! New file systems.

use init::step::{Filesystem, SetAttributes};
use kernel::mount::flags;
use spec::ConfigPath;

use super::options::Options;
use super::{Draft, PlanError, field};

/// Longest data of mount(2): a page, less the end.
const LONGEST_DATA: usize = 4095;

/// Adds the mount; the answer is whether the first propagation type is already taken care of.
pub(crate) fn mount(
    draft: &mut Draft<'_>,
    index: usize,
    kind: Option<&str>,
    options: &Options,
    target: &str,
) -> Result<bool, PlanError> {
    let at = field(index);
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
    } else if let Some(label) = mount_label(draft) {
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
    let source = draft.spec.mounts[index].source.as_deref().unwrap_or(kind);
    let tmpfs = kind == "tmpfs";
    let step = Filesystem {
        kind: draft.text(&at.clone().then("type"), kind)?,
        source: draft.text(&at.clone().then("source"), source)?,
        target: draft.text(&at.clone().then("destination"), target)?,
        flags: if tmpfs {
            options.flags & !flags::RDONLY
        } else {
            options.flags
        },
        data: draft.text(&at.clone().then("options"), &data)?,
        propagation: options.propagation.first().copied().unwrap_or(0),
        plain: matches!(kind, "proc" | "sysfs"),
        inherit_mode: tmpfs && !options.data.iter().any(|word| word.starts_with("mode=")),
        copy_up: tmpfs && options.copy_up,
    };
    draft.child(&at, step);
    deepen(draft, &at, options, target);
    Ok(true)
}

fn mount_label(draft: &Draft<'_>) -> Option<String> {
    let label = draft
        .spec
        .linux
        .as_ref()?
        .mount_label
        .as_deref()
        .filter(|label| !label.is_empty())?;
    Some(format!("context=\"{label}\""))
}

/// Recursive attributes on a new file system: there is nothing below it yet, but the words may be given.
pub(crate) fn deepen(draft: &mut Draft<'_>, at: &ConfigPath, options: &Options, target: &str) {
    if options.deep_set | options.deep_clear != 0 {
        let target = draft.own_text(target);
        let (set, clear) = (options.deep_set, options.deep_clear);
        draft.child(
            at,
            SetAttributes {
                target,
                set,
                clear,
                recursive: true,
            },
        );
    }
}
