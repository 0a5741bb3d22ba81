//! Mounts a new file system.

use core::ffi::CStr;
use core::fmt;

use kernel::file::{self, open};
use kernel::mount::{self, attributes, flags};
use kernel::{Errno, Fd};

use super::propagation::propagate;
use super::{Context, Show, Step, step, words};
use crate::{Span, Text, inside};

step! {
    /// mount(2) on a directory inside. `mounts[]`
    Filesystem {
        /// File system type.
        kind: Span,
        /// What mount(2) takes as its source.
        source: Span,
        /// Where, below the root.
        target: Span,
        /// As [`kernel::mount::flags`].
        flags: u64,
        /// Options of the file system, with commas.
        data: Span,
        /// Propagation type, or 0.
        propagation: u64,
        /// No part of the target may be a symbolic link: for /proc and /sys, on which others rely.
        plain: bool,
        /// The new root directory gets the permissions of the directory it covers (tmpfs without `mode=`).
        inherit_mode: bool,
        /// The new file system starts with a copy of what it covers (`tmpcopyup`).
        copy_up: bool,
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
    /// The directory to mount on, and whether it was there before.
    fn target(&self, root: i32, path: &CStr) -> kernel::Result<(Fd, bool)> {
        let wanted = open::PATH | open::DIRECTORY;
        let there = if self.plain {
            inside::open_without_links
        } else {
            inside::open
        };
        match there(root, path, wanted) {
            Err(fault) if fault.is(Errno::ENOENT) => Ok((
                inside::make_directories(root, path.to_bytes(), 0o755)?,
                false,
            )),
            answer => Ok((answer?, true)),
        }
    }

    /// Mounts on the working directory, which is `target`.
    fn mount_here(
        &self,
        context: &Context<'_>,
        target: &Fd,
        data: Option<&CStr>,
    ) -> kernel::Result<()> {
        let text = context.text;
        let (source, kind) = (text.optional(self.source)?, text.string(self.kind)?);
        match mount::mount(source, c".", Some(kind), self.flags, data) {
            // mount(2) does not cover a file system with itself: the container's cgroups with the host's, which came along
            // with its /sys. move_mount(2) does.
            Err(fault) if fault.is(Errno::EBUSY) && data.is_none() => {
                let new = mount::open_filesystem(kind)?;
                let tree = mount::create_mount(new.raw(), attributes::of(self.flags))?;
                mount::attach(tree.raw(), target.raw())
            }
            answer => answer,
        }
    }
}

impl Step for Filesystem {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let path = context.text.string(self.target)?;
        let (target, existed) = self.target(context.root(), path)?;
        // What follows is mounted on the directory itself, by standing in it: its name is not looked up again.
        file::change_directory_to(target.raw())?;
        let data = context.text.optional(self.data)?;
        if self.inherit_mode && existed {
            let mode = file::status(target.raw())?.mode & 0o7777;
            with_mode(data, mode, |data| {
                self.mount_here(context, &target, Some(data))
            })?;
        } else {
            self.mount_here(context, &target, data)?;
        }
        context.parent = None;
        if self.propagation == 0 && !self.copy_up {
            return Ok(());
        }
        let mounted = inside::open(context.root(), path, open::PATH | open::DIRECTORY)?;
        if self.copy_up {
            crate::copy::tree(target.raw(), mounted.raw())?;
        }
        if self.propagation != 0 {
            propagate(mounted.raw(), self.propagation)?;
        }
        Ok(())
    }

    fn describe(&self, text: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mount {} at {}",
            Show(text.bytes(self.kind)),
            Show(text.bytes(self.target))
        )?;
        if NAMES.iter().any(|(flag, _)| self.flags & flag != 0) {
            f.write_str(" ")?;
            words(f, self.flags, &NAMES)?;
        }
        if self.data.length > 0 {
            write!(f, " {}", Show(text.bytes(self.data)))?;
        }
        if self.propagation != 0 {
            f.write_str(" ")?;
            words(f, self.propagation, &super::propagation::NAMES)?;
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

/// Calls `run` with the options and `mode=` behind them.
fn with_mode<T>(
    data: Option<&CStr>,
    mode: u32,
    run: impl FnOnce(&CStr) -> kernel::Result<T>,
) -> kernel::Result<T> {
    let given = data.map_or(&[][..], CStr::to_bytes);
    let octal = [9, 6, 3, 0].map(|shift| b'0' + (mode >> shift & 7) as u8);
    let mut buffer = [0u8; 4000];
    let mut end = 0;
    for part in [
        given,
        if given.is_empty() { b"" } else { b"," },
        b"mode=",
        &octal,
    ] {
        let Some(room) = buffer.get_mut(end..end + part.len()) else {
            return Err(kernel::Fault::found(kernel::Call::Mount, Errno::E2BIG));
        };
        room.copy_from_slice(part);
        end += part.len();
    }
    inside::with_string(&buffer[..end], run)
}
