//! Bundles made from images: a folder with `config.json`, a root file system, and a record of where it came from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use oci_spec::image::Descriptor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::{self, Overrides};
use crate::digest;
use crate::error::{Doing, During, Result};
use crate::files;
use crate::flatten::flatten;
use crate::json::{parse_json, read_limited, to_json};
use crate::manifest::Image;
use crate::overlay::{self, Overlay};
use crate::pull::{self, Options};
use crate::store::Store;
use crate::stubs;
use crate::unpack::remove_tree;

/// More than any `config.json` has.
const CONFIG_BYTES: u64 = 16 << 20;

/// The name of the file with it.
const RECORD: &str = "image.json";

/// Where a bundle came from; `image.json` beside its `config.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The image.
    pub manifest: Descriptor,
    /// Its unpacked layers, which the root file system needs when it is mounted.
    pub chain_ids: Vec<String>,
    /// The root file system is an overlay, with the changes in `upper`.
    pub overlay: bool,
    /// The process that will remove the bundle. When it is gone and the bundle is not, it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// Where the root file system is mounted, if not in the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
    /// Who runs the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
}

/// A runtime that has a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// The program.
    pub program: PathBuf,
    /// Where it keeps its state, if not where it always does.
    pub state: Option<PathBuf>,
    /// The name of the container.
    pub id: String,
}

impl Runtime {
    fn call(&self, words: &[&str]) -> std::io::Result<Output> {
        let mut command = Command::new(&self.program);
        if let Some(state) = &self.state {
            command.arg("--root").arg(state);
        }
        command.args(words).arg(&self.id).stdin(Stdio::null());
        command.output()
    }

    /// True if the container is there and has not ended.
    fn is_running(&self) -> bool {
        let Ok(output) = self.call(&["state"]) else {
            return false;
        };
        let state: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        output.status.success() && state["status"] != "stopped"
    }
}

/// A bundle that the store knows of.
pub(crate) enum Found {
    /// Its layers are needed.
    Used(Box<Record>),
    /// A killed process left it in this folder, unless somebody is making one there just now.
    Left(PathBuf),
}

/// How the root file system is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rootfs {
    /// All layers in one directory.
    Flat,
    /// The layers mounted over each other, with a writable directory on top; it is mounted until somebody unmounts it.
    Overlay,
    /// The same, and what is written there is not needed any more once the container has ended.
    Temporary,
}

impl Record {
    fn new(image: &Image, rootfs: Rootfs) -> Self {
        let overlay = rootfs != Rootfs::Flat;
        let chain_ids = image.chain_ids.iter().filter(|_| overlay);
        Record {
            manifest: image.descriptor.clone(),
            chain_ids: chain_ids.map(ToString::to_string).collect(),
            overlay,
            owner: None,
            target: None,
            runtime: None,
        }
    }

    /// The record of the bundle in `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(RECORD);
        if !path.exists() {
            fail!(NotFound: "{} was not made from an image", folder.display()
                => "Bundles made by \"bundle --overlay\" or \"run --keep\" can be committed");
        }
        parse_json(&read_limited(&path, 1 << 20)?, RECORD).map_err(|e| {
            let shown = folder.display();
            let how = format!("Remove the container with: tare-image remove --container {shown}");
            e.hint(how).during(shown.to_string())
        })
    }

    /// From now on the bundle in `folder` belongs to nobody, and stays until it is removed.
    pub fn keep(folder: &Path) -> Result<()> {
        let mut record = Record::read(folder)?;
        (record.owner, record.runtime) = (None, None);
        record.write(folder)
    }

    /// From now on `runtime` has a container of the bundle in `folder`.
    pub fn started(folder: &Path, runtime: &Runtime) -> Result<()> {
        let mut record = Record::read(folder)?;
        record.runtime = Some(runtime.clone());
        record.write(folder)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        // In one step: half a record would stand in the way of everybody who tidies up.
        files::write(&folder.join(RECORD), 0o666, &to_json(self)?)
    }

    /// True when the process that was to remove the bundle is gone, and the container too.
    fn is_orphan(&self) -> bool {
        let is_gone = |pid: u32| !Path::new("/proc").join(pid.to_string()).exists();
        self.owner.is_some_and(is_gone) && !self.runtime.as_ref().is_some_and(Runtime::is_running)
    }

    /// All bundles that the store knows of; of those elsewhere it keeps links, and forgets the ones that lead nowhere.
    pub(crate) fn all(store: &Store) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for path in files::list(&store.containers()) {
            if path.join(RECORD).exists() {
                let record = Record::read(&path)?;
                found.push(match record.is_orphan() {
                    true => Found::Left(path),
                    false => Found::Used(Box::new(record)),
                });
            } else if path.is_symlink() {
                fs::remove_file(&path).at("remove", &path)?;
            } else if path.is_dir() {
                found.push(Found::Left(path));
            }
        }
        Ok(found)
    }
}

/// Refuses what runtimes do not take for the name of a container.
pub fn check_id(id: &str) -> Result<()> {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"_+-.".contains(&c);
    match !id.is_empty() && id.bytes().all(good) && !id.starts_with('.') && id.len() <= 255 {
        true => Ok(()),
        false => Err(failure!(Usage: "{id:?} cannot be the name of a container"
            => "It has letters, digits and _+-. only, and no dot at the beginning")),
    }
}

/// Makes a bundle of an image whose blobs are in the store. `folder` must not exist or be empty.
///
/// # Errors
/// What unpacking, mounting and converting report; nothing is left then.
pub fn create(
    store: &Store,
    image: &Image,
    folder: &Path,
    rootfs: Rootfs,
    overrides: &Overrides,
    options: &Options,
) -> Result<()> {
    files::check_free(folder)?;
    fs::create_dir_all(folder).at("make directory", folder)?;
    let absolute = fs::canonicalize(folder).at("resolve", folder)?;
    let result = fill(store, image, &absolute, rootfs, overrides, options);
    if result.is_err() {
        let _ = discard(store, &absolute);
    }
    result
}

fn fill(
    store: &Store,
    image: &Image,
    folder: &Path,
    rootfs: Rootfs,
    overrides: &Overrides,
    options: &Options,
) -> Result<()> {
    let root = folder.join("rootfs");
    // Where layers cannot be put, those that are not there yet are unpacked into the bundle.
    let rootfs = match store.is_writable() || pull::is_ready(store, image)? {
        true => rootfs,
        false => Rootfs::Flat,
    };
    let record = Record {
        owner: is_inside(store, folder).then(std::process::id),
        ..Record::new(image, rootfs)
    };
    record.write(folder)?;
    match rootfs {
        Rootfs::Flat => flatten(store, image, &root, options)?,
        Rootfs::Overlay | Rootfs::Temporary => {
            remember(store, folder)?;
            mount_layers(store, image, folder, &root, rootfs, options)?;
        }
    }
    let spec = bundle::spec(image, &[&root], overrides, &options.limits)?;
    bundle::write(&spec, folder)?;
    Ok(())
}

fn is_inside(store: &Store, folder: &Path) -> bool {
    fs::canonicalize(store.containers()).is_ok_and(|c| folder.parent() == Some(c.as_path()))
}

/// Mounts the layers of an image at `target`. What is written there goes to a folder of the store, whose name is returned: with it,
/// the changes can be committed.
///
/// # Errors
/// What unpacking and mounting report; nothing is left then.
pub fn mount(store: &Store, image: &Image, target: &Path, options: &Options) -> Result<String> {
    fs::create_dir_all(target).at("make directory", target)?;
    let target = fs::canonicalize(target).at("resolve", target)?;
    let id = mounted_at(&target);
    let folder = store.container(&id);
    if folder.exists() {
        fail!(Local: "an image is mounted at {} already", target.display() => "\"umount\" takes it away");
    }
    let work = || {
        fs::create_dir_all(&folder).at("make directory", &folder)?;
        let record = Record {
            target: Some(target.clone()),
            ..Record::new(image, Rootfs::Overlay)
        };
        record.write(&folder)?;
        mount_layers(store, image, &folder, &target, Rootfs::Overlay, options)
    };
    let result = work();
    if result.is_err() {
        let _ = remove_tree(&folder);
    }
    result.map(|()| id)
}

fn mount_layers(
    store: &Store,
    image: &Image,
    folder: &Path,
    root: &Path,
    rootfs: Rootfs,
    options: &Options,
) -> Result<()> {
    pull::unpack(store, image, options)?;
    let overlay = Overlay {
        layers: &pull::layers(store, image)?,
        upper: &folder.join("upper"),
        work: &folder.join("work"),
        volatile: rootfs == Rootfs::Temporary,
    };
    overlay::mount(&overlay, root)
}

/// The name of what [`mount`] makes for a directory.
fn mounted_at(target: &Path) -> String {
    let digest = digest::of(target.as_os_str().as_encoded_bytes());
    format!("mount-{:.12}", digest.digest())
}

/// Takes away what [`mount`] made at `target`, with all changes.
pub fn unmount(store: &Store, target: &Path) -> Result<()> {
    let target = fs::canonicalize(target).at("resolve", target)?;
    let folder = store.container(&mounted_at(&target));
    if !folder.exists() {
        fail!(NotFound: "no image of this store is mounted at {}", target.display());
    }
    discard(store, &folder)
}

/// Links the bundle from the store, so that its layers are kept.
fn remember(store: &Store, folder: &Path) -> Result<()> {
    // Of a store that cannot be written to, nothing is removed.
    if is_inside(store, folder) || !store.is_writable() {
        return Ok(());
    }
    let containers = store.containers();
    fs::create_dir_all(&containers).at("make directory", &containers)?;
    let link = containers.join(digest::of(folder.as_os_str().as_encoded_bytes()).digest());
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(folder, &link).at("make link", &link)
}

/// What the runtime left in the changes of the bundle in `folder`, made with `base`, for its own mounts: no change of anybody's.
pub fn stubs(store: &Store, base: &Image, folder: &Path) -> Result<BTreeSet<Vec<u8>>> {
    let path = folder.join("config.json");
    if !path.exists() {
        // Only mounted: nobody else wrote there.
        return Ok(BTreeSet::new());
    }
    let text = read_limited(&path, CONFIG_BYTES)?;
    // Not by the specification's types: the bundle may have been made ready for a runtime that knows more.
    let config = parse_json::<Value>(&text, "config.json");
    let config = config.during(|| folder.display().to_string())?;
    let mounts = config["mounts"].as_array().into_iter().flatten();
    let destinations = mounts.filter_map(|m| m["destination"].as_str().map(PathBuf::from));
    let destinations: Vec<_> = destinations.collect();
    let mut lowers = pull::layers(store, base)?;
    lowers.reverse();
    stubs::find(&folder.join("upper"), &lowers, &destinations)
}

/// Removes what killed processes left: with the bundle what the runtime still knows of its container, which has ended.
pub(crate) fn discard_left(store: &Store, folder: &Path) -> Result<()> {
    if let Ok(Record {
        runtime: Some(runtime),
        ..
    }) = Record::read(folder)
        && let Err(e) = runtime.call(&["delete", "--force"])
    {
        log::debug!("{}: {e}", runtime.program.display());
    }
    discard(store, folder)
}

/// Unmounts and removes a bundle.
pub fn discard(store: &Store, folder: &Path) -> Result<()> {
    let target = Record::read(folder).ok().and_then(|record| record.target);
    overlay::unmount(&target.unwrap_or_else(|| folder.join("rootfs")))?;
    // The record last: who is killed on the way leaves something that can be told from other folders.
    for path in files::list(folder).filter(|path| !path.ends_with(RECORD)) {
        remove_tree(&path)?;
    }
    remove_tree(folder)?;
    let link = digest::of(folder.as_os_str().as_encoded_bytes());
    let _ = fs::remove_file(store.container(link.digest()));
    Ok(())
}
