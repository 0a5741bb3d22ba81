//! Looking for damage in a store: blobs by their digests, unpacked layers by unpacking them again.
//!
//! Comparing with a fresh copy needs no list of files and sums that every pull would have to write, and misses nothing.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use oci_spec::image::{Descriptor, Digest, MediaType};

use crate::diff;
use crate::digest;
use crate::error::{Doing, During, Result};
use crate::manifest::{Content, Image};
use crate::pull::{Job, Options, replace};
use crate::store::{Staging, Store};
use crate::unpack::{Form, open_directory};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Blobs that were read.
    pub blobs: u64,
    /// Unpacked layers that were compared.
    pub layers: u64,
    /// What is damaged, each on a line.
    pub damage: Vec<String>,
}

/// Looks at everything in the store. With `repair`, damaged blobs are removed, so that the next pull fetches them, and damaged
/// layers are replaced; that waits until nobody else uses the store.
pub fn check(store: &Store, repair: bool, options: &Options) -> Result<Report> {
    if repair {
        store.alone()?;
    }
    let mut report = Report::default();
    let mut wrong = HashSet::new();
    for (text, path) in store.layout().blobs() {
        let Ok(digest) = digest::parse(&text) else {
            report.damage.push(format!("{}: no digest", path.display()));
            continue;
        };
        report.blobs += 1;
        let size = std::fs::symlink_metadata(&path).map_or(0, |m| m.len());
        let descriptor = Descriptor::new(MediaType::ImageLayer, size, digest.clone());
        if !store.layout().is_right(&descriptor)? {
            report.damage.push(format!("blob {digest}"));
            wrong.insert(digest);
            if repair {
                std::fs::remove_file(&path).at("remove", &path)?;
            }
        }
    }
    let mut checker = Checker {
        store,
        options,
        repair,
        wrong,
        good: HashMap::new(),
        kept: Vec::new(),
        report,
    };
    for image in images(store, options)? {
        checker.image(&image)?;
    }
    Ok(checker.report)
}

/// All images whose documents are here and right.
fn images(store: &Store, options: &Options) -> Result<Vec<Image>> {
    let (layout, limits) = (store.layout(), &options.limits);
    let mut found = Vec::new();
    let roots = layout.index()?.manifests().clone();
    // What is damaged is known already.
    for document in layout.documents(roots, limits.manifest_bytes).flatten() {
        if let Content::Manifest(manifest) = document.content {
            let config = layout.read_blob(manifest.config(), limits.config_bytes);
            let image = config.and_then(|config| {
                Image::assemble(document.descriptor, *manifest, &config, limits)
            });
            found.extend(image.ok());
        }
    }
    Ok(found)
}

struct Checker<'a> {
    store: &'a Store,
    options: &'a Options,
    repair: bool,
    /// Blobs that are not what they should be.
    wrong: HashSet<Digest>,
    /// By ChainID: a directory that has what it should.
    good: HashMap<Digest, PathBuf>,
    /// Copies that are needed until the end.
    kept: Vec<Staging>,
    report: Report,
}

impl Checker<'_> {
    fn image(&mut self, image: &Image) -> Result<()> {
        let source = self.store.source(&self.options.limits);
        let job = Job::new(&source, self.store, image, self.options);
        for (n, chain_id) in image.chain_ids.iter().enumerate() {
            let stored = self.store.layer(chain_id)?.join("fs");
            if self.good.contains_key(chain_id) || !stored.is_dir() {
                continue;
            }
            let blob = &image.manifest.layers()[n];
            if self.wrong.contains(blob.digest()) || !self.store.layout().has(blob)? {
                log::warn!("{chain_id} cannot be compared without its blob");
                return Ok(());
            }
            let staging = self.store.staging()?;
            let unpack = || {
                let stop = AtomicBool::new(false);
                let layer = job.prepare(n, staging.path(), Form::Overlay, &stop)?;
                let lowers = image.chain_ids[..n].iter().rev();
                let lowers = lowers.filter_map(|c| self.good.get(c));
                let lowers = lowers.map(|p| open_directory(p));
                layer.settle(&lowers.collect::<Result<Vec<OwnedFd>>>()?)
            };
            unpack().during(|| job.step(n))?;
            self.report.layers += 1;
            let fresh = staging.path().join("fs");
            let mut found = None;
            diff::trees(&stored, &fresh, &mut |_, path| {
                found = Some(path.to_vec());
                false
            })?;
            match found {
                None => drop(self.good.insert(chain_id.clone(), stored)),
                Some(path) => {
                    let shown = String::from_utf8_lossy(&path);
                    let line = format!("unpacked layer {chain_id}: /{shown}");
                    self.report.damage.push(line);
                    if self.repair {
                        replace(self.store, chain_id, &staging)?;
                        self.good.insert(chain_id.clone(), stored);
                    } else {
                        self.good.insert(chain_id.clone(), fresh);
                        self.kept.push(staging);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The error that says that there is damage.
pub fn damaged(report: &Report) -> Result<()> {
    match report.damage.len() {
        0 => Ok(()),
        n => Err(failure!(Integrity: "{n} damaged, see above"
            => "\"check --repair\" replaces damaged layers and removes damaged blobs; then pull the images again")),
    }
}
