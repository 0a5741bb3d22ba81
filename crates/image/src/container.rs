//! Bundles made from images: a folder with `config.json`, a root file system, and a record of where it came from.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;
use serde::{Deserialize, Serialize};

use crate::bundle::{self, Overrides};
use crate::digest;
use crate::error::{During, Error, Kind, Result};
use crate::flatten::flatten;
use crate::json::{parse_json, read_limited, to_json};
use crate::manifest::Image;
use crate::overlay;
use crate::pull::{self, Options};
use crate::source::LayoutSource;
use crate::store::Store;
use crate::stubs;

/// More than any `config.json` has.
const CONFIG_BYTES: u64 = 16 << 20;

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
}

/// How the root file system is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rootfs {
    /// All layers in one directory.
    Flat,
    /// The layers mounted over each other, with a writable directory on top; it is mounted until somebody unmounts it.
    Overlay,
}

impl Record {
    /// The record of the bundle in `folder`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when it was not made from an image.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("image.json");
        if !path.exists() {
            return Err(Error::new(
                Kind::NotFound,
                format!("{} was not made from an image", folder.display()),
            )
            .hint("Bundles made by \"bundle --overlay\" or \"run --keep\" can be committed"));
        }
        parse_json(&read_limited(&path, 1 << 20)?, "image.json")
            .map_err(|e| {
                e.hint(format!(
                    "Remove the container with: tare-image remove --container {}",
                    folder.display()
                ))
            })
            .during(|| folder.display().to_string())
    }

    /// From now on the bundle in `folder` belongs to nobody, and stays until it is removed.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn keep(folder: &Path) -> Result<()> {
        let record = Record {
            owner: None,
            ..Record::read(folder)?
        };
        record.write(folder)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join("image.json");
        let bytes = to_json(self)?;
        // In one step: half a record would stand in the way of everybody who tidies up.
        crate::regular::replace(&path, 0o644, |file| file.write_all(&bytes))
            .map_err(|e| Error::file("write", &path, e))
    }

    fn is_orphan(&self) -> bool {
        self.owner
            .is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
    }

    /// All records that the store knows of; of bundles elsewhere it keeps links, and forgets those that
    /// lead nowhere. What killed processes left is removed.
    pub(crate) fn all(store: &Store) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(store.root().join("containers"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.join("image.json").exists() {
                let record = Record::read(&path)?;
                if record.is_orphan() {
                    discard(store, &path)?;
                } else {
                    found.push(record);
                }
            } else if path.is_symlink() {
                fs::remove_file(&path).map_err(|e| Error::file("remove", &path, e))?;
            }
        }
        Ok(found)
    }
}

/// Where bundles made by `run` are.
pub fn folder(store: &Store, id: &str) -> PathBuf {
    store.root().join("containers").join(id)
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
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new(
            Kind::Local,
            format!("{} exists and is not empty", folder.display()),
        )
        .hint("Name a new directory, or remove that one first"));
    }
    fs::create_dir_all(folder).map_err(|e| Error::file("make directory", folder, e))?;
    let absolute = fs::canonicalize(folder).map_err(|e| Error::file("resolve", folder, e))?;
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
    let record = Record {
        manifest: image.descriptor.clone(),
        chain_ids: match rootfs {
            Rootfs::Overlay => image.chain_ids.iter().map(ToString::to_string).collect(),
            Rootfs::Flat => Vec::new(),
        },
        overlay: rootfs == Rootfs::Overlay,
        owner: is_inside(store, folder).then(std::process::id),
    };
    record.write(folder)?;
    match rootfs {
        Rootfs::Flat => {
            let source = LayoutSource::new(store.layout().clone(), None, options.limits.clone());
            flatten(&source, store, image, &root, options)?;
        }
        Rootfs::Overlay => {
            remember(store, folder)?;
            pull::unpack(store, image, options)?;
            overlay::mount(
                &pull::layers(store, image)?,
                &folder.join("upper"),
                &folder.join("work"),
                &root,
            )?;
        }
    }
    let spec = bundle::spec(image, &[&root], overrides, &options.limits)?;
    bundle::write(&spec, folder)?;
    Ok(())
}

fn is_inside(store: &Store, folder: &Path) -> bool {
    fs::canonicalize(store.root().join("containers"))
        .is_ok_and(|c| folder.parent() == Some(c.as_path()))
}

/// Links the bundle from the store, so that its layers are kept.
fn remember(store: &Store, folder: &Path) -> Result<()> {
    if is_inside(store, folder) {
        return Ok(());
    }
    let containers = store.root().join("containers");
    fs::create_dir_all(&containers).map_err(|e| Error::file("make directory", &containers, e))?;
    let link = containers.join(digest::of(folder.as_os_str().as_encoded_bytes()).digest());
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(folder, &link).map_err(|e| Error::file("make link", &link, e))
}

/// What the runtime left in the changes of the bundle in `folder`, made with `base`, for its own mounts: no change of anybody's.
///
/// # Errors
/// What the file system reports; [`Kind::Malformed`] for a `config.json` that is none.
pub fn stubs(store: &Store, base: &Image, folder: &Path) -> Result<BTreeSet<Vec<u8>>> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        mounts: Vec<Mount>,
    }
    #[derive(Deserialize)]
    struct Mount {
        destination: PathBuf,
    }
    // Not by the specification's types: the bundle may have been made ready for a runtime that knows more.
    let config: Config = parse_json(
        &read_limited(&folder.join("config.json"), CONFIG_BYTES)?,
        "config.json",
    )
    .during(|| folder.display().to_string())?;
    let destinations: Vec<_> = config.mounts.into_iter().map(|m| m.destination).collect();
    let mut lowers = pull::layers(store, base)?;
    lowers.reverse();
    stubs::find(&folder.join("upper"), &lowers, &destinations)
}

/// Unmounts and removes a bundle.
///
/// # Errors
/// What the kernel reports.
pub fn discard(store: &Store, folder: &Path) -> Result<()> {
    overlay::unmount(&folder.join("rootfs"))?;
    crate::unpack::remove_tree(folder)?;
    let link = store
        .root()
        .join("containers")
        .join(digest::of(folder.as_os_str().as_encoded_bytes()).digest());
    let _ = fs::remove_file(link);
    Ok(())
}
