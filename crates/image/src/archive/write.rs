//! Archives written, the same for the same image.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek};
use std::path::Path;

use oci_spec::image::{Descriptor, Digest};
use serde_json::json;

use crate::error::{Doing, Error, Result};
use crate::files;
use crate::json::to_json;
use crate::layer;
use crate::layout::Layout;
use crate::limits::Limits;
use crate::manifest::Image;
use crate::reference::Reference;
use crate::source::Source;
use crate::tar::{Entry, Time, Writer};

/// Packs a layout into a tar file that appears in one step; the same layout gives the same file.
pub fn pack_layout(layout: &Layout, target: &Path) -> Result<()> {
    write_file(target, |writer| {
        add(writer, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        add(writer, "index.json", &layout.index_bytes()?)?;
        for (digest, path) in layout.blobs() {
            let file = File::open(&path).at("open", &path)?;
            let size = file.metadata().at("read attributes of", &path)?.len();
            let name = format!("blobs/{}", digest.replace(':', "/"));
            add_stream(writer, &name, size, &mut BufReader::new(file))?;
        }
        Ok(())
    })
}

/// An image that is to be in an archive, and where it is.
pub struct ToSave<'a> {
    /// Has its content.
    pub source: &'a dyn Source,
    /// What it consists of.
    pub image: Image,
    /// Its names; those without tag are left out.
    pub names: Vec<Reference>,
}

/// Writes images as `docker save` would, with plain layers.
pub fn save_docker(images: &[ToSave<'_>], target: &Path, limits: &Limits) -> Result<()> {
    write_file(target, |writer| {
        let (mut list, mut written) = (Vec::new(), HashSet::new());
        for ToSave {
            source,
            image,
            names,
        } in images
        {
            let config = image.manifest.config();
            let config_name = format!("{}.json", config.digest().digest());
            if written.insert(config_name.clone()) {
                add(writer, &config_name, &image.config_bytes)?;
            }
            let mut layers = Vec::new();
            for (layer, diff_id) in image.manifest.layers().iter().zip(&image.diff_ids) {
                let name = format!("{}.tar", diff_id.digest());
                if written.insert(name.clone()) {
                    let (mut file, size) = plain_layer(*source, layer, diff_id, limits, target)?;
                    add_stream(writer, &name, size, &mut file)?;
                }
                layers.push(name);
            }
            let tags = names.iter().filter(|r| r.tag().is_some()).map(familiar);
            let tags: Vec<String> = tags.collect();
            list.push(json!({"Config": config_name, "RepoTags": tags, "Layers": layers}));
        }
        add(writer, "manifest.json", &to_json(&list)?)
    })
}

/// Without the digest, which names in such archives cannot have.
fn familiar(reference: &Reference) -> String {
    let tag = reference.tag().unwrap_or("latest");
    format!("{}:{tag}", reference.name())
}

fn plain_layer(
    source: &dyn Source,
    layer: &Descriptor,
    diff_id: &Digest,
    limits: &Limits,
    beside: &Path,
) -> Result<(File, u64)> {
    layer::reread(source, layer, diff_id, limits, |plain| {
        let mut file = files::unnamed(&folder_for(beside))?;
        let size = io::copy(plain, &mut file).map_err(|e| layer::failed("write layer", e))?;
        file.rewind().doing("write layer")?;
        Ok((file, size))
    })
}

fn write_file(
    target: &Path,
    fill: impl FnOnce(&mut Writer<BufWriter<File>>) -> Result<()>,
) -> Result<()> {
    let error = |e| Error::file("write", target, e);
    let finish = |file: File| {
        let mut writer = Writer::new(BufWriter::with_capacity(128 << 10, file));
        fill(&mut writer)?;
        let output = writer.finish().map_err(error)?;
        let file = output.into_inner().map_err(|e| error(e.into_error()))?;
        Ok(((), file))
    };
    if is_stream(target) {
        let file = File::options().write(true).open(target).map_err(error)?;
        return finish(file).map(drop);
    }
    // What a link leads to is replaced, not the link.
    let place = std::fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
    files::replace(&place, 0o666, finish)
}

/// True for devices and pipes: they are written into, and must never be replaced by a file.
pub fn is_stream(target: &Path) -> bool {
    std::fs::metadata(target).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// Where what is needed on the way to `target` can be: on the same file system, if it is on one.
pub fn folder_for(target: &Path) -> std::path::PathBuf {
    match is_stream(target) {
        true => std::env::temp_dir(),
        false => files::folder_of(target).to_path_buf(),
    }
}

fn add(writer: &mut Writer<BufWriter<File>>, name: &str, bytes: &[u8]) -> Result<()> {
    add_stream(writer, name, bytes.len() as u64, &mut &bytes[..])
}

fn add_stream(
    writer: &mut Writer<BufWriter<File>>,
    name: &str,
    size: u64,
    data: &mut dyn Read,
) -> Result<()> {
    let entry = Entry {
        path: name.into(),
        mode: 0o644,
        size,
        mtime: Time::default(),
        ..Entry::default()
    };
    let written = writer.append(&entry, data);
    written.map_err(|e| Error::system(format!("write {name} to the archive"), e))
}
