//! Opening and making things below the container's root, which may be hostile.
//!
//! Every path is resolved once, by openat2(2) with RESOLVE_IN_ROOT, to a descriptor; symbolic links cannot lead out
//! and magic links are refused. What is missing is made from descriptor to descriptor, and the answer is the descriptor
//! of what was made. Whatever happens to the path afterwards, the descriptor stays what was checked.

use core::ffi::CStr;

use kernel::file::{self, magic, mode, open, resolve};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, Result};

/// Longest path, as PATH_MAX.
const LONGEST: usize = 4096;

/// Tries when the kernel saw a rename somewhere during a walk (`EAGAIN`, see openat2(2)).
const TRIES: usize = 128;

/// What stands at the end of a path: the same kind is made where nothing is.
#[derive(Clone, Copy)]
pub enum Last {
    /// A directory with these permissions.
    Directory(u32),
    /// A file.
    File,
}

impl Last {
    fn flags(self) -> u64 {
        match self {
            Last::Directory(_) => open::PATH | open::DIRECTORY,
            Last::File => open::PATH,
        }
    }
}

/// Opens `path` as if `root` were the root directory.
///
/// # Errors
/// As openat2(2).
pub fn open(root: BorrowedFd<'_>, path: &CStr, flags: u64) -> Result<Fd> {
    open_resolved(root, path, flags, resolve::IN_ROOT | resolve::NO_MAGICLINKS)
}

fn open_resolved(root: BorrowedFd<'_>, path: &CStr, flags: u64, how: u64) -> Result<Fd> {
    let mut answer = file::open_how(root, path, flags, 0, how);
    for _ in 0..TRIES {
        match answer {
            Err(fault) if fault.is(Errno::EAGAIN) || fault.is(Errno::EINTR) => {
                answer = file::open_how(root, path, flags, 0, how);
            }
            answer => return answer,
        }
    }
    answer
}

/// Opens the directory at `path` (O_PATH), making it and missing directories above it.
///
/// # Errors
/// As openat2(2) and mkdirat(2): `ENOTDIR` for a file in the way.
pub fn directory(root: BorrowedFd<'_>, path: &CStr, permissions: u32) -> Result<Fd> {
    let last = Last::Directory(permissions);
    match open(root, path, last.flags()) {
        Err(fault) if fault.is(Errno::ENOENT) => make(root, path.to_bytes(), last),
        answer => answer,
    }
}

/// Opens what a mount is to cover, making it if it is missing; and whether it was there. With `plain` no part of the
/// path may be a symbolic link.
///
/// # Errors
/// As openat2(2) and mkdirat(2). `ELOOP` of fstatfs(2) where a link leads into procfs or sysfs, on which others rely, or
/// to the root: there the path is to say where it goes, for only that was judged by who wrote it.
pub fn target(root: BorrowedFd<'_>, path: &CStr, last: Last, plain: bool) -> Result<(Fd, bool)> {
    let how = resolve::IN_ROOT | resolve::NO_SYMLINKS;
    let mut linked = false;
    let mut found = open_resolved(root, path, last.flags(), how);
    if !plain && found.as_ref().is_err_and(|fault| fault.is(Errno::ELOOP)) {
        linked = true;
        found = open(root, path, last.flags());
    }
    match found {
        // Nothing can be made in procfs and sysfs.
        Err(fault) if fault.is(Errno::ENOENT) => Ok((make(root, path.to_bytes(), last)?, false)),
        Err(fault) => Err(fault),
        Ok(fd) if is_where_it_says(root, path.to_bytes(), &fd, linked)? => Ok((fd, true)),
        Ok(_) => Err(Fault::found(Call::Fstatfs, Errno::ELOOP)),
    }
}

/// Whether what was found at `path`, with or without following links, may be covered.
fn is_where_it_says(root: BorrowedFd<'_>, path: &[u8], found: &Fd, linked: bool) -> Result<bool> {
    /// Inode number of the root of every procfs (PROC_ROOT_INO in include/linux/proc_ns.h).
    const PROC_ROOT: u64 = 1;
    let status = file::status(found.borrow())?;
    Ok(match file::filesystem(found.borrow())?.kind {
        // `net` is a link of procfs itself.
        magic::PROC if linked => path.starts_with(b"/proc/net/"),
        // Which paths below /proc may be covered is for the planner to say, but it only knows this one procfs.
        magic::PROC => path.starts_with(b"/proc/") || status.inode == PROC_ROOT,
        magic::SYSFS => !linked,
        _ if linked => !is_root(root, found)?,
        _ => true,
    })
}

/// Whether `found`, once the root is entered, is the root itself and not the same directory mounted elsewhere: only from the root
/// `..` leads back to it without crossing a mount.
///
/// # Errors
/// As fstat(2) and openat2(2).
pub fn is_entered_root(root: BorrowedFd<'_>, found: &Fd) -> Result<bool> {
    if !is_root(root, found)? {
        return Ok(false);
    }
    match file::open_how(found.borrow(), c"..", open::PATH, 0, resolve::NO_XDEV) {
        Err(fault) if fault.is(Errno::EXDEV) => Ok(false),
        above => is_root(root, &above?),
    }
}

/// Whether `found` is the directory `root`, on whatever mount.
fn is_root(root: BorrowedFd<'_>, found: &Fd) -> Result<bool> {
    let (root, found) = (file::status(root)?, file::status(found.borrow())?);
    Ok((root.device, root.inode) == (found.device, found.inode))
}

/// The directory that holds the last component of `path` (made if missing), and that component.
///
/// # Errors
/// As [`directory`]; `EINVAL` for a path without a name at its end.
pub fn parent<'p>(root: BorrowedFd<'_>, path: &'p CStr) -> Result<(Fd, &'p [u8])> {
    let bytes = trimmed(path.to_bytes());
    let (above, name) = bytes.split_at(above(bytes));
    if matches!(name, b"" | b"." | b"..") {
        return Err(Fault::found(Call::Openat2, Errno::EINVAL));
    }
    let above = if above.is_empty() { b"/" } else { above };
    let fd = with_string(above, |above| directory(root, above, 0o755))?;
    Ok((fd, name))
}

fn trimmed(mut path: &[u8]) -> &[u8] {
    while let [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

/// Where the last component of a path begins.
fn above(path: &[u8]) -> usize {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    slash.map_or(0, |slash| slash + 1)
}

/// Most symbolic links that are followed to something that is not there yet, as in path_resolution(7).
const MOST_LINKS: usize = 40;

/// Makes what is missing of a path, following links that lead to what is missing.
fn make(root: BorrowedFd<'_>, path: &[u8], last: Last) -> Result<Fd> {
    match make_until_link(root, trimmed(path), last)? {
        Progress::Done(fd) => Ok(fd),
        Progress::Link { start, end } => make_through_links(root, path, last, start, end),
    }
}

/// The unusual rest of [`make`], with the large buffers that only it needs.
#[inline(never)]
fn make_through_links(
    root: BorrowedFd<'_>,
    path: &[u8],
    last: Last,
    start: usize,
    end: usize,
) -> Result<Fd> {
    let mut whole = [0u8; LONGEST];
    let path = trimmed(path);
    if path.len() >= LONGEST {
        return Err(Fault::found(Call::Openat2, Errno::ENAMETOOLONG));
    }
    whole[..path.len()].copy_from_slice(path);
    let mut length = follow(root, &mut whole, path.len(), start, end)?;
    for _ in 1..MOST_LINKS {
        match make_until_link(root, trimmed(&whole[..length]), last)? {
            Progress::Done(fd) => return Ok(fd),
            Progress::Link { start, end } => length = follow(root, &mut whole, length, start, end)?,
        }
    }
    Err(Fault::found(Call::Openat2, Errno::ELOOP))
}

enum Progress {
    Done(Fd),
    /// The component here is a link to something that is not there.
    Link {
        start: usize,
        end: usize,
    },
}

fn open_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<Fd> {
    let path = if path.is_empty() { b"/" } else { path };
    with_string(path, |path| open(root, path, open::PATH | open::DIRECTORY))
}

fn make_until_link(root: BorrowedFd<'_>, path: &[u8], last: Last) -> Result<Progress> {
    // From the deepest directory that is there, which mostly is the one above the last component.
    let mut next = above(path);
    let mut here = loop {
        match open_directory(root, &path[..next]) {
            Err(fault) if fault.is(Errno::ENOENT) && next > 0 => {
                next = above(trimmed(&path[..next]))
            }
            answer => break answer?,
        }
    };
    while next < path.len() {
        let start = next;
        let rest = &path[start..];
        let end = start
            + rest
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(rest.len());
        next = end + 1;
        let name = match &path[start..end] {
            b"" | b"." => continue,
            b".." => {
                here = open_directory(root, &path[..end])?;
                continue;
            }
            name => name,
        };
        let last = if end == path.len() {
            last
        } else {
            Last::Directory(0o755)
        };
        match with_name(name, |name| make_one(here.borrow(), name, last))? {
            Some(made) => here = made,
            None => return Ok(Progress::Link { start, end }),
        }
    }
    Ok(Progress::Done(here))
}

/// Makes one thing, or opens it if somebody else was faster; `None` if that is a symbolic link.
fn make_one(dir: BorrowedFd<'_>, name: &CStr, last: Last) -> Result<Option<Fd>> {
    let made = match last {
        Last::Directory(permissions) => file::make_directory(dir, name, permissions),
        Last::File => {
            let flags = open::CREAT | open::EXCL | open::NOFOLLOW | open::WRONLY;
            match file::open_at(dir, name, flags, 0o644) {
                Ok(made) => return Ok(Some(made)),
                Err(fault) => Err(fault),
            }
        }
    };
    match made {
        Err(fault) if !fault.is(Errno::EEXIST) => return Err(fault),
        _ => {}
    }
    let there = file::open_at(dir, name, open::PATH | open::NOFOLLOW, 0)?;
    match (file::status(there.borrow())?.kind(), last) {
        (mode::LINK, _) => Ok(None),
        (mode::DIRECTORY, _) | (_, Last::File) => Ok(Some(there)),
        _ => Err(Fault::found(Call::Openat2, Errno::ENOTDIR)),
    }
}

/// Puts what the link at `start..end` says in its place; the answer is the new length.
fn follow(
    root: BorrowedFd<'_>,
    whole: &mut [u8; LONGEST],
    length: usize,
    start: usize,
    end: usize,
) -> Result<usize> {
    let mut content = [0u8; LONGEST];
    let link = with_string(&whole[..end], |path| {
        open_resolved(
            root,
            path,
            open::PATH | open::NOFOLLOW,
            resolve::IN_ROOT | resolve::NO_MAGICLINKS,
        )
    })?;
    let got = file::read_link(link.borrow(), c"", &mut content)?;
    let keep = if content[0] == b'/' { 0 } else { start };
    let new = keep + got + (length - end);
    if new >= LONGEST {
        return Err(Fault::found(Call::Openat2, Errno::ENAMETOOLONG));
    }
    whole.copy_within(end..length, keep + got);
    whole[keep..keep + got].copy_from_slice(&content[..got]);
    Ok(new)
}

/// Calls `run` with `bytes` as a C string.
///
/// # Errors
/// `ENAMETOOLONG` from 4096 bytes on, `EINVAL` for a NUL inside, else what `run` says.
pub fn with_string<T>(bytes: &[u8], run: impl FnOnce(&CStr) -> Result<T>) -> Result<T> {
    run(copied(bytes, &mut [0u8; LONGEST])?)
}

/// As [`with_string`], for one component of a path, which has at most 255 bytes: the waiting init keeps what its stack
/// once touched.
///
/// # Errors
/// As there, from 256 bytes on.
pub fn with_name<T>(bytes: &[u8], run: impl FnOnce(&CStr) -> Result<T>) -> Result<T> {
    run(copied(bytes, &mut [0u8; 256])?)
}

fn copied<'b>(bytes: &[u8], buffer: &'b mut [u8]) -> Result<&'b CStr> {
    // The last byte of the buffer stays 0.
    if bytes.len() >= buffer.len() {
        return Err(Fault::found(Call::Openat2, Errno::ENAMETOOLONG));
    }
    buffer[..bytes.len()].copy_from_slice(bytes);
    kernel::strings::first(buffer)
        .filter(|string| string.count_bytes() == bytes.len())
        .ok_or(Fault::found(Call::Openat2, Errno::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::os::unix::fs::symlink;

    fn fixture(name: &str) -> (std::path::PathBuf, Fd) {
        let outer = std::env::temp_dir().join(format!("tare-inside-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&outer);
        std::fs::create_dir_all(outer.join("root/etc")).unwrap();
        let path = CString::new(outer.join("root").to_str().unwrap()).unwrap();
        let root = file::open_at(file::HERE, &path, open::PATH | open::DIRECTORY, 0).unwrap();
        (outer, root)
    }

    #[test]
    fn directories_and_files_are_made_inside_only() {
        let (outer, root) = fixture("made");
        symlink("../../../../../..", outer.join("root/up")).unwrap();
        symlink("/etc", outer.join("root/absolute")).unwrap();
        directory(root.borrow(), c"/up/a/b/c", 0o700).unwrap();
        assert!(outer.join("root/a/b/c").is_dir());
        target(root.borrow(), c"/absolute/x/file", Last::File, false).unwrap();
        assert!(outer.join("root/etc/x/file").is_file());
        directory(root.borrow(), c"../../outside/", 0o700).unwrap();
        assert!(outer.join("root/outside").is_dir());
        assert!(!outer.join("outside").exists());
        std::fs::remove_dir_all(&outer).unwrap();
    }

    #[test]
    fn what_is_in_the_way_is_reported() {
        let (outer, root) = fixture("way");
        symlink("nowhere/at/all", outer.join("root/dangling")).unwrap();
        symlink("loop", outer.join("root/loop")).unwrap();
        std::fs::write(outer.join("root/file"), "").unwrap();
        let errno = |result: Result<Fd>| result.unwrap_err().errno;
        directory(root.borrow(), c"/dangling/below", 0o755).unwrap();
        assert!(outer.join("root/nowhere/at/all/below").is_dir());
        symlink("/../../outside", outer.join("root/out")).unwrap();
        directory(root.borrow(), c"/out/x", 0o755).unwrap();
        assert!(outer.join("root/outside/x").is_dir() && !outer.join("outside").exists());
        assert_eq!(
            errno(directory(root.borrow(), c"/file/x", 0o755)),
            Errno::ENOTDIR
        );
        assert_eq!(
            errno(directory(root.borrow(), c"/loop/x", 0o755)),
            Errno::ELOOP
        );
        let plain = |path| target(root.borrow(), path, Last::Directory(0o755), true);
        assert_eq!(plain(c"/loop").unwrap_err().errno, Errno::ELOOP);
        assert_eq!(plain(c"/dangling").unwrap_err().errno, Errno::ELOOP);
        std::fs::remove_dir_all(&outer).unwrap();
    }

    /// Links of images that name what is only there once the system runs, such as resolv.conf's.
    #[test]
    fn what_a_link_names_is_made_below_the_root() {
        let (outer, root) = fixture("named");
        for (link, names, made) in [
            (
                "etc/resolv.conf",
                "../run/systemd/resolve/stub.conf",
                "run/systemd/resolve/stub.conf",
            ),
            ("etc/localtime", "/usr/share/zone/UTC", "usr/share/zone/UTC"),
            ("etc/plain", "nowhere", "etc/nowhere"),
            ("etc/up", "../../../../up/x", "up/x"),
            ("etc/turning", "a/../b/./c/", "etc/b/c"),
            ("etc/chain", "resolv2", "etc/last"),
        ] {
            symlink("last", outer.join("root/etc/resolv2")).ok();
            symlink(names, outer.join("root").join(link)).unwrap();
            let path = CString::new(format!("/{link}")).unwrap();
            let (fd, existed) = target(root.borrow(), &path, Last::File, false).unwrap();
            let found = std::fs::metadata(outer.join("root").join(made)).unwrap();
            let status = file::status(fd.borrow()).unwrap();
            assert!(found.is_file() && !existed, "{link}");
            assert_eq!(std::os::unix::fs::MetadataExt::ino(&found), status.inode);
        }
        assert!(!outer.join("up").exists());
        let errno = |path, last| target(root.borrow(), path, last, false).unwrap_err().errno;
        symlink("/", outer.join("root/etc/top")).unwrap();
        assert_eq!(errno(c"/etc/top", Last::Directory(0o755)), Errno::ELOOP);
        symlink("self", outer.join("root/etc/self")).unwrap();
        assert_eq!(errno(c"/etc/self", Last::File), Errno::ELOOP);
        std::fs::remove_dir_all(&outer).unwrap();
    }

    /// The machine's own root serves as a container's.
    #[test]
    fn a_link_into_procfs_or_sysfs_is_refused() {
        let root = file::open_at(file::HERE, c"/", open::PATH | open::DIRECTORY, 0).unwrap();
        let folder = std::env::temp_dir().join(format!("tare-inside-proc-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let at = |path: &str, last| {
            let path = CString::new(path).unwrap();
            target(root.borrow(), &path, last, false).map(|(_, existed)| existed)
        };
        let directory = Last::Directory(0o755);
        for (name, (to, last)) in [
            ("/proc", directory),
            ("/proc/sys/kernel/core_pattern", Last::File),
            ("/proc/uptime", Last::File),
            ("/proc/self/attr", directory),
            ("/sys", directory),
            ("/sys/kernel", directory),
        ]
        .into_iter()
        .enumerate()
        {
            let link = folder.join(name.to_string());
            symlink(to, &link).unwrap();
            let fault = at(link.to_str().unwrap(), last).unwrap_err();
            assert_eq!(
                (fault.call, fault.errno),
                (Call::Fstatfs, Errno::ELOOP),
                "{to}"
            );
            assert_eq!(at(to, last).is_ok(), to != "/proc/self/attr", "{to}");
        }
        assert_eq!(at("/proc/net/dev", Last::File), Ok(true));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
