//! Archives written, the same for the same image.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::Path;

use oci_spec::image::{Descriptor, Digest, ImageManifest};
use rustix::fs::{Mode, OFlags};
use serde_json::json;

use crate::compression::decompress;
use crate::digest::{self, HashingWriter};
use crate::error::{Error, Result};
use crate::json::to_json;
use crate::layout::Layout;
use crate::limits::Limits;
use crate::reference::Reference;
use crate::source::Source;
use crate::tar::{Entry, Time, Writer};

/// Packs a layout into a tar file that appears in one step; the same layout gives the same file.
///
/// # Errors
/// What the file system reports.
pub fn pack_layout(layout: &Layout, target: &Path) -> Result<()> {
    write_file(target, |writer| {
        let index = layout.index()?;
        add(writer, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        add(writer, "index.json", &to_json(&index)?)?;
        let blobs = layout.root().join("blobs");
        let mut names = Vec::new();
        for algorithm in list(&blobs)? {
            for hex in list(&blobs.join(&algorithm))? {
                names.push(format!("blobs/{algorithm}/{hex}"));
            }
        }
        names.sort();
        for name in names {
            let path = layout.root().join(&name);
            let file = File::open(&path).map_err(|e| Error::file("open", &path, e))?;
            let size = file
                .metadata()
                .map_err(|e| Error::file("read attributes of", &path, e))?
                .len();
            add_stream(writer, &name, size, &mut BufReader::new(file))?;
        }
        Ok(())
    })
}

/// Writes the image of `source` as `docker save` would, with plain layers, under the name `reference`.
///
/// # Errors
/// What source and file system report; [`crate::Kind::Integrity`] when a layer is not what the configuration says.
pub fn save_docker(
    source: &dyn Source,
    manifest: &ImageManifest,
    diff_ids: &[Digest],
    reference: Option<&Reference>,
    target: &Path,
) -> Result<()> {
    write_file(target, |writer| {
        let config =
            crate::source::read(source, manifest.config(), Limits::default().config_bytes)?;
        let config_name = format!("{}.json", manifest.config().digest().digest());
        add(writer, &config_name, &config)?;
        let mut layers = Vec::new();
        for (layer, diff_id) in manifest.layers().iter().zip(diff_ids) {
            let name = format!("{}.tar", diff_id.digest());
            if !layers.contains(&name) {
                let (mut file, size) = plain_layer(source, layer, diff_id, target)?;
                add_stream(writer, &name, size, &mut file)?;
            }
            layers.push(name);
        }
        let tags: Vec<String> = reference
            .iter()
            .filter(|r| r.tag().is_some())
            .map(|r| familiar(r))
            .collect();
        let list = json!([{"Config": config_name, "RepoTags": tags, "Layers": layers}]);
        add(writer, "manifest.json", &to_json(&list)?)
    })
}

/// Without the digest, which names in such archives cannot have.
fn familiar(reference: &Reference) -> String {
    format!(
        "{}:{}",
        reference.name(),
        reference.tag().unwrap_or("latest")
    )
}

fn plain_layer(
    source: &dyn Source,
    layer: &Descriptor,
    diff_id: &Digest,
    beside: &Path,
) -> Result<(File, u64)> {
    let error = |e| Error::system(format!("decompress {}", layer.digest()), e);
    let folder = folder_for(beside);
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let fd =
        rustix::fs::open(&folder, flags, Mode::RUSR | Mode::WUSR).map_err(|e| error(e.into()))?;
    let mut file = File::from(fd);
    let content = source.open(layer, 0, None)?;
    let mut input =
        decompress(BufReader::with_capacity(128 << 10, content.reader)).map_err(error)?;
    let mut writer = HashingWriter::new(&mut file);
    io::copy(&mut input, &mut writer).map_err(error)?;
    let (_, found, size) = writer.finish();
    digest::expect(&found, diff_id)?;
    file.seek(SeekFrom::Start(0)).map_err(error)?;
    Ok((file, size))
}

fn write_file(
    target: &Path,
    fill: impl FnOnce(&mut Writer<BufWriter<File>>) -> Result<()>,
) -> Result<()> {
    let error = |e| Error::file("write", target, e);
    let finish = |file: File| {
        let mut writer = Writer::new(BufWriter::with_capacity(128 << 10, file));
        fill(&mut writer).and_then(|()| writer.finish().map(drop).map_err(error))
    };
    if is_stream(target) {
        let file = File::options().write(true).open(target).map_err(error)?;
        return finish(file);
    }
    // What a link leads to is replaced, not the link.
    let place = std::fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
    let (temporary, file) = crate::regular::beside(&place, 0o666).map_err(error)?;
    let result = finish(file).and_then(|()| std::fs::rename(&temporary, &place).map_err(error));
    if result.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

/// True for devices and pipes: they are written into, and must never be replaced by a file.
pub fn is_stream(target: &Path) -> bool {
    std::fs::metadata(target).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// Where what is needed on the way to `target` can be: on the same file system, if it is on one.
pub fn folder_for(target: &Path) -> std::path::PathBuf {
    match target.parent() {
        _ if is_stream(target) => std::env::temp_dir(),
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => ".".into(),
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
    writer
        .append(&entry, data)
        .map_err(|e| Error::system(format!("write {name} to the archive"), e))
}

fn list(folder: &Path) -> Result<Vec<String>> {
    let entries =
        std::fs::read_dir(folder).map_err(|e| Error::file("read directory", folder, e))?;
    Ok(entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .collect())
}
