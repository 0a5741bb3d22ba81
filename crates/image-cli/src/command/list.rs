//! `list`: what is in the store, or in a layout.

use serde_json::json;
use tare_image::layout::Layout;
use tare_image::location::Location;
use tare_image::manifest::Content;
use tare_image::progress::size;
use tare_image::{Kind, Result};

use super::{Line, Options, line::counted, put};

pub(super) const VERB: &str = "
list [oci:PATH]  List images
--json  for programs
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let layout = match line.arguments.first() {
        None => match options.store_to_read() {
            Ok(store) => Some(store.layout().clone()),
            // What is not there yet holds nothing.
            Err(e) if e.kind() == Kind::NotFound => None,
            Err(e) => return Err(e),
        },
        Some(one) => match one.parse()? {
            Location::Layout { path, name: None } => Some(Layout::open(&path)?),
            other => fail!(Usage: "{other} cannot be listed"
                => "The store and layouts (oci:DIR) can; \"tags\" lists what a registry has"),
        },
    };
    let mut rows = Vec::new();
    if let Some(layout) = &layout {
        for (name, descriptor) in layout.names()? {
            let document = layout.document(&descriptor, options.limits().manifest_bytes);
            let (bytes, shape) = match document {
                Ok(document) => {
                    let mut there = document.children();
                    there.retain(|c| layout.has(c).unwrap_or(false));
                    let bytes = there.iter().map(|c| c.size()).sum();
                    (bytes, shape(&document.content))
                }
                // The others are as good as before.
                Err(e) => {
                    log::warn!("{name}: {e}");
                    (0, "cannot be read".into())
                }
            };
            rows.push((name, descriptor.digest().to_string(), bytes, shape));
        }
    }
    if line.has("--json") {
        let rows = rows.iter();
        let rows =
            rows.map(|(n, d, b, s)| json!({"name": n, "digest": d, "size": b, "content": s}));
        put!("{}", json!(rows.collect::<Vec<_>>()));
        return Ok(0);
    }
    let width = rows.iter().map(|r| r.0.len()).max().unwrap_or(0);
    for (name, digest, bytes, shape) in rows {
        let (digest, bytes) = (&digest[..digest.len().min(19)], size(bytes));
        put!("{name:<width$}  {digest}  {bytes:>9}  {shape}");
    }
    Ok(0)
}

/// Kind and number of entries of a document, for people.
fn shape(content: &Content) -> String {
    match content {
        Content::Manifest(m) => format!("image with {}", counted(m.layers().len(), "layer")),
        Content::Index(i) => format!("index of {}", counted(i.manifests().len(), "image")),
    }
}
