//! Files by descriptor: opening below a root, making nodes, reading, writing, memory files.

use core::ffi::CStr;

use crate::{BorrowedFd, Fd, Result, Stream, syscall};

/// "The current directory", as the `dirfd` of the `…at` calls.
pub const HERE: BorrowedFd<'static> = BorrowedFd::of(-100);

/// Flags of open(2).
#[allow(missing_docs, reason = "the names of open(2)")]
pub mod open {
    pub const RDONLY: u64 = 0;
    pub const WRONLY: u64 = 1;
    pub const RDWR: u64 = 2;
    pub const CREAT: u64 = 0o100;
    pub const EXCL: u64 = 0o200;
    pub const NOCTTY: u64 = 0o400;
    pub const TRUNC: u64 = 0o1000;
    pub const APPEND: u64 = 0o2000;
    pub const NONBLOCK: u64 = 0o4000;
    #[cfg(target_arch = "aarch64")]
    pub const DIRECTORY: u64 = 0o40000;
    #[cfg(not(target_arch = "aarch64"))]
    pub const DIRECTORY: u64 = 0o200000;
    #[cfg(target_arch = "aarch64")]
    pub const NOFOLLOW: u64 = 0o100000;
    #[cfg(not(target_arch = "aarch64"))]
    pub const NOFOLLOW: u64 = 0o400000;
    pub const CLOEXEC: u64 = 0o2000000;
    pub const PATH: u64 = 0o10000000;
    pub const TMPFILE: u64 = 0o20000000 | DIRECTORY;
}

/// Flags of openat2(2).
#[allow(missing_docs, reason = "the names of openat2(2)")]
pub mod resolve {
    pub const NO_XDEV: u64 = 1;
    pub const NO_MAGICLINKS: u64 = 2;
    pub const NO_SYMLINKS: u64 = 4;
    pub const BENEATH: u64 = 8;
    pub const IN_ROOT: u64 = 16;
}

/// File types in `st_mode`.
#[allow(missing_docs, reason = "the names of inode(7)")]
pub mod mode {
    pub const TYPE: u32 = 0o170000;
    pub const SOCKET: u32 = 0o140000;
    pub const LINK: u32 = 0o120000;
    pub const REGULAR: u32 = 0o100000;
    pub const BLOCK: u32 = 0o060000;
    pub const DIRECTORY: u32 = 0o040000;
    pub const CHARACTER: u32 = 0o020000;
    pub const FIFO: u32 = 0o010000;
}

/// openat(2), always close-on-exec.
pub fn open_at(dir: BorrowedFd<'_>, path: &CStr, flags: u64, permissions: u32) -> Result<Fd> {
    // SAFETY: a valid string.
    unsafe {
        syscall!(
            Openat,
            OPENAT,
            dir.raw(),
            path.as_ptr(),
            flags | open::CLOEXEC,
            permissions
        )
    }
    .map(Fd::fresh)
}

/// openat2(2), always close-on-exec. `resolve` restricts the walk; `EAGAIN` means that the kernel saw a concurrent
/// rename and the caller may try again.
pub fn open_how(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: u64,
    permissions: u32,
    resolve: u64,
) -> Result<Fd> {
    let how = [flags | open::CLOEXEC, u64::from(permissions), resolve];
    // SAFETY: a valid string and a whole `struct open_how`.
    unsafe {
        syscall!(
            Openat2,
            OPENAT2,
            dir.raw(),
            path.as_ptr(),
            how.as_ptr(),
            size_of_val(&how)
        )
    }
    .map(Fd::fresh)
}

/// read(2).
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    unsafe { syscall!(Read, READ, fd.raw(), buffer.as_mut_ptr(), buffer.len()) }
}

/// write(2).
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads `bytes.len()` bytes.
    unsafe { syscall!(Write, WRITE, fd.raw(), bytes.as_ptr(), bytes.len()) }
}

/// pread(2).
pub fn read_at(fd: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    unsafe {
        syscall!(
            Pread,
            PREAD64,
            fd.raw(),
            buffer.as_mut_ptr(),
            buffer.len(),
            offset
        )
    }
}

/// pwrite(2).
pub fn write_at(fd: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel reads `bytes.len()` bytes.
    unsafe {
        syscall!(
            Pwrite,
            PWRITE64,
            fd.raw(),
            bytes.as_ptr(),
            bytes.len(),
            offset
        )
    }
}

/// What fstat(2) says that a runtime needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Device that holds the file.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// For device nodes: which device (see [`device`]).
    pub rdev: u64,
    /// Length in bytes.
    pub size: u64,
    /// Names that the file has.
    pub links: u64,
    /// Last access and last change of the content: seconds and nanoseconds of each.
    pub times: [i64; 4],
}

impl Status {
    /// The file's type, one of [`mode`].
    pub fn kind(&self) -> u32 {
        self.mode & mode::TYPE
    }
}

#[cfg(target_arch = "x86_64")]
#[repr(C)]
#[derive(Default)]
struct RawStatus {
    device: u64,
    inode: u64,
    links: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    padding: u32,
    rdev: u64,
    size: i64,
    rest: [u64; 11],
}

#[cfg(not(target_arch = "x86_64"))]
#[repr(C)]
#[derive(Default)]
struct RawStatus {
    device: u64,
    inode: u64,
    mode: u32,
    links: u32,
    uid: u32,
    gid: u32,
    rdev: u64,
    padding: u64,
    size: i64,
    rest: [u64; 9],
}

#[allow(
    clippy::useless_conversion,
    reason = "the number of links has 32 bits on some architectures"
)]
impl From<RawStatus> for Status {
    fn from(raw: RawStatus) -> Status {
        Status {
            device: raw.device,
            inode: raw.inode,
            mode: raw.mode,
            uid: raw.uid,
            gid: raw.gid,
            rdev: raw.rdev,
            size: raw.size as u64,
            links: u64::from(raw.links),
            times: [raw.rest[2], raw.rest[3], raw.rest[4], raw.rest[5]].map(|part| part as i64),
        }
    }
}

/// fstat(2).
pub fn status(fd: BorrowedFd<'_>) -> Result<Status> {
    let mut raw = RawStatus::default();
    // SAFETY: `raw` is a whole `struct stat` of this architecture.
    unsafe { syscall!(Fstat, FSTAT, fd.raw(), &raw mut raw) }?;
    Ok(raw.into())
}

/// fstatat(2); a symbolic link at the end is not followed.
pub fn status_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<Status> {
    const AT_SYMLINK_NOFOLLOW: usize = 0x100;
    status_with(dir, path, AT_SYMLINK_NOFOLLOW)
}

/// As the kernel knows it (AT_STATX_DONT_SYNC): it does not ask whoever serves the file system, who may not answer. A symbolic link
/// at the end is followed.
pub fn known_status_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<Status> {
    const AT_STATX_DONT_SYNC: usize = 0x4000;
    status_with(dir, path, AT_STATX_DONT_SYNC)
}

fn status_with(dir: BorrowedFd<'_>, path: &CStr, flags: usize) -> Result<Status> {
    let mut raw = RawStatus::default();
    // SAFETY: a valid string and a whole `struct stat`.
    unsafe {
        syscall!(
            Stat,
            NEWFSTATAT,
            dir.raw(),
            path.as_ptr(),
            &raw mut raw,
            flags
        )
    }?;
    Ok(raw.into())
}

/// The file system types that a runtime checks for (`f_type` of statfs(2)).
#[allow(missing_docs, reason = "the names of statfs(2)")]
pub mod magic {
    pub const PROC: u64 = 0x9fa0;
    pub const SYSFS: u64 = 0x6265_6572;
    pub const CGROUP2: u64 = 0x6367_7270;
    pub const CGROUP: u64 = 0x0027_e0eb;
    pub const TMPFS: u64 = 0x0102_1994;
    pub const DEVPTS: u64 = 0x1cd1;
    pub const NSFS: u64 = 0x6e73_6673;
    pub const PIPEFS: u64 = 0x5049_5045;
    pub const RESCTRL: u64 = 0x0765_5821;
}

/// What statfs(2) says: the file system's type and the flags of the mount (`ST_…`, as in [`crate::mount::flags`] for
/// the low bits).
#[derive(Clone, Copy, Debug)]
pub struct Filesystem {
    /// One of [`magic`], or another.
    pub kind: u64,
    /// `f_flags`.
    pub flags: u64,
}

/// fstatfs(2).
pub fn filesystem(fd: BorrowedFd<'_>) -> Result<Filesystem> {
    let mut raw = [0u64; 15];
    // SAFETY: `struct statfs` is 120 bytes on 64-bit architectures.
    unsafe { syscall!(Fstatfs, FSTATFS, fd.raw(), raw.as_mut_ptr()) }?;
    Ok(Filesystem {
        kind: raw[0],
        flags: raw[10],
    })
}

/// statfs(2).
pub fn filesystem_at(path: &CStr) -> Result<Filesystem> {
    let mut raw = [0u64; 15];
    // SAFETY: a valid string; `struct statfs` is 120 bytes on 64-bit architectures.
    unsafe { syscall!(Fstatfs, STATFS, path.as_ptr(), raw.as_mut_ptr()) }?;
    Ok(Filesystem {
        kind: raw[0],
        flags: raw[10],
    })
}

/// A device number as mknod(2) and `st_rdev` hold it (makedev(3)).
pub fn device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

/// mkdirat(2).
pub fn make_directory(dir: BorrowedFd<'_>, path: &CStr, permissions: u32) -> Result<()> {
    // SAFETY: a valid string.
    unsafe { syscall!(Mkdirat, MKDIRAT, dir.raw(), path.as_ptr(), permissions) }.map(drop)
}

/// mknodat(2). The kernel takes 32 bits of device number.
pub fn make_node(dir: BorrowedFd<'_>, path: &CStr, mode: u32, device: u64) -> Result<()> {
    // SAFETY: a valid string.
    unsafe {
        syscall!(
            Mknodat,
            MKNODAT,
            dir.raw(),
            path.as_ptr(),
            mode,
            device as u32
        )
    }
    .map(drop)
}

/// symlinkat(2).
pub fn make_link(content: &CStr, dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    // SAFETY: valid strings.
    unsafe {
        syscall!(
            Symlinkat,
            SYMLINKAT,
            content.as_ptr(),
            dir.raw(),
            path.as_ptr()
        )
    }
    .map(drop)
}

/// linkat(2): another name for a file; a symbolic link is not followed but gets the name itself.
pub fn link(from: BorrowedFd<'_>, old: &CStr, to: BorrowedFd<'_>, new: &CStr) -> Result<()> {
    // SAFETY: valid strings.
    unsafe {
        syscall!(
            Linkat,
            LINKAT,
            from.raw(),
            old.as_ptr(),
            to.raw(),
            new.as_ptr(),
            0
        )
    }
    .map(drop)
}

/// utimensat(2) with [`Status::times`]; a symbolic link at the end is not followed.
pub fn set_times_at(dir: BorrowedFd<'_>, path: &CStr, times: &[i64; 4]) -> Result<()> {
    const AT_SYMLINK_NOFOLLOW: usize = 0x100;
    let (path, times) = (path.as_ptr(), times.as_ptr());
    // SAFETY: a valid string and two `struct timespec`.
    unsafe {
        syscall!(
            Utimensat,
            UTIMENSAT,
            dir.raw(),
            path,
            times,
            AT_SYMLINK_NOFOLLOW
        )
    }
    .map(drop)
}

/// sendfile(2): copies at most `count` bytes from where `from` is read to where `to` is written; 0 at the end.
pub fn send(to: BorrowedFd<'_>, from: BorrowedFd<'_>, count: usize) -> Result<usize> {
    // SAFETY: no pointers.
    unsafe { syscall!(Sendfile, SENDFILE, to.raw(), from.raw(), 0, count) }
}

/// lseek(2) from the beginning.
pub fn seek(fd: BorrowedFd<'_>, offset: u64) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Lseek, LSEEK, fd.raw(), offset, 0) }.map(drop)
}

/// readlinkat(2): the length of the link's content, of which `buffer` holds what fits.
pub fn read_link(dir: BorrowedFd<'_>, path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: a valid string; the kernel writes at most `buffer.len()` bytes.
    unsafe {
        syscall!(
            Readlinkat,
            READLINKAT,
            dir.raw(),
            path.as_ptr(),
            buffer.as_mut_ptr(),
            buffer.len()
        )
    }
}

/// unlinkat(2) for a file.
pub fn remove(dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    // SAFETY: a valid string.
    unsafe { syscall!(Unlinkat, UNLINKAT, dir.raw(), path.as_ptr(), 0) }.map(drop)
}

/// unlinkat(2) for an empty directory.
pub fn remove_directory(dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    const AT_REMOVEDIR: usize = 0x200;
    // SAFETY: a valid string.
    unsafe { syscall!(Unlinkat, UNLINKAT, dir.raw(), path.as_ptr(), AT_REMOVEDIR) }.map(drop)
}

/// renameat2(2) without flags, both names below `dir`.
pub fn rename(dir: BorrowedFd<'_>, from: &CStr, to: &CStr) -> Result<()> {
    // SAFETY: valid strings.
    unsafe {
        syscall!(
            Renameat2,
            RENAMEAT2,
            dir.raw(),
            from.as_ptr(),
            dir.raw(),
            to.as_ptr(),
            0
        )
    }
    .map(drop)
}

/// fchmod(2).
pub fn set_permissions(fd: BorrowedFd<'_>, permissions: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Fchmod, FCHMOD, fd.raw(), permissions) }.map(drop)
}

/// fchmodat(2). Follows a symbolic link at the end.
pub fn set_permissions_at(dir: BorrowedFd<'_>, path: &CStr, permissions: u32) -> Result<()> {
    // SAFETY: a valid string.
    unsafe { syscall!(Fchmod, FCHMODAT, dir.raw(), path.as_ptr(), permissions) }.map(drop)
}

/// fchown(2).
pub fn set_owner(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Fchown, FCHOWN, fd.raw(), uid, gid) }.map(drop)
}

/// fchownat(2); a symbolic link at the end is not followed.
pub fn set_owner_at(dir: BorrowedFd<'_>, path: &CStr, uid: u32, gid: u32) -> Result<()> {
    const AT_SYMLINK_NOFOLLOW: usize = 0x100;
    // SAFETY: a valid string.
    unsafe {
        syscall!(
            Fchownat,
            FCHOWNAT,
            dir.raw(),
            path.as_ptr(),
            uid,
            gid,
            AT_SYMLINK_NOFOLLOW
        )
    }
    .map(drop)
}

/// utimensat(2): access and modification become now. Follows a symbolic link at the end.
pub fn set_times(dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    // SAFETY: a valid string; no times mean the present.
    unsafe { syscall!(Utimensat, UTIMENSAT, dir.raw(), path.as_ptr(), 0, 0) }.map(drop)
}

/// fchownat(2) of what a descriptor stands for, which may have been opened with O_PATH.
pub fn set_owner_of(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<()> {
    const AT_EMPTY_PATH: usize = 0x1000;
    let empty = c"".as_ptr();
    // SAFETY: a valid string.
    unsafe { syscall!(Fchownat, FCHOWNAT, fd.raw(), empty, uid, gid, AT_EMPTY_PATH) }.map(drop)
}

/// setxattr(2) on a path.
pub fn set_attribute(path: &CStr, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: valid strings; the kernel reads `value.len()` bytes.
    unsafe {
        syscall!(
            Setxattr,
            SETXATTR,
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr(),
            value.len(),
            0
        )
    }
    .map(drop)
}

/// chdir(2).
pub fn change_directory(path: &CStr) -> Result<()> {
    // SAFETY: a valid string.
    unsafe { syscall!(Chdir, CHDIR, path.as_ptr()) }.map(drop)
}

/// fchdir(2).
pub fn change_directory_to(dir: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Fchdir, FCHDIR, dir.raw()) }.map(drop)
}

/// getcwd(2): length of the path including its final NUL. A directory that is not below the process's root is shown
/// with the prefix `(unreachable)`.
pub fn current_directory(buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    unsafe { syscall!(Getcwd, GETCWD, buffer.as_mut_ptr(), buffer.len()) }
}

/// umask(2): sets the mask and returns the old one.
pub fn set_mask(mask: u32) -> u32 {
    // SAFETY: no pointers; it cannot fail.
    unsafe { syscall!(Umask, UMASK, mask) }.unwrap_or(0) as u32
}

/// getdents64(2): fills `buffer` with whole directory entries and returns their length, 0 at the end.
pub fn read_directory(dir: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    unsafe {
        syscall!(
            Getdents,
            GETDENTS64,
            dir.raw(),
            buffer.as_mut_ptr(),
            buffer.len()
        )
    }
}

/// The names in a buffer that [`read_directory`] filled, without `.` and `..`, each with the place in the directory that
/// follows it (for [`seek`]).
pub fn entries(entries: &[u8]) -> impl Iterator<Item = (&CStr, u64)> {
    let mut rest = entries;
    core::iter::from_fn(move || {
        // linux_dirent64: inode 8, offset 8, length 2, type 1, then the name.
        let length = usize::from(u16::from_ne_bytes([*rest.get(16)?, *rest.get(17)?]));
        let entry = rest.get(..length)?;
        rest = &rest[length..];
        let next = u64::from_ne_bytes(*entry.get(8..)?.first_chunk()?);
        Some((crate::strings::first(&entry[19..])?, next))
    })
    .filter(|(name, _)| !matches!(name.to_bytes(), b"." | b".."))
}

/// The names of [`entries`] alone.
pub fn names(buffer: &[u8]) -> impl Iterator<Item = &CStr> {
    entries(buffer).map(|(name, _)| name)
}

const F_SETFD: usize = 2;
const F_SETFL: usize = 4;
const F_GETFL: usize = 3;
const F_ADD_SEALS: usize = 1033;
const F_SETPIPE_SZ: usize = 1031;

fn fcntl(fd: BorrowedFd<'_>, command: usize, argument: usize) -> Result<usize> {
    // SAFETY: the commands used here take numbers.
    unsafe { syscall!(Fcntl, FCNTL, fd.raw(), command, argument) }
}

/// Sets or clears close-on-exec. Only for this crate: [`crate::process::Alone`] relies on nobody clearing it.
pub(crate) fn set_close_on_exec(fd: BorrowedFd<'_>, on: bool) -> Result<()> {
    fcntl(fd, F_SETFD, on.into()).map(drop)
}

/// The status flags and access mode, as in [`open`].
pub fn status_flags(fd: BorrowedFd<'_>) -> Result<u64> {
    fcntl(fd, F_GETFL, 0).map(|flags| flags as u64)
}

/// Sets or clears O_NONBLOCK.
pub fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> Result<()> {
    let flags = status_flags(fd)?;
    let flags = if on {
        flags | open::NONBLOCK
    } else {
        flags & !open::NONBLOCK
    };
    fcntl(fd, F_SETFL, flags as usize).map(drop)
}

/// pipe2(2): the end to read from and the one to write to, close-on-exec.
pub fn pipe() -> Result<(Fd, Fd)> {
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes two descriptors.
    unsafe { syscall!(Pipe, PIPE2, ends.as_mut_ptr(), open::CLOEXEC) }?;
    let [read, write] = ends.map(|end| Fd::fresh(end as usize));
    Ok((read, write))
}

/// F_SETPIPE_SZ: the capacity of a pipe or FIFO in bytes, rounded up to pages.
pub fn set_pipe_size(fd: BorrowedFd<'_>, bytes: usize) -> Result<()> {
    fcntl(fd, F_SETPIPE_SZ, bytes).map(drop)
}

/// dup3(2): a descriptor becomes a standard stream, open across execve(2). `EINVAL` when it is that already.
pub fn duplicate_onto(fd: BorrowedFd<'_>, stream: Stream) -> Result<()> {
    // SAFETY: no pointers. What had the number before is closed, but is nobody's.
    unsafe { syscall!(Dup3, DUP3, fd.raw(), stream.borrow().raw(), 0) }.map(drop)
}

/// F_DUPFD_CLOEXEC: a copy with the lowest free number not below `least`.
pub fn duplicate_above(fd: BorrowedFd<'_>, least: i32) -> Result<Fd> {
    const F_DUPFD_CLOEXEC: usize = 1030;
    fcntl(fd, F_DUPFD_CLOEXEC, least as usize).map(Fd::fresh)
}

/// close_range(2) with CLOSE_RANGE_CLOEXEC: everything from `first` on is closed at the next execve.
pub fn close_from_on_exec(first: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    // SAFETY: no pointers.
    unsafe {
        syscall!(
            CloseRange,
            CLOSE_RANGE,
            first,
            u32::MAX,
            CLOSE_RANGE_CLOEXEC
        )
    }
    .map(drop)
}

/// memfd_create(2), sealable and close-on-exec. `executable` asks for MFD_EXEC, which kernels since 6.3 want to be
/// told; older ones answer `EINVAL` to it.
pub fn memory_file(name: &CStr, executable: bool) -> Result<Fd> {
    const CLOEXEC: usize = 1;
    const ALLOW_SEALING: usize = 2;
    const NOEXEC_SEAL: usize = 8;
    const EXEC: usize = 16;
    let kind = if executable {
        EXEC | ALLOW_SEALING
    } else {
        NOEXEC_SEAL
    };
    let create = |flags: usize| {
        // SAFETY: a valid string.
        unsafe { syscall!(MemfdCreate, MEMFD_CREATE, name.as_ptr(), flags) }.map(Fd::fresh)
    };
    match create(CLOEXEC | kind) {
        Err(fault) if fault.is(crate::Errno::EINVAL) => create(CLOEXEC | ALLOW_SEALING),
        answer => answer,
    }
}

/// Seals a memory file for good: no more writing, growing, shrinking, nor further seals.
pub fn seal(fd: BorrowedFd<'_>) -> Result<()> {
    const SEAL: usize = 1;
    const SHRINK: usize = 2;
    const GROW: usize = 4;
    const WRITE: usize = 8;
    fcntl(fd, F_ADD_SEALS, SEAL | SHRINK | GROW | WRITE).map(drop)
}

/// ftruncate(2).
pub fn set_length(fd: BorrowedFd<'_>, bytes: u64) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Ftruncate, FTRUNCATE, fd.raw(), bytes) }.map(drop)
}

/// faccessat2(2) with AT_EACCESS: whether the effective user may do `how` (R_OK 4, W_OK 2, X_OK 1) with an open file.
pub fn accessible(fd: BorrowedFd<'_>, how: u32) -> Result<()> {
    const AT_EACCESS: usize = 0x200;
    const AT_EMPTY_PATH: usize = 0x1000;
    // SAFETY: a valid string.
    unsafe {
        syscall!(
            Access,
            FACCESSAT2,
            fd.raw(),
            c"".as_ptr(),
            how,
            AT_EACCESS | AT_EMPTY_PATH
        )
    }
    .map(drop)
}

/// flock(2) LOCK_EX: waits for an exclusive lock on the open file.
pub fn lock(fd: BorrowedFd<'_>) -> Result<()> {
    const LOCK_EX: usize = 2;
    // SAFETY: no pointers.
    unsafe { syscall!(Flock, FLOCK, fd.raw(), LOCK_EX) }.map(drop)
}

/// flock(2) LOCK_EX | LOCK_NB: takes an exclusive lock on the open file; `EAGAIN` when somebody else has it.
pub fn try_lock(fd: BorrowedFd<'_>) -> Result<()> {
    const LOCK_EX_NB: usize = 2 | 4;
    // SAFETY: no pointers.
    unsafe { syscall!(Flock, FLOCK, fd.raw(), LOCK_EX_NB) }.map(drop)
}

/// flock(2): gives an exclusive lock back.
pub fn unlock(fd: BorrowedFd<'_>) -> Result<()> {
    const LOCK_UN: usize = 8;
    // SAFETY: no pointers.
    unsafe { syscall!(Flock, FLOCK, fd.raw(), LOCK_UN) }.map(drop)
}

/// mknodat(2) for a FIFO.
pub fn make_fifo(dir: BorrowedFd<'_>, path: &CStr, permissions: u32) -> Result<()> {
    make_node(dir, path, mode::FIFO | permissions, 0)
}
