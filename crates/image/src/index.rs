//! Indexes: finding one image, where entries may be indexes again, and putting images for several platforms together.

use std::collections::HashSet;

use oci_spec::image::{Descriptor, Digest, ImageIndex, MediaType, Platform};

use crate::error::{Error, Kind, Result};
use crate::layout;
use crate::limits::Limits;
use crate::manifest::{Content, Document, Image, is_index};
use crate::platform::{self, Wanted};
use crate::reference::Reference;
use crate::source::Source;
use crate::store::Store;

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
        offered: Vec::new(),
        missing: None,
    };
    match search.below(root, 0)? {
        Some(found) => Ok((found, search.path)),
        None => Err(match (search.missing, &root.content) {
            (Some(missing), _) => missing,
            (None, Content::Index(_)) => platform::nothing(&search.offered, wanted),
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
    /// By all indexes that were looked into.
    offered: Vec<Platform>,
    /// An index that is not there, where the image may have been.
    missing: Option<Error>,
}

impl Search<'_> {
    fn below(&mut self, document: &Document, depth: usize) -> Result<Option<Document>> {
        let Content::Index(index) = &document.content else {
            return Ok(Some(document.clone()));
        };
        check_depth(depth + 1)?;
        let platforms = index
            .manifests()
            .iter()
            .filter_map(|d| d.platform().clone());
        self.offered.extend(platforms);
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

/// The entries that an index has for a document of `store`: an image with its platform, or all that another index has.
pub fn entries(store: &Store, descriptor: &Descriptor, limits: &Limits) -> Result<Vec<Descriptor>> {
    let document = store.layout().document(descriptor, limits.manifest_bytes)?;
    let manifest = match document.content {
        Content::Index(index) => return Ok(index.manifests().clone()),
        Content::Manifest(manifest) => manifest,
    };
    let mut entry = document.descriptor.clone();
    let config = (store.layout()).read_blob(manifest.config(), limits.config_bytes)?;
    if let Ok(image) = Image::assemble(document.descriptor, *manifest, &config, limits) {
        let mut platform = Platform::default();
        platform.set_os(image.config.os().clone());
        platform.set_architecture(image.config.architecture().clone());
        platform.set_variant(image.config.variant().clone());
        platform.set_os_version(image.config.os_version().clone());
        platform.set_os_features(image.config.os_features().clone());
        entry.set_platform(Some(platform));
    }
    Ok(vec![entry])
}

/// Changes the entries of the index `name` in `store`, and gives the name to what comes of it; an index that is not there has no
/// entries.
///
/// # Errors
/// [`Kind::Usage`] when something else has the name.
pub fn edit(
    store: &Store,
    name: &Reference,
    limits: &Limits,
    change: impl FnOnce(&mut Vec<Descriptor>) -> Result<()>,
) -> Result<Descriptor> {
    let (layout, text) = (store.layout(), name.to_string());
    // Others may change it at the same time: all of it is one step for them.
    layout.edit(|names| {
        let old = names.iter().find(|d| layout::ref_name(d) == Some(&text));
        let old = old.map(|d| layout.document(d, limits.manifest_bytes));
        let mut index = match old.transpose()?.map(|old| old.content) {
            Some(Content::Index(index)) => *index,
            Some(Content::Manifest(_)) => fail!(Usage: "{name} is an image and no index"
                => "Choose another name for the index"),
            None => empty(),
        };
        let mut entries = index.manifests().clone();
        change(&mut entries)?;
        index.set_manifests(entries);
        let document = Document::made(&index)?;
        layout.put(&document.descriptor, &document.bytes)?;
        layout::name_entry(names, Some(&text), None, &document.descriptor);
        Ok(document.descriptor)
    })
}

pub(crate) fn empty() -> ImageIndex {
    let mut index = ImageIndex::default();
    index.set_schema_version(2);
    index.set_media_type(Some(MediaType::ImageIndex));
    index
}
