//! What differs between two trees.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Stat};

use crate::error::{Doing, Error, Result};
use crate::unpack::{
    children, form_attributes, is_directory, open_child, open_directory, open_file,
    shown_attributes,
};

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the second tree has it.
    Added,
    /// Only the first tree has it.
    Deleted,
    /// Content, owner, mode, time or extended attributes are others.
    Changed,
}

impl fmt::Display for Change {
    /// The letters of engines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Added => "A",
            Change::Deleted => "D",
            Change::Changed => "C",
        })
    }
}

/// Is told of each difference and the name below the roots; false ends the search.
type Each<'a> = &'a mut dyn FnMut(Change, &[u8]) -> bool;

/// Compares everything below two directories, in the order of names. What is in a directory that was deleted is not listed.
pub fn trees(a: &Path, b: &Path, each: Each<'_>) -> Result<()> {
    directory(&open_directory(a)?, &open_directory(b)?, b"", each).map(drop)
}

fn directory(a: &OwnedFd, b: &OwnedFd, at: &[u8], each: Each<'_>) -> Result<bool> {
    let error = |e| Error::system("compare", e);
    let stats = (fs::fstat(a).map_err(error)?, fs::fstat(b).map_err(error)?);
    let same = outside(&stats.0) == outside(&stats.1) && attributes(a)? == attributes(b)?;
    if !same && !each(Change::Changed, at) {
        return Ok(false);
    }
    let path = |name: &[u8]| match at {
        b"" => name.to_vec(),
        at => [at, b"/", name].concat(),
    };
    let mut left = children(a)?.into_iter().peekable();
    let mut right = children(b)?.into_iter().peekable();
    loop {
        let goes_on = match (left.peek(), right.peek()) {
            (None, None) => return Ok(true),
            (Some(x), Some(y)) if x == y => {
                right.next();
                let name = left.next().unwrap_or_default();
                entry(a, b, &name, &path(&name), each)?
            }
            (Some(x), y) if y.is_none_or(|y| x < y) => {
                each(Change::Deleted, &path(&left.next().unwrap_or_default()))
            }
            _ => {
                let name = right.next().unwrap_or_default();
                added(b, &name, &path(&name), each)?
            }
        };
        if !goes_on {
            return Ok(false);
        }
    }
}

fn added(folder: &OwnedFd, name: &[u8], path: &[u8], each: Each<'_>) -> Result<bool> {
    if !each(Change::Added, path) {
        return Ok(false);
    }
    let stat = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).doing("compare")?;
    if !is_directory(&stat) {
        return Ok(true);
    }
    let folder = open_child(folder, name).doing("compare")?;
    for name in children(&folder)? {
        if !added(&folder, &name, &[path, b"/", &name].concat(), each)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What has the same name on both sides.
fn entry(a: &OwnedFd, b: &OwnedFd, name: &[u8], path: &[u8], each: Each<'_>) -> Result<bool> {
    let error = |e| Error::system("compare", e);
    let look = |fd: &OwnedFd| fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(error);
    let (x, y) = (look(a)?, look(b)?);
    if is_directory(&x) && is_directory(&y) {
        let open = |fd: &OwnedFd| open_child(fd, name).map_err(error);
        return directory(&open(a)?, &open(b)?, path, each);
    }
    let same = outside(&x) == outside(&y)
        && match FileType::from_raw_mode(x.st_mode) {
            FileType::RegularFile => same_content(a, b, name)?,
            FileType::Symlink => {
                let read = |fd: &OwnedFd| fs::readlinkat(fd, name, Vec::new()).map_err(error);
                read(a)? == read(b)?
            }
            _ => true,
        };
    Ok(same || each(Change::Changed, path))
}

/// What an inode says about itself.
fn outside(stat: &Stat) -> (u32, u32, u32, u64, i64, i64, u64) {
    // How large a directory is, is the file system's business.
    let size = match is_directory(stat) {
        true => 0,
        false => stat.st_size as u64,
    };
    let (seconds, part) = (stat.st_mtime, stat.st_mtime_nsec as i64);
    (
        stat.st_mode,
        stat.st_uid,
        stat.st_gid,
        stat.st_rdev,
        seconds,
        part,
        size,
    )
}

fn attributes(fd: &OwnedFd) -> Result<HashSet<(Vec<u8>, Vec<u8>)>> {
    let mut all: HashSet<_> = shown_attributes(fd.as_fd())?.into_iter().collect();
    all.extend(form_attributes(fd.as_fd())?);
    Ok(all)
}

fn same_content(a: &OwnedFd, b: &OwnedFd, name: &[u8]) -> Result<bool> {
    let open = |fd: &OwnedFd| open_file(fd, name).doing("open");
    let (x, y) = (open(a)?, open(b)?);
    if attributes(&x)? != attributes(&y)? {
        return Ok(false);
    }
    let (x, y) = (File::from(x), File::from(y));
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut position = 0;
    loop {
        let n = x.read_at(&mut left, position).doing("compare")?;
        if n == 0 {
            return Ok(true);
        }
        match y.read_exact_at(&mut right[..n], position) {
            Ok(()) if left[..n] == right[..n] => position += n as u64,
            Ok(()) => return Ok(false),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(e) => return Err(Error::system("compare", e)),
        }
    }
}
