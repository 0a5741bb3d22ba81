//! The local store: an image layout, with unpacked layers and containers beside it.
//!
//! ```text
//! oci-layout, index.json, blobs/    the images, readable by every program that knows layouts
//! ingest/                           blobs on their way in
//! layers/<alg>/<chain id>/fs        unpacked layers, ready for overlayfs
//! containers/<id>/                  bundles made by `run`
//! staging/                          what is being unpacked
//! lock                              shared by all users, exclusive for removal
//! ```
//! Everything appears under its final name in one step. What a killed process leaves is in `ingest` (to go on with) or in
//! `staging` (removed by the next one that finds itself alone).

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oci_spec::image::{Descriptor, Digest};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::digest;
use crate::env;
use crate::error::{Doing, Kind, Result};
use crate::files;
use crate::layout::{Layout, LayoutDestination, LayoutSource};
use crate::limits::Limits;
use crate::manifest::Content;
use crate::reference::Reference;
use crate::transfer;
use crate::unpack::remove_tree;

const ELSEWHERE: &str = "Choose another place with --root";

/// The store, in use by this process.
pub struct Store {
    layout: Layout,
    lock: Arc<File>,
    writable: bool,
}

/// A folder that is removed when it is not needed any more.
pub struct Staging {
    path: PathBuf,
    /// As long as it is there, nobody finds the store unused and tidies up.
    lock: Option<Arc<File>>,
}

impl Staging {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `path` anew.
    pub fn at(path: PathBuf) -> Result<Self> {
        if let Some(parent) = path.parent() {
            make_private(parent)?;
        }
        // What is there is a killed process's, or a trap.
        remove_tree(&path)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .at("make directory", &path)?;
        Ok(Staging { path, lock: None })
    }

    /// A folder beside `target`, so that moving something there is one step. What killed processes left there goes.
    pub fn beside(target: &Path) -> Result<Self> {
        let name = target
            .file_name()
            .ok_or_else(|| failure!(Usage: "{} is no name for something new", target.display()))?;
        let parent = files::folder_of(target);
        fs::create_dir_all(parent).at("make directory", parent)?;
        let prefix = format!(".{}.unfinished-", name.to_string_lossy());
        for path in files::list(parent) {
            let name = path.file_name().and_then(|n| n.to_str());
            let process = name.and_then(|n| n.strip_prefix(&prefix)?.parse::<u32>().ok());
            if process.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
                remove_tree(&path)?;
            }
        }
        Staging::at(parent.join(format!("{prefix}{}", std::process::id())))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(e) = remove_tree(&self.path) {
            log::warn!("{e}");
        }
    }
}

impl Store {
    /// Where the store is unless said otherwise: `$TARE_IMAGE_ROOT`; for root `/var/lib/tare/images`; for others below
    /// `$XDG_DATA_HOME`.
    pub fn default_root() -> PathBuf {
        let variable = env::path;
        if let Some(root) = variable("TARE_IMAGE_ROOT") {
            return root;
        }
        if rustix::process::getuid().is_root() {
            return "/var/lib/tare/images".into();
        }
        let data = variable("XDG_DATA_HOME").or(variable("HOME").map(|h| h.join(".local/share")));
        data.unwrap_or_else(|| "/tmp".into()).join("tare/images")
    }

    /// Opens the store at `root`, making it if there is none, and clears away what killed processes left.
    pub fn open(root: &Path) -> Result<Self> {
        if !root.join("oci-layout").exists() {
            // Others may pass (containers run as other users), but not look.
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o711)
                .create(root);
            made.at("make directory", root)
                .map_err(|e| e.hint(ELSEWHERE))?;
        }
        let layout = Layout::create(root)?;
        for name in ["layers", "staging"] {
            make_private(&root.join(name))?;
        }
        let path = root.join("lock");
        let mut how = OpenOptions::new();
        let lock = how.create(true).truncate(false).write(true).open(&path);
        let lock = lock.at("open", &path).map_err(|e| e.hint(ELSEWHERE))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            clear(&root.join("staging"))?;
        }
        flock(&lock, FlockOperation::LockShared).at("lock", &path)?;
        Ok(Store::of(layout, lock, true))
    }

    /// Opens the store at `root` for what works without writing there too: where it is read-only or another user's, containers
    /// and what is unpacked on the way are elsewhere.
    pub fn open_to_use(root: &Path) -> Result<Self> {
        let read_only = [Errno::ROFS, Errno::ACCESS].map(|e| Some(e.raw_os_error()));
        match Self::open(root) {
            Err(e) if read_only.contains(&e.errno()) && root.join("oci-layout").exists() => {
                Self::open_to_read(root)
            }
            other => other,
        }
    }

    /// Opens the store at `root` to look at it: nothing is made or changed, so that its file system may be read-only.
    pub fn open_to_read(root: &Path) -> Result<Self> {
        if !root.join("oci-layout").exists() {
            fail!(NotFound: "there is no store at {}", root.display()
                => "\"pull\" and \"import\" make one; another place is named with --root");
        }
        let layout = Layout::open(root)?;
        let path = root.join("lock");
        // A layout made by another program has no such file.
        let path = if path.exists() { &path } else { root };
        let lock = File::open(path).at("open", path)?;
        flock(&lock, FlockOperation::LockShared).at("lock", path)?;
        Ok(Store::of(layout, lock, false))
    }

    fn of(mut layout: Layout, lock: File, writable: bool) -> Self {
        let lock = Arc::new(lock);
        layout.lock = Some(lock.clone());
        Store {
            layout,
            lock,
            writable,
        }
    }

    /// The images.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its content, to read images by what they are described by.
    pub fn source(&self, limits: &Limits) -> LayoutSource {
        LayoutSource::new(self.layout.clone(), None, limits.clone())
    }

    /// A place to write the image `name` to.
    pub fn destination(&self, name: &Reference, options: transfer::Options) -> LayoutDestination {
        LayoutDestination::new(self.layout.clone(), Some(name.to_string()), options)
    }

    /// The image that `reference` stands for here, by its name or by a digest that some name leads to.
    pub fn image(&self, reference: &Reference, limits: &Limits) -> Result<LayoutSource> {
        let digest = self.resolve(reference)?.digest().to_string();
        let layout = self.layout.clone();
        Ok(LayoutSource::new(layout, Some(digest), limits.clone()))
    }

    /// The folder of the store.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// What `reference` stands for here.
    pub fn resolve(&self, reference: &Reference) -> Result<Descriptor> {
        if let Some(digest) = reference.digest() {
            let known = self.layout.index()?;
            if let Some(found) = known.manifests().iter().find(|d| *d.digest() == digest) {
                return Ok(found.clone());
            }
        }
        match self.layout.resolve(Some(&reference.to_string())) {
            Err(e) if e.kind() == Kind::NotFound => match reference.id_prefix() {
                Some(prefix) => self.by_id(prefix)?.ok_or(e),
                None => Err(e),
            },
            other => other,
        }
    }

    /// The image whose digest, or whose configuration's, begins with these hexadecimal digits.
    fn by_id(&self, prefix: &str) -> Result<Option<Descriptor>> {
        let fits = |d: &Descriptor| d.digest().digest().starts_with(prefix);
        let has_config = |d: &Descriptor| {
            let document = self.layout.document(d, Limits::default().manifest_bytes);
            matches!(document.map(|d| d.content), Ok(Content::Manifest(m)) if fits(m.config()))
        };
        let mut found: Vec<Descriptor> = Vec::new();
        for entry in self.layout.index()?.manifests() {
            let known = found.iter().any(|f| f.digest() == entry.digest());
            if !known && (fits(entry) || has_config(entry)) {
                found.push(entry.clone());
            }
        }
        if found.len() > 1 {
            fail!(Usage: "the ids of {} images begin with {prefix}", found.len() => "Give more of it");
        }
        Ok(found.pop())
    }

    /// Where the unpacked layer with this ChainID is, or would be.
    pub fn layer(&self, chain_id: &Digest) -> Result<PathBuf> {
        digest::below(&self.root().join("layers"), chain_id)
    }

    /// False when nothing can be written there.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Where bundles made by `run` are.
    pub fn containers(&self) -> PathBuf {
        let own = match (self.writable, rustix::process::geteuid().is_root()) {
            (true, _) => return self.root().join("containers"),
            (false, true) if Path::new("/run").is_dir() => "/run".into(),
            (false, _) => env::path("XDG_RUNTIME_DIR")
                .or(env::path("HOME").map(|h| h.join(".cache")))
                .unwrap_or_else(|| self.root().into()),
        };
        own.join(format!("tare-image-{}", rustix::process::getuid().as_raw()))
    }

    /// Where the one called `id` is, or would be.
    pub fn container(&self, id: &str) -> PathBuf {
        self.containers().join(id)
    }

    /// A fresh folder on the same file system as the store, or elsewhere if that is read-only.
    pub fn staging(&self) -> Result<Staging> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{count}", std::process::id());
        if !self.writable {
            return Staging::at(std::env::temp_dir().join(format!("tare-image-{name}")));
        }
        let mut staging = Staging::at(self.root().join("staging").join(name))?;
        staging.lock = Some(self.lock.clone());
        Ok(staging)
    }

    /// Waits until no other process uses the store.
    pub fn alone(&self) -> Result<()> {
        if flock(&self.lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(());
        }
        log::warn!("waiting until others are done with the store");
        flock(&self.lock, FlockOperation::LockExclusive).at("lock", self.root())
    }
}

fn make_private(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .at("make directory", path)
}

/// Removes everything in a folder.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    files::list(folder).try_for_each(|path| remove_tree(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_but_not_those_of_living_processes() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("store");
        let first = Store::open(&root).unwrap();
        let staging = first.staging().unwrap();
        let path = staging.path().to_path_buf();
        drop(Store::open(&root).unwrap());
        assert!(path.exists(), "somebody is using it");
        drop((staging, first));
        // As after kill -9.
        fs::create_dir(&path).unwrap();
        drop(Store::open(&root).unwrap());
        assert!(!path.exists(), "its owner is gone");
    }
}
