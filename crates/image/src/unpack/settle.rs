//! What is done when all entries of a layer are written and the layers below are complete.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::attributes::{self, Attributes, timestamps};
use super::directory::open_file;
use super::look::{Said, any_above, look, open_found};
use super::marks::{Form, Marks};
use super::tree::{Tree, is_directory, lookup};
use super::{Layer, journal, path};
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
    journal.replay(journal::Kind::Link, |path, target| {
        link(tree, attributes, marks, &path, &target, lowers)
    })?;
    journal.replay(journal::Kind::Implicit, |path, _| {
        adopt(tree, attributes, marks, &path, lowers)
    })?;
    journal.replay(journal::Kind::Times, |path, time| times(tree, &path, &time))
}

fn times(tree: &Tree, path: &[u8], time: &[u8]) -> Result<()> {
    match present(tree, path)? {
        Some(fd) => fs::futimens(fd, &timestamps(Time::from_bytes(time))).doing("set time"),
        None => Ok(()),
    }
}

/// The directory at `path`, unless it was replaced by something else later on.
fn present(tree: &Tree, path: &[u8]) -> Result<Option<OwnedFd>> {
    match directory(tree.root().as_fd(), path) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        other => other.map(Some).doing("open directory"),
    }
}

/// The directory at `path`, which must not be a link itself.
fn directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    lookup(root, path, flags, ResolveFlags::empty())
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
        || (marks.hide_something()
            && any_above(tree.root().as_fd(), path, |fd| marks.is_opaque(fd))?);
    let lowers = lowers.iter().filter(|_| !hidden);
    if let Said::Found(folder, stat) = look(lowers, path, true, marks.opaque_name())?
        && is_directory(&stat)
    {
        let below = open_found(&folder, path)?;
        attributes::copy(below.as_fd(), fd.as_fd(), attributes.privileged())?;
        time = Time::modified(&stat);
    }
    // Without a model: not the time of unpacking, so that the same layer gives the same tree.
    fs::futimens(&fd, &timestamps(time)).doing("set time")
}

/// A hard link to a file of a lower layer. In one tree it is one; overlayfs cannot link across layers, so the file is copied up.
fn link(
    tree: &mut Tree,
    attributes: &Attributes,
    marks: &Marks,
    path: &[u8],
    target: &[u8],
    lowers: &[OwnedFd],
) -> Result<()> {
    let shown = String::from_utf8_lossy(path).into_owned();
    let about = |kind, what: &str| Error::new(kind, format!("entry {shown:?}: {what}"));
    let error = |e| Error::system(format!("entry {shown:?}: copy link target"), e);
    // It may have come later in the same layer.
    let layers = [tree.root()].into_iter().chain(lowers);
    let Said::Found(from, stat) = look(layers, target, true, marks.opaque_name())? else {
        let what = "the target of the hard link does not exist";
        return Err(about(Kind::Malformed, what));
    };
    let target_name = path::split(target).1;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        let what = "a hard link to something that is no file, in a lower layer";
        return Err(about(Kind::Unsafe, what));
    }
    let (folder, name) = path::split(path);
    let parent = tree.existing(folder).map_err(error)?;
    tree.clear(&parent, name).map_err(error)?;
    if marks.form() == Form::Flat
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
