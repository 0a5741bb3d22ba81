//! Images in another form: the media types of OCI or of docker, and layers compressed in another way.
//!
//! Digests of manifests and of recompressed layers change; configurations, and with them the ids of images and DiffIDs, stay.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use crate::compression::{Compression, Compressor};
use crate::copy::Selection;
use crate::digest::HashingWriter;
use crate::error::{Doing, During, Error, Result};
use crate::files::{self, Slice};
use crate::index;
use crate::json::parse_document;
use crate::layer;
use crate::limits::Limits;
use crate::manifest::{
    self, Content, DOCKER_CONFIG, DOCKER_INDEX, DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_MANIFEST,
    Document, Image,
};
use crate::parallel::all;
use crate::source::{self, Source};

/// Whose media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// image-spec.
    Oci,
    /// Docker's image manifest, version 2, schema 2.
    Docker,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "oci" => Ok(Format::Oci),
            "docker" | "v2s2" => Ok(Format::Docker),
            _ => Err(failure!(Usage: "format {text:?}" => "oci and docker exist")),
        }
    }
}

/// What is to be another way.
#[derive(Clone, Debug)]
pub struct Options {
    /// Media types; without it they stay.
    pub format: Option<Format>,
    /// Form of the layers; without it they stay.
    pub compression: Option<Compression>,
    /// How much effort is put into that.
    pub level: Option<i32>,
    /// Layers at the same time.
    pub parallel: usize,
    /// What content may cost.
    pub limits: Limits,
}

/// An image of another source, in the form that was wanted. Layers that changed are in unnamed files.
pub struct Converted<'a> {
    source: &'a dyn Source,
    root: Document,
    documents: HashMap<Digest, Document>,
    layers: HashMap<Digest, Arc<File>>,
}

impl<'a> Converted<'a> {
    /// Reads what `selection` says of `source`, and changes what is not as `options` want it.
    pub fn new(source: &'a dyn Source, selection: &Selection, options: &Options) -> Result<Self> {
        if options.format == Some(Format::Docker) && options.compression == Some(Compression::Zstd)
        {
            fail!(Unsupported: "docker's format has no layers of zstd");
        }
        let root = selection.root(source)?;
        let mut converted = Converted {
            source,
            root: root.clone(),
            documents: HashMap::new(),
            layers: HashMap::new(),
        };
        converted.root = converted.change(&root, options, 0)?;
        Ok(converted)
    }

    fn change(&mut self, old: &Document, options: &Options, depth: usize) -> Result<Document> {
        index::check_depth(depth)?;
        let mut value: Value = parse_document(&old.bytes, "manifest")?;
        let media_type = match &old.content {
            Content::Index(entries) => {
                for (n, entry) in entries.manifests().iter().enumerate() {
                    if !manifest::is_known(entry.media_type().as_ref()) {
                        continue;
                    }
                    let child = self.source.document(entry)?;
                    let child = self.change(&child, options, depth + 1)?;
                    describe(&mut value["manifests"][n], &child.descriptor);
                }
                match options.format {
                    Some(Format::Oci) => MediaType::ImageIndex,
                    Some(Format::Docker) => DOCKER_INDEX.into(),
                    None => old.descriptor.media_type().clone(),
                }
            }
            Content::Manifest(found) => {
                let config = found.config();
                if config.media_type() != &MediaType::ImageConfig
                    && config.media_type().as_ref() != DOCKER_CONFIG
                {
                    log::warn!("{} is no image and stays as it is", old.descriptor.digest());
                    self.documents
                        .insert(old.descriptor.digest().clone(), old.clone());
                    return Ok(old.clone());
                }
                let bytes = source::read(self.source, config, options.limits.config_bytes)?;
                let (descriptor, found) = (old.descriptor.clone(), (**found).clone());
                let image = Image::assemble(descriptor, found, &bytes, &options.limits)?;
                self.layers(&image, options, &mut value)?;
                match options.format {
                    Some(Format::Oci) => {
                        value["config"]["mediaType"] = json!(MediaType::ImageConfig);
                        MediaType::ImageManifest
                    }
                    Some(Format::Docker) => {
                        value["config"]["mediaType"] = json!(DOCKER_CONFIG);
                        DOCKER_MANIFEST.into()
                    }
                    None => old.descriptor.media_type().clone(),
                }
            }
        };
        value["mediaType"] = json!(media_type);
        if options.format == Some(Format::Docker) {
            drop_annotations(&mut value);
        }
        let document = Document::made(&value)?;
        let digest = document.descriptor.digest().clone();
        self.documents.insert(digest, document.clone());
        Ok(document)
    }

    fn layers(&mut self, image: &Image, options: &Options, value: &mut Value) -> Result<()> {
        let layers = image.manifest.layers();
        let source = self.source;
        let made = all(layers.len(), options.parallel, |n| {
            let layer = &layers[n];
            let own = form(layer.media_type().as_ref());
            let wanted = options.compression.or(own).unwrap_or(Compression::None);
            let foreign = manifest::is_foreign(layer.media_type().as_ref());
            let changes = options.compression.is_some() && !foreign;
            let packed = match changes && (own != Some(wanted) || options.level.is_some()) {
                true => {
                    let packed = repack(source, layer, &image.diff_ids[n], wanted, options);
                    Some(packed.during(|| format!("layer {}", layer.digest()))?)
                }
                false => None,
            };
            if options.format == Some(Format::Docker) && wanted == Compression::Zstd {
                fail!(Unsupported: "docker's format has no layers of zstd"
                    => "--compression gzip makes others of them");
            }
            Ok((packed, wanted, foreign))
        })?;
        for (n, (packed, compression, foreign)) in made.into_iter().enumerate() {
            let entry = &mut value["layers"][n];
            let is_docker = match options.format {
                Some(format) => format == Format::Docker,
                None => layers[n].media_type().as_ref().contains(".docker."),
            };
            if !foreign && (packed.is_some() || options.format.is_some()) {
                entry["mediaType"] = match (is_docker, compression) {
                    (false, compression) => json!(compression.media_type()),
                    (true, Compression::None) => json!(DOCKER_LAYER),
                    (true, _) => json!(DOCKER_LAYER_GZIP),
                };
            }
            if let Some((descriptor, file)) = packed {
                entry["digest"] = json!(descriptor.digest());
                entry["size"] = json!(descriptor.size());
                self.layers
                    .insert(descriptor.digest().clone(), Arc::new(file));
            }
        }
        Ok(())
    }
}

/// The form that a media type speaks of.
fn form(media_type: &str) -> Option<Compression> {
    match media_type.rsplit(['+', '.']).next()? {
        "gzip" => Some(Compression::Gzip),
        "zstd" => Some(Compression::Zstd),
        "tar" => Some(Compression::None),
        _ => None,
    }
}

fn describe(entry: &mut Value, descriptor: &Descriptor) {
    entry["mediaType"] = json!(descriptor.media_type());
    entry["digest"] = json!(descriptor.digest());
    entry["size"] = json!(descriptor.size());
}

/// Docker's format has no place for them.
fn drop_annotations(value: &mut Value) {
    let Some(object) = value.as_object_mut() else {
        return;
    };
    for key in ["annotations", "subject", "artifactType"] {
        if object.remove(key).is_some() {
            log::warn!("{key} of the manifest cannot be said in docker's format and are left out");
        }
    }
}

/// Reads a layer, and writes it in another form. Both its digests are compared on the way.
fn repack(
    source: &dyn Source,
    layer: &Descriptor,
    diff_id: &Digest,
    wanted: Compression,
    options: &Options,
) -> Result<(Descriptor, File)> {
    layer::reread(source, layer, diff_id, &options.limits, |plain| {
        let file = HashingWriter::new(files::unnamed(&std::env::temp_dir())?);
        let output = Compressor::with_level(file, wanted, options.level);
        let mut output = output.doing("compress")?;
        io::copy(plain, &mut output).map_err(|e| layer::failed("write layer", e))?;
        let (file, digest, size) = output.finish().doing("write layer")?.finish();
        Ok((Descriptor::new(wanted.media_type(), size, digest), file))
    })
}

impl Source for Converted<'_> {
    fn root(&self) -> Result<Document> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        match self.documents.get(descriptor.digest()) {
            Some(document) => Ok(document.clone()),
            None => self.source.document(descriptor),
        }
    }

    fn open(
        &self,
        descriptor: &Descriptor,
        start: u64,
        end: Option<u64>,
    ) -> Result<source::Content> {
        match self.layers.get(descriptor.digest()) {
            Some(file) => {
                let whole = (0, descriptor.size());
                Ok(Slice::content(file.clone(), whole, start, end))
            }
            None => self.source.open(descriptor, start, end),
        }
    }

    fn behind(&self) -> Option<&dyn Source> {
        Some(self.source)
    }
}
