//! What layers, each in a directory of its own, say about a name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::directory::open_child;
use super::marks::has_opaque_mark;
use super::path::split;
use super::tree::{is_whiteout, lookup};
use crate::error::{Doing, Error, Result};

/// What it says.
pub(crate) enum Said {
    Nothing,
    /// There is nothing, and what the layers below say does not count.
    Hidden,
    /// In this directory, under the last component of the name.
    Found(OwnedFd, Stat),
}

/// What the uppermost of `layers` that says something says about `path`. Folders are also found through links if `links` says
/// so. `opaque` is the attribute of directories that hide, if some may.
pub(crate) fn look<'a>(
    layers: impl IntoIterator<Item = &'a OwnedFd>,
    path: &[u8],
    links: bool,
    opaque: Option<&str>,
) -> Result<Said> {
    let (folder, name) = at(path);
    let more = match links {
        true => ResolveFlags::empty(),
        false => ResolveFlags::NO_SYMLINKS,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let hides = |layer| match opaque {
        Some(name) => any_above(layer, path, |fd| has_opaque_mark(fd, name)),
        None => Ok(false),
    };
    for layer in layers {
        let layer = layer.as_fd();
        // The same descriptor is looked at, and used by whoever asks: nothing can change in between (CVE-2026-50163).
        let found = lookup(layer, folder, flags, more).and_then(|folder| {
            let stat = fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((folder, stat))
        });
        return match found {
            Ok((_, stat)) if is_whiteout(&stat) => Ok(Said::Hidden),
            Ok((folder, stat)) => Ok(Said::Found(folder, stat)),
            Err(Errno::NOENT) if !hides(layer)? => continue,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(Said::Hidden),
            Err(e) => Err(Error::system("look into a layer", e)),
        };
    }
    Ok(Said::Nothing)
}

/// The directory that [`look`] found at `path`.
pub(crate) fn open_found(folder: &OwnedFd, path: &[u8]) -> Result<OwnedFd> {
    open_child(folder, at(path).1).doing("open directory")
}

/// Folder and name, as the kernel wants them.
fn at(path: &[u8]) -> (&[u8], &[u8]) {
    match split(path) {
        (b"", b"") => (b".", b"."),
        (b"", name) => (b".", name),
        both => both,
    }
}

/// Asks `test` about the directories that lead to `path`, as far as they are there.
pub(super) fn any_above(
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
    for name in split(path).0.split(|b| *b == b'/') {
        match open_child(at.as_ref().map_or(root, |fd| fd.as_fd()), name) {
            Ok(fd) if test(fd.as_fd())? => return Ok(true),
            Ok(fd) => at = Some(fd),
            Err(_) => break,
        }
    }
    Ok(false)
}
