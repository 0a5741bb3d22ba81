//! Image layouts: a folder with `oci-layout`, `index.json` and content-addressed `blobs` (image-spec, image-layout.md).

mod blobs;
mod source;

pub(crate) use blobs::by_digest;
pub use source::{LayoutDestination, LayoutSource};

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex};
use rustix::fs::FlockOperation;
use serde_json::{Value, json};

use crate::error::{Doing, During, Error, Kind, Result};
use crate::files;
use crate::index;
use crate::json::{parse_document, parse_json, read_regular, to_json};
use crate::reference::Reference;

const MARK: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// Under which containerd and docker look for an image's full name.
const IMAGE_NAME: &str = "io.containerd.image.name";
/// Names that a message lists.
const NAMES: usize = 20;
/// Bytes that an `index.json` may have.
const INDEX_LIMIT: u64 = 64 << 20;

/// An image layout in a directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    /// Of a store, which is in use as long as somebody knows its layout.
    pub(crate) lock: Option<Arc<File>>,
}

impl Layout {
    /// Opens an existing layout.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join("oci-layout");
        if !path.exists() {
            fail!(NotFound: "{} is no image layout", root.display() => "A layout has a file named oci-layout");
        }
        let text = read_regular(&path, 1 << 20)?;
        let mark: serde_json::Value = parse_json(&text, "oci-layout")
            .map_err(|e| e.hint("Without that file, the store makes a new one"))
            .during(|| root.display().to_string())?;
        match mark["imageLayoutVersion"].as_str() {
            Some("1.0.0") => Ok(Layout::at(root)),
            version => {
                Err(failure!(Unsupported: "{}: imageLayoutVersion {version:?}", path.display()))
            }
        }
    }

    /// Opens a layout, making it first when there is none.
    pub fn create(root: &Path) -> Result<Self> {
        let blobs = root.join("blobs/sha256");
        fs::create_dir_all(&blobs).at("make directory", &blobs)?;
        let layout = Layout::at(root);
        if !root.join("index.json").exists() {
            layout.replace("index.json", index::EMPTY)?;
        }
        if !root.join("oci-layout").exists() {
            layout.replace("oci-layout", MARK.as_bytes())?;
        }
        Layout::open(root)
    }

    fn at(root: &Path) -> Self {
        let root = root.to_path_buf();
        Layout { root, lock: None }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All entries of `index.json`.
    pub fn index(&self) -> Result<ImageIndex> {
        self.parsed(&self.index_bytes()?)
    }

    fn parsed(&self, index: &[u8]) -> Result<ImageIndex> {
        parse_document(index, "index.json")
            .map_err(|e| {
                e.hint("Without that file, the store starts with no names; pull the images again")
            })
            .during(|| self.root.display().to_string())
    }

    pub(crate) fn index_bytes(&self) -> Result<Vec<u8>> {
        read_regular(&self.root.join("index.json"), INDEX_LIMIT)
            .during(|| self.root.display().to_string())
    }

    /// Names and what they stand for.
    pub fn names(&self) -> Result<Vec<(String, Descriptor)>> {
        let index = self.index()?;
        let named = index.manifests().iter();
        let named = named.filter_map(|d| Some((ref_name(d)?.to_string(), d.clone())));
        let mut named: Vec<_> = named.collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(named)
    }

    /// The entry called `name`; without a name the only entry.
    pub fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        pick(&self.index()?, name).during(|| self.root.display().to_string())
    }

    /// Adds or replaces the entry called `name`. Without a name, an entry with the same digest is left alone.
    pub fn tag(&self, name: Option<&str>, descriptor: &Descriptor) -> Result<()> {
        self.tag_image(name, None, descriptor)
    }

    /// The same, with the image's full name, as other stores look for it.
    pub(crate) fn tag_image(
        &self,
        name: Option<&str>,
        image: Option<&Reference>,
        descriptor: &Descriptor,
    ) -> Result<()> {
        self.edit(|entries| {
            name_entry(entries, name, image, descriptor);
            Ok(())
        })
    }

    /// Removes the entry called `name`; false when there is none.
    pub fn untag(&self, name: &str) -> Result<bool> {
        self.edit(|entries| {
            let before = entries.len();
            entries.retain(|d| called(d) != Some(name));
            Ok(entries.len() != before)
        })
    }

    /// Changes `index.json` under a lock, and replaces it in one step.
    pub(crate) fn edit<T>(&self, change: impl FnOnce(&mut Vec<Value>) -> Result<T>) -> Result<T> {
        // The directory itself carries the lock, so that nothing foreign lies in a layout.
        let lock = File::open(&self.root).at("open", &self.root)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).at("lock", &self.root)?;
        // Not what `change` reports, which is not about that file.
        let bytes = self.index_bytes()?;
        self.parsed(&bytes)?;
        let (index, result) = index::change(&bytes, "index.json", change)?;
        self.replace("index.json", &to_json(&index)?)?;
        Ok(result)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        files::replace(&path, 0o666, |mut file| {
            // Small and precious: what it names must not become empty when the power fails.
            file.write_all(bytes)
                .and_then(|()| file.sync_data())
                .at("write", &path)?;
            Ok(((), file))
        })
    }
}

/// Adds or replaces the entry called `name`, as [`Layout::tag`] does.
pub(crate) fn name_entry(
    entries: &mut Vec<Value>,
    name: Option<&str>,
    image: Option<&Reference>,
    descriptor: &Descriptor,
) {
    let mut entry = descriptor.clone();
    match name {
        Some(name) => {
            entries.retain(|d| called(d) != Some(name));
            let own = [(ANNOTATION_REF_NAME.to_string(), name.to_string())];
            let full = image.map(|i| (IMAGE_NAME.to_string(), i.to_string()));
            let annotations = own.into_iter().chain(full);
            entry.set_annotations(Some(annotations.collect::<HashMap<_, _>>()));
        }
        None if (entries.iter()).any(|d| index::is_of(d, descriptor.digest())) => return,
        None => drop(entry.set_annotations(None)),
    }
    entries.push(json!(entry));
}

/// The same as [`ref_name`].
pub(crate) fn called(entry: &Value) -> Option<&str> {
    entry["annotations"][ANNOTATION_REF_NAME].as_str()
}

fn annotation<'a>(descriptor: &'a Descriptor, key: &str) -> Option<&'a str> {
    let annotations = descriptor.annotations().as_ref()?;
    annotations.get(key).map(String::as_str)
}

/// `org.opencontainers.image.ref.name` of an entry.
pub(crate) fn ref_name(descriptor: &Descriptor) -> Option<&str> {
    annotation(descriptor, ANNOTATION_REF_NAME)
}

/// The image's name in full, as containerd and docker write it, or podman, which has it for `ref.name`; a tag alone is none.
pub(crate) fn image_name(descriptor: &Descriptor) -> Result<Option<Reference>> {
    let own = annotation(descriptor, IMAGE_NAME);
    let name = own.or(ref_name(descriptor).filter(|n| n.contains(['/', ':', '@'])));
    name.map(str::parse).transpose()
}

/// The entry of an `index.json` that is called `name`, or has that digest; without a name the only entry.
pub(crate) fn pick(index: &ImageIndex, name: Option<&str>) -> Result<Descriptor> {
    let entries = index.manifests();
    let called = |d: &&Descriptor| {
        let names = [ref_name(d), annotation(d, IMAGE_NAME)];
        names.contains(&name) || name == Some(d.digest().as_ref())
    };
    let found = match name {
        Some(_) => entries.iter().find(called),
        None if entries.len() == 1 => entries.first(),
        None => None,
    };
    found.cloned().ok_or_else(|| {
        let mut names: Vec<_> = entries.iter().filter_map(ref_name).collect();
        names.sort_unstable();
        let what = name.map_or("several images and no name given".to_string(), |n| {
            format!("no image named {n}")
        });
        let more = names.len().saturating_sub(NAMES);
        names.truncate(NAMES);
        Error::new(Kind::NotFound, what).hint(match (names.len(), more) {
            (0, _) => "It names no images".into(),
            (_, 0) => format!("There is: {}", names.join(", ")),
            (_, more) => format!("There is: {} and {more} more", names.join(", ")),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use oci_spec::image::MediaType;

    pub(super) fn layout() -> (tempfile::TempDir, Layout) {
        let temporary = tempfile::tempdir().unwrap();
        let layout = Layout::create(temporary.path()).unwrap();
        (temporary, layout)
    }

    pub(super) fn describe(bytes: &[u8]) -> Descriptor {
        Descriptor::new(
            MediaType::ImageManifest,
            bytes.len() as u64,
            digest::of(bytes),
        )
    }

    #[test]
    fn names_come_and_go() {
        let (_temporary, layout) = layout();
        layout.tag(Some("a"), &describe(b"1")).unwrap();
        layout.tag(Some("b"), &describe(b"1")).unwrap();
        layout.tag(Some("a"), &describe(b"2")).unwrap();
        layout.tag(None, &describe(b"2")).unwrap();
        assert_eq!(layout.names().unwrap().len(), 2);
        assert_eq!(
            layout.resolve(Some("a")).unwrap().digest(),
            describe(b"2").digest()
        );
        assert!(
            layout
                .resolve(None)
                .unwrap_err()
                .to_string()
                .contains("There is: a, b")
        );
        assert!(layout.untag("a").unwrap());
        assert!(!layout.untag("a").unwrap());
        assert_eq!(
            layout.resolve(None).unwrap().digest(),
            describe(b"1").digest()
        );
        let left: Vec<_> = fs::read_dir(layout.root())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }

    #[test]
    fn another_version_is_refused() {
        let (temporary, _) = layout();
        fs::write(
            temporary.path().join("oci-layout"),
            r#"{"imageLayoutVersion":"2.0.0"}"#,
        )
        .unwrap();
        assert_eq!(
            Layout::open(temporary.path()).unwrap_err().kind(),
            Kind::Unsupported
        );
    }
}
