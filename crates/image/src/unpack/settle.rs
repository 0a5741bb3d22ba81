//! What is done when all entries of a layer are written and the layers below are complete.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::attributes::{self, Attributes, timestamps};
use super::directory::{open_child, open_file};
use super::journal::Record;
use super::marks::{Form, Marks, has_opaque_mark};
use super::tree::{Tree, is_whiteout, lookup};
use super::{Layer, path};
use crate::error::{Doing, Error, Kind, Result};
use crate::tar::Time;

pub(super) fn settle(layer: &mut Layer, lowers: &[OwnedFd]) -> Result<()> {
    let Layer {
        tree,
        attributes,
        marks,
        journal,
        ..
    } = layer;
    // Links first: they change the times of directories.
    journal.replay(|record| match record {
        Record::Link { path, target } => {
            link(tree, attributes, marks.form(), &path, &target, lowers)
        }
        _ => Ok(()),
    })?;
    journal.replay(|record| match record {
        Record::Implicit { path } => adopt(tree, attributes, marks, &path, lowers),
        _ => Ok(()),
    })?;
    journal.replay(|record| match record {
        Record::Times { path, time } => times(tree, &path, time),
        _ => Ok(()),
    })
}

fn times(tree: &Tree, path: &[u8], time: Time) -> Result<()> {
    match present(tree, path)? {
        Some(fd) => fs::futimens(fd, &timestamps(time)).doing("set time"),
        None => Ok(()),
    }
}

/// The directory at `path`, unless it was replaced by something else later on.
fn present(tree: &Tree, path: &[u8]) -> Result<Option<OwnedFd>> {
    match directory(tree.root(), path) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        other => other.map(Some).doing("open directory"),
    }
}

/// The directory at `path`, which must not be a link itself.
fn directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    lookup(root, path, flags)
}

/// A directory that no entry described is, for the layers below, unchanged: it takes its attributes from there.
fn adopt(
    tree: &Tree,
    attributes: &Attributes,
    marks: &mut Marks,
    path: &[u8],
    lowers: &[OwnedFd],
) -> Result<()> {
    let Some(fd) = present(tree, path)? else {
        return Ok(());
    };
    // An entry may have described it after all.
    if !marks.described(&fd)? {
        return Ok(());
    }
    let mut time = Time::default();
    let hidden = marks.is_replaced(&fd)?
        || (marks.hide_something() && any_above(tree.root(), path, |fd| marks.is_opaque(fd))?);
    for lower in lowers.iter().filter(|_| !hidden) {
        match directory(lower.as_fd(), path) {
            Ok(below) => {
                attributes::copy(below.as_fd(), fd.as_fd(), attributes.privileged())?;
                time = Time::modified(&stat(&below)?);
                break;
            }
            Err(Errno::NOENT) if !hides(lower, path, marks.form())? => {}
            // Something else, or a whiteout, ends the search.
            Err(_) => break,
        }
    }
    // Without a model: not the time of unpacking, so that the same layer gives the same tree.
    fs::futimens(&fd, &timestamps(time)).doing("set time")
}

fn stat(fd: &OwnedFd) -> Result<Stat> {
    fs::fstat(fd).doing("read attributes")
}

/// True if what is below `lower` does not count for `path`, which is not there.
fn hides(lower: &OwnedFd, path: &[u8], form: Form) -> Result<bool> {
    match form {
        // All layers below are one tree already.
        Form::Flat => Ok(false),
        Form::Overlay => {
            let name = attributes::opaque_name();
            any_above(lower.as_fd(), path, |fd| has_opaque_mark(fd, &name))
        }
    }
}

/// Asks `test` about the directories that lead to `path`, as far as they are there.
fn any_above(
    root: BorrowedFd<'_>,
    path: &[u8],
    test: impl Fn(BorrowedFd<'_>) -> Result<bool>,
) -> Result<bool> {
    if path.is_empty() {
        return Ok(false);
    }
    if test(root)? {
        return Ok(true);
    }
    let mut at: Option<OwnedFd> = None;
    for name in path::split(path).0.split(|b| *b == b'/') {
        match open_child(at.as_ref().map_or(root, |fd| fd.as_fd()), name) {
            Ok(fd) if test(fd.as_fd())? => return Ok(true),
            Ok(fd) => at = Some(fd),
            Err(_) => break,
        }
    }
    Ok(false)
}

/// A hard link to a file of a lower layer. In one tree it is one; overlayfs cannot link across layers, so the file is copied up.
fn link(
    tree: &mut Tree,
    attributes: &Attributes,
    form: Form,
    path: &[u8],
    target: &[u8],
    lowers: &[OwnedFd],
) -> Result<()> {
    let shown = String::from_utf8_lossy(path).into_owned();
    let about = |kind, what: &str| Error::new(kind, format!("entry {shown:?}: {what}"));
    let nowhere = "the target of the hard link does not exist";
    let missing = || about(Kind::Malformed, nowhere);
    let error = |e| Error::system(format!("entry {shown:?}: copy link target"), e);
    // It may have come later in the same layer.
    let own = tree.root().try_clone_to_owned();
    let own = [own.doing("duplicate descriptor")?];
    let (target_folder, target_name) = path::split(target);
    let mut found = None;
    for lower in own.iter().chain(lowers) {
        // The same descriptor is looked at, and linked or read from.
        let folder = match target_folder {
            b"" => lower.try_clone().map_err(|_| Errno::NFILE),
            folder => lookup(lower.as_fd(), folder, OFlags::RDONLY | OFlags::DIRECTORY),
        };
        let looked = folder.and_then(|folder| {
            let stat = fs::statat(&folder, target_name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((folder, stat))
        });
        match looked {
            Ok((_, stat)) if is_whiteout(&stat) => return Err(missing()),
            Ok(there) => {
                found = Some(there);
                break;
            }
            Err(Errno::NOENT) if !hides(lower, target, form)? => {}
            Err(_) => return Err(missing()),
        }
    }
    let (from, stat) = found.ok_or_else(missing)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        let what = "a hard link to something that is no file, in a lower layer";
        return Err(about(Kind::Unsafe, what));
    }
    let (folder, name) = path::split(path);
    let parent = tree.existing(folder).map_err(error)?;
    tree.clear(&parent, name).map_err(error)?;
    if form == Form::Flat
        && fs::linkat(&from, target_name, &*parent, name, AtFlags::empty()).is_ok()
    {
        return Ok(());
    }
    let from = open_file(&from, target_name).map_err(error)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let to = fs::openat(&*parent, name, flags, Mode::RUSR | Mode::WUSR).map_err(error)?;
    let (mut from, mut to) = (std::fs::File::from(from), std::fs::File::from(to));
    std::io::copy(&mut from, &mut to).doing("copy link target")?;
    attributes::copy(from.as_fd(), to.as_fd(), attributes.privileged())?;
    let times = timestamps(Time::modified(&stat));
    fs::utimensat(&*parent, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(error)
}
