//! Bringing images into the store, and unpacking them: layers in parallel, each through its own stages.

use std::collections::VecDeque;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use oci_spec::image::{Descriptor, Digest};

use crate::chunks::ChunkReader;
use crate::error::{Doing, During, Error, Kind, Result};
use crate::index;
use crate::layer::{self, Threads};
use crate::limits::Limits;
use crate::manifest::{Content, Document, Image};
use crate::parallel::{check, in_order};
use crate::platform::Wanted;
use crate::reference::Reference;
use crate::source::{self, Source};
use crate::store::{Staging, Store};
use crate::transfer;
use crate::unpack::{Form, Layer, Owner, Summary, open_directory, remove_tree};
use crate::windows::Windows;

/// How images are brought in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which image of an index.
    pub platform: Wanted,
    /// What content may cost.
    pub limits: Limits,
    /// How blobs are fetched.
    pub transfer: transfer::Options,
    /// Layers at the same time.
    pub parallel: usize,
    /// Bytes that decompressors of zstd, xz and bzip2 may take for all layers together. A layer for which there is no room is
    /// only fetched, and unpacked later; one always goes on, whatever it needs.
    pub windows: u64,
    /// Whom unpacked files belong to.
    pub owner: Owner,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            platform: Wanted::host(),
            limits: Limits::default(),
            transfer: transfer::Options::default(),
            parallel: 3,
            // One layer of zstd's usual level, or several of faster ones.
            windows: 2 << 20,
            owner: Owner::for_caller(),
        }
    }
}

/// What a pull did.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The image for the wanted platform.
    pub image: Image,
    /// What the name stands for: the image itself, or the index it was chosen from.
    pub root: Descriptor,
    /// Nothing had to be fetched or unpacked.
    pub unchanged: bool,
}

/// Brings the image of `source` for one platform into the store, under the name `reference`; with `unpack` also its layers,
/// ready to be mounted. Streams: a layer is unpacked while it arrives.
///
/// # Errors
/// See [`Source`] and [`crate::unpack`]. Content that was verified stays for the next attempt; nothing else does.
pub fn pull(
    source: &dyn Source,
    store: &Store,
    reference: &Reference,
    unpack: bool,
    options: &Options,
) -> Result<Pulled> {
    let work = || {
        let root = source.root()?;
        let known = Known(source, store, &options.limits);
        let (image, documents) = choose(&known, &root, options)?;
        let job = Job::new(source, store, &image, options);
        let missing = job.work_left(unpack)?;
        let unchanged = missing.is_empty();
        if !unchanged {
            if let Some(watch) = &options.transfer.watch {
                let bytes = missing.iter().map(|n| job.layer(*n).size()).sum();
                watch.expect(missing.len(), bytes);
            }
            job.run(unpack)?;
        }
        let config = image.manifest.config();
        if !store.layout().has(config)? {
            store.layout().put(config, &image.config_bytes)?;
        }
        for document in documents.iter().chain([&root]) {
            store.layout().put(&document.descriptor, &document.bytes)?;
        }
        let name = reference.to_string();
        let known = store.layout().resolve(Some(&name));
        let known = known.is_ok_and(|d| d.digest() == root.descriptor.digest());
        if !known {
            store.layout().tag(Some(&name), &root.descriptor)?;
        }
        store.layout().touch(&root.descriptor);
        Ok(Pulled {
            image,
            root: root.descriptor,
            unchanged: unchanged && known,
        })
    };
    work().during(|| format!("pull {reference}"))
}

/// Asks the source only for what the store does not have.
struct Known<'a>(&'a dyn Source, &'a Store, &'a Limits);

impl Source for Known<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        match (self.1.layout()).document(descriptor, self.2.manifest_bytes) {
            Ok(document) => Ok(document),
            Err(_) => self.0.document(descriptor),
        }
    }

    fn open(
        &self,
        descriptor: &Descriptor,
        start: u64,
        end: Option<u64>,
    ) -> Result<source::Content> {
        let layout = self.1.layout();
        // Only configurations come here, which are small: looking at all of it costs nothing.
        if layout.has(descriptor).unwrap_or(false) && !layout.drop_damaged(descriptor)? {
            return self.1.source(self.2).open(descriptor, start, end);
        }
        self.0.open(descriptor, start, end)
    }

    fn behind(&self) -> Option<&dyn Source> {
        Some(self.0)
    }
}

/// Unpacks the layers of an image whose blobs are in the store, where that is not done yet.
pub fn unpack(store: &Store, image: &Image, options: &Options) -> Result<()> {
    let source = &store.source(&options.limits);
    let job = Job::new(source, store, image, options);
    match job.work_left(true)?.is_empty() {
        true => Ok(()),
        false => job.run(true),
    }
}

/// True if all layers are unpacked.
pub(crate) fn is_ready(store: &Store, image: &Image) -> Result<bool> {
    let layers = layers(store, image)?;
    Ok(layers.iter().all(|fs| fs.is_dir()))
}

/// Directories of the unpacked layers, the lowest first.
pub fn layers(store: &Store, image: &Image) -> Result<Vec<PathBuf>> {
    image
        .chain_ids
        .iter()
        .map(|c| Ok(store.layer(c)?.join("fs")))
        .collect()
}

/// The image for a platform, and the documents on the way to it.
pub fn choose(
    source: &dyn Source,
    root: &Document,
    options: &Options,
) -> Result<(Image, Vec<Document>)> {
    let (found, documents) = index::find(source, root, &options.platform)?;
    let Content::Manifest(manifest) = found.content else {
        fail!(NotFound: "an index in place of an image");
    };
    let config = source::read(source, manifest.config(), options.limits.config_bytes)
        .during(|| "configuration".into())?;
    let image = Image::assemble(found.descriptor, *manifest, &config, &options.limits)?;
    // Where there is no index, nothing was chosen. To look at it or pass it on is no fault; to run it fails.
    let (os, architecture) = (image.config.os(), image.config.architecture());
    let made_for = format!("{os}/{architecture}");
    let wanted = &options.platform;
    if made_for != format!("{}/{}", wanted.os, wanted.architecture) {
        log::warn!("the image is for {made_for}, not for {wanted}");
    }
    Ok((image, documents))
}

/// Everything that work on the layers of an image needs.
pub(crate) struct Job<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) store: &'a Store,
    pub(crate) image: &'a Image,
    pub(crate) options: &'a Options,
    windows: Arc<Windows>,
    /// Bytes of the layers that are not unpacked yet.
    left: u64,
}

impl<'a> Job<'a> {
    pub(crate) fn new(
        source: &'a dyn Source,
        store: &'a Store,
        image: &'a Image,
        options: &'a Options,
    ) -> Self {
        let layers = image.manifest.layers().iter().zip(&image.chain_ids);
        let is_unpacked = |id| store.layer(id).is_ok_and(|layer| layer.join("fs").is_dir());
        let left = layers.filter(|(_, id)| !is_unpacked(id));
        Job {
            source,
            store,
            image,
            options,
            windows: Arc::new(Windows::new(options.windows)),
            left: left.fold(0, |sum, (layer, _)| layer.size().saturating_add(sum)),
        }
    }

    /// A layer that is the most of what is to be done must not be what all wait for in the end.
    fn threads(&self, n: usize) -> Threads {
        static PROCESSORS: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
        let part = self.layer(n).size().saturating_mul(*PROCESSORS as u64);
        match self.options.parallel >= *PROCESSORS && part <= self.left {
            true => Threads::Two,
            false => Threads::Three,
        }
    }

    fn layer(&self, n: usize) -> &Descriptor {
        &self.image.manifest.layers()[n]
    }

    fn unpacked(&self, n: usize) -> Result<PathBuf> {
        Ok(self.store.layer(&self.image.chain_ids[n])?.join("fs"))
    }

    /// For messages.
    pub(crate) fn step(&self, n: usize) -> String {
        let (count, digest) = (self.image.chain_ids.len(), self.layer(n).digest());
        format!("layer {} of {count} ({digest})", n + 1)
    }

    /// Numbers of the layers that are not there yet.
    fn work_left(&self, unpack: bool) -> Result<Vec<usize>> {
        let mut left = Vec::new();
        for n in 0..self.image.chain_ids.len() {
            let there = self.store.layout().has(self.layer(n))?;
            if !there || (unpack && !self.unpacked(n)?.is_dir()) {
                left.push(n);
            }
        }
        Ok(left)
    }

    fn run(&self, unpack: bool) -> Result<()> {
        let mut lowers = VecDeque::new();
        in_order(
            self.image.chain_ids.len(),
            self.options.parallel,
            |n, failed| {
                let work = || {
                    if !unpack || self.unpacked(n)?.is_dir() {
                        return self.fetch(n, failed).map(|()| None);
                    }
                    let staging = self.store.staging()?;
                    let layer = self.prepare(n, staging.path(), Form::Overlay, failed)?;
                    Ok(Some((staging, layer)))
                };
                work().during(|| self.step(n))
            },
            |n, prepared| match prepared {
                Some((staging, layer)) => {
                    let place = self.place(n, &staging, layer, &mut lowers);
                    place.during(|| self.step(n))
                }
                None => Ok(()),
            },
        )
    }

    /// Brings layer `n` into the store.
    fn fetch(&self, n: usize, failed: &AtomicBool) -> Result<()> {
        let (layer, layout) = (self.layer(n), self.store.layout());
        if layout.has(layer)? {
            return Ok(());
        }
        let transfer = &self.options.transfer;
        transfer::once_more(self.source, layer, || {
            transfer::fetch(self.source, layer, layout, transfer, &mut |_| check(failed))
        })
    }

    /// Fetches (or reads) layer `n` and unpacks it below `folder` on the way.
    pub(crate) fn prepare(
        &self,
        n: usize,
        folder: &Path,
        form: Form,
        failed: &AtomicBool,
    ) -> Result<Layer> {
        let (descriptor, layout, options) = (self.layer(n), self.store.layout(), self.options);
        let fs = folder.join("fs");
        let there = layout.has(descriptor)?;
        let mut share = self.windows.share();
        let mut attempt = || loop {
            remove_tree(&fs)?;
            make_directory(&fs)?;
            let fetch = |feed: &mut layer::Feed<'_>| {
                let mut pass = |bytes: &[u8]| check(failed).and_then(|()| feed.pass(bytes));
                transfer::fetch(
                    self.source,
                    descriptor,
                    layout,
                    &options.transfer,
                    &mut pass,
                )
            };
            let limits = &options.limits;
            let sink = |archive: &mut ChunkReader<'_>| {
                let mut layer = Layer::new(&fs, form, options.owner, limits)?;
                layer.unpack(archive)?;
                Ok(layer)
            };
            let (diff_id, threads) = (&self.image.diff_ids[n], self.threads(n));
            match layer::read(fetch, diff_id, limits, &mut share, threads, sink) {
                // There was no room. Now that there is, the content comes from the store.
                Err(e) if e.is_stopped() && share.wait() => {}
                done => return done,
            }
        };
        match transfer::once_more(self.source, descriptor, &mut attempt) {
            // Stored content was right when it came; when it makes no sense, an accident may have happened to it since.
            Err(e) if there && is_about_content(&e) => match layout.drop_damaged(descriptor)? {
                true => attempt(),
                false => Err(e),
            },
            other => other,
        }
    }

    /// Completes layer `n` with what is below it, and moves it to its place. `lowers` has what was opened for those before it.
    fn place(
        &self,
        n: usize,
        staging: &Staging,
        layer: Layer,
        lowers: &mut VecDeque<OwnedFd>,
    ) -> Result<()> {
        while lowers.len() < n {
            lowers.push_front(open_directory(&self.unpacked(lowers.len())?)?);
        }
        report(&layer.settle(lowers.make_contiguous())?);
        let target = self.store.layer(&self.image.chain_ids[n])?;
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).at("make directory", parent)?;
        }
        // A layer appears with all that is in it: what is there without is no layer any more.
        if target.exists() && !target.join("fs").is_dir() {
            remove_tree(&target)?;
        }
        match fs::rename(staging.path(), &target) {
            // Another process was quicker; both made the same.
            Err(_) if target.join("fs").is_dir() => Ok(()),
            other => other.at("move layer to", &target),
        }
    }
}

fn is_about_content(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Integrity | Kind::Malformed | Kind::Unsafe | Kind::Unsupported
    )
}

/// Puts what is in `staging` in the place of a layer that is damaged. Nobody else may use the store.
pub(crate) fn replace(store: &Store, chain_id: &Digest, staging: &Staging) -> Result<()> {
    let target = store.layer(chain_id)?;
    let old = store.staging()?;
    let error = |e| Error::file("replace", &target, e);
    fs::rename(&target, old.path().join("old")).map_err(error)?;
    fs::rename(staging.path(), &target).map_err(error)
}

pub(crate) fn report(summary: &Summary) {
    if summary.skipped_devices > 0 {
        log::warn!(
            "{} devices were left out: making them needs privilege",
            summary.skipped_devices
        );
    }
}

pub(crate) fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).at("make directory", path)?;
    // Images without an entry for "/" get what everybody expects, whatever the caller's umask is.
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .at("change mode of", path)
}
