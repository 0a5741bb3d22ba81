//! Manifests, indexes and configurations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_image::manifest::{Content, Document, Image};
use tare_image::{Limits, digest};

fuzz_target!(|data: &[u8]| {
    for announced in [None, Some("application/vnd.oci.image.index.v1+json")] {
        let Ok(document) = Document::parse(data.to_vec(), announced) else {
            continue;
        };
        assert_eq!(document.descriptor.digest(), &digest::of(data));
        let _ = (document.children(), document.subject());
        if let Content::Manifest(manifest) = document.content {
            // The configuration's digest cannot be guessed: the bytes are both.
            let mut own = manifest.config().clone();
            own.set_digest(digest::of(data));
            own.set_size(data.len() as u64);
            let mut manifest = *manifest;
            manifest.set_config(own);
            let _ = Image::assemble(document.descriptor, manifest, data, &Limits::default());
        }
    }
});
