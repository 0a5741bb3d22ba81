//! Mounts of type cgroup: the container's view of its own group.

use init::step::{Bind, Filesystem, SetAttributes, Symlink};
use kernel::mount::{attributes, flags};
use kernel::namespace::flags::{NEWCGROUP, NEWUSER};

use super::options::Options;
use super::{Draft, Namespaces, PlanError, field};

/// What a cgroup mount never needs.
const SAFE: u64 = flags::NOSUID | flags::NODEV | flags::NOEXEC;

/// Adds the mounts; the answer is whether the first propagation type is already taken care of.
pub(crate) fn mount(
    draft: &mut Draft<'_>,
    wanted: &Namespaces,
    index: usize,
    options: &Options,
    target: &str,
) -> Result<bool, PlanError> {
    if draft.host.cgroups == 2 {
        unified(draft, wanted, index, options, target)
    } else {
        hierarchies(draft, index, options, target)
    }
}

/// v2: one mount, which shows the container's group as the root if it has a cgroup namespace. Otherwise, and where the
/// kernel does not let a user namespace mount it, the group's directory is bound.
fn unified(
    draft: &mut Draft<'_>,
    wanted: &Namespaces,
    index: usize,
    options: &Options,
    mounted: &str,
) -> Result<bool, PlanError> {
    let at = field(index);
    let own_view = wanted.has(NEWCGROUP) && !(wanted.joins(NEWUSER) && draft.host.rootless());
    let path = draft.text(&at.clone().then("destination"), mounted)?;
    let propagation = options.propagation.first().copied().unwrap_or(0);
    if own_view {
        let (kind, source) = (draft.own_text("cgroup2"), draft.own_text("cgroup"));
        let data = draft.text(&at.clone().then("options"), &options.data.join(","))?;
        let step = Filesystem {
            kind,
            source,
            target: path,
            flags: options.flags | SAFE,
            data,
            propagation,
            plain: false,
            inherit_mode: false,
            copy_up: false,
        };
        draft.child(&at, step);
        super::filesystem::deepen(draft, &at, options, mounted);
        return Ok(true);
    }
    let group = draft
        .host
        .hierarchies
        .iter()
        .find(|hierarchy| hierarchy.name.is_empty());
    let source = group
        .map_or("/sys/fs/cgroup", |hierarchy| hierarchy.path.as_str())
        .to_owned();
    let source = draft.own_text(&source);
    draft.child(&at, bind_of(source, path, options, propagation));
    Ok(true)
}

fn bind_of(source: init::Span, target: init::Span, options: &Options, propagation: u64) -> Bind {
    let safe = attributes::NOSUID | attributes::NODEV | attributes::NOEXEC;
    Bind {
        source,
        target,
        recursive: true,
        set: options.set | safe,
        clear: options.clear & !safe,
        deep_set: options.deep_set,
        deep_clear: options.deep_clear,
        propagation,
    }
}

/// v1: a tmpfs with one directory for each hierarchy and links for controllers that share one.
fn hierarchies(
    draft: &mut Draft<'_>,
    index: usize,
    options: &Options,
    target: &str,
) -> Result<bool, PlanError> {
    let at = field(index);
    let path = draft.text(&at.clone().then("destination"), target)?;
    let (kind, source, data) = (
        draft.own_text("tmpfs"),
        draft.own_text("tmpfs"),
        draft.own_text("mode=755"),
    );
    let step = Filesystem {
        kind,
        source,
        target: path,
        flags: options.flags & !flags::RDONLY | SAFE,
        data,
        propagation: options.propagation.first().copied().unwrap_or(0),
        plain: false,
        inherit_mode: false,
        copy_up: false,
    };
    draft.child(&at, step);
    for hierarchy in &draft.host.hierarchies {
        let source = draft.own_text(&hierarchy.path);
        let below = draft.own_text(&format!("{target}/{}", hierarchy.name));
        draft.child(&at, bind_of(source, below, options, 0));
        for link in &hierarchy.links {
            let content = draft.own_text(&hierarchy.name);
            let path = draft.own_text(&format!("{target}/{link}"));
            draft.child(
                &at,
                Symlink {
                    content,
                    path,
                    replace: false,
                },
            );
        }
    }
    if options.flags & flags::RDONLY != 0 {
        let target = draft.own_text(target);
        draft.child(
            &at,
            SetAttributes {
                target,
                set: attributes::RDONLY,
                clear: 0,
                recursive: false,
            },
        );
    }
    Ok(true)
}
