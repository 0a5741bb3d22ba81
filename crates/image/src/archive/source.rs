//! Images in archives, as sources.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use oci_spec::image::{Descriptor, Digest, ImageIndex, MediaType};
use serde::Deserialize;

use super::index::{Files, normal};
use crate::compression::Compression;
use crate::digest::{self, Hasher};
use crate::error::{During, Error, Kind, Result};
use crate::ingest::pass;
use crate::json::parse_document;
use crate::layout;
use crate::limits::Limits;
use crate::manifest::Document;
use crate::reference::Reference;
use crate::source::{Content, Source};

/// A tar file with images, of a layout or from `docker save`.
pub struct Archive {
    files: Arc<Files>,
    form: Form,
    limits: Limits,
    /// For messages.
    path: String,
}

enum Form {
    Docker(Vec<Saved>),
    Layout(Box<ImageIndex>),
}

/// An entry of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The document `name`, which says what is in the archive.
fn list<T: for<'a> Deserialize<'a>>(files: &Files, name: &str, limits: &Limits) -> Result<T> {
    match files.read(name, limits.manifest_bytes)? {
        Some(bytes) => parse_document(&bytes, name),
        None => Err(
            failure!(NotFound: "no {name}: this is no archive of images of that kind"
            => "An archive of a root file system is read by: tare-image import"),
        ),
    }
}

impl Form {
    fn layout(files: &Files, limits: &Limits) -> Result<Self> {
        list(files, "index.json", limits).map(Form::Layout)
    }

    fn docker(files: &Files, limits: &Limits) -> Result<Self> {
        list(files, "manifest.json", limits).map(Form::Docker)
    }
}

impl Archive {
    /// The archive of a layout.
    pub fn layout(path: &Path, limits: &Limits) -> Result<Self> {
        Self::open(path, limits, |files| Form::layout(files, limits))
    }

    /// What `docker save` writes.
    pub fn docker(path: &Path, limits: &Limits) -> Result<Self> {
        Self::open(path, limits, |files| Form::docker(files, limits))
    }

    /// Either of them; what is both is read as docker does.
    pub fn any(path: &Path, limits: &Limits) -> Result<Self> {
        Self::open(path, limits, |files| match Form::docker(files, limits) {
            Err(e) if e.kind() == Kind::NotFound => Form::layout(files, limits),
            other => other,
        })
    }

    fn open(
        path: &Path,
        limits: &Limits,
        form: impl FnOnce(&Files) -> Result<Form>,
    ) -> Result<Self> {
        let files = Files::open(path, limits)?;
        let form = form(&files).during(|| path.display().to_string())?;
        Ok(Archive {
            files: Arc::new(files),
            form,
            limits: limits.clone(),
            path: path.display().to_string(),
        })
    }

    /// What policies call archives of this form.
    pub fn transport(&self) -> &'static str {
        match self.form {
            Form::Docker(_) => "docker-archive",
            Form::Layout(_) => "oci-archive",
        }
    }

    /// The names of each image in it, in its order. What is there for a name and cannot be one is said, and left out.
    pub fn names(&self) -> Vec<Vec<Reference>> {
        let good = |name: Result<Reference>| match name {
            Ok(name) => Some(name),
            Err(e) => {
                log::warn!("{}: {e}", self.path);
                None
            }
        };
        let tags = |image: &Saved| -> Vec<_> {
            let tags = image.repo_tags.iter().flatten();
            tags.filter_map(|t| good(t.parse())).collect()
        };
        let name = |entry: &Descriptor| -> Vec<_> {
            let name = layout::image_name(entry).transpose();
            name.and_then(good).into_iter().collect()
        };
        match &self.form {
            Form::Docker(images) => images.iter().map(tags).collect(),
            Form::Layout(index) => index.manifests().iter().map(name).collect(),
        }
    }

    /// The image at this place of [`Archive::names`].
    pub fn image(&self, n: usize) -> Result<ArchiveSource> {
        let found = match &self.form {
            Form::Docker(images) => images.get(n).map(|i| self.saved(i)),
            Form::Layout(index) => index.manifests().get(n).map(|d| self.listed(d)),
        };
        (found.unwrap_or_else(|| Err(no_image()))).during(|| self.path.clone())
    }

    /// The image called `name`: a reference in what docker writes, what `ref.name` says in a layout. Without a name the only
    /// one.
    pub fn find(&self, name: Option<&str>) -> Result<ArchiveSource> {
        let work = || match &self.form {
            Form::Layout(index) => self.listed(&layout::pick(index, name)?),
            Form::Docker(images) => {
                let name: Option<Reference> = name.map(str::parse).transpose()?;
                let called = |i: &&Saved| {
                    let mut tags = i.repo_tags.iter().flatten();
                    tags.any(|t| t.parse::<Reference>().ok() == name)
                };
                let found = match (&name, &images[..]) {
                    (Some(_), _) => images.iter().find(called),
                    (None, [only]) => Some(only),
                    (None, _) => None,
                };
                let found = found.ok_or_else(|| no_image().hint("Name one of its images"));
                self.saved(found?)
            }
        };
        work().during(|| self.path.clone())
    }

    fn listed(&self, descriptor: &Descriptor) -> Result<ArchiveSource> {
        Ok(ArchiveSource {
            root: blob(&self.files, descriptor, &self.limits)?,
            files: self.files.clone(),
            places: HashMap::new(),
            limits: self.limits.clone(),
        })
    }

    /// Makes a manifest for an image of `docker save`.
    fn saved(&self, image: &Saved) -> Result<ArchiveSource> {
        let mut places = HashMap::new();
        let mut find = |name: &str| {
            let missing =
                || failure!(Malformed: "manifest.json names {name}, which is not in the archive");
            let name = normal(name.as_bytes()).ok_or_else(missing)?;
            let place = *self.files.files.get(&name).ok_or_else(missing)?;
            let (mut hasher, mut start) = (Hasher::default(), Vec::new());
            pass(self.files.slice(place, 0, None).reader, &mut |bytes| {
                if start.is_empty() {
                    start.extend_from_slice(&bytes[..bytes.len().min(4)]);
                }
                hasher.update(bytes);
                Ok(())
            })?;
            let media_type = Compression::detect(&start).media_type();
            let descriptor = Descriptor::new(media_type, place.1, hasher.finish());
            places.insert(descriptor.digest().clone(), place);
            Ok(descriptor)
        };
        let mut config = find(&image.config)?;
        config.set_media_type(MediaType::ImageConfig);
        let layers = image.layers.iter().flatten();
        let layers = layers.map(|name| find(name)).collect::<Result<Vec<_>>>()?;
        Ok(ArchiveSource {
            files: self.files.clone(),
            root: Document::image(&config, &layers)?,
            places,
            limits: self.limits.clone(),
        })
    }
}

/// An image in an archive.
pub struct ArchiveSource {
    files: Arc<Files>,
    root: Document,
    /// Content that is not under `blobs/`.
    places: HashMap<Digest, (u64, u64)>,
    limits: Limits,
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_ref(), digest.digest())
}

fn no_image() -> Error {
    failure!(NotFound: "no such image in the archive")
}

fn nothing(digest: &Digest) -> Error {
    failure!(NotFound: "{digest} is not in the archive")
}

fn blob(files: &Files, descriptor: &Descriptor, limits: &Limits) -> Result<Document> {
    let digest = descriptor.digest();
    let bytes = files.read(&blob_name(digest), limits.manifest_bytes)?;
    let bytes = bytes.ok_or_else(|| nothing(digest))?;
    digest::verify(&bytes, descriptor)?;
    Document::of(bytes, descriptor)
}

impl Source for ArchiveSource {
    fn root(&self) -> Result<Document> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        blob(&self.files, descriptor, &self.limits)
    }

    fn open(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content> {
        let digest = descriptor.digest();
        let place = self.places.get(digest);
        let place = place.or_else(|| self.files.files.get(&blob_name(digest)));
        let place = place.ok_or_else(|| nothing(digest))?;
        Ok(self.files.slice(*place, start, end))
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! A way in for [`crate::fuzzing`].

    /// What docker says that is in an archive.
    pub(crate) fn list(data: &[u8]) {
        let _ = super::parse_document::<Vec<super::Saved>>(data, "manifest.json");
    }
}
