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
mod directory;
mod entry;
mod journal;
mod look;
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
pub(crate) use directory::{children, entries, open_child, open_directory, open_file};
pub(crate) use look::{Said, look, open_found};
pub use marks::Form;
pub(crate) use marks::has_opaque_mark;
pub use remove::remove_tree;
pub(crate) use tree::{is_directory, is_whiteout, lookup};

use std::collections::HashSet;
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::error::{During, Result};
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
            journal: Journal::new(directory),
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
