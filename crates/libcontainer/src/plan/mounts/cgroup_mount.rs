//! Mounts of type cgroup: the container's view of its own group.

use init::Slot;
use init::step::{Attributes, Bind, Filesystem, Symlink};
use kernel::mount::{attributes, flags};
use kernel::namespace::flags::{NEWCGROUP, NEWUSER};

use super::options::Options;
use super::{Draft, MountEntry, NOTHING, Namespaces, PlanError, field};

/// What a cgroup mount never needs.
const SAFE: u64 = flags::NOSUID | flags::NODEV | flags::NOEXEC;

/// Adds the mounts. Type cgroup is what the host has, v1 on a hybrid host; type cgroup2 is v2 everywhere.
pub(crate) fn mount(
    draft: &mut Draft<'_>,
    requested: &Namespaces,
    place: &MountEntry<'_>,
    kind: &str,
) -> Result<(), PlanError> {
    if draft.host.cgroups == 2 || kind == "cgroup2" {
        unified(draft, requested, place)
    } else {
        hierarchies(draft, place)
    }
}

/// v2: one mount, which shows the container's group as the root if it has a cgroup namespace. Otherwise, and where the
/// kernel does not let a user namespace mount it, the group's directory is bound.
fn unified(
    draft: &mut Draft<'_>,
    requested: &Namespaces,
    place: &MountEntry<'_>,
) -> Result<(), PlanError> {
    let (at, options) = (field(place.index), place.options);
    let own_view = requested.has(NEWCGROUP) && !(requested.joins(NEWUSER) && draft.host.rootless());
    let target = draft.text(&at.clone().then("destination"), place.target)?;
    let hierarchies = &draft.host.hierarchies;
    let group = hierarchies.iter().find(|one| one.name.is_empty());
    // Without one (v1 alone) the mount shows what the kernel has.
    if own_view || (group.is_none() && draft.host.cgroups != 2) {
        let (kind, source) = (draft.own_text("cgroup2"), draft.own_text("cgroup"));
        let step = Filesystem {
            kind,
            source,
            below: Slot::ROOT,
            target,
            flags: options.flags | SAFE,
            data: draft.text(&at.clone().then("options"), &options.data.join(","))?,
            propagation: super::propagation(draft, place)?,
            keep: place.keep,
            plain: false,
            inherit_mode: false,
            copy_up: false,
            ids: Slot::NO_NAMESPACE,
        };
        draft.child(&at, step);
        return Ok(());
    }
    let source = group.map_or("/sys/fs/cgroup", |group| group.path.as_str());
    let source = source.to_owned();
    let mut step = bind_of(draft.own_text(&source), target, options);
    (step.propagation, step.keep) = (super::propagation(draft, place)?, place.keep);
    draft.child(&at, step);
    Ok(())
}

fn bind_of(source: init::Span, target: init::Span, options: &Options) -> Bind {
    let safe = attributes::NOSUID | attributes::NODEV | attributes::NOEXEC;
    Bind {
        source,
        inside: false,
        may_be_gone: false,
        below: Slot::ROOT,
        target,
        recursive: true,
        propagation: NOTHING,
        keep: Slot::NONE,
        attributes: Attributes {
            release: 0,
            set: options.set | safe,
            clear: options.clear & !safe,
            deep_set: options.deep_set,
            deep_clear: options.deep_clear & !safe,
        },
    }
}

/// v1: a tmpfs with one directory for each hierarchy and links for controllers that share one. What is in it is made
/// below its descriptor, not below its path.
fn hierarchies(draft: &mut Draft<'_>, place: &MountEntry<'_>) -> Result<(), PlanError> {
    let (at, options) = (field(place.index), place.options);
    let target = draft.text(&at.clone().then("destination"), place.target)?;
    let tmpfs = match place.keep {
        Slot::NONE => draft.kept_slot(&at)?,
        kept => kept,
    };
    let step = Filesystem {
        kind: draft.own_text("tmpfs"),
        source: draft.own_text("tmpfs"),
        below: Slot::ROOT,
        target,
        flags: options.flags & !flags::RDONLY | SAFE,
        data: draft.own_text("mode=755"),
        propagation: super::propagation(draft, place)?,
        keep: tmpfs,
        plain: false,
        inherit_mode: false,
        copy_up: false,
        ids: Slot::NO_NAMESPACE,
    };
    draft.child(&at, step);
    let host = draft.host;
    for hierarchy in host.hierarchies.iter().filter(|one| !one.name.is_empty()) {
        let (source, name) = (
            draft.own_text(&hierarchy.path),
            draft.own_text(&hierarchy.name),
        );
        let mut step = bind_of(source, name, options);
        step.below = tmpfs;
        // systemd moves processes elsewhere when its units cease to use a controller, and removes what is empty then.
        step.may_be_gone = true;
        draft.child(&at, step);
        for link in &hierarchy.links {
            let step = Symlink {
                content: name,
                below: tmpfs,
                path: draft.own_text(link),
                replace: false,
            };
            draft.child(&at, step);
        }
    }
    if options.flags & flags::RDONLY != 0 {
        draft.child(&at, super::read_only(tmpfs));
    }
    Ok(())
}
