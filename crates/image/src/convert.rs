//! Images in another form: the media types of OCI or of docker, and layers compressed in another way.
//!
//! Digests of manifests and of recompressed layers change; configurations, and with them the ids of images and DiffIDs, stay.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use crate::compression::{Compression, Compressor, decompress};
use crate::copy::Selection;
use crate::digest::{self, Hasher, HashingWriter};
use crate::error::{Doing, During, Error, Result};
use crate::files::{self, Slice};
use crate::index;
use crate::json::{parse_document, to_json};
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
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] for what cannot be said in that format.
    pub fn new(source: &'a dyn Source, selection: &Selection, options: &Options) -> Result<Self> {
        if options.format == Some(Format::Docker) && options.compression == Some(Compression::Zstd)
        {
            fail!(Unsupported: "docker's format has no layers of zstd");
        }
        let mut root = source.root()?;
        if let Selection::One(wanted) = selection {
            root = index::find(source, &root, wanted)?.0;
        }
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
        let document = Document::parse(to_json(&value)?, Some(media_type.as_ref()))?;
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
    source::persist(source, layer, || {
        repack_once(source, layer, diff_id, wanted, options)
    })
}

fn repack_once(
    source: &dyn Source,
    layer: &Descriptor,
    diff_id: &Digest,
    wanted: Compression,
    options: &Options,
) -> Result<(Descriptor, File)> {
    let input = Checked {
        input: source.open(layer, 0, None)?.reader,
        hasher: Hasher::like(layer.digest())?,
        count: 0,
        failed: None,
    };
    let input = Mutex::new(input);
    let mut plain =
        decompress(BufReader::with_capacity(128 << 10, Shared(&input))).doing("decompress")?;
    let file = files::unnamed(&std::env::temp_dir())?;
    let packed = Compressor::with_level(HashingWriter::new(file), wanted, options.level);
    let mut output = packed.doing("compress")?;
    let mut hasher = Hasher::like(diff_id)?;
    let (mut total, mut buffer) = (0, vec![0; crate::chunks::CHUNK]);
    let copied = loop {
        let n = match plain.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => n,
            Err(e) => break Err(failure!(Malformed: "decompress: {e}")),
        };
        total += n as u64;
        if total > options.limits.layer_bytes {
            let most = options.limits.layer_bytes;
            fail!(Limit: "the layer is larger than {most} bytes");
        }
        hasher.update(&buffer[..n]);
        output.write_all(&buffer[..n]).doing("write layer")?;
    };
    drop(plain);
    let mut input = input.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What follows the end of the packed content belongs to the blob. A connection that broke explains what came of it.
    let rest = io::copy(&mut input, &mut io::sink());
    if let (Some(e), _) | (None, Err(e)) = (input.failed.take(), rest) {
        return Err(source::cut(layer, input.count, &e));
    }
    if input.count != layer.size() {
        return Err(digest::wrong_size(layer, input.count));
    }
    digest::expect(&input.hasher.finish(), layer.digest())?;
    copied?;
    digest::expect(&hasher.finish(), diff_id)?;
    let (file, digest, size) = output.finish().doing("write layer")?.finish();
    Ok((Descriptor::new(wanted.media_type(), size, digest), file))
}

/// Hashes and counts what is read, and remembers why it ended.
struct Checked {
    input: Box<dyn Read + Send>,
    hasher: Hasher,
    count: u64,
    failed: Option<io::Error>,
}

impl Read for Checked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.input.read(into) {
            Ok(n) => {
                self.hasher.update(&into[..n]);
                self.count += n as u64;
                Ok(n)
            }
            Err(e) => {
                let kind = e.kind();
                self.failed = Some(e);
                Err(kind.into())
            }
        }
    }
}

struct Shared<'a>(&'a Mutex<Checked>);

impl Read for Shared<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read(into)
    }
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
                let whole = descriptor.size();
                Ok(source::Content {
                    reader: Box::new(Slice::new(file, start, end.unwrap_or(whole).min(whole))),
                    start,
                })
            }
            None => self.source.open(descriptor, start, end),
        }
    }

    fn behind(&self) -> Option<&dyn Source> {
        Some(self.source)
    }
}
