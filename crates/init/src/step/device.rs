//! Device nodes and symbolic links inside.

use core::ffi::CStr;
use core::fmt;

use kernel::file::{self, HERE, mode, open};
use kernel::mount::{self, attributes};
use kernel::{BorrowedFd, Call, Errno, Fault, Result};

use super::attributes::change;
use super::bind::attach_inside;
use super::{Context, Show, Step, step};
use crate::slots::kind;
use crate::{Slot, Span, StringTable, apart, inside};

step! {
    /// mknodat(2). A node that is there already must be the same; one with other permissions or another owner is replaced. `linux.devices[]`, default devices
    Device {
        /// Where, below the root.
        path: Span,
        /// Type and permissions.
        mode: u32,
        /// Number, as [`kernel::file::device`].
        device: u64,
        /// Owner inside.
        uid: u32,
        /// Group inside.
        gid: u32,
    }
}

/// Calls `run` with the directory that holds the last component of `path`, and that component.
///
/// The directory of the step before is used again when it is the same: device nodes come in flocks.
fn in_parent<'a, T>(
    context: &mut Context<'a>,
    below: Slot<kind::Mount>,
    path: Span,
    run: impl FnOnce(BorrowedFd<'_>, &CStr) -> Result<T>,
) -> Result<T> {
    let text: StringTable<'a> = context.text;
    let string = text.string(path)?;
    let bytes = string.to_bytes();
    let above = &bytes[..bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0)];
    match &context.parent {
        Some((known, fd)) if *known == above && below == Slot::ROOT => {
            inside::with_name(&bytes[above.len() + 1..], |name| run(fd.borrow(), name))
        }
        _ => {
            let (fd, name) = inside::parent(context.place(below)?, string)?;
            let answer = inside::with_name(name, |name| run(fd.borrow(), name));
            if below == Slot::ROOT {
                context.parent = Some((above, fd));
            }
            answer
        }
    }
}

impl Step for Device {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        in_parent(context, Slot::ROOT, self.path, |dir, name| {
            let make = || file::make_node(dir, name, self.mode, self.device);
            match make() {
                Err(fault) if fault.is(Errno::EEXIST) => {
                    let there = file::status_at(dir, name)?;
                    let node = !matches!(self.mode & mode::TYPE, mode::FIFO);
                    if there.kind() != self.mode & mode::TYPE || (node && there.rdev != self.device)
                    {
                        return Err(fault);
                    }
                    if (there.mode, there.uid, there.gid) == (self.mode, self.uid, self.gid) {
                        return Ok(());
                    }
                    // The same with other permissions. Not chmod(2): by now the name may be a link to somebody else's file.
                    file::remove(dir, name)?;
                    make()?;
                }
                answer => answer?,
            }
            if self.uid | self.gid == 0 {
                return Ok(());
            }
            // By descriptor: the name may stand for somebody else's file by now.
            let made = file::open_at(dir, name, open::PATH | open::NOFOLLOW, 0)?;
            let status = file::status(made.borrow())?;
            if (status.mode, status.rdev) != (self.mode, self.device) {
                return Err(Fault::found(Call::Fstat, Errno::ESTALE));
            }
            file::set_owner_of(made.borrow(), self.uid, self.gid)
        })
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device {} ", Show(text.bytes(self.path)))?;
        describe_node(f, self.mode, self.device, self.uid, self.gid)
    }
}

/// Writes type, numbers, permissions, and an owner that is not root.
fn describe_node(
    f: &mut fmt::Formatter<'_>,
    permissions: u32,
    device: u64,
    uid: u32,
    gid: u32,
) -> fmt::Result {
    let kind = match permissions & mode::TYPE {
        mode::BLOCK => 'b',
        mode::FIFO => 'p',
        _ => 'c',
    };
    let (major, minor) = (
        (device >> 8 & 0xfff) | (device >> 32 & !0xfff),
        (device & 0xff) | (device >> 12 & !0xff & 0xffff_ffff),
    );
    write!(f, "{kind} {major}:{minor} mode {:o}", permissions & 0o7777)?;
    if uid | gid != 0 {
        write!(f, " owner {uid}:{gid}")?;
    }
    Ok(())
}

step! {
    /// A device node for a container in another user namespace, where mknod(2) is not permitted (user_namespaces(7)): made on
    /// a file system of its own, as long as the process is still root of the machine, in a mount namespace that nobody else
    /// is in. A detached copy of it is attached inside later. `linux.devices[]`
    ForeignDevice {
        /// Type and permissions.
        mode: u32,
        /// Number, as [`kernel::file::device`].
        device: u64,
        /// Owner, as the machine counts.
        uid: u32,
        /// Group, as the machine counts.
        gid: u32,
        /// Where the copy goes.
        slot: Slot<kind::Mount>,
    }
}

impl Step for ForeignDevice {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        // Kernels before 6.15 copy only what is attached somewhere.
        let system = apart::attach()?;
        file::make_node(system.borrow(), c"d", self.mode, self.device)?;
        file::set_owner_at(system.borrow(), c"d", self.uid, self.gid)?;
        let tree = mount::clone_tree(system.borrow(), c"d", false)?;
        context.keep(self.slot, tree);
        apart::detach(&system)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("make device ")?;
        describe_node(f, self.mode, self.device, self.uid, self.gid)?;
        write!(f, " as tree {}", self.slot)
    }
}

step! {
    /// fstat(2): a node of the host that is bound is as the config says, for it cannot be changed. `linux.devices[]`
    RequireDevice {
        /// Path on the host.
        source: Span,
        /// 0 the permissions, 1 the owner, 2 the group.
        what: u32,
        /// What they must be, as the container sees them.
        value: u32,
    }
}

impl Step for RequireDevice {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        let node = file::open_at(HERE, context.text.string(self.source)?, open::PATH, 0)?;
        let status = file::status(node.borrow())?;
        let found = match self.what {
            0 => status.mode & 0o7777,
            1 => status.uid,
            _ => status.gid,
        };
        match found == self.value {
            true => Ok(()),
            false => Err(Fault::found(Call::Fstat, Errno::EPERM)),
        }
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "require device {} with ", Show(text.bytes(self.source)))?;
        match self.what {
            0 => write!(f, "mode {:o}", self.value),
            1 => write!(f, "owner {}", self.value),
            _ => write!(f, "group {}", self.value),
        }
    }
}

step! {
    /// Binds a device node of the host inside, where mknod(2) is not permitted (user_namespaces(7)).
    /// `linux.devices[]`, default devices
    BindDevice {
        /// Where, below the root, and (if `source` is empty) also on the host.
        path: Span,
        /// Path on the host.
        source: Span,
        /// Type that it must have, with any permissions.
        mode: u32,
        /// Number that it must have.
        device: u64,
    }
}

impl Step for BindDevice {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        let source = context.text.string(self.source)?;
        let node = file::open_at(HERE, source, open::PATH, 0)?;
        let status = file::status(node.borrow())?;
        if status.kind() != self.mode & mode::TYPE || status.rdev != self.device {
            return Err(Fault::found(Call::Fstat, Errno::ENODEV));
        }
        let tree = mount::clone_tree(node.borrow(), c"", false)?;
        // A device works on a read-only mount as well, and its owner and permissions outside cannot be changed then.
        change(tree.borrow(), attributes::RDONLY, 0, false)?;
        attach_inside(context, &tree, Slot::ROOT, self.path)
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bind device {} at {}",
            Show(text.bytes(self.source)),
            Show(text.bytes(self.path))
        )
    }
}

step! {
    /// symlinkat(2). Default symbolic links (config-linux.md, "Dev symbolic links")
    Symlink {
        /// What the link says.
        content: Span,
        /// What the path is below.
        below: Slot<kind::Mount>,
        /// Where.
        path: Span,
        /// Something else in its place is removed; otherwise it stays.
        replace: bool,
    }
}

impl Step for Symlink {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        let text = context.text;
        let content = text.string(self.content)?;
        in_parent(
            context,
            self.below,
            self.path,
            |dir, name| match file::make_link(content, dir, name) {
                Err(fault) if fault.is(Errno::EEXIST) && self.replace => {
                    let mut there = [0u8; 256];
                    if let Ok(length) = file::read_link(dir, name, &mut there)
                        && there.get(..length) == Some(content.to_bytes())
                    {
                        return Ok(());
                    }
                    file::remove(dir, name)?;
                    file::make_link(content, dir, name)
                }
                Err(fault) if fault.is(Errno::EEXIST) => Ok(()),
                answer => answer,
            },
        )
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "symlink {} to {}",
            Show(text.bytes(self.path)),
            Show(text.bytes(self.content))
        )
    }
}
