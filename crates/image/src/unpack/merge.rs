//! Layers over each other in one root file system, by moving: only directories that both sides have are walked.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::attributes::{self, Owner, timestamps};
use super::directory::open_child;
use super::marks::number;
use super::remove::remove_at;
use super::tree::{is_directory, is_whiteout};
use super::{Summary, children, entries, open_directory};
use crate::error::{Doing, During, Error, Result};
use crate::tar::Time;

/// Moves the layer in `upper`, which was unpacked as [`Form::Flat`](super::Form), over `root`; both are on the same file system. `upper` is empty afterwards,
/// except for whiteouts. `summary` tells whether subtrees can be moved without looking for whiteouts in them.
pub fn merge(upper: &Path, root: &Path, owner: Owner, summary: &Summary) -> Result<()> {
    let merge = Merge {
        opaque: &summary.opaque,
        privileged: owner == Owner::Layer,
        plain: summary.whiteouts == 0,
    };
    let (upper_fd, root_fd) = (open_directory(upper)?, open_directory(root)?);
    if merge.is_opaque(upper_fd.as_fd())? {
        for name in children(&root_fd)? {
            remove_at(root_fd.as_fd(), &name).doing("empty directory")?;
        }
    }
    merge
        .directory(&upper_fd, &root_fd)
        .during(|| format!("move layer to {}", root.display()))
}

struct Merge<'a> {
    opaque: &'a HashSet<u64>,
    privileged: bool,
    plain: bool,
}

impl Merge<'_> {
    fn directory(&self, upper: &OwnedFd, lower: &OwnedFd) -> Result<()> {
        let stat = fs::fstat(upper).doing("read attributes")?;
        for entry in entries(upper).doing("read directory")? {
            let entry = entry.doing("read directory")?;
            let name = entry.file_name().to_bytes();
            self.entry(upper, lower, name)
                .during(|| String::from_utf8_lossy(name).into_owned())?;
        }
        attributes::copy(upper.as_fd(), lower.as_fd(), self.privileged)?;
        set_times(lower.as_fd(), &stat)
    }

    fn entry(&self, upper: &OwnedFd, lower: &OwnedFd, name: &[u8]) -> Result<()> {
        let error = |e| Error::system("move", e);
        let stat = fs::statat(upper, name, AtFlags::SYMLINK_NOFOLLOW).map_err(error)?;
        if is_whiteout(&stat) {
            return remove_at(lower.as_fd(), name).map_err(error);
        }
        let below = match fs::statat(lower, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(is_directory(&stat)),
            Err(Errno::NOENT) => None,
            Err(e) => return Err(error(e)),
        };
        if is_directory(&stat) {
            let from = open_child(upper, name).map_err(error)?;
            if below == Some(true) && !self.is_opaque(from.as_fd())? {
                return self.directory(&from, &open_child(lower, name).map_err(error)?);
            }
            if !self.plain {
                self.strip(&from)?;
            }
        }
        if below.is_some() {
            remove_at(lower.as_fd(), name).map_err(error)?;
        }
        // Moving a directory that is not writable to its owner needs write permission for its "..", without privilege.
        let sealed = is_directory(&stat) && !self.privileged && stat.st_mode & 0o200 == 0;
        let change = |folder: &OwnedFd, more: u32| {
            let mode = fs::Mode::from_raw_mode(stat.st_mode & 0o7777 | more);
            match sealed {
                true => fs::fchmod(open_child(folder, name)?, mode),
                false => Ok(()),
            }
        };
        change(upper, 0o200).map_err(error)?;
        fs::renameat(upper, name, lower, name).map_err(error)?;
        change(lower, 0).map_err(error)
    }

    /// Takes whiteouts out of a subtree under which nothing is.
    fn strip(&self, directory: &OwnedFd) -> Result<()> {
        let error = |e| Error::system("remove whiteouts", e);
        let stat = fs::fstat(directory).map_err(error)?;
        for entry in entries(directory).map_err(error)? {
            let entry = entry.map_err(error)?;
            let name = entry.file_name().to_bytes();
            use FileType::{BlockDevice, Fifo, RegularFile, Symlink};
            if let RegularFile | Symlink | Fifo | BlockDevice = entry.file_type() {
                continue;
            }
            let stat = fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(error)?;
            if is_whiteout(&stat) {
                fs::unlinkat(directory, name, AtFlags::empty()).map_err(error)?;
            } else if is_directory(&stat) {
                self.strip(&open_child(directory, name).map_err(error)?)?;
            }
        }
        set_times(directory.as_fd(), &stat)
    }

    fn is_opaque(&self, fd: BorrowedFd<'_>) -> Result<bool> {
        Ok(!self.opaque.is_empty() && self.opaque.contains(&number(fd)?))
    }
}

fn set_times(fd: BorrowedFd<'_>, stat: &Stat) -> Result<()> {
    fs::futimens(fd, &timestamps(Time::modified(stat))).doing("set time")
}
