//! Where the files in a tar archive are, so that they can be read in any order.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::compression::{self, decompress};
use crate::error::{Doing, During, Error, Kind, Result};
use crate::files::{self, Slice};
use crate::limits::Limits;
use crate::source::Content;
use crate::tar::{Entry, EntryKind, Reader};

/// Bytes of the longest name that is looked at.
const NAME: usize = 512;

/// A tar file with the places of its files.
pub(super) struct Files {
    file: Arc<File>,
    /// Name to position and length.
    pub(super) files: HashMap<String, (u64, u64)>,
}

impl Files {
    /// Reads the headers of the whole archive once. A compressed one is decompressed to an unnamed file first.
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let (mut file, _) = files::open(path, OFlags::empty()).map_err(|e| match e.kind() {
            Kind::Unsafe => e.hint(
                "\"tare-image load\" reads from pipes; a layout in a directory is written oci:DIR",
            ),
            _ => e,
        })?;
        let mut start = [0u8; 6];
        let n = file.read(&mut start).at("read", path)?;
        file.rewind().at("seek in", path)?;
        if compression::is_packed(&start[..n]) {
            file = plain(file, path, limits)?;
        }
        let input = BufReader::with_capacity(128 << 10, &file);
        let mut reader = Reader::new(input, limits.clone());
        let mut files = HashMap::new();
        let mut links = Vec::new();
        let mut entry = Entry::default();
        while reader
            .next(&mut entry)
            .during(|| path.display().to_string())?
        {
            // Names are kept; those of images are short.
            let Some(name) = normal(&entry.path).filter(|n| n.len() <= NAME) else {
                continue;
            };
            if files.len() + links.len() >= limits.archive_files {
                fail!(Limit: "{} has more than {} files", path.display(), limits.archive_files
                    => "This is no archive of images; \"import\" takes root file systems");
            }
            match entry.kind {
                EntryKind::File if entry.sparse.is_none() => {
                    files.insert(name, (reader.position(), entry.size));
                }
                EntryKind::Symlink => {
                    let folder = name.rsplit_once('/').map_or("", |(f, _)| f);
                    let target = [folder.as_bytes(), b"/", &entry.link].concat();
                    links.push((name, target));
                }
                EntryKind::HardLink => links.push((name, entry.link.clone())),
                _ => {}
            }
        }
        // Old archives name the same layer several times by links, inside the archive only.
        for (name, target) in links {
            if let Some(found) = normal(&target).and_then(|t| files.get(&t).copied()) {
                files.insert(name, found);
            }
        }
        Ok(Files {
            file: Arc::new(file),
            files,
        })
    }

    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(&(position, length)) = self.files.get(name) else {
            return Ok(None);
        };
        if length > limit {
            fail!(Limit: "{name} has {length} bytes where {limit} are allowed");
        }
        let mut bytes = vec![0; length as usize];
        let read = self.file.read_exact_at(&mut bytes, position);
        read.map_err(|e| Error::system(format!("read {name} in the archive"), e))?;
        Ok(Some(bytes))
    }

    pub(super) fn slice(&self, place: (u64, u64), start: u64, end: Option<u64>) -> Content {
        Slice::content(self.file.clone(), place, start, end)
    }
}

fn plain(file: File, path: &Path, limits: &Limits) -> Result<File> {
    let error = |e| Error::file("decompress", path, e);
    let folder = files::folder_of(path);
    let mut plain = files::unnamed(folder).or_else(|_| files::unnamed(&std::env::temp_dir()))?;
    let input = decompress(BufReader::with_capacity(128 << 10, file)).map_err(error)?;
    let n = io::copy(&mut input.take(limits.layer_bytes + 1), &mut plain).map_err(error)?;
    if n > limits.layer_bytes {
        fail!(Limit: "{} is larger than {} bytes", path.display(), limits.layer_bytes);
    }
    plain.rewind().map_err(error)?;
    Ok(plain)
}

/// Name without `.` and `..`; none when it would leave the archive.
pub(super) fn normal(path: &[u8]) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in std::str::from_utf8(path).ok()?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
