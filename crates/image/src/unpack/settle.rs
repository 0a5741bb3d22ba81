//! What is done when all entries of a layer are written and the layers below are complete.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::{self, Attributes, timestamps};
use super::journal::{Journal, Record};
use super::path;
use super::tree::{Tree, is_whiteout, lookup, stat_below};
use crate::error::{Error, Kind, Result};
use crate::tar::Time;

pub(super) fn settle(
    tree: &mut Tree,
    attributes: &Attributes,
    journal: &mut Journal,
    lowers: &[OwnedFd],
) -> Result<()> {
    // Links first: they change the times of directories.
    journal.replay(|record| match record {
        Record::Link { path, target } => link(tree, attributes, &path, &target, lowers),
        _ => Ok(()),
    })?;
    journal.replay(|record| match record {
        Record::Implicit { path } => adopt(tree, attributes, &path, lowers),
        _ => Ok(()),
    })?;
    journal.replay(|record| match record {
        Record::Times { path, time } => times(tree, &path, time),
        _ => Ok(()),
    })
}

fn times(tree: &Tree, path: &[u8], time: Time) -> Result<()> {
    match directory(tree.root(), path) {
        Ok(fd) => fs::futimens(fd, &timestamps(time)).map_err(|e| Error::system("set time", e)),
        // It was replaced by something else later on.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
        Err(e) => Err(Error::system("open directory", e)),
    }
}

/// The directory at `path`, which must not be a link itself.
fn directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    lookup(
        root,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW,
    )
}

/// A directory that no entry described is, for the layers below, unchanged: it takes its attributes from there.
fn adopt(tree: &Tree, attributes: &Attributes, path: &[u8], lowers: &[OwnedFd]) -> Result<()> {
    let fd = match directory(tree.root(), path) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(e) => return Err(Error::system("open directory", e)),
    };
    match fs::fremovexattr(&fd, attributes.implicit()) {
        Ok(()) => {}
        // An entry described it after all.
        Err(Errno::NODATA) => return Ok(()),
        Err(e) => return Err(Error::system("unmark directory", e)),
    }
    let mut time = Time::default();
    let hidden = attributes::names(fd.as_fd())?
        .iter()
        .any(|n| n == attributes.opaque().as_bytes());
    for lower in lowers.iter().filter(|_| !hidden) {
        match directory(lower.as_fd(), path) {
            Ok(below) => {
                attributes::copy(below.as_fd(), fd.as_fd(), attributes.privileged())?;
                let stat = fs::fstat(&below).map_err(|e| Error::system("read attributes", e))?;
                time = Time {
                    seconds: stat.st_mtime,
                    nanoseconds: stat.st_mtime_nsec as u32,
                };
                break;
            }
            Err(Errno::NOENT) => {}
            // Something else, or a whiteout, ends the search.
            Err(_) => break,
        }
    }
    // Without a model: not the time of unpacking, so that the same layer gives the same tree.
    fs::futimens(&fd, &timestamps(time)).map_err(|e| Error::system("set time", e))
}

/// A hard link to a file of a lower layer: overlayfs cannot link across layers, so the file is copied up.
fn link(
    tree: &mut Tree,
    attributes: &Attributes,
    path: &[u8],
    target: &[u8],
    lowers: &[OwnedFd],
) -> Result<()> {
    let missing = || {
        Error::new(
            Kind::Malformed,
            format!(
                "entry {:?}: the target of the hard link does not exist",
                String::from_utf8_lossy(path)
            ),
        )
    };
    let error = |e| {
        Error::system(
            format!(
                "entry {:?}: copy link target",
                String::from_utf8_lossy(path)
            ),
            e,
        )
    };
    // It may have come later in the same layer.
    let own = [tree
        .root()
        .try_clone_to_owned()
        .map_err(|e| Error::system("duplicate descriptor", e))?];
    let mut found = None;
    for lower in own.iter().chain(lowers) {
        match stat_below(lower.as_fd(), target) {
            Ok(stat) if is_whiteout(&stat) => return Err(missing()),
            Ok(stat) => {
                found = Some((lower, stat));
                break;
            }
            Err(Errno::NOENT) => {}
            Err(_) => return Err(missing()),
        }
    }
    let (lower, stat) = found.ok_or_else(missing)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::new(
            Kind::Unsafe,
            format!(
                "entry {:?}: a hard link to something that is no file, in a lower layer",
                String::from_utf8_lossy(path)
            ),
        ));
    }
    let (folder, name) = path::split(path);
    let parent = tree.existing(folder).map_err(error)?;
    tree.clear(&parent, name).map_err(error)?;
    let from = lookup(
        lower.as_fd(),
        target,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
    )
    .map_err(error)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let to = fs::openat(&*parent, name, flags, Mode::RUSR | Mode::WUSR).map_err(error)?;
    let (mut from, mut to) = (std::fs::File::from(from), std::fs::File::from(to));
    std::io::copy(&mut from, &mut to).map_err(|e| Error::system("copy link target", e))?;
    attributes::copy(from.as_fd(), to.as_fd(), attributes.privileged())?;
    let time = Time {
        seconds: stat.st_mtime,
        nanoseconds: stat.st_mtime_nsec as u32,
    };
    fs::utimensat(&*parent, name, &timestamps(time), AtFlags::SYMLINK_NOFOLLOW).map_err(error)
}
