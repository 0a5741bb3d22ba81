//! Indexes: finding one image, where entries may be indexes again, and putting images for several platforms together.

use std::collections::HashSet;

use oci_spec::image::{Descriptor, Digest, ImageIndex, MediaType, Platform};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};
use crate::json::{parse_document, parse_json};
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

/// An index without entries.
pub(crate) const EMPTY: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Reads an index, and changes its entries as they stand there: the types do not know all that they may say (`os.version`), and
/// what is written again must have it.
pub(crate) fn change<T>(
    bytes: &[u8],
    what: &str,
    change: impl FnOnce(&mut Vec<Value>) -> Result<T>,
) -> Result<(Value, T)> {
    parse_document::<ImageIndex>(bytes, what)?;
    let mut index: Value = parse_json(bytes, what)?;
    let entries = index.get_mut("manifests").and_then(Value::as_array_mut);
    let result = change(entries.ok_or_else(|| failure!(Malformed: "{what} has no entries"))?)?;
    if index["mediaType"].is_null() {
        index["mediaType"] = json!(MediaType::ImageIndex);
    }
    Ok((index, result))
}

/// True for an entry of the content with that digest.
pub fn is_of(entry: &Value, digest: &Digest) -> bool {
    entry["digest"] == digest.as_ref()
}

/// The entries that an index has for a document of `store`: an image with its platform, or all that another index has.
pub fn entries(store: &Store, descriptor: &Descriptor, limits: &Limits) -> Result<Vec<Value>> {
    let document = store.layout().document(descriptor, limits.manifest_bytes)?;
    let manifest = match document.content {
        Content::Index(_) => {
            let copy = |entries: &mut Vec<Value>| Ok(entries.clone());
            return Ok(change(&document.bytes, "index", copy)?.1);
        }
        Content::Manifest(manifest) => manifest,
    };
    let mut entry = json!(document.descriptor);
    let config = (store.layout()).read_blob(manifest.config(), limits.config_bytes)?;
    if Image::assemble(document.descriptor, *manifest, &config, limits).is_ok() {
        // Both have the same names for it.
        let Value::Object(config) = parse_json(&config, "configuration")? else {
            return Ok(vec![entry]);
        };
        let names = ["os", "architecture", "variant", "os.version", "os.features"];
        let platform = config
            .into_iter()
            .filter(|(k, v)| names.contains(&k.as_str()) && !v.is_null());
        entry["platform"] = Value::Object(platform.collect());
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
    change: impl FnOnce(&mut Vec<Value>) -> Result<()>,
) -> Result<Descriptor> {
    let (layout, text) = (store.layout(), name.to_string());
    // Others may change it at the same time: all of it is one step for them.
    layout.edit(|names| {
        let named = names.iter().find(|d| layout::called(d) == Some(&text));
        let old = match named.map(Descriptor::deserialize).transpose() {
            Ok(None) => EMPTY.to_vec(),
            Ok(Some(old)) => {
                let old = layout.document(&old, limits.manifest_bytes)?;
                if let Content::Manifest(_) = old.content {
                    fail!(Usage: "{name} is an image and no index"
                        => "Choose another name for the index");
                }
                old.bytes
            }
            Err(e) => fail!(Malformed: "index.json: {e}"),
        };
        let (index, ()) = self::change(&old, "index", change)?;
        let document = Document::made(&index)?;
        layout.put(&document.descriptor, &document.bytes)?;
        layout::name_entry(names, Some(&text), None, &document.descriptor);
        Ok(document.descriptor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A store with an index `a:1` whose entry has more than the types know.
    fn store() -> (tempfile::TempDir, Store, Reference, Value) {
        let temporary = tempfile::tempdir().unwrap();
        let store = Store::open(temporary.path()).unwrap();
        let index = json!({
            "schemaVersion": 2, "mediaType": MediaType::ImageIndex, "later": {"a": 1},
            "manifests": [{
                "mediaType": MediaType::ImageManifest, "size": 2, "digest": crate::digest::of(b"{}"), "later": [2],
                "platform": {"os": "windows", "architecture": "amd64", "os.version": "10.0", "os.features": ["win32k"], "later": 3},
            }],
        });
        let document = Document::made(&index).unwrap();
        let (name, layout) = (
            "localhost/a:1".parse::<Reference>().unwrap(),
            store.layout(),
        );
        layout.put(&document.descriptor, &document.bytes).unwrap();
        layout
            .tag(Some(&name.to_string()), &document.descriptor)
            .unwrap();
        (temporary, store, name, index)
    }

    #[test]
    fn what_the_types_do_not_know_survives_an_edit() {
        let (_temporary, store, name, mut index) = store();
        let limits = Limits::default();
        let made = edit(&store, &name, &limits, |entries| {
            entries[0]["annotations"]["b"] = json!("c");
            Ok(())
        });
        let made = made.unwrap();
        index["manifests"][0]["annotations"] = json!({"b": "c"});
        let bytes = store.layout().read_blob(&made, 1 << 20).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), index);
        let entries = entries(&store, &made, &limits).unwrap();
        assert_eq!(json!(entries), index["manifests"]);
    }

    #[test]
    fn what_the_types_do_not_know_survives_in_index_json() {
        let (_temporary, store, _, index) = store();
        let path = store.layout().root().join("index.json");
        fs::write(&path, index.to_string()).unwrap();
        let descriptor = crate::digest::describe("a/b", b"");
        store.layout().tag(Some("new"), &descriptor).unwrap();
        assert!(store.layout().untag("new").unwrap());
        let left: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(left, index);
    }

    #[test]
    fn the_platform_of_an_image_is_whole() {
        let (_temporary, store, ..) = store();
        let put = |media_type: MediaType, value: Value| {
            let bytes = value.to_string().into_bytes();
            let descriptor = crate::digest::describe(media_type.as_ref(), &bytes);
            store.layout().put(&descriptor, &bytes).unwrap();
            descriptor
        };
        let platform = json!({"os": "windows", "architecture": "amd64", "os.version": "10.0", "os.features": ["win32k"]});
        let mut config = platform.clone();
        config["rootfs"] = json!({"type": "layers", "diff_ids": []});
        let config = put(MediaType::ImageConfig, config);
        let media_type = MediaType::ImageManifest;
        let manifest =
            json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []});
        let manifest = put(media_type, manifest);
        let found = entries(&store, &manifest, &Limits::default()).unwrap();
        assert_eq!(found[0]["platform"], platform);
    }
}
