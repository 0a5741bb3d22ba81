//! Images in layouts, as a source and as a destination.

use std::sync::Arc;

use oci_spec::image::Descriptor;

use super::Layout;
use crate::error::Result;
use crate::files::Slice;
use crate::limits::Limits;
use crate::manifest::Document;
use crate::reference::Reference;
use crate::source::{Content, Destination, Source};
use crate::transfer;

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
        let file = Arc::new(self.layout.open_blob(descriptor)?);
        Ok(Slice::content(file, (0, descriptor.size()), start, end))
    }
}

/// A layout to write to.
pub struct LayoutDestination {
    layout: Layout,
    name: Option<String>,
    image: Option<Reference>,
    options: transfer::Options,
}

impl LayoutDestination {
    /// Names the image `name` when it is complete. `options` say how content is fetched.
    pub fn new(layout: Layout, name: Option<String>, options: transfer::Options) -> Self {
        LayoutDestination {
            layout,
            name,
            image: None,
            options,
        }
    }

    /// Writes the image's full name beside the short one.
    #[must_use]
    pub fn image(mut self, image: &Reference) -> Self {
        self.image = Some(image.clone());
        self
    }
}

impl Destination for LayoutDestination {
    fn has(&self, descriptor: &Descriptor) -> Result<bool> {
        self.layout.has(descriptor)
    }

    fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        transfer::fetch(source, descriptor, &self.layout, &self.options, &mut |_| {
            Ok(())
        })
    }

    fn put_document(&self, document: &Document, named: bool) -> Result<()> {
        self.layout.put(&document.descriptor, &document.bytes)?;
        if named {
            let name = self.name.as_deref();
            self.layout
                .tag_image(name, self.image.as_ref(), &document.descriptor)?;
        }
        Ok(())
    }
}
