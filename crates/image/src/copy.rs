//! Copying images between places, without changing a byte.

use std::collections::HashSet;

use oci_spec::image::{Descriptor, Digest};

use crate::error::{During, Result};
use crate::index;
use crate::manifest::{Content, Document, is_known};
use crate::parallel::all;
use crate::platform::Wanted;
use crate::source::{Destination, Source};
use crate::transfer::once_more;

/// What to copy of an index.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Everything.
    All,
    /// The image for one platform, without the index.
    One(Wanted),
}

impl Selection {
    /// What of `source` is meant.
    pub(crate) fn root(&self, source: &dyn Source) -> Result<Document> {
        let root = source.root()?;
        match self {
            Selection::All => Ok(root),
            Selection::One(wanted) => Ok(index::find(source, &root, wanted)?.0),
        }
    }
}

/// Copies an image; content that is there already is not read. Returns what the name now stands for.
pub fn copy(
    source: &dyn Source,
    destination: &dyn Destination,
    selection: &Selection,
    parallel: usize,
) -> Result<Descriptor> {
    copy_as(source, destination, selection, parallel, true)
}

/// The same without giving it a name.
pub fn copy_content(
    source: &dyn Source,
    destination: &dyn Destination,
    selection: &Selection,
    parallel: usize,
) -> Result<Descriptor> {
    copy_as(source, destination, selection, parallel, false)
}

fn copy_as(
    source: &dyn Source,
    destination: &dyn Destination,
    selection: &Selection,
    parallel: usize,
    named: bool,
) -> Result<Descriptor> {
    let root = selection.root(source)?;
    let mut seen = HashSet::new();
    document(source, destination, &root, named, parallel, &mut seen, 0)?;
    Ok(root.descriptor)
}

/// Content first, then the manifest that needs it: a destination never has a manifest with holes. What was `seen` is not
/// looked at again: a few small indexes that all list each other's entries could stand for any number of requests.
fn document(
    source: &dyn Source,
    to: &dyn Destination,
    root: &Document,
    named: bool,
    parallel: usize,
    seen: &mut HashSet<Digest>,
    depth: usize,
) -> Result<()> {
    index::check_depth(depth)?;
    let mut blobs = Vec::new();
    for child in root.children() {
        if !seen.insert(child.digest().clone()) {
            continue;
        }
        if matches!(root.content, Content::Index(_)) && is_known(child.media_type().as_ref()) {
            let child = source.document(&child)?;
            document(source, to, &child, false, parallel, seen, depth + 1)?;
        } else {
            blobs.push(child);
        }
    }
    all(blobs.len(), parallel, |n| {
        let blob = &blobs[n];
        let copy = || match to.has(blob)? {
            true => Ok(()),
            false => once_more(source, blob, || to.put(blob, source)),
        };
        copy().during(|| format!("copy {}", blob.digest()))
    })?;
    to.put_document(root, named)
}
