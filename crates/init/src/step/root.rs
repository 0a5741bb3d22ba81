//! The container's root: made a mount, opened, and entered.

use core::fmt;

use kernel::file::{self, open};
use kernel::mount::{self, flags};
use kernel::{Errno, Fd};

use super::propagation::propagate;
use super::{Context, Show, Step, step};
use crate::slots::kind;
use crate::{Slot, Span, StringTable};

step! {
    /// Binds the root directory on itself, since pivot_root(2) wants a mount, and keeps it open: everything inside is
    /// resolved from this descriptor. `root.path`
    OpenRoot {
        /// Absolute path on the host.
        path: Span,
        /// Mounts are shared with the host: the one that holds the root is made private, so that the new mount does
        /// not appear there, and pivot_root(2) accepts it.
        private_parent: bool,
        /// The mount namespace is the caller's: the directory is only opened.
        only_open: bool,
    }
}

impl Step for OpenRoot {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let path = context.text.string(self.path)?;
        let below = file::open_at(file::HERE, path, open::PATH | open::DIRECTORY, 0)?;
        if self.only_open {
            context.root = Some(below);
            return Ok(());
        }
        if self.private_parent {
            make_parent_private(file::open_at(
                below.borrow(),
                c".",
                open::PATH | open::DIRECTORY,
                0,
            )?)?;
        }
        let tree = mount::clone_tree(below.borrow(), c"", true)?;
        if self.private_parent {
            propagate(tree.borrow(), flags::PRIVATE)?;
        }
        mount::attach(tree.borrow(), below.borrow())?;
        context.root = Some(tree);
        Ok(())
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "open root {}", Show(text.bytes(self.path)))?;
        f.write_str(if self.only_open { ", as it is" } else { "" })
    }
}

/// Only the root of a mount can be changed: walk up until there is one.
fn make_parent_private(mut directory: Fd) -> kernel::Result<()> {
    loop {
        match propagate(directory.borrow(), flags::PRIVATE) {
            Err(fault) if fault.is(Errno::EINVAL) => {
                directory =
                    file::open_at(directory.borrow(), c"..", open::PATH | open::DIRECTORY, 0)?;
            }
            answer => return answer,
        }
    }
}

step! {
    /// pivot_root(2) of the root on itself, then the old root, which now lies on top, is unmounted: nothing of the
    /// host is left, not even as an empty directory. `root.path`
    EnterRoot {
        /// Mounts are shared with the host: unmounting the old root must not reach it.
        shared: bool,
    }
}

step! {
    /// chroot(2), which changes nothing for others that live in the mount namespace. `root.path`
    ChangeRoot {
        /// The new root.
        to: Slot<kind::Directory>,
    }
}

impl Step for EnterRoot {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        context.parent = None;
        let old = file::open_at(file::HERE, c"/", open::PATH, 0)?;
        file::change_directory_to(context.root())?;
        mount::pivot_root(c".", c".")?;
        if self.shared {
            // By descriptor: `.` is the new root, to umount2(2) alone what lies on it.
            propagate(old.borrow(), flags::SLAVE | flags::REC)?;
        }
        mount::detach(c".")?;
        file::change_directory(c"/")
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("enter root")
    }
}

impl Step for ChangeRoot {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        context.parent = None;
        let root = match self.to {
            Slot::ROOT_DIRECTORY => context.root(),
            slot => context.slots.get(slot)?,
        };
        file::change_directory_to(root)?;
        mount::change_root(c".")?;
        drop(context.slots.take(self.to));
        file::change_directory(c"/")
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("enter root by chroot")?;
        match self.to {
            Slot::ROOT_DIRECTORY => Ok(()),
            slot => write!(f, " to slot {slot}"),
        }
    }
}
