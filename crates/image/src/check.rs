//! Looking for damage in a store: blobs by their digests, unpacked layers by unpacking them again.
//!
//! Comparing with a fresh copy needs no list of files and sums that every pull would have to write, and misses nothing.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use oci_spec::image::{Descriptor, Digest, MediaType};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};

use crate::digest;
use crate::error::{Doing, During, Error, Result};
use crate::manifest::{Content, Image};
use crate::pull::{Job, Options, replace};
use crate::store::{Staging, Store};
use crate::unpack::{
    Form, children, form_attributes, open_child, open_directory, shown_attributes,
};

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
        let job = Job {
            source: &self.store.source(&self.options.limits),
            store: self.store,
            image,
            options: self.options,
        };
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
            match compare(&open_directory(&stored)?, &open_directory(&fresh)?, b"")? {
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

/// The first name below both directories under which they have not the same.
fn compare(a: &OwnedFd, b: &OwnedFd, at: &[u8]) -> Result<Option<Vec<u8>>> {
    let error = |e| Error::system("compare", e);
    let stats = (fs::fstat(a).map_err(error)?, fs::fstat(b).map_err(error)?);
    if outside(&stats.0) != outside(&stats.1) || attributes(a)? != attributes(b)? {
        return Ok(Some(at.to_vec()));
    }
    let (mut names, mut others) = (children(a)?, children(b)?);
    names.sort();
    others.sort();
    let path = |name: &[u8]| match at {
        b"" => name.to_vec(),
        at => [at, b"/", name].concat(),
    };
    if let Some(name) = names.iter().find(|n| others.binary_search(n).is_err()) {
        return Ok(Some(path(name)));
    }
    if let Some(name) = others.iter().find(|n| names.binary_search(n).is_err()) {
        return Ok(Some(path(name)));
    }
    for name in &names {
        let look = |fd: &OwnedFd| fs::statat(fd, &name[..], AtFlags::SYMLINK_NOFOLLOW);
        let (x, y) = (look(a).map_err(error)?, look(b).map_err(error)?);
        let kind = FileType::from_raw_mode(x.st_mode);
        if kind == FileType::Directory && x.st_mode == y.st_mode {
            let open = |fd: &OwnedFd| open_child(fd, name).map_err(error);
            if let Some(found) = compare(&open(a)?, &open(b)?, &path(name))? {
                return Ok(Some(found));
            }
            continue;
        }
        let same = outside(&x) == outside(&y)
            && match kind {
                FileType::RegularFile => same_content(a, b, name)?,
                FileType::Symlink => {
                    let read = |fd: &OwnedFd| fs::readlinkat(fd, &name[..], Vec::new());
                    read(a).map_err(error)? == read(b).map_err(error)?
                }
                _ => true,
            };
        if !same {
            return Ok(Some(path(name)));
        }
    }
    Ok(None)
}

/// What an inode says about itself.
fn outside(stat: &Stat) -> (u32, u32, u32, u64, i64, i64, u64) {
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    (
        stat.st_mode,
        stat.st_uid,
        stat.st_gid,
        stat.st_rdev,
        stat.st_mtime,
        stat.st_mtime_nsec as i64,
        // How large a directory is, is the file system's business.
        if directory { 0 } else { stat.st_size as u64 },
    )
}

fn attributes(fd: &OwnedFd) -> Result<HashSet<(Vec<u8>, Vec<u8>)>> {
    let mut all: HashSet<_> = shown_attributes(fd.as_fd())?.into_iter().collect();
    all.extend(form_attributes(fd.as_fd())?);
    Ok(all)
}

fn same_content(a: &OwnedFd, b: &OwnedFd, name: &[u8]) -> Result<bool> {
    let open = |fd: &OwnedFd| {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        fs::openat(fd, name, flags, Mode::empty()).doing("open")
    };
    let (x, y) = (open(a)?, open(b)?);
    if attributes(&x)? != attributes(&y)? {
        return Ok(false);
    }
    let (x, y) = (std::fs::File::from(x), std::fs::File::from(y));
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut position = 0;
    loop {
        use std::os::unix::fs::FileExt;
        let error = |e| Error::system("compare", e);
        let n = x.read_at(&mut left, position).map_err(error)?;
        if n == 0 {
            return Ok(true);
        }
        match y.read_exact_at(&mut right[..n], position) {
            Ok(()) if left[..n] == right[..n] => position += n as u64,
            Ok(()) => return Ok(false),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(e) => return Err(error(e)),
        }
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
