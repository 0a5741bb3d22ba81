//! Bind mounts: by path inside, or copied and perhaps id-mapped outside.

use init::step::{Attach, Bind};
use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Mount};

use super::options::Options;
use super::{Creation, Draft, Namespaces, PlanError, destination, field, options_of};
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

/// Whether the runtime copies the source. It must for id-mapped mounts, and for a container in another user namespace,
/// whose root may not reach the source by its path. It cannot without privileges over its own mounts. Otherwise the child looks the path up
/// itself, in its copy of the host's mounts: one descriptor less to carry, and the copy has the right propagation.
fn is_copied(draft: &Draft<'_>, mount: &Mount<'_>, options: &Options, wanted: &Namespaces) -> bool {
    options.bind.is_some()
        && (is_id_mapped(mount, options)
            || (wanted.has(NEWUSER) && draft.host.privileged && draft.host.copies_mounts))
}

fn is_id_mapped(mount: &Mount<'_>, options: &Options) -> bool {
    options.id_map.is_some() || !mount.uid_mappings.is_empty()
}

/// Copies sources before the child starts.
pub(crate) fn copy_sources(
    draft: &mut Draft<'_>,
    creation: &Creation,
    wanted: &Namespaces,
) -> Result<(), PlanError> {
    for index in 0..draft.spec.mounts.len() {
        draft.part(|draft| copy_source(draft, creation, wanted, index));
    }
    Ok(())
}

fn copy_source(
    draft: &mut Draft<'_>,
    creation: &Creation,
    wanted: &Namespaces,
    index: usize,
) -> Result<(), PlanError> {
    let (at, mount) = (field(index), &draft.spec.mounts[index]);
    let options = options_of(mount);
    if !is_copied(draft, mount, &options, wanted) {
        return Ok(());
    }
    if is_id_mapped(mount, &options) && draft.host.rootless() {
        return Err(PlanError::unsupported(at, "id-mapped mounts need root"));
    }
    let tree = Tree {
        source: source(mount, &at, &creation.bundle)?,
        recursive: options.bind == Some(true),
        set: options.set,
        clear: options.clear,
        deep_set: options.deep_set,
        deep_clear: options.deep_clear,
        propagation: crate::plan::root::first_propagation(draft)?,
        slot: draft.slot(&at)?,
    };
    let slot = tree.slot;
    draft.runtime(&at.clone().then("source"), RuntimeStep::CopyTree(tree));
    if !mount.uid_mappings.is_empty() {
        let maps = IdMaps {
            uids: mount.uid_mappings.clone(),
            gids: mount.gid_mappings.clone(),
            ..IdMaps::default()
        };
        add_mapping(draft, mount, &options, &at, slot, Some(maps));
    }
    Ok(())
}

fn add_mapping(
    draft: &mut Draft<'_>,
    mount: &Mount<'_>,
    options: &Options,
    at: &ConfigPath,
    slot: init::Slot,
    maps: Option<IdMaps>,
) {
    let recursive = options.id_map == Some(true);
    let target = destination(mount);
    draft.runtime(
        &at.clone().then("uidMappings"),
        RuntimeStep::MapTree {
            slot,
            target,
            recursive,
            maps,
        },
    );
}

/// The slot that [`copy_sources`] gave to a mount.
fn slot_of(draft: &Draft<'_>, index: usize, wanted: &Namespaces) -> Option<init::Slot> {
    let copied = |index: &usize| {
        let mount = &draft.spec.mounts[*index];
        is_copied(draft, mount, &options_of(mount), wanted)
    };
    if !copied(&index) {
        return None;
    }
    let position = (0..index).filter(copied).count();
    let mut trees = draft.runtime_steps().filter_map(|step| match step {
        RuntimeStep::CopyTree(tree) => Some(tree.slot),
        _ => None,
    });
    trees.nth(position)
}

/// Trees that take the ids of the container's own user namespace are mapped once that has its maps.
pub(crate) fn map_trees(draft: &mut Draft<'_>, wanted: &Namespaces) -> Result<(), PlanError> {
    for (index, mount) in draft.spec.mounts.iter().enumerate() {
        let options = options_of(mount);
        if options.bind.is_none() || options.id_map.is_none() || !mount.uid_mappings.is_empty() {
            continue;
        }
        if let Some(slot) = slot_of(draft, index, wanted) {
            add_mapping(draft, mount, &options, &field(index), slot, None);
        }
    }
    Ok(())
}

/// Adds the mount; the answer is whether the first propagation type is already taken care of.
pub(crate) fn mount(
    draft: &mut Draft<'_>,
    creation: &Creation,
    wanted: &Namespaces,
    index: usize,
    options: &Options,
    target: &str,
) -> Result<bool, PlanError> {
    let (at, mount) = (field(index), &draft.spec.mounts[index]);
    if let Some(word) = options.data.first() {
        // They would be options of the file system that the source is on, and so of the host's.
        let why = format!("{word:?} is no option of a bind mount");
        return Err(PlanError::invalid(at.then("options"), why));
    }
    let propagation = options.propagation.first().copied().unwrap_or(0);
    let path = draft.text(&at.clone().then("destination"), target)?;
    if let Some(slot) = slot_of(draft, index, wanted) {
        draft.child(
            &at,
            Attach {
                slot,
                target: path,
                propagation,
            },
        );
        return Ok(true);
    }
    let source = source(mount, &at, &creation.bundle)?;
    let source = draft.text(&at.clone().then("source"), &source)?;
    let step = Bind {
        source,
        target: path,
        recursive: options.bind == Some(true),
        set: options.set,
        clear: options.clear,
        deep_set: options.deep_set,
        deep_clear: options.deep_clear,
        propagation,
    };
    draft.child(&at, step);
    Ok(true)
}
