//! Computing digests and checking content against descriptors.
//!
//! Parsing is done by `oci_spec`, which accepts every algorithm that fits the grammar; here is decided which of them
//! content can be checked with (image-spec, descriptor.md, "Digests"): SHA-256 and SHA-512.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, Digest, DigestAlgorithm};
use ring::digest::{Context, SHA256, SHA512};

#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Error, Result};

/// A running hash of one of the registered algorithms: SHA-256, which every implementation must support, or SHA-512.
#[derive(Clone)]
pub struct Hasher(Context);

impl Default for Hasher {
    fn default() -> Self {
        Hasher(Context::new(&SHA256))
    }
}

impl Hasher {
    /// The hash that `digest` was made with.
    pub fn like(digest: &Digest) -> Result<Self> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Ok(Hasher::default()),
            DigestAlgorithm::Sha512 => Ok(Hasher(Context::new(&SHA512))),
            other => Err(
                failure!(Unsupported: "digest algorithm {other} cannot be verified"
                => "sha256 and sha512 are supported"),
            ),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything added.
    pub fn finish(self) -> Digest {
        let name = match self.0.algorithm() == &SHA256 {
            true => "sha256",
            false => "sha512",
        };
        let hash = self.0.finish();
        let digits = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
        Digest::try_from(format!("{name}:{}", digits.collect::<String>()))
            .unwrap_or_else(|_| unreachable!("hexadecimal of a hash is a digest"))
    }
}

/// Hashes what passes through to the writer behind it, and counts it.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
    count: u64,
}

impl<W: Write> HashingWriter<W> {
    /// SHA-256 over everything written to `inner`.
    pub fn new(inner: W) -> Self {
        HashingWriter {
            inner,
            hasher: Hasher::default(),
            count: 0,
        }
    }

    /// The writer behind, the digest, and the number of bytes.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.count)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The SHA-256 digest of `bytes`.
pub fn of(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// The descriptor of `bytes`.
pub(crate) fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type.into(), bytes.len() as u64, of(bytes))
}

/// Where the content of `digest` is below `folder`, or would be.
///
/// # Errors
/// [`Kind::Unsupported`] for algorithms that cannot be verified: their content is never stored.
pub(crate) fn below(folder: &Path, digest: &Digest) -> Result<PathBuf> {
    Hasher::like(digest)?;
    Ok(folder
        .join(digest.algorithm().as_ref())
        .join(digest.digest()))
}

/// Parses a digest; upper-case hexadecimal and wrong lengths are refused.
pub fn parse(text: &str) -> Result<Digest> {
    Digest::try_from(text).map_err(|e| failure!(Malformed: "digest {text:?}: {e}"))
}

/// Compares whole content with its descriptor: the size first, then the digest.
pub fn verify(bytes: &[u8], descriptor: &Descriptor) -> Result<()> {
    if bytes.len() as u64 != descriptor.size() {
        return Err(wrong_size(descriptor, bytes.len() as u64));
    }
    check(bytes, descriptor.digest())
}

/// # Errors
/// [`Kind::Integrity`] when `bytes` have another digest than `wanted`.
pub(crate) fn check(bytes: &[u8], wanted: &Digest) -> Result<()> {
    let mut hasher = Hasher::like(wanted)?;
    hasher.update(bytes);
    expect(&hasher.finish(), wanted)
}

/// # Errors
/// [`Kind::Integrity`] when the two differ.
pub fn expect(found: &Digest, wanted: &Digest) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(
        failure!(Integrity: "content of {wanted} has the digest {found}"
        => "The content was changed on the way or at its source; nothing of it was kept"),
    )
}

pub(crate) fn wrong_size(descriptor: &Descriptor, found: u64) -> Error {
    let (digest, wanted) = (descriptor.digest(), descriptor.size());
    failure!(Integrity: "content of {digest} has {found} bytes where its descriptor says {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use oci_spec::image::MediaType;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn empty_input() {
        assert_eq!(of(b"").to_string(), EMPTY);
    }

    #[test]
    fn sha512_is_recognised() {
        let wanted = parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
        assert!(
            Hasher::like(&wanted)
                .unwrap()
                .finish()
                .to_string()
                .starts_with("sha512:cf83e1357eefb8bd")
        );
    }

    #[test]
    fn malformed_digests_are_refused() {
        for text in [
            "",
            "sha256",
            "sha256:",
            "sha256:ABCD",
            "sha256:../../etc",
            "SHA256:00",
            "a/b:cd",
            "sha256:00",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&EMPTY.to_uppercase()).is_err());
        assert!(parse(&EMPTY.replace("e3b0", "E3B0")).is_err());
    }

    #[test]
    fn an_unknown_algorithm_parses_but_cannot_verify() {
        let digest = parse("blake9:abcdef").unwrap();
        assert_eq!(
            Hasher::like(&digest).err().unwrap().kind(),
            Kind::Unsupported
        );
    }

    #[test]
    fn size_is_compared_before_the_digest() {
        let descriptor = Descriptor::new(MediaType::ImageLayer, 3, of(b"abc"));
        assert!(verify(b"abc", &descriptor).is_ok());
        assert!(
            verify(b"abcd", &descriptor)
                .unwrap_err()
                .to_string()
                .contains("4 bytes")
        );
        assert!(
            verify(b"abd", &descriptor)
                .unwrap_err()
                .to_string()
                .contains("digest")
        );
    }
}
