//! Opening and making things below the container's root, which may be hostile.
//!
//! Every path is resolved once, by openat2(2) with RESOLVE_IN_ROOT, to a descriptor; symbolic links cannot lead out
//! and magic links are refused. Whatever happens to the path afterwards, the descriptor stays what was checked.

use core::ffi::CStr;

use kernel::file::{self, open, resolve};
use kernel::{Call, Errno, Fault, Fd, Result};

/// Longest path, as PATH_MAX.
const LONGEST: usize = 4096;

/// Tries when the kernel saw a rename somewhere during a walk (`EAGAIN`, see openat2(2)).
const TRIES: usize = 128;

/// Opens `path` as if `root` were the root directory.
///
/// # Errors
/// As openat2(2).
pub fn open(root: i32, path: &CStr, flags: u64) -> Result<Fd> {
    open_resolved(root, path, flags, resolve::IN_ROOT | resolve::NO_MAGICLINKS)
}

/// As [`open()`], but no component may be a symbolic link (`ELOOP`).
///
/// # Errors
/// As openat2(2).
pub fn open_without_links(root: i32, path: &CStr, flags: u64) -> Result<Fd> {
    open_resolved(root, path, flags, resolve::IN_ROOT | resolve::NO_SYMLINKS)
}

fn open_resolved(root: i32, path: &CStr, flags: u64, how: u64) -> Result<Fd> {
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
/// As openat2(2) and mkdirat(2): `ENOENT` for a dangling link, `ENOTDIR` for a file in the way.
pub fn directory(root: i32, path: &CStr, permissions: u32) -> Result<Fd> {
    match open(root, path, open::PATH | open::DIRECTORY) {
        Err(fault) if fault.is(Errno::ENOENT) => {
            make_directories(root, path.to_bytes(), permissions)
        }
        answer => answer,
    }
}

/// Opens the file at `path` (O_PATH), making an empty one and missing directories above it.
///
/// # Errors
/// As openat2(2): `EISDIR` for a directory in the way.
pub fn regular_file(root: i32, path: &CStr) -> Result<Fd> {
    match open(root, path, open::PATH) {
        Err(fault) if fault.is(Errno::ENOENT) => {}
        answer => return answer,
    }
    let (parent, name) = parent(root, path)?;
    let created = with_name(name, |name| {
        file::open_at(
            parent.raw(),
            name,
            open::CREAT | open::EXCL | open::NOFOLLOW | open::WRONLY,
            0o644,
        )
    });
    match created {
        Ok(_) => {}
        // Somebody else was faster; what counts is what is there now.
        Err(fault) if fault.is(Errno::EEXIST) => {}
        Err(fault) => return Err(fault),
    }
    open(root, path, open::PATH)
}

/// The directory that holds the last component of `path` (made if missing), and that component.
///
/// # Errors
/// As [`directory`]; `EINVAL` for a path without a name at its end.
pub fn parent(root: i32, path: &CStr) -> Result<(Fd, &[u8])> {
    let bytes = trimmed(path.to_bytes());
    let cut = bytes
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (above, name) = bytes.split_at(cut);
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

/// Most symbolic links that are followed to something that is not there yet, as in path_resolution(7).
const MOST_LINKS: usize = 40;

/// As [`directory`], for a path that is known to be missing.
///
/// # Errors
/// As there.
pub fn make_directories(root: i32, path: &[u8], permissions: u32) -> Result<Fd> {
    match make_until_link(root, trimmed(path), permissions)? {
        Progress::Done(fd) => Ok(fd),
        Progress::Link { start, end } => make_through_links(root, path, permissions, start, end),
    }
}

/// The unusual rest of [`make_directories`], with the large buffers that only it needs.
#[inline(never)]
fn make_through_links(
    root: i32,
    path: &[u8],
    permissions: u32,
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
        match make_until_link(root, &whole[..length], permissions)? {
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

fn make_until_link(root: i32, path: &[u8], permissions: u32) -> Result<Progress> {
    // Mostly only the last directory is missing, so the walk begins there if it can.
    let cut = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let start = if cut == 0 { &b"/"[..] } else { &path[..cut] };
    let (mut above, mut next) = match with_string(start, |start| {
        open(root, start, open::PATH | open::DIRECTORY)
    }) {
        Ok(above) => (above, cut),
        Err(_) => (open(root, c"/", open::PATH | open::DIRECTORY)?, 0),
    };
    while next < path.len() {
        let start = next;
        let end = path[start..]
            .iter()
            .position(|byte| *byte == b'/')
            .map_or(path.len(), |slash| start + slash);
        next = end + 1;
        let name = &path[start..end];
        if matches!(name, b"" | b".") {
            continue;
        }
        let open_prefix = || {
            with_string(&path[..end], |prefix| {
                open(root, prefix, open::PATH | open::DIRECTORY)
            })
        };
        let there = if end == path.len() {
            Err(Fault::found(Call::Openat2, Errno::ENOENT))
        } else {
            open_prefix()
        };
        above = match there {
            Err(fault) if fault.is(Errno::ENOENT) => {
                let mode = if end == path.len() {
                    permissions
                } else {
                    0o755
                };
                match with_name(name, |name| file::make_directory(above.raw(), name, mode)) {
                    Err(fault) if fault.is(Errno::EEXIST) => match open_prefix() {
                        Err(fault) if fault.is(Errno::ENOENT) => {
                            return Ok(Progress::Link { start, end });
                        }
                        // Somebody else was faster.
                        answer => answer?,
                    },
                    answer => answer.and_then(|()| open_prefix())?,
                }
            }
            answer => answer?,
        };
    }
    Ok(Progress::Done(above))
}

/// Puts what the link at `start..end` says in its place; the answer is the new length.
fn follow(
    root: i32,
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
    let got = file::read_link(link.raw(), c"", &mut content)?;
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
    CStr::from_bytes_with_nul(&buffer[..=bytes.len()])
        .map_err(|_| Fault::found(Call::Openat2, Errno::EINVAL))
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
        directory(root.raw(), c"/up/a/b/c", 0o700).unwrap();
        assert!(outer.join("root/a/b/c").is_dir());
        regular_file(root.raw(), c"/absolute/x/file").unwrap();
        assert!(outer.join("root/etc/x/file").is_file());
        directory(root.raw(), c"../../outside/", 0o700).unwrap();
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
        directory(root.raw(), c"/dangling/below", 0o755).unwrap();
        assert!(outer.join("root/nowhere/at/all/below").is_dir());
        symlink("/../../outside", outer.join("root/out")).unwrap();
        directory(root.raw(), c"/out/x", 0o755).unwrap();
        assert!(outer.join("root/outside/x").is_dir() && !outer.join("outside").exists());
        assert_eq!(
            errno(directory(root.raw(), c"/file/x", 0o755)),
            Errno::ENOTDIR
        );
        assert_eq!(
            errno(directory(root.raw(), c"/loop/x", 0o755)),
            Errno::ELOOP
        );
        assert_eq!(errno(regular_file(root.raw(), c"/new/..")), Errno::EINVAL);
        assert_eq!(
            errno(open_without_links(root.raw(), c"/loop", open::PATH)),
            Errno::ELOOP
        );
        std::fs::remove_dir_all(&outer).unwrap();
    }
}
