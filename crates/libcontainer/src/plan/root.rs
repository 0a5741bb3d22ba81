//! `root`, `linux.rootfsPropagation`: the change of root.

use init::step::{EnterRoot, FetchNull, MakeDirectory, MoveRoot, OpenRoot, Propagation};
use kernel::mount::flags;
use spec::ConfigPath;

use super::{Creation, Draft, PlanError};

/// Values of `linux.rootfsPropagation`, with and without "recursively".
const PROPAGATIONS: [(&str, u64); 8] = [
    ("shared", flags::SHARED),
    ("rshared", flags::SHARED | flags::REC),
    ("slave", flags::SLAVE),
    ("rslave", flags::SLAVE | flags::REC),
    ("private", flags::PRIVATE),
    ("rprivate", flags::PRIVATE | flags::REC),
    ("unbindable", flags::UNBINDABLE),
    ("runbindable", flags::UNBINDABLE | flags::REC),
];

fn wanted_propagation(draft: &Draft<'_>) -> Result<Option<u64>, PlanError> {
    let Some(word) = draft
        .spec
        .linux
        .as_ref()
        .and_then(|linux| linux.rootfs_propagation.as_deref())
    else {
        return Ok(None);
    };
    if word.is_empty() {
        return Ok(None);
    }
    match PROPAGATIONS.iter().find(|(name, _)| *name == word) {
        Some((_, value)) => Ok(Some(*value)),
        None => Err(PlanError::invalid(
            propagation_field(),
            format!("unknown propagation {word:?}"),
        )),
    }
}

fn propagation_field() -> ConfigPath {
    ConfigPath::of("linux.rootfsPropagation")
}

/// What all mounts are changed to before the container's are made: nothing may travel to the host, unless the config
/// wants the container to be the host's peer (volumes with bidirectional propagation).
pub(crate) fn first_propagation(draft: &Draft<'_>) -> Result<u64, PlanError> {
    Ok(
        match wanted_propagation(draft)?.map(|value| value & !flags::REC) {
            Some(flags::SHARED) => 0,
            Some(flags::PRIVATE | flags::UNBINDABLE) => flags::PRIVATE | flags::REC,
            _ => flags::SLAVE | flags::REC,
        },
    )
}

pub(crate) fn open(draft: &mut Draft<'_>, creation: &Creation) -> Result<(), PlanError> {
    let at = ConfigPath::of("root.path");
    let first = first_propagation(draft)?;
    if first != 0 {
        draft.child(&propagation_field(), Propagation { flags: first });
    }
    let path = draft.text(&at, &creation.root)?;
    draft.child(
        &at,
        OpenRoot {
            path,
            private_parent: first == 0,
        },
    );
    Ok(())
}

pub(crate) fn enter(draft: &mut Draft<'_>, creation: &Creation) -> Result<(), PlanError> {
    let at = ConfigPath::of("root.path");
    let masks = draft
        .spec
        .linux
        .as_ref()
        .is_some_and(|linux| !linux.masked_paths.is_empty());
    if masks {
        // The device may have to be taken from the host, so this must come before the host is left.
        draft.child(&ConfigPath::of("linux.maskedPaths"), FetchNull {});
    }
    if creation.no_pivot {
        let exposed: Vec<&str> = draft.host.exposed.iter().map(String::as_str).collect();
        let exposed = draft.strings(&at, exposed)?;
        draft.child(&at, MoveRoot { exposed });
    } else {
        let shared = first_propagation(draft)? == 0;
        draft.child(&at, EnterRoot { shared });
    }
    if let Some(value) = wanted_propagation(draft)? {
        draft.child(&propagation_field(), Propagation { flags: value });
    }
    make_working_directory(draft)
}

fn make_working_directory(draft: &mut Draft<'_>) -> Result<(), PlanError> {
    let at = ConfigPath::of("process.cwd");
    if let Some(cwd) = draft
        .spec
        .process
        .as_ref()
        .and_then(|process| process.cwd.as_deref())
        && cwd != "/"
    {
        let path = draft.text(&at, cwd)?;
        draft.child(&at, MakeDirectory { path });
    }
    Ok(())
}

/// The root is made read-only when nothing has to be made in it any more.
pub(crate) fn finish(draft: &mut Draft<'_>) -> Result<(), PlanError> {
    if draft.spec.root.as_ref().is_some_and(|root| root.readonly) {
        let at = ConfigPath::of("root.readonly");
        super::mounts::finish_root(draft, &at);
    }
    super::system::protect(draft)
}
