//! Copying images between places, without changing a byte.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use oci_spec::image::Descriptor;

use crate::error::{During, Error, Kind, Result};
use crate::manifest::{Content, Document, is_index, is_manifest};
use crate::platform::{self, Wanted};
use crate::source::{Destination, Source};

/// What to copy of an index.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Everything.
    All,
    /// The image for one platform, without the index.
    One(Wanted),
}

/// Copies an image; content that is there already is not read. Returns what the name now stands for.
///
/// # Errors
/// What source and destination report.
pub fn copy(
    source: &dyn Source,
    destination: &dyn Destination,
    selection: &Selection,
    parallel: usize,
) -> Result<Descriptor> {
    let mut root = source.root()?;
    if let Selection::One(wanted) = selection {
        let mut depth = 0;
        while let Content::Index(index) = &root.content {
            root = source.document(platform::choose(index, wanted)?)?;
            depth += 1;
            if depth > 8 {
                return Err(Error::new(
                    Kind::Malformed,
                    "indexes that point to indexes, more than eight deep",
                ));
            }
        }
    }
    document(source, destination, &root, true, parallel, 0)?;
    Ok(root.descriptor)
}

/// Content first, then the manifest that needs it: a destination never has a manifest with holes.
fn document(
    source: &dyn Source,
    to: &dyn Destination,
    root: &Document,
    named: bool,
    parallel: usize,
    depth: usize,
) -> Result<()> {
    if depth > 8 {
        return Err(Error::new(
            Kind::Malformed,
            "indexes that point to indexes, more than eight deep",
        ));
    }
    let mut seen = HashSet::new();
    let mut blobs = Vec::new();
    for child in root.children() {
        if !seen.insert(child.digest().clone()) {
            continue;
        }
        let media_type = child.media_type().as_ref();
        if matches!(root.content, Content::Index(_))
            && (is_index(media_type) || is_manifest(media_type))
        {
            let child = source.document(&child)?;
            document(source, to, &child, false, parallel, depth + 1)?;
        } else {
            blobs.push(child);
        }
    }
    all(&blobs, parallel, |blob| {
        if to.has(blob)? {
            return Ok(());
        }
        crate::transfer::once_more(|| to.put(blob, source))
            .during(|| format!("copy {}", blob.digest()))
    })?;
    to.put_document(root, named)
}

fn all(
    blobs: &[Descriptor],
    parallel: usize,
    each: impl Fn(&Descriptor) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let failed = || {
        failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    std::thread::scope(|scope| {
        for _ in 0..parallel.clamp(1, blobs.len().max(1)) {
            scope.spawn(|| {
                while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if failed().is_some() {
                        return;
                    }
                    if let Err(e) = each(blob) {
                        failed().get_or_insert(e);
                    }
                }
            });
        }
    });
    let failure = failed().take();
    failure.map_or(Ok(()), Err)
}
