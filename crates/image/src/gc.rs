//! Removing what no name, and no container, leads to.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::container::{Found, Record, discard_left};
use crate::error::{Doing, During, Result};
use crate::files;
use crate::layout;
use crate::manifest::{Content, chain_ids_of};
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
    let layout = store.layout();
    let roots = layout.index()?.manifests().clone();
    let mut blobs: HashSet<String> = roots.iter().map(|d| d.digest().to_string()).collect();
    let mut layers = HashSet::new();
    for root in roots {
        let name = layout::ref_name(&root).unwrap_or(root.digest().as_ref());
        let name = name.to_string();
        for document in layout.documents([root], u64::MAX) {
            let document = document.during(|| name.clone())?;
            let children = document.children();
            blobs.extend(children.iter().map(|d| d.digest().to_string()));
            if let Content::Manifest(manifest) = &document.content
                && layout.has(manifest.config())?
            {
                let config = layout.read_blob(manifest.config(), u64::MAX)?;
                let ids = chain_ids_of(&config);
                layers.extend(ids.iter().map(ToString::to_string));
            }
        }
    }
    let mut freed = Freed::default();
    for container in Record::all(store)? {
        match container {
            Found::Used(record) => layers.extend(record.chain_ids),
            Found::Left(folder) => {
                freed.leftovers += 1;
                freed.bytes += tree_bytes(&folder);
                discard_left(store, &folder)?;
            }
        }
    }
    for (digest, path) in layout.blobs() {
        if !blobs.contains(&digest) {
            freed.bytes += fs::symlink_metadata(&path).map_or(0, |m| m.len());
            freed.blobs += 1;
            fs::remove_file(&path).at("remove", &path)?;
        }
    }
    for (chain_id, path) in layout::by_digest(&store.root().join("layers")) {
        if !layers.contains(&chain_id) {
            freed.layers += 1;
            freed.bytes += tree_bytes(&path);
            remove_tree(&path)?;
        }
    }
    for folder in ["ingest", "staging"].map(|f| store.root().join(f)) {
        freed.leftovers += files::list(&folder).count() as u64;
        freed.bytes += tree_bytes(&folder);
        clear(&folder)?;
    }
    for folder in files::list(&store.containers()).chain([store.root().to_path_buf()]) {
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
    let below: u64 = match metadata.is_dir() {
        true => files::list(path).map(|path| tree_bytes(&path)).sum(),
        false => 0,
    };
    metadata.blocks() * 512 + below
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
