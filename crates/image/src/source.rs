//! Places that images come from and go to, behind two small traits.

use std::io::Read;

use oci_spec::image::Descriptor;

#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::limits::Limits;
use crate::manifest::Document;
use crate::retry::{Attempts, Patience};

/// Content from some position on.
pub struct Content {
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
    /// Where the bytes start. Less than what was asked for when the source cannot start in the middle.
    pub start: u64,
}

/// A place to read an image from.
pub trait Source: Sync {
    /// The manifest or index that the image's name stands for.
    ///
    /// # Errors
    /// [`Kind::NotFound`] and others.
    fn root(&self) -> Result<Document>;

    /// Another manifest, verified.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Integrity`] and others.
    fn document(&self, descriptor: &Descriptor) -> Result<Document>;

    /// Content from byte `start` on, up to `end` (exclusive) if given; not verified.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Network`] and others.
    fn open(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content>;

    /// How often to try again what this source may fail at by accident.
    fn patience(&self) -> Patience {
        Patience::default()
    }

    /// True if several parts of one blob can be fetched at the same time.
    fn is_remote(&self) -> bool {
        false
    }
}

/// A place to write an image to.
pub trait Destination: Sync {
    /// True if the content is there already.
    ///
    /// # Errors
    /// What the place reports.
    fn has(&self, descriptor: &Descriptor) -> Result<bool>;

    /// Copies content, verifying it.
    ///
    /// # Errors
    /// [`Kind::Integrity`] and others.
    fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()>;

    /// Stores a manifest whose content is there; `named` when it is what the image's name is to stand for.
    ///
    /// # Errors
    /// What the place reports.
    fn put_document(&self, document: &Document, named: bool) -> Result<()>;
}

/// An image in a layout.
pub struct LayoutSource {
    layout: Layout,
    name: Option<String>,
    limits: Limits,
}

impl LayoutSource {
    /// The image called `name`, or the only one.
    pub fn new(layout: Layout, name: Option<String>, limits: Limits) -> Self {
        LayoutSource {
            layout,
            name,
            limits,
        }
    }
}

impl Source for LayoutSource {
    fn root(&self) -> Result<Document> {
        self.layout.document(
            &self.layout.resolve(self.name.as_deref())?,
            self.limits.manifest_bytes,
        )
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        self.layout.document(descriptor, self.limits.manifest_bytes)
    }

    fn open(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content> {
        use std::io::{Seek, SeekFrom};
        let mut file = self.layout.open_blob(descriptor)?;
        file.seek(SeekFrom::Start(start))
            .map_err(|e| Error::system("seek in stored content", e))?;
        let reader: Box<dyn Read + Send> = match end {
            Some(end) => Box::new(file.take(end.saturating_sub(start))),
            None => Box::new(file),
        };
        Ok(Content { reader, start })
    }
}

/// A layout to write to.
pub struct LayoutDestination {
    layout: Layout,
    name: Option<String>,
}

impl LayoutDestination {
    /// Names the image `name` when it is complete.
    pub fn new(layout: Layout, name: Option<String>) -> Self {
        LayoutDestination { layout, name }
    }
}

impl Destination for LayoutDestination {
    fn has(&self, descriptor: &Descriptor) -> Result<bool> {
        self.layout.has(descriptor)
    }

    fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        crate::transfer::fetch(
            source,
            descriptor,
            &self.layout,
            &crate::transfer::Options::default(),
            &mut |_| Ok(()),
        )
    }

    fn put_document(&self, document: &Document, named: bool) -> Result<()> {
        self.layout.put(&document.descriptor, &document.bytes)?;
        if named {
            self.layout
                .tag(self.name.as_deref(), &document.descriptor)?;
        }
        Ok(())
    }
}

/// Reads all of a small blob and verifies it.
///
/// # Errors
/// [`Kind::Limit`] above `limit` bytes, [`Kind::Integrity`], and what the source reports.
pub fn read(source: &dyn Source, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
    if let Some(bytes) = crate::manifest::embedded_within(descriptor, limit)? {
        return Ok(bytes);
    }
    let mut attempts = Attempts::new(source.patience());
    loop {
        let read = || -> Result<Vec<u8>> {
            let content = source.open(descriptor, 0, None)?;
            let mut bytes = Vec::new();
            // One more than announced is enough to see that there is too much.
            content
                .reader
                .take(descriptor.size() + 1)
                .read_to_end(&mut bytes)
                .map_err(|e| crate::transfer::cut(descriptor, 0, &e))?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => {
                crate::digest::verify(&bytes, descriptor)?;
                return Ok(bytes);
            }
            Err(e) => attempts.pause(e)?,
        }
    }
}
