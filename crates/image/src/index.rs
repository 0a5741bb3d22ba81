//! Finding one image in an index, whose entries may be indexes again.

use std::collections::HashSet;

use oci_spec::image::Digest;

use crate::error::{Error, Kind, Result};
use crate::manifest::{Content, Document, is_index};
use crate::platform::{self, Wanted};
use crate::source::Source;

/// Indexes in indexes, at most; nobody needs more than a few of these.
const DEPTH: usize = 8;

/// Refuses what is nested deeper than anybody needs.
pub(crate) fn check_depth(depth: usize) -> Result<()> {
    match depth {
        0..=DEPTH => Ok(()),
        _ => Err(failure!(Malformed: "indexes that point to indexes, more than eight deep")),
    }
}

/// The image below `root` that suits `wanted` best, and the documents on the way to it, `root` left out. Where an index in an
/// index has none, the next entry is looked into.
///
/// # Errors
/// [`Kind::NotFound`] when no entry suits, listing what there is; what the source reports.
pub(crate) fn find(
    source: &dyn Source,
    root: &Document,
    wanted: &Wanted,
) -> Result<(Document, Vec<Document>)> {
    let mut search = Search {
        source,
        wanted,
        seen: HashSet::new(),
        path: Vec::new(),
        missing: None,
    };
    match search.below(root, 0)? {
        Some(found) => Ok((found, search.path)),
        None => Err(match (search.missing, &root.content) {
            (Some(missing), _) => missing,
            (None, Content::Index(index)) => platform::nothing(index, wanted),
            (None, Content::Manifest(_)) => failure!(NotFound: "no image"),
        }),
    }
}

struct Search<'a> {
    source: &'a dyn Source,
    wanted: &'a Wanted,
    /// A few small indexes that list each other could stand for any number of requests.
    seen: HashSet<Digest>,
    path: Vec<Document>,
    /// An index that is not there, where the image may have been.
    missing: Option<Error>,
}

impl Search<'_> {
    fn below(&mut self, document: &Document, depth: usize) -> Result<Option<Document>> {
        let Content::Index(index) = &document.content else {
            return Ok(Some(document.clone()));
        };
        check_depth(depth + 1)?;
        for entry in platform::candidates(index, self.wanted) {
            if !self.seen.insert(entry.digest().clone()) {
                continue;
            }
            let child = match self.source.document(entry) {
                Err(e) if e.kind() == Kind::NotFound && is_index(entry.media_type().as_ref()) => {
                    self.missing.get_or_insert(e);
                    continue;
                }
                other => other?,
            };
            self.path.push(child.clone());
            if let Some(found) = self.below(&child, depth + 1)? {
                return Ok(Some(found));
            }
            self.path.pop();
        }
        Ok(None)
    }
}
