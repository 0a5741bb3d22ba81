//! Image layouts: a folder with `oci-layout`, `index.json` and content-addressed `blobs` (image-spec, image-layout.md).

mod blobs;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex, MediaType};
use rustix::fs::FlockOperation;

use crate::error::{During, Error, Kind, Result};
use crate::json::{parse_document, parse_json, read_regular, to_json};

const MARK: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// Names that a message lists.
const NAMES: usize = 20;
/// Bytes that an `index.json` may have.
const INDEX_LIMIT: u64 = 64 << 20;

/// An image layout in a directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Opens an existing layout.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none, [`Kind::Unsupported`] for another version.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join("oci-layout");
        if !path.exists() {
            return Err(Error::new(
                Kind::NotFound,
                format!("{} is no image layout", root.display()),
            )
            .hint("A layout has a file named oci-layout"));
        }
        let text = read_regular(&path, 1 << 20)?;
        let mark: serde_json::Value = parse_json(&text, "oci-layout")
            .map_err(|e| e.hint("Without that file, the store makes a new one"))
            .during(|| root.display().to_string())?;
        match mark["imageLayoutVersion"].as_str() {
            Some("1.0.0") => Ok(Layout {
                root: root.to_path_buf(),
            }),
            version => Err(Error::new(
                Kind::Unsupported,
                format!("{}: imageLayoutVersion {version:?}", path.display()),
            )),
        }
    }

    /// Opens a layout, making it first when there is none.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn create(root: &Path) -> Result<Self> {
        let blobs = root.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|e| Error::file("make directory", &blobs, e))?;
        let layout = Layout {
            root: root.to_path_buf(),
        };
        if !root.join("index.json").exists() {
            let empty = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
            layout.replace("index.json", empty.as_bytes())?;
        }
        if !root.join("oci-layout").exists() {
            layout.replace("oci-layout", MARK.as_bytes())?;
        }
        Layout::open(root)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All entries of `index.json`.
    ///
    /// # Errors
    /// [`Kind::Malformed`], or what the file system reports.
    pub fn index(&self) -> Result<ImageIndex> {
        let path = self.root.join("index.json");
        parse_document(&read_regular(&path, INDEX_LIMIT)?, "index.json")
            .map_err(|e| {
                e.hint("Without that file, the store starts with no names; pull the images again")
            })
            .during(|| self.root.display().to_string())
    }

    /// Names and what they stand for.
    ///
    /// # Errors
    /// As [`Layout::index`].
    pub fn names(&self) -> Result<Vec<(String, Descriptor)>> {
        let mut named: Vec<_> = self
            .index()?
            .manifests()
            .iter()
            .filter_map(|d| Some((ref_name(d)?.to_string(), d.clone())))
            .collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(named)
    }

    /// The entry called `name`; without a name the only entry.
    ///
    /// # Errors
    /// [`Kind::NotFound`], listing what there is.
    pub fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        let index = self.index()?;
        let entries = index.manifests();
        let found = match name {
            Some(name) => entries
                .iter()
                .find(|d| ref_name(d) == Some(name) || d.digest().as_ref() == name),
            None if entries.len() == 1 => entries.first(),
            None => None,
        };
        found.cloned().ok_or_else(|| {
            let mut names: Vec<_> = entries.iter().filter_map(ref_name).collect();
            names.sort_unstable();
            let what = name.map_or("several images and no name given".to_string(), |n| {
                format!("no image named {n}")
            });
            Error::new(Kind::NotFound, format!("{}: {what}", self.root.display())).hint(
                if names.is_empty() {
                    "It names no images".into()
                } else {
                    let more = names.len().saturating_sub(NAMES);
                    names.truncate(NAMES);
                    let more = match more {
                        0 => String::new(),
                        more => format!(" and {more} more"),
                    };
                    format!("There is: {}{more}", names.join(", "))
                },
            )
        })
    }

    /// Adds or replaces the entry called `name`. Without a name, an entry with the same digest is left alone.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn tag(&self, name: Option<&str>, descriptor: &Descriptor) -> Result<()> {
        self.edit(|entries| {
            let mut entry = descriptor.clone();
            match name {
                Some(name) => {
                    entries.retain(|d| ref_name(d) != Some(name));
                    let annotations =
                        HashMap::from([(ANNOTATION_REF_NAME.to_string(), name.to_string())]);
                    entry.set_annotations(Some(annotations));
                }
                None if entries.iter().any(|d| d.digest() == descriptor.digest()) => return,
                None => drop(entry.set_annotations(None)),
            }
            entries.push(entry);
        })
    }

    /// Removes the entry called `name`; false when there is none.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn untag(&self, name: &str) -> Result<bool> {
        let mut found = false;
        self.edit(|entries| {
            let before = entries.len();
            entries.retain(|d| ref_name(d) != Some(name));
            found = entries.len() != before;
        })?;
        Ok(found)
    }

    /// Changes `index.json` under a lock, and replaces it in one step.
    fn edit(&self, change: impl FnOnce(&mut Vec<Descriptor>)) -> Result<()> {
        // The directory itself carries the lock, so that nothing foreign lies in a layout.
        let lock = File::open(&self.root).map_err(|e| Error::file("open", &self.root, e))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|e| Error::file("lock", &self.root, e.into()))?;
        let mut index = self.index()?;
        let mut entries = index.manifests().clone();
        change(&mut entries);
        index.set_manifests(entries);
        if index.media_type().is_none() {
            index.set_media_type(Some(MediaType::ImageIndex));
        }
        self.replace("index.json", &to_json(&index)?)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        crate::regular::replace(&path, 0o644, |file| {
            file.write_all(bytes)?;
            // Small and precious: what it names must not become empty when the power fails.
            file.sync_data()
        })
        .map_err(|e| Error::file("write", &path, e))
    }
}

/// `org.opencontainers.image.ref.name` of an entry.
pub(crate) fn ref_name(descriptor: &Descriptor) -> Option<&str> {
    descriptor
        .annotations()
        .as_ref()?
        .get(ANNOTATION_REF_NAME)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

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
