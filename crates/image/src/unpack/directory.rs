//! Directories: opened below one that is open, and read.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, Dir, DirEntry, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Doing, Result};

/// What is in a directory, in no order.
pub(crate) fn entries(
    directory: impl AsFd,
) -> Result<impl Iterator<Item = Result<DirEntry, Errno>>, Errno> {
    let dots = [&b"."[..], b".."];
    let is_dot = move |entry: &DirEntry| dots.contains(&entry.file_name().to_bytes());
    let all = Dir::read_from(directory)?;
    Ok(all.filter(move |entry| !entry.as_ref().is_ok_and(is_dot)))
}

/// Names in a directory, sorted.
pub(crate) fn children(directory: &OwnedFd) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in entries(directory).doing("read directory")? {
        let entry = entry.doing("read directory")?;
        names.push(entry.file_name().to_bytes().to_vec());
    }
    names.sort();
    Ok(names)
}

/// Opens an existing directory to work below it.
pub(crate) fn open_directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).at("open directory", path)
}

/// Opens the file `name` to read it. It must not be a link, and a pipe in its place is not waited for.
pub(crate) fn open_file(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    fs::openat(parent, name, flags, Mode::empty())
}

/// Opens the child directory `name`, which must not be a link.
pub(crate) fn open_child(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(parent, name, flags, Mode::empty())
}
