//! Removing what no name, and no container, leads to.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use oci_spec::image::Descriptor;

use crate::container::{Found, Record, discard_left};
use crate::error::{Doing, During, Result};
use crate::files;
use crate::manifest::{self, Content, Document, LayersOnly};
use crate::progress::size;
use crate::store::{Store, clear};
use crate::unpack::remove_tree;

/// What was freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Blobs.
    pub blobs: u64,
    /// Unpacked layers.
    pub layers: u64,
    /// What processes left that were killed: containers, files and folders on their way in.
    pub leftovers: u64,
    /// Bytes of all.
    pub bytes: u64,
}

/// Removes all content that is not needed any more; waits until nobody else uses the store.
///
/// # Errors
/// What the file system reports. Nothing is removed when a document that is there cannot be understood.
pub fn collect(store: &Store) -> Result<Freed> {
    store.alone()?;
    let mut wanted = Wanted::default();
    for entry in store.layout().index()?.manifests() {
        wanted.mark(store, entry).during(|| {
            let name = crate::layout::ref_name(entry);
            name.unwrap_or(entry.digest().as_ref()).to_string()
        })?;
    }
    let mut freed = Freed::default();
    for container in Record::all(store)? {
        match container {
            Found::Used(record) => wanted.layers.extend(record.chain_ids),
            Found::Left(folder) => {
                freed.leftovers += 1;
                freed.bytes += tree_bytes(&folder);
                discard_left(store, &folder)?;
            }
        }
    }
    for (algorithm, hex, path) in children(&store.root().join("blobs")) {
        if !wanted.blobs.contains(&format!("{algorithm}:{hex}")) {
            freed.bytes += fs::symlink_metadata(&path).map_or(0, |m| m.len());
            freed.blobs += 1;
            fs::remove_file(&path).at("remove", &path)?;
        }
    }
    for (algorithm, hex, path) in children(&store.root().join("layers")) {
        if !wanted.layers.contains(&format!("{algorithm}:{hex}")) {
            freed.layers += 1;
            freed.bytes += tree_bytes(&path);
            remove_tree(&path)?;
        }
    }
    for folder in ["ingest", "staging"].map(|f| store.root().join(f)) {
        freed.leftovers += fs::read_dir(&folder).map_or(0, |entries| entries.count() as u64);
        freed.bytes += tree_bytes(&folder);
        clear(&folder)?;
    }
    let containers = fs::read_dir(store.containers()).into_iter().flatten();
    let folders = containers.flatten().map(|e| e.path());
    for folder in folders.chain([store.root().to_path_buf()]) {
        let (count, bytes) = files::sweep(&folder, ".");
        freed.leftovers += count;
        freed.bytes += bytes;
    }
    Ok(freed)
}

/// What is on the disk of a tree. What cannot be looked at is left out: the number is for people.
fn tree_bytes(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return 0;
    };
    let below = match metadata.is_dir() {
        true => fs::read_dir(path).into_iter().flatten().flatten(),
        false => return metadata.blocks() * 512,
    };
    metadata.blocks() * 512 + below.map(|e| tree_bytes(&e.path())).sum::<u64>()
}

impl fmt::Display for Freed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, blobs, layers) = (size(self.bytes), self.blobs, self.layers);
        write!(f, "freed {bytes} in {blobs} blobs and {layers} layers")?;
        match self.leftovers {
            0 => Ok(()),
            n => write!(f, ", and {n} leftovers of killed processes"),
        }
    }
}

#[derive(Default)]
struct Wanted {
    blobs: HashSet<String>,
    layers: HashSet<String>,
}

impl Wanted {
    /// Everything that `root` leads to, however deep.
    fn mark(&mut self, store: &Store, root: &Descriptor) -> Result<()> {
        let mut left = vec![root.clone()];
        while let Some(descriptor) = left.pop() {
            let new = self.blobs.insert(descriptor.digest().to_string());
            // Content of other platforms is usually not there; then neither is anything below it.
            if !new
                || !manifest::is_known(descriptor.media_type().as_ref())
                || !store.layout().has(&descriptor)?
            {
                continue;
            }
            let document: Document = store.layout().document(&descriptor, u64::MAX)?;
            left.extend(document.children());
            if let Content::Manifest(manifest) = &document.content
                && store.layout().has(manifest.config())?
            {
                let config = store.layout().read_blob(manifest.config(), u64::MAX)?;
                let ids = LayersOnly::chain_ids(&config);
                self.layers.extend(ids.iter().map(ToString::to_string));
            }
        }
        Ok(())
    }
}

/// `<algorithm>/<hex>` below a folder.
pub(crate) fn children(folder: &Path) -> Vec<(String, String, std::path::PathBuf)> {
    let mut found = Vec::new();
    for algorithm in fs::read_dir(folder).into_iter().flatten().flatten() {
        for entry in fs::read_dir(algorithm.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let names = (
                algorithm.file_name().into_string(),
                entry.file_name().into_string(),
            );
            if let (Ok(algorithm), Ok(hex)) = names {
                found.push((algorithm, hex, entry.path()));
            }
        }
    }
    found
}
