//! Content on its way in: a file that grows, survives interruptions, and appears under its digest only when it is right.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, Digest};
use rustix::fs::FlockOperation;

use crate::chunks;
use crate::digest::{self, Hasher};
use crate::error::{Doing, Error, Result};

/// A partial blob, locked against other processes.
pub(crate) struct Ingest {
    descriptor: Descriptor,
    path: PathBuf,
    target: PathBuf,
    folder: PathBuf,
    file: File,
    hasher: Hasher,
    /// Bytes hashed, from the start.
    hashed: u64,
}

impl Ingest {
    /// Opens what is there in `folder` of the content that belongs at `target`, or starts. Waits while another process is at
    /// it; none when that one has completed it.
    pub(crate) fn open(
        folder: PathBuf,
        target: PathBuf,
        descriptor: &Descriptor,
    ) -> Result<Option<Self>> {
        let digest = descriptor.digest();
        let name = digest.to_string().replace(':', "-");
        let path = folder.join(name);
        loop {
            // Not by `create_dir_all`, which fails when the folder goes between its two looks.
            match fs::create_dir(&folder) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made.at("make directory", &folder)?,
            }
            let mut how = OpenOptions::new();
            how.read(true).write(true).create(true).truncate(false);
            let file = match how.open(&path) {
                // Another one has finished and removed the empty folder. A link to nowhere would stay.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && !folder.is_symlink() => {
                    continue;
                }
                other => other.at("open", &path)?,
            };
            rustix::fs::flock(&file, FlockOperation::LockExclusive).at("lock", &path)?;
            // While waiting, the other process may have moved it to its place.
            let inode = |m: std::io::Result<fs::Metadata>| m.map(|m| m.ino()).ok();
            let same = inode(file.metadata()) == inode(fs::metadata(&path));
            if is_whole(&target, descriptor) {
                if same {
                    let _ = fs::remove_file(&path);
                }
                let _ = fs::remove_dir(&folder);
                return Ok(None);
            }
            if same {
                return Ok(Some(Ingest {
                    descriptor: descriptor.clone(),
                    hasher: Hasher::like(digest)?,
                    path,
                    target,
                    folder,
                    file,
                    hashed: 0,
                }));
            }
        }
    }

    /// Bytes that are there and not in doubt.
    pub(crate) fn position(&self) -> u64 {
        self.hashed
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where the list of finished pieces is kept while several connections fill the file.
    pub(crate) fn pieces_path(&self) -> PathBuf {
        self.path.with_extension("pieces")
    }

    /// Forgets everything.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.hasher = Hasher::like(self.descriptor.digest())?;
        self.hashed = 0;
        self.keep_hashed()
    }

    /// Forgets all but the beginning that was hashed: a single connection goes on from there.
    pub(crate) fn keep_hashed(&mut self) -> Result<()> {
        let _ = fs::remove_file(self.pieces_path());
        let cut = self.file.set_len(self.hashed);
        cut.map_err(|e| self.error("truncate", e))?;
        self.seek(self.hashed)
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        let sought = self.file.seek(SeekFrom::Start(position));
        sought.map(drop).map_err(|e| self.error("seek", e))
    }

    /// Hashes what an earlier attempt left and passes it to `each`. Returns the number of bytes.
    pub(crate) fn replay(&mut self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
        let metadata = self.file.metadata();
        let size = metadata
            .map_err(|e| self.error("read attributes of", e))?
            .len();
        // Several connections leave holes: only what a list of pieces vouches for could be used, and is, elsewhere.
        if self.pieces_path().exists() || size > self.descriptor.size() {
            self.restart()?;
            return Ok(0);
        }
        self.hash_until(size, each)?;
        self.seek(size)?;
        Ok(size)
    }

    /// Hashes the file from where hashing stopped up to `end`.
    pub(crate) fn hash_until(
        &mut self,
        end: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = vec![0u8; crate::chunks::CHUNK];
        while self.hashed < end {
            let left = usize::try_from(end - self.hashed).unwrap_or(usize::MAX);
            let most = left.min(buffer.len());
            let read = self.file.read_at(&mut buffer[..most], self.hashed);
            let n = read.map_err(|e| self.error("read", e))?;
            if n == 0 {
                fail!(Local: "{} became shorter", self.path.display());
            }
            self.hasher.update(&buffer[..n]);
            each(&buffer[..n])?;
            self.hashed += n as u64;
        }
        Ok(())
    }

    /// Appends.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let length = self.hashed + bytes.len() as u64;
        if length > self.descriptor.size() {
            let error = digest::wrong_size(&self.descriptor, length);
            return Err(error.hint("The source sends more than the descriptor says"));
        }
        let written = self.file.write_all(bytes);
        written.map_err(|e| self.error("write", e))?;
        self.hasher.update(bytes);
        self.hashed += bytes.len() as u64;
        Ok(())
    }

    /// Verifies, and moves the content to its place. What is wrong is deleted.
    pub(crate) fn commit(self) -> Result<()> {
        let right = match self.hashed == self.descriptor.size() {
            true => digest::expect(&self.hasher.clone().finish(), self.descriptor.digest()),
            false => Err(digest::wrong_size(&self.descriptor, self.hashed)),
        };
        if let Err(e) = right {
            self.discard();
            return Err(e);
        }
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent).map_err(|e| self.error("make directory for", e))?;
        }
        fs::rename(&self.path, &self.target).map_err(|e| self.error("move", e))?;
        let _ = fs::remove_file(self.pieces_path());
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }

    /// Deletes what is there.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(self.pieces_path());
        let _ = fs::remove_dir(&self.folder);
    }

    fn error(&self, doing: &str, e: std::io::Error) -> Error {
        let full = e.kind() == std::io::ErrorKind::StorageFull;
        let error = Error::file(doing, &self.path, e);
        match full {
            true => error.hint("Free some space; what was fetched is kept and continued"),
            false => error,
        }
    }
}

/// True if the content is there with the right size.
pub(crate) fn is_whole(path: &Path, descriptor: &Descriptor) -> bool {
    fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.len() == descriptor.size())
}

/// Reads stored content from where `file` is, and passes it on.
pub(crate) fn pass(file: impl Read, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let broken = |_, e| Error::system("read stored content", e);
    chunks::pass(file, broken, each).map(drop)
}

/// The digest that `hasher` makes of stored content, and its size.
pub(crate) fn hash(file: impl Read, mut hasher: Hasher) -> Result<(Digest, u64)> {
    let mut size = 0;
    pass(file, &mut |bytes| {
        hasher.update(bytes);
        size += bytes.len() as u64;
        Ok(())
    })?;
    Ok((hasher.finish(), size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::layout::Layout;
    use oci_spec::image::MediaType;

    fn setup(content: &[u8]) -> (tempfile::TempDir, Layout, Descriptor) {
        let temporary = tempfile::tempdir().unwrap();
        let layout = Layout::create(temporary.path()).unwrap();
        let descriptor = Descriptor::new(
            MediaType::ImageLayer,
            content.len() as u64,
            digest::of(content),
        );
        (temporary, layout, descriptor)
    }

    #[test]
    fn an_interrupted_blob_goes_on_at_every_byte() {
        let content = b"the content of a blob";
        for cut in 0..=content.len() {
            let (_temporary, layout, descriptor) = setup(content);
            let mut first = layout.ingest(&descriptor).unwrap().unwrap();
            first.replay(&mut |_| Ok(())).unwrap();
            first.write(&content[..cut]).unwrap();
            drop(first); // as after kill -9: no commit, no clean-up
            assert!(!layout.has(&descriptor).unwrap());
            let mut second = layout.ingest(&descriptor).unwrap().unwrap();
            let mut seen = Vec::new();
            let there = second
                .replay(&mut |b| {
                    seen.extend_from_slice(b);
                    Ok(())
                })
                .unwrap();
            assert_eq!((there, seen.as_slice()), (cut as u64, &content[..cut]));
            second.write(&content[cut..]).unwrap();
            second.commit().unwrap();
            assert_eq!(layout.read_blob(&descriptor, 100).unwrap(), content);
            assert!(!layout.root().join("ingest").exists());
        }
    }

    #[test]
    fn wrong_content_leaves_nothing() {
        let (_temporary, layout, descriptor) = setup(b"right");
        for wrong in [&b"wrong"[..], b"rig", b""] {
            let mut ingest = layout.ingest(&descriptor).unwrap().unwrap();
            ingest.write(wrong).unwrap();
            assert_eq!(ingest.commit().unwrap_err().kind(), Kind::Integrity);
            assert!(!layout.root().join("ingest").exists());
        }
        let mut ingest = layout.ingest(&descriptor).unwrap().unwrap();
        assert!(
            ingest.write(b"right and more").is_err(),
            "more than announced is never written"
        );
    }

    #[test]
    fn many_come_and_go_at_the_same_time() {
        let (_temporary, layout, _) = setup(b"");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let layout = &layout;
                scope.spawn(move || {
                    for n in 0..300 {
                        let content = format!("{thread} {n}").into_bytes();
                        let (size, digest) = (content.len() as u64, digest::of(&content));
                        let descriptor = Descriptor::new(MediaType::ImageLayer, size, digest);
                        let mut ingest = layout.ingest(&descriptor).unwrap().unwrap();
                        ingest.write(&content).unwrap();
                        ingest.commit().unwrap();
                    }
                });
            }
        });
        let ingest = layout.root().join("ingest");
        std::os::unix::fs::symlink("nowhere", ingest).unwrap();
        let descriptor = Descriptor::new(MediaType::ImageLayer, 1u64, digest::of(b"x"));
        assert!(layout.ingest(&descriptor).is_err());
    }

    #[test]
    fn a_second_process_waits_and_finds_it_done() {
        let (_temporary, layout, descriptor) = setup(b"abc");
        let mut first = layout.ingest(&descriptor).unwrap().unwrap();
        let (other_layout, other_descriptor) = (layout.clone(), descriptor.clone());
        let second =
            std::thread::spawn(move || other_layout.ingest(&other_descriptor).unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(50));
        first.write(b"abc").unwrap();
        first.commit().unwrap();
        assert!(second.join().unwrap());
    }
}
