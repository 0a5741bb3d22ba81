//! Images in archives, as sources.

use std::collections::HashMap;
use std::path::Path;

use oci_spec::image::{Descriptor, Digest, ImageIndex, MediaType};
use serde_json::json;

use super::index::{Archive, normal};
use crate::compression::Compression;
use crate::digest::{self, Hasher};
use crate::error::{During, Error, Kind, Result};
use crate::json::{parse_document, to_json};
use crate::layout::ref_name;
use crate::limits::Limits;
use crate::manifest::Document;
use crate::reference::Reference;
use crate::source::{Content, Source};

/// An image in a tar file, of a layout or from `docker save`.
pub struct ArchiveSource {
    archive: Archive,
    root: Document,
    /// Content that is not under `blobs/`.
    places: HashMap<Digest, (u64, u64)>,
    limits: Limits,
}

impl ArchiveSource {
    /// The image called `name` in the archive of a layout; without a name the only one.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Malformed`] and others.
    pub fn layout(path: &Path, name: Option<&str>, limits: &Limits) -> Result<Self> {
        let archive = Archive::open(path, limits)?;
        let work = || {
            let index = archive.read("index.json", limits.manifest_bytes)?;
            let index = index.ok_or_else(|| {
                Error::new(
                    Kind::NotFound,
                    "no index.json: this is no archive of a layout",
                )
                .hint("An archive of a root file system is read by: tare-image import")
            })?;
            let index: ImageIndex = parse_document(&index, "index.json")?;
            let entries = index.manifests();
            let found = match name {
                Some(name) => entries.iter().find(|d| ref_name(d) == Some(name)),
                None if entries.len() == 1 => entries.first(),
                None => None,
            };
            let descriptor = found.ok_or_else(|| {
                let names: Vec<_> = entries.iter().filter_map(ref_name).collect();
                Error::new(Kind::NotFound, "no such image in the archive")
                    .hint(format!("It has: {}", names.join(", ")))
            })?;
            blob(&archive, descriptor, limits)
        };
        let root = work().during(|| path.display().to_string())?;
        Ok(ArchiveSource {
            archive,
            root,
            places: HashMap::new(),
            limits: limits.clone(),
        })
    }

    /// The image called `reference` of what `docker save` wrote; without one the only image.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Malformed`] and others.
    pub fn docker(path: &Path, reference: Option<&Reference>, limits: &Limits) -> Result<Self> {
        let archive = Archive::open(path, limits)?;
        let mut places = HashMap::new();
        let root = docker_root(&archive, reference, limits, &mut places)
            .during(|| path.display().to_string())?;
        Ok(ArchiveSource {
            archive,
            root,
            places,
            limits: limits.clone(),
        })
    }
}

/// The names of all images in what `docker save` wrote, one per image; images without name are left out.
///
/// # Errors
/// As [`ArchiveSource::docker`].
pub fn docker_names(path: &Path, limits: &Limits) -> Result<Vec<Reference>> {
    let images = docker_images(&Archive::open(path, limits)?, limits)?;
    let names = images
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|i| i["RepoTags"].as_array().into_iter().flatten());
    Ok(names.filter_map(|n| n.as_str()?.parse().ok()).collect())
}

fn docker_images(archive: &Archive, limits: &Limits) -> Result<serde_json::Value> {
    let list = archive.read("manifest.json", limits.manifest_bytes)?;
    parse_document(
        &list.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                "no manifest.json: this is not what docker save writes",
            )
        })?,
        "manifest.json",
    )
}

/// Makes a manifest for one image of the archive.
fn docker_root(
    archive: &Archive,
    reference: Option<&Reference>,
    limits: &Limits,
    places: &mut HashMap<Digest, (u64, u64)>,
) -> Result<Document> {
    let images = docker_images(archive, limits)?;
    let images = images.as_array().map(Vec::as_slice).unwrap_or_default();
    let image = match reference {
        Some(wanted) => images.iter().find(|i| {
            let mut tags = i["RepoTags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|t| t.as_str());
            tags.any(|t| t.parse::<Reference>().is_ok_and(|t| t == *wanted))
        }),
        None if images.len() == 1 => images.first(),
        None => None,
    };
    let image = image.ok_or_else(|| {
        Error::new(Kind::NotFound, "no such image in the archive").hint("Name one of its images")
    })?;
    let missing = |what: &str| {
        Error::new(
            Kind::Malformed,
            format!("manifest.json names {what}, which is not in the archive"),
        )
    };
    let name = image["Config"]
        .as_str()
        .and_then(|n| normal(n.as_bytes()))
        .ok_or_else(|| missing("no configuration"))?;
    let config = archive
        .read(&name, limits.config_bytes)?
        .ok_or_else(|| missing(&name))?;
    let config_descriptor = Descriptor::new(
        MediaType::ImageConfig,
        config.len() as u64,
        digest::of(&config),
    );
    places.insert(config_descriptor.digest().clone(), archive.files[&name]);
    let mut layers = Vec::new();
    for layer in image["Layers"].as_array().into_iter().flatten() {
        let name = layer
            .as_str()
            .and_then(|n| normal(n.as_bytes()))
            .unwrap_or_default();
        let place = *archive.files.get(&name).ok_or_else(|| missing(&name))?;
        let mut content = archive.slice(place, 0, None).reader;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 128 << 10];
        let mut start = Vec::new();
        loop {
            let n = content
                .read(&mut buffer)
                .map_err(|e| Error::system(format!("read {name} in the archive"), e))?;
            if n == 0 {
                break;
            }
            if start.is_empty() {
                start.extend_from_slice(&buffer[..n.min(4)]);
            }
            hasher.update(&buffer[..n]);
        }
        let descriptor = Descriptor::new(
            Compression::detect(&start).media_type(),
            place.1,
            hasher.finish(),
        );
        places.insert(descriptor.digest().clone(), place);
        layers.push(descriptor);
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaType::ImageManifest, "config": config_descriptor, "layers": layers});
    Document::parse(to_json(&manifest)?, Some(MediaType::ImageManifest.as_ref()))
}

fn blob(archive: &Archive, descriptor: &Descriptor, limits: &Limits) -> Result<Document> {
    let name = format!(
        "blobs/{}/{}",
        descriptor.digest().algorithm().as_ref(),
        descriptor.digest().digest()
    );
    let bytes = archive.read(&name, limits.manifest_bytes)?;
    let bytes = bytes.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!("{} is not in the archive", descriptor.digest()),
        )
    })?;
    digest::verify(&bytes, descriptor)?;
    Document::of(bytes, descriptor)
}

impl Source for ArchiveSource {
    fn root(&self) -> Result<Document> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        blob(&self.archive, descriptor, &self.limits)
    }

    fn open(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content> {
        let digest = descriptor.digest();
        let name = format!("blobs/{}/{}", digest.algorithm().as_ref(), digest.digest());
        let place = self
            .places
            .get(digest)
            .or_else(|| self.archive.files.get(&name));
        let place = place
            .ok_or_else(|| Error::new(Kind::NotFound, format!("{digest} is not in the archive")))?;
        Ok(self.archive.slice(*place, start, end))
    }
}
