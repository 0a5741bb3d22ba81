//! Files about an image, kept beside it in its registry (image-spec, manifest.md, "Guidelines for Artifact Usage").

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use oci_spec::image::{ANNOTATION_TITLE, Descriptor, MediaType};
use serde_json::{Value, json};

use crate::digest::{Hasher, describe};
use crate::error::{Doing, During, Result};
use crate::ingest::hash;
use crate::manifest::Document;
use crate::registry::Repository;

/// A file, and what it is.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Where it is.
    pub path: PathBuf,
    /// Its media type.
    pub media_type: String,
}

/// Stores `files` as something of the kind `artifact_type` that refers to the image that the repository's reference stands for.
/// Returns what was stored.
pub fn attach(
    repository: &Repository<'_>,
    artifact_type: &str,
    files: &[Attachment],
    annotations: &BTreeMap<String, String>,
) -> Result<Descriptor> {
    let subject = repository.manifest(repository.reference().target())?;
    let subject = subject.descriptor;
    let mut layers = Vec::new();
    for file in files {
        let layer = push(repository, file).during(|| file.path.display().to_string())?;
        layers.push(layer);
    }
    let (kind, nothing) = ("application/vnd.oci.empty.v1+json", b"{}");
    let config = describe(kind, nothing);
    repository.push_bytes(&config, nothing)?;
    if layers.is_empty() {
        layers.push(json!(config));
    }
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::ImageManifest, "artifactType": artifact_type, "config": config, "layers": layers,
        "subject": {"mediaType": subject.media_type(), "digest": subject.digest(), "size": subject.size()},
    });
    if !annotations.is_empty() {
        manifest["annotations"] = json!(annotations);
    }
    let document = Document::made(&manifest)?;
    repository.push_manifest(&document, document.descriptor.digest().as_ref())?;
    Ok(document.descriptor)
}

fn push(repository: &Repository<'_>, file: &Attachment) -> Result<Value> {
    let path = &file.path;
    let open = || File::open(path).at("open", path);
    let (digest, size) = hash(open()?, Hasher::default())?;
    let descriptor = Descriptor::new(file.media_type.as_str().into(), size, digest);
    if !repository.has_blob(&descriptor)? {
        repository.push_blob(&descriptor, None, &|start| {
            let mut content = open()?;
            content.seek(SeekFrom::Start(start)).at("seek in", path)?;
            Ok(Box::new(content))
        })?;
    }
    let mut layer = json!(descriptor);
    if let Some(name) = path.file_name() {
        layer["annotations"] = json!({ANNOTATION_TITLE: name.to_string_lossy()});
    }
    Ok(layer)
}
