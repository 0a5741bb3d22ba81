//! From a layer's archive to a directory that overlayfs can mount, and from several of these to one root file system.
//!
//! Every layer becomes a directory of its own first, with whiteouts in the form of overlayfs. That makes layers independent
//! of each other (they are unpacked in parallel) and whiteouts independent of the order of entries. One root file
//! system is then made by *moving* the directories over each other: see [`merge`].
//!
//! All names are looked up below a directory descriptor with `openat2(RESOLVE_IN_ROOT)`; the last component is never
//! followed. Nothing is kept per entry, but a number for each directory that no entry describes: what must wait until the end is
//! written to an unnamed file.

mod attributes;
mod entry;
mod journal;
mod marks;
pub mod merge;
mod path;
mod remove;
mod settle;
mod tree;

pub use attributes::Owner;
pub(crate) use attributes::{
    copy as copy_attributes, of_form as form_attributes, opaque_name, overlay_namespace,
    shown as shown_attributes, timestamps,
};
pub use marks::Form;
pub(crate) use marks::has_opaque_mark;
pub use remove::remove_tree;
pub(crate) use tree::{is_directory, is_whiteout, lookup, open_child};

use std::collections::HashSet;
use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Dir, DirEntry};
use rustix::io::Errno;

use crate::error::{Doing, During, Result};
use crate::limits::Limits;
use crate::tar::{Entry, Reader};

use attributes::Attributes;
use journal::Journal;
use marks::Marks;
use tree::Tree;

/// What was found in a layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries, whiteouts included.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
    /// Whiteouts of both kinds.
    pub whiteouts: u64,
    /// Devices that could not be made without privilege.
    pub skipped_devices: u64,
    /// Inode numbers of directories that hide what is below, where that is not written on the disk.
    opaque: HashSet<u64>,
}

/// One layer on its way into a directory.
pub struct Layer {
    tree: Tree,
    attributes: Attributes,
    marks: Marks,
    journal: Journal,
    limits: Limits,
    summary: Summary,
}

impl Layer {
    /// Starts with the empty directory `directory`.
    pub fn new(directory: &Path, form: Form, owner: Owner, limits: &Limits) -> Result<Self> {
        let root = open_directory(directory)?;
        let mut layer = Layer {
            journal: Journal::new(directory)?,
            tree: Tree::new(root),
            attributes: Attributes::new(owner),
            marks: Marks::new(form),
            limits: limits.clone(),
            summary: Summary::default(),
        };
        layer.start()?;
        Ok(layer)
    }

    /// Unpacks all entries of an uncompressed archive. What follows the end of the archive is left in `input`.
    pub fn unpack<R: BufRead>(&mut self, input: R) -> Result<R> {
        let mut reader = Reader::new(input, self.limits.clone());
        let mut entry = Entry::default();
        while reader.next(&mut entry)? {
            self.summary.entries += 1;
            self.apply(&entry, &mut reader)
                .during(|| format!("entry {:?}", String::from_utf8_lossy(&entry.path)))?;
        }
        Ok(reader.into_inner())
    }

    /// Completes what could only be known at the end. `lowers` are the finished layers below, the uppermost first:
    /// directories that the archive left out take their attributes from there, and links to their files are resolved.
    pub fn settle(mut self, lowers: &[OwnedFd]) -> Result<Summary> {
        settle::settle(&mut self, lowers)?;
        self.summary.opaque = self.marks.into_opaque();
        Ok(self.summary)
    }
}

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
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).at("open directory", path)
}
