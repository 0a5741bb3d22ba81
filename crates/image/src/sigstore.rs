//! Signatures of images with a key, in the form that cosign and the podman family read and write: a small document about the
//! image, signed, in a manifest under the tag `sha256-….sig` beside it (cosign, SIGNATURE_SPEC.md).

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci_spec::image::{Digest, MediaType};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};

use crate::digest::describe;
use crate::error::{During, Kind, Result};
use crate::json::{parse_document, parse_json, read_limited, to_json};
use crate::limits::Limits;
use crate::manifest::{Content, Document};
use crate::reference::Reference;
use crate::registry::{RegistrySource, Repository};
use crate::source;

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const TYPE: &str = "cosign container image signature";
/// Bytes of a signed document, and signatures of one image, at most.
const LARGEST: u64 = 1 << 20;
const MOST: usize = 100;

/// A key that signatures are checked with.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey")
    }
}

impl PublicKey {
    /// Reads PEM (RFC 7468) of an ECDSA key on P-256, as cosign makes them, or of an Ed25519 key.
    pub fn from_pem(text: &[u8]) -> Result<Self> {
        // RFC 5480 and RFC 8410: what stands before the key itself.
        const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
        const ED: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
        let der = pem(text, "PUBLIC KEY")?;
        let (algorithm, bytes): (&dyn VerificationAlgorithm, _) = match (
            der.strip_prefix(P256),
            der.strip_prefix(ED),
        ) {
            (Some(point), _) if point.len() == 65 => (&ECDSA_P256_SHA256_ASN1, point),
            (_, Some(point)) if point.len() == 32 => (&ED25519, point),
            _ => {
                fail!(Unsupported: "a public key of another kind" => "ECDSA on P-256 and Ed25519 are understood");
            }
        };
        Ok(PublicKey {
            algorithm,
            bytes: bytes.to_vec(),
        })
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.bytes)
            .verify(message, signature)
            .is_ok()
    }
}

fn pem(text: &[u8], label: &str) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let body = text
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    let body: String = body.map_or(String::new(), |(body, _)| body.split_whitespace().collect());
    match STANDARD.decode(&body) {
        Ok(der) if !der.is_empty() => Ok(der),
        _ => Err(failure!(Usage: "no {label} in PEM")),
    }
}

/// A document about an image, and its signature, both as they came.
struct Signed {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn tag(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm().as_ref(), digest.digest())
}

/// What is stored beside the image `digest`.
fn stored(source: &RegistrySource<'_>, digest: &Digest) -> Result<(Vec<Signed>, Option<Document>)> {
    let document = match source.repository().manifest(&tag(digest)) {
        Ok(document) => document,
        Err(e) if e.kind() == Kind::NotFound => return Ok((Vec::new(), None)),
        Err(e) => return Err(e),
    };
    let Content::Manifest(manifest) = &document.content else {
        return Ok((Vec::new(), None));
    };
    let mut found = Vec::new();
    for layer in manifest.layers().iter().take(MOST) {
        let annotations = layer.annotations().as_ref();
        let signature = annotations.and_then(|a| STANDARD.decode(a.get(SIGNATURE)?).ok());
        if let (PAYLOAD, Some(signature)) = (layer.media_type().as_ref(), signature) {
            let payload = source::read(source, layer, LARGEST)?;
            found.push(Signed { payload, signature });
        }
    }
    Ok((found, Some(document)))
}

/// Makes sure that somebody with one of `keys` signed the image `digest`, under a name that `named` accepts.
pub fn verify(
    source: &RegistrySource<'_>,
    digest: &Digest,
    keys: &[PublicKey],
    named: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let (signatures, _) = stored(source, digest).during(|| format!("signatures of {digest}"))?;
    let mut wrong = Vec::new();
    for Signed { payload, signature } in &signatures {
        if !keys.iter().any(|key| key.verifies(payload, signature)) {
            wrong.push("one was made with another key".to_string());
            continue;
        }
        // Only now is it worth looking at.
        let about: Value = parse_document(payload, "signed document")?;
        let about = &about["critical"];
        let image = &about["image"]["docker-manifest-digest"];
        let name = about["identity"]["docker-reference"].as_str();
        match name.filter(|_| about["type"] == TYPE && image == digest.as_ref()) {
            Some(name) if named(name) => return Ok(()),
            Some(name) => wrong.push(format!("one is for {name:?}")),
            None => wrong.push("one is for another image".into()),
        }
    }
    if wrong.is_empty() {
        fail!(Denied: "{digest} is not signed");
    }
    Err(failure!(Denied: "{digest} has no signature that is accepted: {}", wrong.join(", ")))
}

/// Signs the image `digest` of a repository as `name`, with a key in PEM (PKCS #8, not encrypted) at `key`. Signatures that
/// are there stay.
pub fn sign(
    repository: Repository<'_>,
    digest: &Digest,
    name: &Reference,
    key: &Path,
) -> Result<()> {
    let random = SystemRandom::new();
    let read = || {
        let der = pem(&read_limited(key, LARGEST)?, "PRIVATE KEY")?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &random)
            .map_err(|e| failure!(Unsupported: "{e}"))
    };
    let pair = read().map_err(|e| {
        // Those that cosign makes are encrypted.
        e.during(key.display().to_string()).hint(
            "A key that is not encrypted: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        )
    })?;
    let payload = to_json(&json!({
        "critical": {
            "identity": {"docker-reference": name.to_string()},
            "image": {"docker-manifest-digest": digest},
            "type": TYPE,
        },
        "optional": {"creator": concat!("tare-image ", env!("CARGO_PKG_VERSION"))},
    }))?;
    let signature = pair.sign(&random, &payload);
    let signature = signature.map_err(|_| failure!(Local: "the key does not sign"))?;
    let source = RegistrySource::new(repository);
    let (_, old) = stored(&source, digest)?;
    let repository = source.repository();
    let signed = describe(PAYLOAD, &payload);
    let mut layer = json!(signed);
    layer["annotations"] = json!({SIGNATURE: STANDARD.encode(signature)});
    let mut layers: Vec<Value> = match &old {
        Some(old) => {
            let value: Value = parse_json(&old.bytes, "manifest of signatures")?;
            value["layers"].as_array().cloned().unwrap_or_default()
        }
        None => Vec::new(),
    };
    layers.push(layer);
    let digests: Vec<&Value> = layers.iter().map(|l| &l["digest"]).collect();
    let config = to_json(&json!({
        "architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": digests},
    }))?;
    let config_descriptor = describe(MediaType::ImageConfig.as_ref(), &config);
    repository.push_bytes(&signed, &payload)?;
    repository.push_bytes(&config_descriptor, &config)?;
    let document = Document::image(&config_descriptor, &layers)?;
    if document.descriptor.size() > Limits::default().manifest_bytes {
        fail!(Limit: "there are too many signatures of {digest}");
    }
    repository.push_manifest(&document, &tag(digest))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! A way in for [`crate::fuzzing`].
    use super::*;

    /// A signed document, and a key with a signature by it.
    pub(crate) fn signed(data: &[u8]) {
        let _ = parse_document::<Value>(data, "signed document");
        if let Ok(key) = PublicKey::from_pem(data) {
            assert!(!key.verifies(b"message", data));
        }
    }
}
