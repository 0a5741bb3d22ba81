//! Binds a file or directory of the host inside.

use core::fmt;

use kernel::Fd;
use kernel::file::{self, mode};
use kernel::mount::{self, Change, attributes};

use super::propagation::propagate;
use super::{Context, Show, Step, step, words};
use crate::{Span, Text, inside};

step! {
    /// open_tree(2), mount_setattr(2), move_mount(2): the copy gets its attributes before anyone can see it.
    /// `mounts[]` with `bind` or `rbind`
    Bind {
        /// Path on the host.
        source: Span,
        /// Where, below the root.
        target: Span,
        /// With everything mounted below the source.
        recursive: bool,
        /// What the mount itself is changed to.
        set: u64,
        /// Attributes taken away from it.
        clear: u64,
        /// What the mount and all below are changed to.
        deep_set: u64,
        /// Attributes taken away from all of them.
        deep_clear: u64,
        /// Propagation type, or 0.
        propagation: u64,
    }
}

/// Names of mount attributes.
pub(crate) const NAMES: [(u64, &str); 8] = [
    (attributes::RDONLY, "ro"),
    (attributes::NOSUID, "nosuid"),
    (attributes::NODEV, "nodev"),
    (attributes::NOEXEC, "noexec"),
    (attributes::NOATIME, "noatime"),
    (attributes::STRICTATIME, "strictatime"),
    (attributes::NODIRATIME, "nodiratime"),
    (attributes::NOSYMFOLLOW, "nosymfollow"),
];

/// Attaches a detached tree at `path`, which is made as a file or directory like the tree if it is missing.
pub(crate) fn attach_inside(
    context: &mut Context<'_>,
    tree: &Fd,
    target: Span,
) -> kernel::Result<()> {
    let path = context.text.string(target)?;
    let kind = file::status(tree.raw())?.kind();
    let target = if kind == mode::DIRECTORY {
        inside::directory(context.root(), path, 0o755)?
    } else {
        inside::regular_file(context.root(), path)?
    };
    context.parent = None;
    mount::attach(tree.raw(), target.raw())
}

/// Changes the attributes of a mount that nobody else sees yet.
pub(crate) fn change(tree: &Fd, set: u64, clear: u64, deep: bool) -> kernel::Result<()> {
    if set | clear == 0 {
        return Ok(());
    }
    mount::set_attributes(
        tree.raw(),
        c"",
        deep,
        &Change {
            set,
            clear,
            ..Change::default()
        },
    )
}

impl Step for Bind {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let source = context.text.string(self.source)?;
        let tree = mount::clone_tree(file::HERE, source, self.recursive)?;
        change(&tree, self.deep_set, self.deep_clear, true)?;
        change(&tree, self.set, self.clear, false)?;
        attach_inside(context, &tree, self.target)?;
        if self.propagation != 0 {
            propagate(tree.raw(), self.propagation)?;
        }
        Ok(())
    }

    fn describe(&self, text: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recursive = if self.recursive {
            " with all below"
        } else {
            ""
        };
        write!(
            f,
            "bind {}{recursive} at {}",
            Show(text.bytes(self.source)),
            Show(text.bytes(self.target))
        )?;
        describe_changes(f, self.set, self.clear, self.deep_set, self.deep_clear)?;
        if self.propagation != 0 {
            f.write_str(" ")?;
            words(f, self.propagation, &super::propagation::NAMES)?;
        }
        Ok(())
    }
}

/// Writes what is set and cleared.
pub(crate) fn describe_changes(
    f: &mut fmt::Formatter<'_>,
    set: u64,
    clear: u64,
    deep_set: u64,
    deep_clear: u64,
) -> fmt::Result {
    for (title, value) in [
        (" set ", set),
        (" clear ", clear & !attributes::ATIME),
        (" recursively set ", deep_set),
        (" recursively clear ", deep_clear & !attributes::ATIME),
    ] {
        if value != 0 {
            f.write_str(title)?;
            words(f, value, &NAMES)?;
        }
    }
    Ok(())
}
