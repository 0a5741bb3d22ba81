//! The content of a layout, by digest.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, Digest};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Layout;
use crate::digest::{self, Hasher};
#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Doing, Error, Result};
use crate::files;
use crate::ingest::{self, Ingest};
use crate::manifest::{Document, is_known};

impl Layout {
    /// Where the content of `digest` is, or would be.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for algorithms that cannot be verified: their content is never stored.
    pub fn blob_path(&self, digest: &Digest) -> Result<PathBuf> {
        digest::below(&self.root.join("blobs"), digest)
    }

    /// True if the content is there with the right size.
    pub fn has(&self, descriptor: &Descriptor) -> Result<bool> {
        let path = self.blob_path(descriptor.digest())?;
        Ok(ingest::is_whole(&path, descriptor))
    }

    /// Where content comes in.
    pub(crate) fn ingest(&self, descriptor: &Descriptor) -> Result<Option<Ingest>> {
        let target = self.blob_path(descriptor.digest())?;
        Ingest::open(self.root.join("ingest"), target, descriptor)
    }

    /// Notes that an image is used, by the time of its manifest's file. What cannot be written to, nobody prunes.
    pub fn touch(&self, descriptor: &Descriptor) {
        let touched = self.blob_path(descriptor.digest()).and_then(|path| {
            let file = File::options().append(true).open(&path).at("open", &path)?;
            file.set_modified(std::time::SystemTime::now())
                .at("set time of", &path)
        });
        if let Err(e) = touched {
            log::debug!("{e}");
        }
    }

    /// When that was last noted.
    pub(crate) fn touched(&self, descriptor: &Descriptor) -> Option<std::time::SystemTime> {
        let path = self.blob_path(descriptor.digest()).ok()?;
        fs::metadata(path).ok()?.modified().ok()
    }

    /// Opens content; its size is checked, its digest was when it came in.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<File> {
        let path = self.blob_path(descriptor.digest())?;
        let (file, metadata) = files::open(&path, OFlags::NOFOLLOW).map_err(|e| {
            if e.errno() != Some(Errno::NOENT.raw_os_error()) {
                return e;
            }
            failure!(NotFound: "{} has no content for {}", self.root.display(), descriptor.digest()
                => "Pull the image again; perhaps only another platform of it is here")
        })?;
        if metadata.len() != descriptor.size() {
            let error = digest::wrong_size(descriptor, metadata.len());
            return Err(self.damaged(error));
        }
        Ok(file)
    }

    fn damaged(&self, error: Error) -> Error {
        error.hint(format!(
            "What is stored in {} is damaged: remove the image there and pull it again",
            self.root.display()
        ))
    }

    /// True if stored content is what its digest says.
    pub(crate) fn is_right(&self, descriptor: &Descriptor) -> Result<bool> {
        let hasher = Hasher::like(descriptor.digest())?;
        let (found, _) = ingest::hash(self.open_blob(descriptor)?, hasher)?;
        Ok(found == *descriptor.digest())
    }

    /// Removes stored content that is not what its digest says; false when it is right, or not there.
    pub(crate) fn drop_damaged(&self, descriptor: &Descriptor) -> Result<bool> {
        if !self.has(descriptor)? || self.is_right(descriptor)? {
            return Ok(false);
        }
        let path = self.blob_path(descriptor.digest())?;
        let (digest, root) = (descriptor.digest(), self.root.display());
        log::warn!("{digest} was damaged in {root}");
        fs::remove_file(&path).at("remove", &path)?;
        Ok(true)
    }

    /// Reads and verifies small content.
    pub fn read_blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        if let Some(bytes) = crate::manifest::embedded_within(descriptor, limit)? {
            return Ok(bytes);
        }
        let file = self.open_blob(descriptor)?;
        // Only now is known that it is no more than is there.
        let mut bytes = Vec::with_capacity(descriptor.size() as usize);
        let read = file.take(limit).read_to_end(&mut bytes);
        read.map_err(|e| Error::system(format!("read {}", descriptor.digest()), e))?;
        digest::verify(&bytes, descriptor).map_err(|e| self.damaged(e))?;
        Ok(bytes)
    }

    /// Reads, verifies and parses a manifest or index.
    pub fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Document> {
        Document::of(self.read_blob(descriptor, limit)?, descriptor)
    }

    /// All content, with its digest, sorted.
    pub(crate) fn blobs(&self) -> Vec<(String, PathBuf)> {
        by_digest(&self.root.join("blobs"))
    }

    /// All documents that are here of those that `roots` lead to, however deep; each once.
    pub fn documents<'a>(
        &'a self,
        roots: impl IntoIterator<Item = Descriptor>,
        limit: u64,
    ) -> impl Iterator<Item = Result<Document>> + 'a {
        let mut left: Vec<Descriptor> = roots.into_iter().collect();
        let mut seen = HashSet::new();
        std::iter::from_fn(move || {
            loop {
                let descriptor = left.pop()?;
                let new = seen.insert(descriptor.digest().clone());
                // Of an index, only some images may be here.
                let here = match new && is_known(descriptor.media_type().as_ref()) {
                    true => self.has(&descriptor),
                    false => Ok(false),
                };
                let document = match here {
                    Ok(false) => continue,
                    Ok(true) => self.document(&descriptor, limit),
                    Err(e) => Err(e),
                };
                left.extend(document.iter().flat_map(Document::children));
                return Some(document);
            }
        })
    }

    /// Stores bytes that were already verified or made here. What was there is compared, and replaced when it is damaged.
    pub fn put(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
        if self.has(descriptor)? && !self.drop_damaged(descriptor)? {
            return Ok(());
        }
        if let Some(mut ingest) = self.ingest(descriptor)? {
            ingest.restart()?;
            ingest.write(bytes)?;
            ingest.commit()?;
        }
        Ok(())
    }
}

/// `<algorithm>/<hex>` below a folder.
pub(crate) fn by_digest(folder: &Path) -> Vec<(String, PathBuf)> {
    let name = |path: &Path| Some(path.file_name()?.to_str()?.to_string());
    let digest = |path: &PathBuf| Some(format!("{}:{}", name(path.parent()?)?, name(path)?));
    let all = files::list(folder).flat_map(|algorithm| files::list(&algorithm));
    let mut found: Vec<_> = all
        .filter_map(|path| Some((digest(&path)?, path)))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{describe, layout};
    use super::*;
    use crate::error::Kind;

    #[test]
    fn content_is_checked() {
        let (_temporary, layout) = layout();
        let descriptor = describe(b"abc");
        layout.put(&descriptor, b"abc").unwrap();
        assert_eq!(layout.read_blob(&descriptor, 10).unwrap(), b"abc");
        assert_eq!(
            layout.read_blob(&descriptor, 2).unwrap_err().kind(),
            Kind::Limit
        );
        assert_eq!(
            layout.put(&describe(b"x"), b"y").unwrap_err().kind(),
            Kind::Integrity
        );
        let path = layout.blob_path(descriptor.digest()).unwrap();
        fs::write(&path, "abd").unwrap();
        assert_eq!(
            layout.read_blob(&descriptor, 10).unwrap_err().kind(),
            Kind::Integrity
        );
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(layout.open_blob(&descriptor).is_err());
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(
            layout.open_blob(&descriptor).is_err(),
            "a pipe must not be waited for"
        );
        assert!(
            layout
                .blob_path(&digest::parse("blake9:abc").unwrap())
                .is_err()
        );
    }
}
