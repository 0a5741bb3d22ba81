//! Mounts: mount(2), the descriptor-based mount calls (fsopen(2) and relatives), pivot_root(2).

use core::ffi::CStr;
use core::marker::PhantomData;

use crate::{BorrowedFd, Fd, Result, syscall};

/// Flags of mount(2).
#[allow(missing_docs, reason = "the names of mount(2)")]
pub mod flags {
    pub const RDONLY: u64 = 1;
    pub const NOSUID: u64 = 2;
    pub const NODEV: u64 = 4;
    pub const NOEXEC: u64 = 8;
    pub const SYNCHRONOUS: u64 = 16;
    pub const REMOUNT: u64 = 32;
    pub const MANDLOCK: u64 = 64;
    pub const DIRSYNC: u64 = 128;
    pub const NOSYMFOLLOW: u64 = 256;
    pub const NOATIME: u64 = 1024;
    pub const NODIRATIME: u64 = 2048;
    pub const BIND: u64 = 4096;
    pub const MOVE: u64 = 8192;
    pub const REC: u64 = 1 << 14;
    pub const SILENT: u64 = 1 << 15;
    pub const UNBINDABLE: u64 = 1 << 17;
    pub const PRIVATE: u64 = 1 << 18;
    pub const SLAVE: u64 = 1 << 19;
    pub const SHARED: u64 = 1 << 20;
    pub const RELATIME: u64 = 1 << 21;
    pub const I_VERSION: u64 = 1 << 23;
    pub const STRICTATIME: u64 = 1 << 24;
    pub const LAZYTIME: u64 = 1 << 25;
}

/// Attributes of mount_setattr(2) and fsmount(2).
#[allow(missing_docs, reason = "the names of mount_setattr(2)")]
pub mod attributes {
    pub const RDONLY: u64 = 1;
    pub const NOSUID: u64 = 2;
    pub const NODEV: u64 = 4;
    pub const NOEXEC: u64 = 8;
    pub const ATIME: u64 = 0x70;
    pub const NOATIME: u64 = 0x10;
    pub const STRICTATIME: u64 = 0x20;
    pub const NODIRATIME: u64 = 0x80;
    pub const IDMAP: u64 = 0x10_0000;
    pub const NOSYMFOLLOW: u64 = 0x20_0000;

    /// The attributes that flags of mount(2) stand for; those of a file system have none.
    pub fn of(flags: u64) -> u64 {
        use super::flags;
        let same = RDONLY | NOSUID | NODEV | NOEXEC;
        let renamed = [
            (flags::NOATIME, NOATIME),
            (flags::STRICTATIME, STRICTATIME),
            (flags::NODIRATIME, NODIRATIME),
            (flags::NOSYMFOLLOW, NOSYMFOLLOW),
        ];
        renamed
            .iter()
            .filter(|(flag, _)| flags & flag != 0)
            .fold(flags & same, |all, (_, attribute)| all | attribute)
    }
}

const AT_EMPTY_PATH: usize = 0x1000;
const AT_RECURSIVE: usize = 0x8000;
const OPEN_TREE_CLONE: usize = 1;
const OPEN_TREE_CLOEXEC: usize = 0o2000000;
const MOVE_FROM_EMPTY: usize = 0x4;
const MOVE_TO_EMPTY: usize = 0x40;

fn pointer(text: Option<&CStr>) -> usize {
    text.map_or(0, |text| text.as_ptr() as usize)
}

/// mount(2).
pub fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> Result<()> {
    // SAFETY: all strings are valid; absent ones are null, which mount(2) allows.
    unsafe {
        syscall!(
            Mount,
            MOUNT,
            pointer(source),
            target.as_ptr(),
            pointer(kind),
            flags,
            pointer(data)
        )
    }
    .map(drop)
}

/// umount2(2) with MNT_DETACH.
pub fn detach(target: &CStr) -> Result<()> {
    unmount(target, how::DETACH)
}

/// Flags of umount2(2).
#[allow(missing_docs, reason = "the names of umount2(2)")]
pub mod how {
    pub const DETACH: u64 = 2;
    pub const NOFOLLOW: u64 = 8;
}

/// umount2(2).
pub fn unmount(target: &CStr, how: u64) -> Result<()> {
    // SAFETY: `target` is a valid string.
    unsafe { syscall!(Umount, UMOUNT2, target.as_ptr(), how) }.map(drop)
}

/// pivot_root(2).
pub fn pivot_root(new: &CStr, old: &CStr) -> Result<()> {
    // SAFETY: both are valid strings.
    unsafe { syscall!(PivotRoot, PIVOT_ROOT, new.as_ptr(), old.as_ptr()) }.map(drop)
}

/// chroot(2).
pub fn change_root(path: &CStr) -> Result<()> {
    // SAFETY: a valid string.
    unsafe { syscall!(Chroot, CHROOT, path.as_ptr()) }.map(drop)
}

/// open_tree(2) with OPEN_TREE_CLONE: a detached copy of the mount at `path` (empty: of `dir` itself).
pub fn clone_tree(dir: BorrowedFd<'_>, path: &CStr, recursive: bool) -> Result<Fd> {
    let flags = OPEN_TREE_CLONE
        | OPEN_TREE_CLOEXEC
        | AT_EMPTY_PATH
        | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: a valid string.
    unsafe { syscall!(OpenTree, OPEN_TREE, dir.raw(), path.as_ptr(), flags) }.map(Fd::fresh)
}

/// move_mount(2): attaches a detached tree on what the descriptor `target` stands for.
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let empty = c"".as_ptr();
    // SAFETY: valid strings.
    unsafe {
        syscall!(
            MoveMount,
            MOVE_MOUNT,
            tree.raw(),
            empty,
            target.raw(),
            empty,
            MOVE_FROM_EMPTY | MOVE_TO_EMPTY
        )
    }
    .map(drop)
}

/// move_mount(2): attaches a detached tree at `path` below `dir`; a symbolic link at the end is not followed.
pub fn attach_at(tree: BorrowedFd<'_>, dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    // SAFETY: valid strings.
    unsafe {
        syscall!(
            MoveMount,
            MOVE_MOUNT,
            tree.raw(),
            c"".as_ptr(),
            dir.raw(),
            path.as_ptr(),
            MOVE_FROM_EMPTY
        )
    }
    .map(drop)
}

/// What mount_setattr(2) is to change, `struct mount_attr`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Change<'a> {
    /// Attributes to set.
    pub set: u64,
    /// Attributes to clear (for a change of the access-time kind: all of [`attributes::ATIME`]).
    pub clear: u64,
    /// Propagation: 0 or one of the `flags` SHARED, SLAVE, PRIVATE, UNBINDABLE.
    pub propagation: u64,
    /// Whose ids a tree gets, with [`attributes::IDMAP`].
    pub ids: IdsOf<'a>,
}

/// A user namespace, or none.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct IdsOf<'a>(u64, PhantomData<BorrowedFd<'a>>);

impl<'a> IdsOf<'a> {
    /// Of this user namespace.
    pub const fn namespace(fd: BorrowedFd<'a>) -> IdsOf<'a> {
        IdsOf(fd.raw() as u64, PhantomData)
    }
}

/// mount_setattr(2) on the mount at `path` below `dir` (empty: `dir` itself).
pub fn set_attributes(
    dir: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
    change: &Change<'_>,
) -> Result<()> {
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let change: *const Change<'_> = change;
    // SAFETY: `change` is a whole `struct mount_attr`.
    unsafe {
        syscall!(
            MountSetattr,
            MOUNT_SETATTR,
            dir.raw(),
            path.as_ptr(),
            flags,
            change,
            size_of::<Change<'_>>()
        )
    }
    .map(drop)
}

/// fsopen(2): a context in which a file system of the named type is configured.
pub fn open_filesystem(kind: &CStr) -> Result<Fd> {
    const FSOPEN_CLOEXEC: usize = 1;
    // SAFETY: a valid string.
    unsafe { syscall!(Fsopen, FSOPEN, kind.as_ptr(), FSOPEN_CLOEXEC) }.map(Fd::fresh)
}

/// fsconfig(2): sets one option; without a value it is a flag.
pub fn configure(context: BorrowedFd<'_>, key: &CStr, value: Option<&CStr>) -> Result<()> {
    const SET_FLAG: usize = 0;
    const SET_STRING: usize = 1;
    let command = if value.is_some() {
        SET_STRING
    } else {
        SET_FLAG
    };
    // SAFETY: valid strings, or null for a flag.
    unsafe {
        syscall!(
            Fsconfig,
            FSCONFIG,
            context.raw(),
            command,
            key.as_ptr(),
            pointer(value),
            0
        )
    }
    .map(drop)
}

/// fsconfig(2) FSCONFIG_CMD_CREATE, then fsmount(2): a detached mount of the configured file system.
pub fn create_mount(context: BorrowedFd<'_>, attributes: u64) -> Result<Fd> {
    const CMD_CREATE: usize = 6;
    const FSMOUNT_CLOEXEC: usize = 1;
    // SAFETY: no pointers.
    unsafe { syscall!(Fsconfig, FSCONFIG, context.raw(), CMD_CREATE) }?;
    // SAFETY: no pointers.
    unsafe { syscall!(Fsmount, FSMOUNT, context.raw(), FSMOUNT_CLOEXEC, attributes) }.map(Fd::fresh)
}

/// fsconfig(2) FSCONFIG_CMD_RECONFIGURE: what was configured since the mount was made holds for its file system from now on.
pub fn reconfigure(context: BorrowedFd<'_>) -> Result<()> {
    const CMD_RECONFIGURE: usize = 7;
    // SAFETY: no pointers.
    unsafe { syscall!(Fsconfig, FSCONFIG, context.raw(), CMD_RECONFIGURE) }.map(drop)
}
