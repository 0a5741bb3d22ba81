//! `mounts`: what is mounted inside, in the order of the list.

mod bind;
mod cgroup;
mod filesystem;
pub mod options;

use init::step::{SetAttributes, TargetPropagation};
use kernel::mount::flags;
use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Mount};

use super::{Creation, Draft, Namespaces, PlanError};
use options::Options;

pub(crate) use bind::{copy_sources, map_trees};

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

/// The destination as an absolute path without empty and `.` parts; a relative one counts from `/` (config.md).
pub(crate) fn destination(mount: &Mount<'_>) -> String {
    let mut clean: Vec<&str> = Vec::new();
    for part in mount.destination.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    format!("/{}", clean.join("/"))
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
fn judge_target(at: &ConfigPath, mount: &Mount<'_>, target: &str) -> Result<(), PlanError> {
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

pub(crate) fn build(
    draft: &mut Draft<'_>,
    creation: &Creation,
    wanted: &Namespaces,
) -> Result<(), PlanError> {
    for index in 0..draft.spec.mounts.len() {
        draft.part(|draft| build_one(draft, creation, wanted, index));
    }
    Ok(())
}

fn build_one(
    draft: &mut Draft<'_>,
    creation: &Creation,
    wanted: &Namespaces,
    index: usize,
) -> Result<(), PlanError> {
    let (at, mount) = (field(index), &draft.spec.mounts[index]);
    if mount.destination.is_empty() {
        return Err(PlanError::missing(at.then("destination")));
    }
    if !mount.destination.starts_with('/') {
        draft.warn(
            at.clone().then("destination"),
            "a relative destination is deprecated; it counts from /",
        );
    }
    let options = options_of(mount);
    let target = destination(mount);
    judge_target(&at, mount, &target)?;
    judge_id_mappings(&at, mount, &options, wanted)?;
    let propagation = match (options.bind, mount.kind.as_deref()) {
        (Some(_), _) => bind::mount(draft, creation, wanted, index, &options, &target)?,
        (None, Some("cgroup" | "cgroup2")) => {
            cgroup::mount(draft, wanted, index, &options, &target)?
        }
        (None, kind) => filesystem::mount(draft, index, kind, &options, &target)?,
    };
    for flags in options.propagation.iter().skip(usize::from(propagation)) {
        let target = draft.own_text(&target);
        draft.child(
            &at,
            TargetPropagation {
                target,
                flags: *flags,
            },
        );
    }
    Ok(())
}

fn judge_id_mappings(
    at: &ConfigPath,
    mount: &Mount<'_>,
    options: &Options,
    wanted: &Namespaces,
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
    super::namespaces::judge_mappings(&at.clone().then("uidMappings"), &mount.uid_mappings)?;
    super::namespaces::judge_mappings(&at.clone().then("gidMappings"), &mount.gid_mappings)?;
    if options.id_map.is_some() && !uids && !wanted.has(NEWUSER) {
        let why = "an id-mapped mount needs mappings or a user namespace";
        return Err(PlanError::invalid(at.clone().then("options"), why));
    }
    if options.id_map.is_some() && !uids && wanted.joins(NEWUSER) {
        let why = "an id-mapped mount in a joined user namespace needs mappings of its own";
        return Err(PlanError::unsupported(at.clone().then("options"), why));
    }
    if (options.id_map.is_some() || uids) && options.bind.is_none() {
        return Err(PlanError::unsupported(
            at.clone(),
            "id-mapped mounts are supported for bind mounts only",
        ));
    }
    Ok(())
}

/// A tmpfs that is to be read-only becomes so when all that belongs into it was made.
pub(crate) fn finish(draft: &mut Draft<'_>) -> Result<(), PlanError> {
    for (index, mount) in draft.spec.mounts.iter().enumerate() {
        let options = options_of(mount);
        let late = options.bind.is_none()
            && mount.kind.as_deref() == Some("tmpfs")
            && options.flags & flags::RDONLY != 0;
        if late {
            let target = draft.own_text(&destination(mount));
            let set = kernel::mount::attributes::RDONLY;
            draft.child(
                &field(index),
                SetAttributes {
                    target,
                    set,
                    clear: 0,
                    recursive: false,
                },
            );
        }
    }
    Ok(())
}
