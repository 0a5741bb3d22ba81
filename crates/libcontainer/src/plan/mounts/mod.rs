//! `mounts`: what is mounted inside, in the order of the list.

mod bind;
mod cgroup_mount;
mod filesystem;
pub mod options;

use std::borrow::Cow;
use std::collections::BTreeMap;

use init::Slot;
use init::slots::kind;
use init::step::{Attributes, SetAttributes, encode_propagation};
use init::wire::Span;
use kernel::mount::{attributes, flags};
use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Mount};

use super::{Creation, Draft, Namespaces, PlanError};
use options::Options;

pub(crate) use bind::{map_trees, prepare};

/// An empty part of the text.
pub(crate) const NOTHING: Span = Span {
    start: 0,
    length: 0,
};

/// One entry of the list, and what is known of the mount that it makes.
struct MountEntry<'a> {
    index: usize,
    options: &'a Options,
    /// Where, as the child looks it up: once.
    target: &'a str,
    /// Where the child keeps the mount for what is changed in it later.
    keep: Slot<kind::Mount>,
    /// The mount that a remount changes, if an earlier entry has made it.
    changed: Option<Slot<kind::Mount>>,
    /// What the runtime has prepared for it.
    outside: Outside,
}

impl MountEntry<'_> {
    fn ids(&self) -> Slot<kind::Joinable> {
        match self.outside {
            Outside::Ids(slot) => slot,
            _ => Slot::NO_NAMESPACE,
        }
    }
}

/// What the runtime prepares for a mount before the child starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outside {
    Nothing,
    /// A copy of the source.
    Copied(Slot<kind::Mount>),
    /// A user namespace with the mount's own mapping of ids, for a new file system.
    Ids(Slot<kind::Joinable>),
}

/// Whether a mount is a bind mount: that is for its options to say, not for its type.
pub(crate) fn is_bind(mount: &Mount<'_>) -> bool {
    mount
        .options
        .iter()
        .any(|word| *word == "bind" || *word == "rbind")
}

pub(crate) fn options_of(mount: &Mount<'_>) -> Options {
    Options::read(mount.options.iter().map(|word| word.as_str()))
}

fn field(index: usize) -> ConfigPath {
    ConfigPath::of("mounts").index(index)
}

/// A path without empty, `.` and `..` parts; one that does not begin with `/` counts from there.
fn clean(path: &str) -> Cow<'_, str> {
    let is_kept = |part: &str| !matches!(part, "" | "." | "..");
    if path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|path| path.split('/').all(is_kept))
    {
        return Cow::Borrowed(path);
    }
    let mut clean: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    Cow::Owned(format!("/{}", clean.join("/")))
}

/// What a path of the host is called below the container's root, if its text says that it lies there.
fn below_root(draft: &Draft<'_>, creation: &Creation, path: &str) -> Option<String> {
    let roots = draft.roots.get_or_init(|| {
        let written = draft.spec.root.as_ref().map(|root| root.path.as_str());
        let written = match written {
            Some(path) if path.starts_with('/') => Cow::Borrowed(path),
            path => Cow::Owned(format!("{}/{}", creation.bundle, path.unwrap_or_default())),
        };
        let both = [creation.root.as_str(), &written].map(|root| clean(root).into_owned());
        both.into_iter().filter(|root| root != "/").collect()
    });
    let path = clean(path);
    roots.iter().find_map(|root| {
        let rest = path.strip_prefix(root)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| clean(rest).into_owned())
    })
}

/// The destination as an absolute path without empty and `.` parts; a relative one counts from `/` (config.md). Some
/// callers write the host's path of the root in front.
pub(crate) fn destination(draft: &Draft<'_>, creation: &Creation, mount: &Mount<'_>) -> String {
    let path = &mount.destination;
    let given = below_root(draft, creation, path).filter(|_| path.starts_with('/'));
    given.unwrap_or_else(|| clean(path).into_owned())
}

/// Files of procfs that may be covered: what tools for containers fake there.
const COVERABLE: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// What lies over parts of /proc could answer where security settings are read or written (CVE-2019-16884).
fn validate_target(at: &ConfigPath, mount: &Mount<'_>, target: &str) -> Result<(), PlanError> {
    if !target.starts_with("/proc/")
        || COVERABLE.contains(&target)
        || target.starts_with("/proc/net/")
    {
        return Ok(());
    }
    // Mounts of the kernel's own file systems below /proc/sys, as systems have them outside.
    if mount.kind.as_deref() == Some("binfmt_misc") {
        return Ok(());
    }
    let why = format!("{target:?} cannot be mounted because it is inside /proc");
    Err(PlanError::invalid(at.clone().then("destination"), why))
}

/// The mounts of the list that later steps change by descriptor, and who makes the mount that an entry changes.
struct Kept {
    keep: Vec<Slot<kind::Mount>>,
    made_by: Vec<Option<usize>>,
}

impl Kept {
    fn of(draft: &mut Draft<'_>, targets: &[String], options: &[Options]) -> Kept {
        let mounts = &draft.spec.mounts;
        let late = |index: usize| is_late(&mounts[index], &options[index]);
        let mut needed: Vec<bool> = (0..mounts.len()).map(late).collect();
        let mut made_by = vec![None; mounts.len()];
        let mut latest = BTreeMap::new();
        for (index, target) in targets.iter().enumerate() {
            if !options[index].is_remount() {
                latest.insert(target.as_str(), index);
            } else if let Some(maker) = latest.get(target.as_str()) {
                made_by[index] = Some(*maker);
                needed[*maker] = true;
            }
        }
        let mut keep = vec![Slot::NONE; mounts.len()];
        for (index, slot) in keep.iter_mut().enumerate() {
            if targets[index] == "/" {
                *slot = Slot::ROOT;
            } else if needed[index] {
                draft.part(|draft| {
                    *slot = draft.kept_slot(&field(index))?;
                    Ok(())
                });
            }
        }
        Kept { keep, made_by }
    }

    /// The mount that entry `index` changes.
    fn changed(&self, index: usize) -> Option<Slot<kind::Mount>> {
        match self.keep[index] {
            Slot::ROOT => Some(Slot::ROOT),
            _ => self.made_by[index].map(|maker| self.keep[maker]),
        }
    }
}

/// A change of nothing yet.
fn change(slot: Slot<kind::Mount>) -> SetAttributes {
    SetAttributes {
        slot,
        target: NOTHING,
        propagation: NOTHING,
        attributes: Attributes::default(),
    }
}

/// A mount that was kept becomes read-only.
fn read_only(slot: Slot<kind::Mount>) -> SetAttributes {
    SetAttributes {
        attributes: Attributes {
            set: attributes::RDONLY,
            ..Attributes::default()
        },
        ..change(slot)
    }
}

/// Adds the mounts in the order of the list; `outside` is what the runtime has prepared for each. The answer is
/// for [`finish`].
pub(crate) fn build(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
    outside: &[Outside],
) -> Vec<(usize, Slot<kind::Mount>)> {
    let spec = draft.spec;
    let targets: Vec<String> = spec
        .mounts
        .iter()
        .map(|mount| destination(draft, creation, mount))
        .collect();
    let options: Vec<Options> = spec.mounts.iter().map(options_of).collect();
    let kept = Kept::of(draft, &targets, &options);
    let mut late = Vec::new();
    for (index, mount) in spec.mounts.iter().enumerate() {
        let place = MountEntry {
            index,
            options: &options[index],
            target: &targets[index],
            keep: kept.keep[index],
            changed: kept.changed(index),
            outside: outside[index],
        };
        draft.part(|draft| build_one(draft, creation, requested, &place));
        if is_late(mount, place.options) {
            late.push((index, place.keep));
        }
    }
    late
}

fn build_one(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
    place: &MountEntry<'_>,
) -> Result<(), PlanError> {
    let mount = &draft.spec.mounts[place.index];
    validate(draft, mount, place, requested)?;
    match (place.options.bind, mount.kind.as_deref()) {
        (Some(_), _) if place.options.is_remount() => remount(draft, place),
        (Some(_), _) => bind::mount(draft, creation, requested, place),
        // What is mounted anew is there, whatever its type is called.
        (None, Some(kind @ ("cgroup" | "cgroup2"))) if !place.options.is_remount() => {
            cgroup_mount::mount(draft, requested, place, kind)
        }
        (None, kind) => filesystem::mount(draft, place, kind),
    }
}

/// `bind` with `remount`: other attributes for a mount that is there.
fn remount(draft: &mut Draft<'_>, place: &MountEntry<'_>) -> Result<(), PlanError> {
    let (at, options) = (field(place.index), place.options);
    let mut step = SetAttributes {
        attributes: options.attributes(),
        propagation: propagation(draft, place)?,
        ..change(place.changed.unwrap_or(Slot::NONE))
    };
    if place.changed.is_none() {
        step.target = draft.text(&at.clone().then("destination"), place.target)?;
    }
    draft.child(&at, step);
    Ok(())
}

/// The propagation words of a mount, as its step has them.
fn propagation(draft: &mut Draft<'_>, place: &MountEntry<'_>) -> Result<Span, PlanError> {
    let mut list = place.options.propagation.clone();
    if place.target == "/" {
        if list.iter().any(|flags| flags & flags::SHARED != 0) {
            let why =
                "this mount becomes the container's root, whose propagation another field says";
            let (at, other) = (
                field(place.index),
                ConfigPath::of("linux.rootfsPropagation"),
            );
            return Err(PlanError::conflicts(at.then("options"), other, why));
        }
        // As for the root directory itself: what is mounted in it is not to appear at its source.
        list.insert(0, flags::PRIVATE);
    }
    let list: Vec<u8> = list.into_iter().map(encode_propagation).collect();
    Ok(draft.bytes(&list))
}

/// What can be said of an entry whatever kind of mount it is.
fn validate(
    draft: &mut Draft<'_>,
    mount: &Mount<'_>,
    place: &MountEntry<'_>,
    requested: &Namespaces,
) -> Result<(), PlanError> {
    let at = field(place.index);
    if mount.destination.is_empty() {
        return Err(PlanError::missing(at.then("destination")));
    }
    if !mount.destination.starts_with('/') {
        draft.warn(
            at.clone().then("destination"),
            "a relative destination is deprecated; it counts from /",
        );
    }
    validate_target(&at, mount, place.target)?;
    validate_id_mappings(&at, mount, place.options, requested)
}

fn validate_id_mappings(
    at: &ConfigPath,
    mount: &Mount<'_>,
    options: &Options,
    requested: &Namespaces,
) -> Result<(), PlanError> {
    let (uids, gids) = (
        !mount.uid_mappings.is_empty(),
        !mount.gid_mappings.is_empty(),
    );
    if uids != gids {
        let (missing, given) = if uids {
            ("gidMappings", "uidMappings")
        } else {
            ("uidMappings", "gidMappings")
        };
        let why = format!("{missing} must be given together with {given}");
        return Err(PlanError::conflicts(
            at.clone().then(missing),
            at.clone().then(given),
            why,
        ));
    }
    super::namespaces::validate_mappings(&at.clone().then("uidMappings"), &mount.uid_mappings)?;
    super::namespaces::validate_mappings(&at.clone().then("gidMappings"), &mount.gid_mappings)?;
    if options.id_map.is_some() && !uids && !requested.has(NEWUSER) {
        let why = "an id-mapped mount needs mappings or a user namespace";
        return Err(PlanError::invalid(at.clone().then("options"), why));
    }
    let mapped = options.id_map.is_some() || uids;
    if mapped && options.is_remount() {
        let why = "the ids of a mount are mapped when it is made, not when it is mounted anew";
        return Err(PlanError::invalid(at.clone().then("options"), why));
    }
    if uids && options.bind.is_none() && matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2"))
    {
        let why = "control groups cannot be id-mapped";
        return Err(PlanError::unsupported(at.clone().then("uidMappings"), why));
    }
    Ok(())
}

/// Whether a mount becomes read-only only when all that belongs into it was made.
fn is_late(mount: &Mount<'_>, options: &Options) -> bool {
    options.bind.is_none()
        && !options.is_remount()
        && mount.kind.as_deref() == Some("tmpfs")
        && options.flags & flags::RDONLY != 0
}

/// A tmpfs that is to be read-only becomes so when all that belongs into it was made.
pub(crate) fn finish(draft: &mut Draft<'_>, late: &[(usize, Slot<kind::Mount>)]) {
    for (index, slot) in late {
        draft.child(&field(*index), read_only(*slot));
    }
}

/// The root becomes read-only.
pub(crate) fn finish_root(draft: &mut Draft<'_>, at: &ConfigPath) {
    draft.child(at, read_only(Slot::ROOT));
}
