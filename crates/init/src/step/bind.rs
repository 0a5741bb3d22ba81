//! Binds a file or directory of the host inside.

use core::fmt;

use kernel::file::{self, mode, open};
use kernel::mount::{self, Change, attributes};
use kernel::{BorrowedFd, Errno, Fd};

use super::propagation::{describe_all, propagate_all};
use super::{Context, Show, Step, step, words};
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
        /// What the target is below.
        below: Slot<kind::Mount>,
        /// Where.
        target: Span,
        /// With everything mounted below the source.
        recursive: bool,
        /// Attributes taken away from the mount where the kernel lets us: those that nobody asked for.
        release: u64,
        /// What the mount itself is changed to.
        set: u64,
        /// Attributes taken away from it.
        clear: u64,
        /// What the mounts below are changed to, too.
        deep_set: u64,
        /// Attributes taken away from all of them.
        deep_clear: u64,
        /// Propagation types, as [`super::encode_propagation`] writes them.
        propagation: Span,
        /// Where the new mount is kept for later steps, if it is.
        keep: Slot<kind::Mount>,
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
        /// As for [`Bind`].
        release: u64,
        /// As for [`Bind`].
        set: u64,
        /// As for [`Bind`].
        clear: u64,
        /// As for [`Bind`].
        deep_set: u64,
        /// As for [`Bind`].
        deep_clear: u64,
        /// Where the copy goes.
        slot: Slot<kind::Mount>,
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

/// Changes the attributes of a mount, or of all below it, too.
pub(crate) fn change(
    mount: BorrowedFd<'_>,
    set: u64,
    clear: u64,
    deep: bool,
) -> kernel::Result<()> {
    if set | clear == 0 {
        return Ok(());
    }
    mount::set_attributes(
        mount,
        c"",
        deep,
        &Change {
            set,
            clear,
            ..Change::default()
        },
    )
}

/// Attributes that are locked one by one (mount_namespaces(7)).
const SINGLE: [u64; 7] = [
    attributes::RDONLY,
    attributes::NOSUID,
    attributes::NODEV,
    attributes::NOEXEC,
    attributes::NOSYMFOLLOW,
    attributes::NODIRATIME,
    attributes::ATIME,
];

/// Changes a mount as the fields of [`Bind`] say. What the mount itself is to be comes last.
pub(crate) fn change_all(
    mount: BorrowedFd<'_>,
    release: u64,
    set: u64,
    clear: u64,
    deep_set: u64,
    deep_clear: u64,
) -> kernel::Result<()> {
    change(mount, deep_set, deep_clear, true)?;
    match change(mount, set, clear | release, false) {
        // One of them is locked: whoever mounted the source for a less privileged user namespace wants it kept.
        Err(fault) if fault.is(Errno::EPERM) && release != 0 => {
            change(mount, set, clear, false)?;
            for attribute in SINGLE.iter().filter(|one| release & **one != 0) {
                match change(mount, 0, *attribute, false) {
                    Err(fault) if !fault.is(Errno::EPERM) => return Err(fault),
                    _ => {}
                }
            }
            Ok(())
        }
        answer => answer,
    }
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
        let tree = copy(context, self.source, self.inside, self.recursive)?;
        change_all(
            tree.borrow(),
            self.release,
            self.set,
            self.clear,
            self.deep_set,
            self.deep_clear,
        )?;
        attach_inside(context, &tree, self.below, self.target)?;
        propagate_all(tree.borrow(), context.text.bytes(self.propagation))?;
        context.keep(self.keep, tree);
        Ok(())
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bind ")?;
        describe_source(text, f, self.source, self.inside, self.recursive)?;
        write!(f, " at {}", Show(text.bytes(self.target)))?;
        if self.below != Slot::ROOT {
            write!(f, " of mount {}", self.below)?;
        }
        describe_changes(
            f,
            self.release,
            self.set,
            self.clear,
            self.deep_set,
            self.deep_clear,
        )?;
        describe_all(text.bytes(self.propagation), f)
    }
}

impl Step for CopyMount {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let tree = copy(context, self.source, true, self.recursive)?;
        change_all(
            tree.borrow(),
            self.release,
            self.set,
            self.clear,
            self.deep_set,
            self.deep_clear,
        )?;
        context.send_with_turn(self.slot.any(), tree)
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("copy mount ")?;
        describe_source(text, f, self.source, true, self.recursive)?;
        write!(f, " as tree {}", self.slot)?;
        describe_changes(
            f,
            self.release,
            self.set,
            self.clear,
            self.deep_set,
            self.deep_clear,
        )
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

/// Writes what is set and cleared.
pub(crate) fn describe_changes(
    f: &mut fmt::Formatter<'_>,
    release: u64,
    set: u64,
    clear: u64,
    deep_set: u64,
    deep_clear: u64,
) -> fmt::Result {
    for (title, value) in [
        (" set ", set),
        (" clear ", clear & !attributes::ATIME),
        (" clear if not locked ", release & !attributes::ATIME),
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
