//! Bind mounts: looked up by the child, or copied and perhaps id-mapped by the runtime.

use init::Slot;
use init::slots::kind;
use init::step::{Attach, Bind, CopyMount};
use kernel::mount::flags;
use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Linux, Mount};

use super::options::Options;
use super::{Creation, Draft, MountEntry, Namespaces, Outside, PlanError, field, options_of};
use crate::plan::draft::without_nul;
use crate::plan::{IdMaps, RuntimeStep, Tree};

/// The source as an absolute path; a relative one counts from the bundle (config.md).
fn source(mount: &Mount<'_>, at: &ConfigPath, bundle: &str) -> Result<String, PlanError> {
    match mount.source.as_deref().filter(|source| !source.is_empty()) {
        None => Err(PlanError::missing(at.clone().then("source"))),
        Some(source) if source.contains('\0') => Err(PlanError::invalid(
            at.clone().then("source"),
            "holds a NUL byte",
        )),
        Some(source) if source.starts_with('/') => Ok(source.to_owned()),
        Some(source) => Ok(format!("{bundle}/{source}")),
    }
}

/// Who looks up the source of a bind mount.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The child, by its path in its copy of the host's mounts: one descriptor less to carry, and the copy has the right
    /// propagation.
    Child,
    /// The child, below the container's root, where the source may be a mount that is made earlier in the list.
    Inside,
    /// The runtime, before the child starts: it must for id-mapped mounts, and for a container in another user
    /// namespace, whose root may not reach the source by its path. It cannot without privileges over its own mounts.
    Runtime,
}

/// The way, and the source as it is then looked up.
fn way(
    draft: &Draft<'_>,
    creation: &Creation,
    mount: &Mount<'_>,
    options: &Options,
    requested: &Namespaces,
    source: String,
) -> (Way, String) {
    if let Some(below) = super::below_root(draft, creation, &source) {
        return (Way::Inside, below);
    }
    let copied = is_id_mapped(mount, options)
        || (requested.has(NEWUSER) && draft.host.privileged && draft.host.copies_mounts);
    (if copied { Way::Runtime } else { Way::Child }, source)
}

fn is_id_mapped(mount: &Mount<'_>, options: &Options) -> bool {
    options.id_map.is_some() || !mount.uid_mappings.is_empty()
}

/// Copies sources, and makes mappings of ids, before the child starts.
pub(crate) fn prepare(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
) -> Vec<Outside> {
    let mut all = vec![Outside::Nothing; draft.spec.mounts.len()];
    for (index, one) in all.iter_mut().enumerate() {
        draft.part(|draft| {
            *one = prepare_one(draft, creation, requested, index)?;
            Ok(())
        });
    }
    all
}

fn prepare_one(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
    index: usize,
) -> Result<Outside, PlanError> {
    let (at, mount) = (field(index), &draft.spec.mounts[index]);
    for (index, word) in mount.options.iter().enumerate() {
        without_nul(&at.clone().then("options").index(index), word)?;
    }
    let options = options_of(mount);
    if options.is_remount() {
        return Ok(Outside::Nothing);
    }
    if options.bind.is_none() {
        return prepare_mapping(draft, requested, index);
    }
    let source = source(mount, &at, &creation.bundle)?;
    let (Way::Runtime, source) = way(draft, creation, mount, &options, requested, source) else {
        return Ok(Outside::Nothing);
    };
    if !draft.host.privileged || !draft.host.copies_mounts {
        let why = "to map the ids of what is outside of the container takes root of the user namespace that mounted it";
        return Err(PlanError::unsupported(at.then("options"), why));
    }
    let slot = draft.slot(&at)?;
    // Another user namespace gets what the host has, as if the flags were locked.
    let mut attributes = options.attributes();
    if requested.has(NEWUSER) {
        attributes.release = 0;
    }
    let tree = Tree {
        source,
        recursive: options.bind == Some(true),
        attributes,
        propagation: copied_propagation(draft, requested)?,
        slot,
    };
    draft.runtime(&at.clone().then("source"), RuntimeStep::CopyTree(tree));
    if let Some(maps) = own_maps(draft, mount) {
        add_mapping(draft, mount, &options, &at, slot, Some(maps));
    }
    Ok(Outside::Copied(slot))
}

/// In a user namespace, the ids of a new file system are the container's already: only a mapping of its own differs. It is
/// the child who maps them, for the file system belongs to its user namespace.
fn prepare_mapping(
    draft: &mut Draft<'_>,
    requested: &Namespaces,
    index: usize,
) -> Result<Outside, PlanError> {
    if draft.spec.mounts[index].uid_mappings.is_empty() {
        return Ok(Outside::Nothing);
    }
    let slot = draft.slot(&field(index))?;
    // Else below the container's user namespace, over which alone the child has rights.
    if !requested.has(NEWUSER) {
        make_mapping(draft, index, slot, false)?;
    }
    Ok(Outside::Ids(slot))
}

fn make_mapping(
    draft: &mut Draft<'_>,
    index: usize,
    slot: Slot<kind::Joinable>,
    nested: bool,
) -> Result<(), PlanError> {
    let (at, mount) = (field(index), &draft.spec.mounts[index]);
    let mut maps = IdMaps {
        uids: mount.uid_mappings.clone(),
        gids: mount.gid_mappings.clone(),
        ..IdMaps::default()
    };
    if nested {
        let empty = Linux::default();
        let linux = draft.spec.linux.as_ref().unwrap_or(&empty);
        for (field, lines, outer) in [
            ("uidMappings", &mut maps.uids, &linux.uid_mappings),
            ("gidMappings", &mut maps.gids, &linux.gid_mappings),
        ] {
            *lines = IdMaps::inside(outer, lines).ok_or_else(|| {
                let why = "the user namespace of the container does not map all of these ids, or its own mappings are not in the config";
                PlanError::invalid(at.clone().then(field), why)
            })?;
        }
    }
    let step = RuntimeStep::MakeIdMapping {
        slot,
        target: mount.destination.to_string(),
        maps,
        nested,
    };
    draft.runtime(&at.then("uidMappings"), step);
    Ok(())
}

/// Copied by the child in its user namespace, mounts would be slaves of the host's at most (mount_namespaces(7)).
fn copied_propagation(draft: &Draft<'_>, requested: &Namespaces) -> Result<u64, PlanError> {
    match crate::plan::root::first_propagation(draft)? {
        0 if requested.has(NEWUSER) => Ok(flags::SLAVE | flags::REC),
        first => Ok(first),
    }
}

/// The mapping that a mount has for itself.
fn own_maps(draft: &Draft<'_>, mount: &Mount<'_>) -> Option<IdMaps> {
    let (uids, gids) = (&mount.uid_mappings, &mount.gid_mappings);
    (!uids.is_empty()).then(|| crate::plan::namespaces::id_maps(uids, gids, draft.host))
}

/// The runtime maps the ids of a tree.
fn add_mapping(
    draft: &mut Draft<'_>,
    mount: &Mount<'_>,
    options: &Options,
    at: &ConfigPath,
    slot: Slot<kind::Mount>,
    maps: Option<IdMaps>,
) {
    let recursive = options.id_map == Some(true);
    draft.runtime(
        &at.clone().then("uidMappings"),
        RuntimeStep::MapTree {
            slot,
            target: mount.destination.to_string(),
            recursive,
            maps,
        },
    );
}

/// Trees that take the ids of the container's user namespace are mapped once the child is in it and it has its maps; then
/// others can be nested.
pub(crate) fn map_trees(draft: &mut Draft<'_>, outside: &[Outside]) {
    for (index, mount) in draft.spec.mounts.iter().enumerate() {
        let options = options_of(mount);
        if let Outside::Ids(slot) = outside[index] {
            draft.part(|draft| make_mapping(draft, index, slot, true));
        }
        if options.id_map.is_none() || !mount.uid_mappings.is_empty() {
            continue;
        }
        if let Outside::Copied(slot) = outside[index] {
            add_mapping(draft, mount, &options, &field(index), slot, None);
        }
    }
}

/// Adds the mount.
pub(crate) fn mount(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
    place: &MountEntry<'_>,
) -> Result<(), PlanError> {
    let (at, options) = (field(place.index), place.options);
    let mount = &draft.spec.mounts[place.index];
    if let Some(word) = options.data.first() {
        // They would be options of the file system that the source is on, and so of the host's.
        let why = format!("invalid option {word:?} for a bind mount: it belongs to a file system");
        return Err(PlanError::invalid(at.then("options"), why));
    }
    let target = draft.text(&at.clone().then("destination"), place.target)?;
    let (propagation, keep) = (super::propagation(draft, place)?, place.keep);
    let attach = |slot| Attach {
        slot,
        target,
        propagation,
        keep,
    };
    if let Outside::Copied(slot) = place.outside {
        draft.child(&at, attach(slot));
        return Ok(());
    }
    let source = source(mount, &at, &creation.bundle)?;
    let (way, source) = way(draft, creation, mount, options, requested, source);
    let (inside, recursive) = (way == Way::Inside, options.bind == Some(true));
    let source = draft.text(&at.clone().then("source"), &source)?;
    if !is_id_mapped(mount, options) {
        let step = Bind {
            source,
            inside,
            may_be_gone: false,
            below: Slot::ROOT,
            target,
            recursive,
            propagation,
            keep,
            attributes: options.attributes(),
        };
        draft.child(&at, step);
        return Ok(());
    }
    let slot = draft.slot(&at)?;
    let step = CopyMount {
        source,
        recursive,
        slot,
        attributes: options.attributes(),
    };
    draft.child(&at, step);
    let maps = own_maps(draft, mount);
    add_mapping(draft, mount, options, &at, slot, maps);
    draft.child(&at, attach(slot));
    Ok(())
}
