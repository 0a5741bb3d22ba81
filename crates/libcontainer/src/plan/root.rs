//! `root`, `linux.rootfsPropagation`: the change of root.

use init::Slot;
use init::step::{
    ChangeRoot, EnterRoot, FetchNull, MakeDirectory, MoveRoot, OpenRoot, Propagation,
};
use kernel::mount::flags;
use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Hooks, Linux, Process};

use super::{Creation, Draft, Namespaces, PlanError};

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

fn requested_propagation(draft: &Draft<'_>) -> Result<Option<u64>, PlanError> {
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
        match requested_propagation(draft)?.map(|value| value & !flags::REC) {
            Some(flags::SHARED) => 0,
            Some(flags::PRIVATE | flags::UNBINDABLE) => flags::PRIVATE | flags::REC,
            _ => flags::SLAVE | flags::REC,
        },
    )
}

/// What a config may not have without a mount namespace of the container's own (config-linux.md lets it have the
/// caller's): it would be done to the caller's mounts.
pub(crate) fn validate_shared(draft: &mut Draft<'_>, requested: &Namespaces) {
    if !requested.shares_mounts() {
        return;
    }
    let spec = draft.spec;
    let linux = spec.linux.as_ref();
    let listed = |list: fn(&Linux<'_>) -> bool| linux.is_some_and(list);
    let terminal = |process: &Process<'_>| process.terminal;
    let hooked = |hooks: &Hooks<'_>| !hooks.start_container.is_empty();
    let names = ConfigPath::of("linux.namespaces");
    for (field, given) in [
        ("mounts", !spec.mounts.is_empty()),
        (
            "root.readonly",
            spec.root.as_ref().is_some_and(|root| root.readonly),
        ),
        (
            "linux.rootfsPropagation",
            listed(|linux| linux.rootfs_propagation.is_some()),
        ),
        (
            "linux.maskedPaths",
            listed(|linux| !linux.masked_paths.is_empty()),
        ),
        (
            "linux.readonlyPaths",
            listed(|linux| !linux.readonly_paths.is_empty()),
        ),
        // Its device would be bound on /dev/console.
        (
            "process.terminal",
            spec.process.as_ref().is_some_and(terminal),
        ),
        // They are to find the container's files by joining it.
        (
            "hooks.startContainer",
            spec.hooks.as_ref().is_some_and(hooked),
        ),
    ] {
        if given {
            let why = "a container needs a mount namespace of its own for this: it would change the host's mounts";
            draft.note(Err(PlanError::conflicts(
                ConfigPath::of(field),
                names.clone(),
                why,
            )));
        }
    }
    if requested.has(NEWUSER) || draft.host.rootless() {
        // Its devices would have to be bound.
        let why = "a container in a user namespace needs a mount namespace of its own, too";
        draft.note(Err(PlanError::unsupported(names, why)));
    }
}

pub(crate) fn open(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
) -> Result<(), PlanError> {
    let at = ConfigPath::of("root.path");
    let only_open = requested.shares_mounts();
    let first = match only_open {
        true => None,
        false => Some(first_propagation(draft)?),
    };
    if let Some(flags) = first.filter(|flags| *flags != 0) {
        draft.child(&propagation_field(), Propagation { flags });
    }
    let path = draft.text(&at, &creation.root)?;
    let step = OpenRoot {
        path,
        private_parent: first == Some(0),
        only_open,
    };
    draft.child(&at, step);
    Ok(())
}

pub(crate) fn enter(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
) -> Result<(), PlanError> {
    let at = ConfigPath::of("root.path");
    if requested.shares_mounts() {
        let to = Slot::ROOT_DIRECTORY;
        draft.child(&at, ChangeRoot { to });
        return make_working_directory(draft);
    }
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
    if let Some(value) = requested_propagation(draft)? {
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
