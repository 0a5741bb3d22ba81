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

/// Names in a directory, in no order.
pub(crate) fn children(directory: &OwnedFd) -> Result<Vec<Vec<u8>>> {
    let all = entries(directory).doing("read directory")?;
    let name = |entry: DirEntry| entry.file_name().to_bytes().to_vec();
    all.map(|entry| entry.map(name).doing("read directory"))
        .collect()
}

/// Opens an existing directory to work below it.
pub(crate) fn open_directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).at("open directory", path)
}

/// Opens the child directory `name`, which must not be a link.
pub(crate) fn open_child(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(parent, name, flags, Mode::empty())
}
