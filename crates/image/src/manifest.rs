//! Manifests, indexes and configurations: from bytes to checked types.
//!
//! The bytes are always kept as they came, since their digest is the identity of the image. Parsing refuses what could be
//! understood in two ways: a document that is manifest *and* index (CVE-2021-41190), one whose own `mediaType`
//! differs from what it was announced as, and duplicate names of the fields that decide.

use oci_spec::image::{
    Descriptor, Digest, ImageConfiguration, ImageIndex, ImageManifest, MediaType,
};
use serde::Deserialize;
use serde_json::json;

use crate::digest;
#[cfg(doc)]
use crate::error::Kind;
use crate::error::{During, Result};
use crate::json::{parse_document, parse_json, to_json};
use crate::limits::Limits;

/// Docker's names for the same documents.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// Bytes that content can have: no sum of such sizes overflows.
const LARGEST: u64 = 1 << 47;

/// Everything that can be handled, for `Accept`.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, */*;q=0.1";

/// A document as it came, and what it is.
#[derive(Clone, Debug)]
pub struct Document {
    /// Media type, size and digest of `bytes`.
    pub descriptor: Descriptor,
    /// Never re-serialised.
    pub bytes: Vec<u8>,
    /// The parsed form.
    pub content: Content,
}

/// The parsed form of a manifest or an index.
#[derive(Clone, Debug)]
pub enum Content {
    /// One image, or an artifact.
    Manifest(Box<ImageManifest>),
    /// Images for several platforms.
    Index(Box<ImageIndex>),
}

impl Document {
    /// Parses `bytes`, announced as `media_type` by a descriptor or a Content-Type header.
    ///
    /// # Errors
    /// [`Kind::Malformed`] for what is no such document or can be read as two, [`Kind::Unsupported`] for old formats.
    pub fn parse(bytes: Vec<u8>, media_type: Option<&str>) -> Result<Self> {
        // Parameters of a Content-Type are ignored (distribution-spec, "Pulling manifests").
        let announced = media_type
            .map(|t| t.split(';').next().unwrap_or("").trim())
            .filter(|t| is_known(t));
        let shape: Shape = parse_document(&bytes, "manifest")?;
        let own = shape.media_type.as_deref();
        if let (Some(own), Some(announced)) = (own, announced)
            && own != announced
        {
            fail!(Malformed: "the document says that it is {own}, but was announced as {announced}");
        }
        if shape.manifests.is_some() && (shape.layers.is_some() || shape.config.is_some()) {
            fail!(Malformed: "the document has both manifests and layers: it could be read in two ways");
        }
        if shape.schema_version == Some(1) {
            fail!(Unsupported: "schema version 1 is not supported" => "Push the image again with a current tool");
        }
        if shape.schema_version != Some(2) {
            fail!(Malformed: "schemaVersion is not 2");
        }
        let kind = own.or(announced);
        let index = match kind {
            Some(k) if is_index(k) => true,
            Some(k) if is_manifest(k) => false,
            _ => shape.manifests.is_some(),
        };
        let content = match index {
            true => Content::Index(Box::new(parse_json(&bytes, "index")?)),
            false => Content::Manifest(Box::new(parse_json(&bytes, "manifest")?)),
        };
        let media_type = match (kind, index) {
            (Some(kind), _) if is_known(kind) => MediaType::from(kind),
            (_, true) => MediaType::ImageIndex,
            (_, false) => MediaType::ImageManifest,
        };
        let descriptor = digest::describe(media_type.as_ref(), &bytes);
        let document = Document {
            descriptor,
            bytes,
            content,
        };
        for child in document.children() {
            if child.size() > LARGEST {
                fail!(Malformed: "{} cannot have {} bytes", child.digest(), child.size());
            }
        }
        Ok(document)
    }

    /// A document that is made here, and says itself what it is.
    pub(crate) fn made(value: &impl serde::Serialize) -> Result<Self> {
        Document::parse(to_json(value)?, None)
    }

    /// The manifest of an image that is made here.
    pub(crate) fn image(config: &Descriptor, layers: &impl serde::Serialize) -> Result<Self> {
        Document::made(&json!({
            "schemaVersion": 2, "mediaType": MediaType::ImageManifest, "config": config, "layers": layers,
        }))
    }

    /// As [`Document::parse`], for bytes that were verified against `descriptor`: what asks for the document by that digest,
    /// of whatever algorithm, finds it under no other.
    pub fn of(bytes: Vec<u8>, descriptor: &Descriptor) -> Result<Self> {
        let mut document = Document::parse(bytes, Some(descriptor.media_type().as_ref()))?;
        document.descriptor.set_digest(descriptor.digest().clone());
        Ok(document)
    }

    /// Descriptors that this document needs to be complete.
    pub fn children(&self) -> Vec<Descriptor> {
        match &self.content {
            Content::Manifest(m) => [&[m.config().clone()], &m.layers()[..]].concat(),
            Content::Index(i) => i.manifests().clone(),
        }
    }

    /// The document this one refers to (image-spec, `subject`).
    pub fn subject(&self) -> Option<&Descriptor> {
        match &self.content {
            Content::Manifest(m) => m.subject().as_ref(),
            Content::Index(i) => i.subject().as_ref(),
        }
    }
}

/// Only what decides between the kinds. serde refuses duplicates of these names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

/// True for every media type of an index.
pub fn is_index(media_type: &str) -> bool {
    media_type == MediaType::ImageIndex.as_ref() || media_type == DOCKER_INDEX
}

/// True for every media type of an image manifest.
pub fn is_manifest(media_type: &str) -> bool {
    media_type == MediaType::ImageManifest.as_ref() || media_type == DOCKER_MANIFEST
}

/// True for every media type of a document.
pub(crate) fn is_known(media_type: &str) -> bool {
    is_index(media_type) || is_manifest(media_type)
}

/// True for layers that their owner does not allow to be distributed.
pub fn is_foreign(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
        || media_type == DOCKER_FOREIGN
}

fn is_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.")
        || [
            DOCKER_LAYER,
            DOCKER_LAYER_GZIP,
            DOCKER_FOREIGN,
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
        ]
        .contains(&media_type)
}

/// An image whose manifest and configuration belong together: the layers in order, with what identifies them.
#[derive(Clone, Debug)]
pub struct Image {
    /// Of the manifest.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: ImageManifest,
    /// The configuration.
    pub config: ImageConfiguration,
    /// The same as it came, with what the type does not know.
    pub config_bytes: Vec<u8>,
    /// Digests of the uncompressed layers.
    pub diff_ids: Vec<Digest>,
    /// Identities of the stacks up to and including each layer.
    pub chain_ids: Vec<Digest>,
}

impl Image {
    /// Reads the configuration of `manifest` and checks that both speak of the same layers.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for artifacts that are no images, [`Kind::Malformed`] when the two disagree.
    pub fn assemble(
        descriptor: Descriptor,
        manifest: ImageManifest,
        config: &[u8],
        limits: &Limits,
    ) -> Result<Self> {
        let config_type = manifest.config().media_type().as_ref();
        if config_type != MediaType::ImageConfig.as_ref() && config_type != DOCKER_CONFIG {
            fail!(Unsupported: "a configuration of type {config_type} is no image to unpack"
                => "Other artifacts can be copied: tare-image copy");
        }
        digest::verify(config, manifest.config()).during(|| "configuration".into())?;
        let config_bytes = config.to_vec();
        let config: ImageConfiguration = parse_document(config, "configuration")?;
        if config.rootfs().typ() != "layers" {
            fail!(Unsupported: "rootfs.type {:?}", config.rootfs().typ());
        }
        let count = manifest.layers().len();
        if count > limits.layers {
            fail!(Limit: "{count} layers where {} are allowed", limits.layers);
        }
        if config.rootfs().diff_ids().len() != count {
            fail!(Malformed: "{count} layers in the manifest, {} in the configuration", config.rootfs().diff_ids().len());
        }
        for layer in manifest.layers() {
            if !is_layer(layer.media_type().as_ref()) {
                fail!(Unsupported: "a layer of type {} cannot be unpacked", layer.media_type());
            }
        }
        let diff_ids = config.rootfs().diff_ids().iter().map(|d| digest::parse(d));
        let diff_ids = diff_ids.collect::<Result<Vec<_>>>()?;
        let chain_ids = chain_ids(&diff_ids);
        Ok(Image {
            descriptor,
            manifest,
            config,
            config_bytes,
            diff_ids,
            chain_ids,
        })
    }
}

/// image-spec, config.md, "Layer ChainID": the first is the DiffID, each next the digest of "previous own".
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(previous) => digest::of(format!("{previous} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

/// Identities of the stacks of layers of a configuration; none for a document that is no image's.
pub(crate) fn chain_ids_of(config: &[u8]) -> Vec<Digest> {
    let config: serde_json::Value = serde_json::from_slice(config).unwrap_or_default();
    let diff_ids = config["rootfs"]["diff_ids"].as_array();
    let diff_ids = diff_ids.into_iter().flatten();
    let diff_ids = diff_ids.map(|d| digest::parse(d.as_str().unwrap_or_default()));
    let diff_ids: Result<Vec<_>> = diff_ids.collect();
    diff_ids.map(|d| chain_ids(&d)).unwrap_or_default()
}

/// The content that a descriptor carries in its `data` field, verified.
pub(crate) fn embedded(descriptor: &Descriptor) -> Option<Vec<u8>> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let bytes = STANDARD.decode(descriptor.data().as_deref()?).ok()?;
    digest::verify(&bytes, descriptor).ok().map(|()| bytes)
}

/// As [`embedded`], for content that must not be longer than `limit`, wherever it is.
pub(crate) fn embedded_within(descriptor: &Descriptor, limit: u64) -> Result<Option<Vec<u8>>> {
    let embedded = embedded(descriptor);
    if embedded.is_none() && descriptor.size() > limit {
        fail!(Limit: "{} has {} bytes where {limit} are allowed", descriptor.digest(), descriptor.size());
    }
    Ok(embedded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#;

    fn parse(text: &str, announced: Option<&str>) -> Result<Document> {
        Document::parse(text.as_bytes().to_vec(), announced)
    }

    #[test]
    fn a_manifest_and_an_index() {
        let manifest = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[]}}"#);
        assert!(matches!(
            parse(&manifest, None).unwrap().content,
            Content::Manifest(_)
        ));
        let announced = parse(
            &manifest,
            Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
        )
        .unwrap();
        assert_eq!(announced.descriptor.media_type(), &MediaType::ImageManifest);
        let index = parse(r#"{"schemaVersion":2,"manifests":[]}"#, Some("text/plain")).unwrap();
        assert_eq!(index.descriptor.media_type(), &MediaType::ImageIndex);
    }

    #[test]
    fn confusing_documents_are_refused() {
        let manifest = MediaType::ImageManifest.to_string();
        let both = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[],"manifests":[]}}"#);
        let table = [
            (both.as_str(), None),
            (
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
                Some(manifest.as_str()),
            ),
            (r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#, None),
            (r#"{"schemaVersion":1,"manifests":[]}"#, None),
            (r#"{"manifests":[]}"#, None),
            (r#"{"schemaVersion":2}"#, None),
            ("[]", None),
            ("", None),
            (
                r#"{"schemaVersion":2,"manifests":[{"mediaType":"a","size":-1,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}]}"#,
                None,
            ),
            (
                r#"{"schemaVersion":2,"manifests":[{"mediaType":"a","size":9223372036854775807,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}]}"#,
                None,
            ),
            (
                r#"{"schemaVersion":2,"manifests":[],"annotations":{"a":"1","a":"2"}}"#,
                None,
            ),
        ];
        for (text, announced) in table {
            assert!(parse(text, announced).is_err(), "{text}");
        }
    }

    #[test]
    fn chain_ids_fold() {
        let ids = [digest::of(b"a"), digest::of(b"b"), digest::of(b"c")];
        let chain = chain_ids(&ids);
        assert_eq!(chain[0], ids[0]);
        assert_eq!(
            chain[1],
            digest::of(format!("{} {}", ids[0], ids[1]).as_bytes())
        );
        assert_eq!(
            chain[2],
            digest::of(format!("{} {}", chain[1], ids[2]).as_bytes())
        );
    }

    #[test]
    fn an_unknown_config_is_not_parsed() {
        let mut manifest: ImageManifest = parse_json(
            format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[]}}"#).as_bytes(),
            "m",
        )
        .unwrap();
        let mut config = manifest.config().clone();
        config.set_media_type(MediaType::EmptyJSON);
        manifest.set_config(config.clone());
        let error = Image::assemble(config, manifest, b"{}", &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
    }
}
