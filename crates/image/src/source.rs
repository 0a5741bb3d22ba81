//! Places that images come from and go to, behind two small traits.

use std::io::Read;

use oci_spec::image::Descriptor;

use crate::chunks;
use crate::digest::{self, Hasher};
#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Error, Result, Retry};
use crate::manifest::Document;
use crate::retry::Patience;

/// Content from some position on.
pub struct Content {
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
    /// Where the bytes start. Less than what was asked for when the source cannot start in the middle.
    pub start: u64,
}

impl Content {
    /// The content from `start` on: of a source that ignores ranges, what comes before is passed over. Should it be other content
    /// this time, the digest tells.
    pub(crate) fn skip_to(mut self, start: u64) -> Result<Box<dyn Read + Send>> {
        let count = start.saturating_sub(self.start);
        let skipped = std::io::copy(&mut (&mut self.reader).take(count), &mut std::io::sink());
        match skipped {
            Ok(skipped) if skipped == count => Ok(self.reader),
            Ok(_) => Err(Error::network(
                "the source sends less than before",
                Retry::Later,
            )),
            Err(e) => Err(Error::network(
                format!("the connection broke: {e}"),
                Retry::Later,
            )),
        }
    }
}

/// A place to read an image from. What is left out is done by the source [`behind`](Source::behind) it, if there is one.
pub trait Source: Sync {
    /// Another source, which this one changes in part.
    fn behind(&self) -> Option<&dyn Source> {
        None
    }

    /// The manifest or index that the image's name stands for.
    fn root(&self) -> Result<Document> {
        self.behind().ok_or_else(nothing)?.root()
    }

    /// Another manifest, verified.
    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        self.behind().ok_or_else(nothing)?.document(descriptor)
    }

    /// Content from byte `start` on, up to `end` (exclusive) if given; not verified.
    fn open(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content> {
        (self.behind().ok_or_else(nothing)?).open(descriptor, start, end)
    }

    /// Says that what this source gave of `descriptor` broke off or is wrong, for which `error` is the evidence: from now on it
    /// comes from elsewhere. False when there is nowhere else.
    fn distrust(&self, descriptor: &Descriptor, error: &Error) -> bool {
        self.behind().is_some_and(|s| s.distrust(descriptor, error))
    }

    /// How often to try again what this source may fail at by accident.
    fn patience(&self) -> Patience {
        self.behind()
            .map_or_else(Patience::default, |s| s.patience())
    }

    /// True if several parts of one blob can be fetched at the same time.
    fn is_remote(&self) -> bool {
        self.behind().is_some_and(|s| s.is_remote())
    }
}

/// A place to write an image to.
pub trait Destination: Sync {
    /// True if the content is there already.
    fn has(&self, descriptor: &Descriptor) -> Result<bool>;

    /// Copies content, verifying it.
    fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()>;

    /// Stores a manifest whose content is there; `named` when it is what the image's name is to stand for.
    fn put_document(&self, document: &Document, named: bool) -> Result<()>;
}

fn nothing() -> Error {
    failure!(NotFound: "the source has nothing")
}

/// A stream that broke off, which is worth another try.
pub(crate) fn cut(descriptor: &Descriptor, position: u64, error: &std::io::Error) -> Error {
    let (digest, size) = (descriptor.digest(), descriptor.size());
    let what = format!("{digest} broke off after {position} of {size} bytes: {error}");
    Error::network(what, Retry::Later)
}

/// Reads all of a small blob and verifies it.
///
/// # Errors
/// [`Kind::Limit`] above `limit` bytes, [`Kind::Integrity`], and what the source reports.
pub fn read(source: &dyn Source, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
    if let Some(bytes) = crate::manifest::embedded_within(descriptor, limit)? {
        return Ok(bytes);
    }
    persist(source, descriptor, || {
        let mut all = Vec::new();
        pass(source, descriptor, &mut |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(all)
    })
}

/// Passes on content that is kept nowhere. Only at its end is known whether it was right.
pub(crate) fn pass(
    source: &dyn Source,
    descriptor: &Descriptor,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut hasher = Hasher::like(descriptor.digest())?;
    // One more than announced is enough to see that there is too much.
    let reader = source.open(descriptor, 0, None)?.reader;
    let reader = reader.take(descriptor.size().saturating_add(1));
    let broken = |count, e| cut(descriptor, count, &e);
    let count = chunks::pass(reader, broken, &mut |bytes| {
        hasher.update(bytes);
        each(bytes)
    })?;
    match count == descriptor.size() {
        true => digest::expect(&hasher.finish(), descriptor.digest()),
        false => Err(digest::wrong_size(descriptor, count)),
    }
}

/// Runs `attempt` until it succeeds: as long as the source has other places, from there, and then again if that may help.
pub(crate) fn persist<T>(
    source: &dyn Source,
    descriptor: &Descriptor,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    source.patience().run(|| {
        loop {
            match attempt() {
                Err(e) if source.distrust(descriptor, &e) => log::info!("{e}; asking elsewhere"),
                done => return done,
            }
        }
    })
}
