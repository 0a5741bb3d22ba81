//! Binds a file or directory of the host inside.

use core::fmt;

use kernel::file::{self, mode, open};
use kernel::{Errno, Fd, mount};

use super::propagation::{describe_all, propagate_all};
use super::{Attributes, Context, Show, Step, step};
use crate::inside::{self, Last};
use crate::slots::kind;
use crate::{Slot, Span, StringTable};

step! {
    /// open_tree(2), mount_setattr(2), move_mount(2): the copy gets its attributes before anyone can see it.
    /// `mounts[]` with `bind` or `rbind`
    Bind {
        /// Path on the host, or below the root.
        source: Span,
        /// The source is looked up below the root: there it may be a mount that an earlier step has made.
        inside: bool,
        /// Others remove the source as they like; where there is none (any more) nothing is bound.
        may_be_gone: bool,
        /// What the target is below.
        below: Slot<kind::Mount>,
        /// Where.
        target: Span,
        /// With everything mounted below the source.
        recursive: bool,
        /// Propagation types, as [`super::encode_propagation`] writes them.
        propagation: Span,
        /// Where the new mount is kept for later steps, if it is.
        keep: Slot<kind::Mount>;
        /// What the mount, and those below, are changed to.
        attributes: Attributes,
    }
}

step! {
    /// open_tree(2), mount_setattr(2), and the copy goes with the next turn: only the runtime may map the ids of what only
    /// the child can reach. `mounts[]` with `bind` or `rbind`
    CopyMount {
        /// Path below the root: there it may be a mount that an earlier step has made.
        source: Span,
        /// As for [`Bind`].
        recursive: bool,
        /// Where the copy goes.
        slot: Slot<kind::Mount>;
        /// As for [`Bind`].
        attributes: Attributes,
    }
}

/// Attaches a detached tree at the target, which is made as a file or directory like the tree if it is missing.
pub(crate) fn attach_inside(
    context: &mut Context<'_>,
    tree: &Fd,
    below: Slot<kind::Mount>,
    target: Span,
) -> kernel::Result<()> {
    let path = context.text.string(target)?;
    let last = match file::status(tree.borrow())?.kind() {
        mode::DIRECTORY => Last::Directory(0o755),
        _ => Last::File,
    };
    let (target, _) = inside::target(context.place(below)?, path, last, false)?;
    context.parent = None;
    mount::attach(tree.borrow(), target.borrow())
}

/// A copy of what a path of the host, or below the root, shows.
fn copy(context: &Context<'_>, source: Span, inside: bool, recursive: bool) -> kernel::Result<Fd> {
    let source = context.text.string(source)?;
    if !inside {
        return mount::clone_tree(file::HERE, source, recursive);
    }
    let source = inside::open(context.root(), source, open::PATH)?;
    mount::clone_tree(source.borrow(), c"", recursive)
}

impl Step for Bind {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let tree = match copy(context, self.source, self.inside, self.recursive) {
            Err(fault) if self.may_be_gone && fault.is(Errno::ENOENT) => return Ok(()),
            tree => tree?,
        };
        self.attributes.apply(tree.borrow())?;
        attach_inside(context, &tree, self.below, self.target)?;
        propagate_all(tree.borrow(), context.text.bytes(self.propagation))?;
        context.keep(self.keep, tree);
        Ok(())
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bind ")?;
        describe_source(text, f, self.source, self.inside, self.recursive)?;
        f.write_str(if self.may_be_gone {
            " if it is there"
        } else {
            ""
        })?;
        write!(f, " at {}", Show(text.bytes(self.target)))?;
        if self.below != Slot::ROOT {
            write!(f, " of mount {}", self.below)?;
        }
        self.attributes.describe(f)?;
        describe_all(text.bytes(self.propagation), f)
    }
}

impl Step for CopyMount {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let tree = copy(context, self.source, true, self.recursive)?;
        self.attributes.apply(tree.borrow())?;
        context.send_with_turn(self.slot.any(), tree)
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("copy mount ")?;
        describe_source(text, f, self.source, true, self.recursive)?;
        write!(f, " as tree {}", self.slot)?;
        self.attributes.describe(f)
    }
}

fn describe_source(
    text: StringTable<'_>,
    f: &mut fmt::Formatter<'_>,
    source: Span,
    inside: bool,
    recursive: bool,
) -> fmt::Result {
    write!(f, "{}", Show(text.bytes(source)))?;
    f.write_str(if inside { " of the root" } else { "" })?;
    f.write_str(if recursive { " with all below" } else { "" })
}
