//! A repository as the place that an image is written to.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use oci_spec::image::{Descriptor, Digest, DigestAlgorithm};

use super::Repository;
use crate::digest;
use crate::error::{Kind, Result};
use crate::manifest::{Document, is_foreign};
use crate::progress::Watch;
use crate::source::{Destination, Source};

/// A repository to write an image to.
pub struct RegistryDestination<'a> {
    repository: Repository<'a>,
    elsewhere: Elsewhere,
    tags: Vec<String>,
    watch: Option<Arc<dyn Watch>>,
}

/// Which other repositories of the same registry have content already, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Elsewhere {
    /// Nothing is known.
    #[default]
    Unknown,
    /// This one has all of the image.
    All(String),
    /// These have some of it, by digest.
    Some(HashMap<Digest, String>),
}

impl<'a> RegistryDestination<'a> {
    /// Tags the image as the repository's reference says when it is complete. What is known to be elsewhere is not sent
    /// when the registry can take it from there.
    pub fn new(repository: Repository<'a>, elsewhere: Elsewhere) -> Self {
        let tag = repository.reference.tag().map(String::from);
        RegistryDestination {
            tags: tag.into_iter().collect(),
            repository,
            elsewhere,
            watch: None,
        }
    }

    /// Tells what is sent.
    #[must_use]
    pub fn watched(mut self, watch: Option<Arc<dyn Watch>>) -> Self {
        self.watch = watch;
        self
    }

    /// Gives the image `tags` too.
    pub fn also(mut self, tags: &[String]) -> Result<Self> {
        for tag in tags {
            self.repository.reference.with_tag(tag)?;
            if !self.tags.contains(tag) {
                self.tags.push(tag.clone());
            }
        }
        Ok(self)
    }
}

/// Tells what is read.
struct Told(Box<dyn Read + Send>, Arc<dyn Watch>, Descriptor);

impl Read for Told {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(into)?;
        self.1.bytes(&self.2, n as u64).map_err(io::Error::other)?;
        Ok(n)
    }
}

impl Destination for RegistryDestination<'_> {
    fn has(&self, descriptor: &Descriptor) -> Result<bool> {
        // Their owner does not allow to pass them on; whoever pulls fetches them from there.
        if is_foreign(descriptor.media_type().as_ref()) && descriptor.urls().is_some() {
            return Ok(true);
        }
        self.repository.has_blob(descriptor)
    }

    fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        let from = match &self.elsewhere {
            Elsewhere::Unknown => None,
            Elsewhere::All(name) => Some(name),
            Elsewhere::Some(names) => names.get(descriptor.digest()),
        };
        let watch = self.watch.as_ref();
        let open = |start| {
            let input = source.open(descriptor, start, None)?.skip_to(start)?;
            Ok(match watch.cloned() {
                Some(watch) => Box::new(Told(input, watch, descriptor.clone())),
                None => input,
            })
        };
        watch.map_or(Ok(()), |w| w.begin(descriptor))?;
        let from = from.map(String::as_str);
        self.repository.push_blob(descriptor, from, &open)?;
        watch.inspect(|w| w.end(descriptor));
        Ok(())
    }

    fn put_document(&self, document: &Document, named: bool) -> Result<()> {
        let own = document.descriptor.digest();
        if !named {
            return self.repository.push_manifest(document, own.as_ref());
        }
        // A reference may say what it expects to find.
        let wanted = self.repository.reference.digest();
        if let Some(wanted) = &wanted {
            match digest::check(&document.bytes, wanted) {
                Err(e) if e.kind() == Kind::Integrity => {
                    fail!(Usage: "the image is {own}, not {wanted}"
                    => "Leave the digest out, or name the image that has it")
                }
                other => other?,
            }
        }
        let digest = wanted.as_ref().unwrap_or(own);
        match &self.tags[..] {
            [] => self.repository.push_manifest(document, digest.as_ref()),
            // Without a digest in the request, registries take SHA-256.
            [tag] if wanted.is_none() && own.algorithm() == &DigestAlgorithm::Sha256 => {
                self.repository.push_manifest(document, tag)
            }
            tags => {
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                self.repository
                    .push_manifest_tagged(document, digest, &tags)
            }
        }
    }
}
