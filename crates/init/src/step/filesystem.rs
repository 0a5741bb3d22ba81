//! Mounts a new file system.

use core::fmt;

use kernel::file::{self, open};
use kernel::mount::{self, Change, IdsOf, attributes, flags};
use kernel::{Errno, Fd};

use super::propagation::{describe_all, propagate_all};
use super::{Context, Show, Step, step, words};
use crate::apart;
use crate::inside::{self, Last};
use crate::slots::kind;
use crate::{Slot, Span, StringTable};

step! {
    /// mount(2) on a directory inside. `mounts[]`
    Filesystem {
        /// File system type.
        kind: Span,
        /// What mount(2) takes as its source.
        source: Span,
        /// What the target is below; with the target `/`, the mount itself, to be mounted anew.
        below: Slot<kind::Mount>,
        /// Where.
        target: Span,
        /// As [`kernel::mount::flags`].
        flags: u64,
        /// Options of the file system, with commas.
        data: Span,
        /// As for [`super::Bind`].
        propagation: Span,
        /// As for [`super::Bind`].
        keep: Slot<kind::Mount>,
        /// No part of the target may be a symbolic link: for /proc and /sys, on which others rely.
        plain: bool,
        /// The new root directory gets the permissions of the directory it covers (tmpfs without `mode=`), which if it
        /// must be made has those that such a file system has by itself.
        inherit_mode: bool,
        /// The new file system starts with a copy of what it covers (`tmpcopyup`).
        copy_up: bool,
        /// The user namespace that says which ids are seen in it, if they are to be mapped.
        ids: Slot<kind::Joinable>,
    }
}

/// Names of mount flags as mount(8) writes them.
pub(crate) const NAMES: [(u64, &str); 14] = [
    (flags::RDONLY, "ro"),
    (flags::NOSUID, "nosuid"),
    (flags::NODEV, "nodev"),
    (flags::NOEXEC, "noexec"),
    (flags::SYNCHRONOUS, "sync"),
    (flags::MANDLOCK, "mand"),
    (flags::DIRSYNC, "dirsync"),
    (flags::NOSYMFOLLOW, "nosymfollow"),
    (flags::NOATIME, "noatime"),
    (flags::NODIRATIME, "nodiratime"),
    (flags::RELATIME, "relatime"),
    (flags::STRICTATIME, "strictatime"),
    (flags::LAZYTIME, "lazytime"),
    (flags::I_VERSION, "iversion"),
];

impl Filesystem {
    /// Mounts on the working directory.
    fn mount_here(&self, context: &Context<'_>) -> kernel::Result<()> {
        let text = context.text;
        let (source, kind) = (text.optional(self.source)?, text.string(self.kind)?);
        let data = text.optional(self.data)?;
        mount::mount(source, c".", Some(kind), self.flags, data)
    }

    /// Mounts, finishes what is mounted, and only then puts it on the target, all by descriptors.
    ///
    /// mount(2) does not say what it has mounted, and a second look at the target's path might find somebody else's
    /// mount. So it mounts in a place of our own ([`apart`]).
    #[inline(never)]
    fn mount_apart(
        &self,
        context: &mut Context<'_>,
        target: &Fd,
        inherit: bool,
    ) -> kernel::Result<Fd> {
        let apart = apart::attach()?;
        file::make_directory(apart.borrow(), c"m", 0o700)?;
        let place = file::open_at(apart.borrow(), c"m", open::PATH, 0)?;
        file::change_directory_to(place.borrow())?;
        self.mount_here(context)?;
        // A descriptor with O_PATH cannot change permissions; others might not be had.
        let access = if inherit { open::RDONLY } else { open::PATH };
        let new = file::open_at(apart.borrow(), c"m", access | open::DIRECTORY, 0)?;
        if inherit {
            file::set_permissions(new.borrow(), file::status(target.borrow())?.mode & 0o7777)?;
        }
        if self.copy_up {
            crate::copy::tree(target.borrow(), new.borrow())?;
        }
        let new = match context.slots.take(self.ids) {
            // What has been attached cannot be mapped any more, a copy can.
            Some(ids) => {
                let new = mount::clone_tree(new.borrow(), c"", false)?;
                let change = Change {
                    set: attributes::IDMAP,
                    ids: IdsOf::namespace(ids.borrow()),
                    ..Change::default()
                };
                mount::set_attributes(new.borrow(), c"", false, &change)?;
                new
            }
            None => new,
        };
        mount::attach(new.borrow(), target.borrow())?;
        apart::detach(&apart)?;
        Ok(new)
    }
}

impl Step for Filesystem {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let path = context.text.string(self.target)?;
        let made = Last::Directory(if self.inherit_mode { 0o1777 } else { 0o755 });
        let (target, existed) = inside::target(context.place(self.below)?, path, made, self.plain)?;
        context.parent = None;
        let inherit = self.inherit_mode && existed;
        let plain = self.propagation.length == 0 && self.ids == Slot::NO_NAMESPACE;
        if !inherit && !self.copy_up && plain && self.keep == Slot::NONE {
            // On the directory itself, by standing in it: its name is not looked up again.
            file::change_directory_to(target.borrow())?;
            match self.mount_here(context) {
                // mount(2) does not cover a file system with itself: the container's cgroups with the host's, which came
                // along with its /sys. move_mount(2) does.
                Err(fault) if fault.is(Errno::EBUSY) => {}
                answer => return answer,
            }
        }
        let new = self.mount_apart(context, &target, inherit)?;
        propagate_all(new.borrow(), context.text.bytes(self.propagation))?;
        context.keep(self.keep, new);
        Ok(())
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remount = self.flags & flags::REMOUNT != 0;
        f.write_str(if remount { "remount " } else { "mount " })?;
        write!(f, "{}", Show(text.bytes(self.kind)))?;
        match self.below {
            Slot::ROOT => write!(f, " at {}", Show(text.bytes(self.target)))?,
            slot => write!(f, " of mount {slot}")?,
        }
        if NAMES.iter().any(|(flag, _)| self.flags & flag != 0) {
            f.write_str(" ")?;
            words(f, self.flags, &NAMES)?;
        }
        if self.data.length > 0 {
            write!(f, " {}", Show(text.bytes(self.data)))?;
        }
        describe_all(text.bytes(self.propagation), f)?;
        if self.ids != Slot::NO_NAMESPACE {
            write!(f, " with ids mapped by slot {}", self.ids)?;
        }
        if self.inherit_mode {
            f.write_str(" with the permissions of what it covers")?;
        }
        f.write_str(if self.copy_up {
            " with a copy of what it covers"
        } else {
            ""
        })
    }
}
