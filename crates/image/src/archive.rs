//! Archives that hold images: tar files of layouts, and what `docker save` writes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use oci_spec::image::{Descriptor, Digest, ImageIndex, ImageManifest, MediaType};
use rustix::fs::{Mode, OFlags};
use serde_json::json;

use crate::compression::{Compression, decompress};
use crate::digest::{self, Hasher, HashingWriter};
use crate::error::{During, Error, Kind, Result};
use crate::layout::{Layout, ref_name, to_json};
use crate::limits::Limits;
use crate::manifest::{Document, parse_json};
use crate::reference::Reference;
use crate::source::{Content, Source};
use crate::tar::{Entry, EntryKind, Reader, Time, Writer};

/// An archive with the places of its files.
struct Archive {
    file: Arc<File>,
    /// Name to position and length.
    files: HashMap<String, (u64, u64)>,
}

impl Archive {
    /// Reads the headers of the whole archive once. A compressed one is decompressed to an unnamed file first.
    fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| Error::file("open", path, e))?;
        let mut start = [0u8; 4];
        let n = file
            .read(&mut start)
            .map_err(|e| Error::file("read", path, e))?;
        file.seek(SeekFrom::Start(0))
            .map_err(|e| Error::file("seek in", path, e))?;
        if Compression::detect(&start[..n]) != Compression::None {
            file = plain(file, path, limits)?;
            file.seek(SeekFrom::Start(0))
                .map_err(|e| Error::file("seek in", path, e))?;
        }
        let input = Counted {
            inner: BufReader::with_capacity(128 << 10, &file),
            count: 0,
        };
        let mut reader = Reader::new(input, limits.clone());
        let mut files = HashMap::new();
        let mut links = Vec::new();
        let mut entry = Entry::default();
        while reader
            .next(&mut entry)
            .during(|| path.display().to_string())?
        {
            let Some(name) = normal(&entry.path) else {
                continue;
            };
            match entry.kind {
                EntryKind::File if entry.sparse.is_none() => {
                    files.insert(name, (reader.get_ref().count, entry.size));
                }
                EntryKind::Symlink => {
                    let folder = name.rsplit_once('/').map_or("", |(f, _)| f);
                    links.push((
                        name.clone(),
                        [folder.as_bytes(), b"/", &entry.link].concat(),
                    ));
                }
                EntryKind::HardLink => links.push((name, entry.link.clone())),
                _ => {}
            }
        }
        // Old archives name the same layer several times by links, inside the archive only.
        for (name, target) in links {
            if let Some(found) = normal(&target).and_then(|t| files.get(&t).copied()) {
                files.insert(name, found);
            }
        }
        Ok(Archive {
            file: Arc::new(file),
            files,
        })
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(&(position, length)) = self.files.get(name) else {
            return Ok(None);
        };
        if length > limit {
            return Err(Error::new(
                Kind::Limit,
                format!("{name} has {length} bytes where {limit} are allowed"),
            ));
        }
        let mut bytes = vec![0; length as usize];
        self.file
            .read_exact_at(&mut bytes, position)
            .map_err(|e| Error::system(format!("read {name} in the archive"), e))?;
        Ok(Some(bytes))
    }

    fn slice(&self, place: (u64, u64), start: u64, end: Option<u64>) -> Content {
        let stop = end.unwrap_or(place.1).min(place.1);
        let reader = Slice {
            file: self.file.clone(),
            position: place.0 + start.min(stop),
            end: place.0 + stop,
        };
        Content {
            reader: Box::new(reader),
            start,
        }
    }
}

fn plain(file: File, path: &Path, limits: &Limits) -> Result<File> {
    let error = |e| Error::file("decompress", path, e);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let fd = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)
        .or_else(|_| rustix::fs::open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR))
        .map_err(|e| error(e.into()))?;
    let mut plain = File::from(fd);
    let input = decompress(BufReader::with_capacity(128 << 10, file)).map_err(error)?;
    let n = io::copy(&mut input.take(limits.layer_bytes + 1), &mut plain).map_err(error)?;
    if n > limits.layer_bytes {
        return Err(Error::new(
            Kind::Limit,
            format!(
                "{} is larger than {} bytes",
                path.display(),
                limits.layer_bytes
            ),
        ));
    }
    Ok(plain)
}

/// Name without `.` and `..`; none when it would leave the archive.
fn normal(path: &[u8]) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in std::str::from_utf8(path).ok()?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.count += n as u64;
        self.inner.consume(n);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

struct Slice {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Slice {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.position)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let n = self.file.read_at(&mut into[..most], self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

/// An image in a tar file, of a layout or from `docker save`.
pub struct ArchiveSource {
    archive: Archive,
    root: Document,
    /// Content that is not under `blobs/`.
    places: HashMap<Digest, (u64, u64)>,
    limits: Limits,
}

impl ArchiveSource {
    /// The image called `name` in the archive of a layout; without a name the only one.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Malformed`] and others.
    pub fn layout(path: &Path, name: Option<&str>, limits: &Limits) -> Result<Self> {
        let archive = Archive::open(path, limits)?;
        let work = || {
            let index = archive.read("index.json", limits.manifest_bytes)?;
            let index = index.ok_or_else(|| {
                Error::new(
                    Kind::NotFound,
                    "no index.json: this is no archive of a layout",
                )
            })?;
            let index: ImageIndex = parse_json(&index, "index.json")?;
            let entries = index.manifests();
            let found = match name {
                Some(name) => entries.iter().find(|d| ref_name(d) == Some(name)),
                None if entries.len() == 1 => entries.first(),
                None => None,
            };
            let descriptor = found.ok_or_else(|| {
                let names: Vec<_> = entries.iter().filter_map(ref_name).collect();
                Error::new(Kind::NotFound, "no such image in the archive")
                    .hint(format!("It has: {}", names.join(", ")))
            })?;
            blob(&archive, descriptor, limits)
        };
        let root = work().during(|| path.display().to_string())?;
        Ok(ArchiveSource {
            archive,
            root,
            places: HashMap::new(),
            limits: limits.clone(),
        })
    }

    /// The image called `reference` of what `docker save` wrote; without one the only image.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Malformed`] and others.
    pub fn docker(path: &Path, reference: Option<&Reference>, limits: &Limits) -> Result<Self> {
        let archive = Archive::open(path, limits)?;
        let mut places = HashMap::new();
        let root = docker_root(&archive, reference, limits, &mut places)
            .during(|| path.display().to_string())?;
        Ok(ArchiveSource {
            archive,
            root,
            places,
            limits: limits.clone(),
        })
    }
}

/// The names of all images in what `docker save` wrote, one per image; images without name are left out.
///
/// # Errors
/// As [`ArchiveSource::docker`].
pub fn docker_names(path: &Path, limits: &Limits) -> Result<Vec<Reference>> {
    let images = docker_images(&Archive::open(path, limits)?, limits)?;
    let names = images
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|i| i["RepoTags"].as_array().into_iter().flatten());
    Ok(names.filter_map(|n| n.as_str()?.parse().ok()).collect())
}

fn docker_images(archive: &Archive, limits: &Limits) -> Result<serde_json::Value> {
    let list = archive.read("manifest.json", limits.manifest_bytes)?;
    parse_json(
        &list.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                "no manifest.json: this is not what docker save writes",
            )
        })?,
        "manifest.json",
    )
}

/// Makes a manifest for one image of the archive.
fn docker_root(
    archive: &Archive,
    reference: Option<&Reference>,
    limits: &Limits,
    places: &mut HashMap<Digest, (u64, u64)>,
) -> Result<Document> {
    let images = docker_images(archive, limits)?;
    let images = images.as_array().map(Vec::as_slice).unwrap_or_default();
    let image = match reference {
        Some(wanted) => images.iter().find(|i| {
            let mut tags = i["RepoTags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|t| t.as_str());
            tags.any(|t| t.parse::<Reference>().is_ok_and(|t| t == *wanted))
        }),
        None if images.len() == 1 => images.first(),
        None => None,
    };
    let image = image.ok_or_else(|| {
        Error::new(Kind::NotFound, "no such image in the archive").hint("Name one of its images")
    })?;
    let missing = |what: &str| {
        Error::new(
            Kind::Malformed,
            format!("manifest.json names {what}, which is not in the archive"),
        )
    };
    let name = image["Config"]
        .as_str()
        .and_then(|n| normal(n.as_bytes()))
        .ok_or_else(|| missing("no configuration"))?;
    let config = archive
        .read(&name, limits.config_bytes)?
        .ok_or_else(|| missing(&name))?;
    let config_descriptor = Descriptor::new(
        MediaType::ImageConfig,
        config.len() as u64,
        digest::of(&config),
    );
    places.insert(config_descriptor.digest().clone(), archive.files[&name]);
    let mut layers = Vec::new();
    for layer in image["Layers"].as_array().into_iter().flatten() {
        let name = layer
            .as_str()
            .and_then(|n| normal(n.as_bytes()))
            .unwrap_or_default();
        let place = *archive.files.get(&name).ok_or_else(|| missing(&name))?;
        let mut content = archive.slice(place, 0, None).reader;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 128 << 10];
        let mut start = Vec::new();
        loop {
            let n = content
                .read(&mut buffer)
                .map_err(|e| Error::system(format!("read {name} in the archive"), e))?;
            if n == 0 {
                break;
            }
            if start.is_empty() {
                start.extend_from_slice(&buffer[..n.min(4)]);
            }
            hasher.update(&buffer[..n]);
        }
        let descriptor = Descriptor::new(
            Compression::detect(&start).media_type(),
            place.1,
            hasher.finish(),
        );
        places.insert(descriptor.digest().clone(), place);
        layers.push(descriptor);
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaType::ImageManifest, "config": config_descriptor, "layers": layers});
    Document::parse(to_json(&manifest)?, Some(MediaType::ImageManifest.as_ref()))
}

fn blob(archive: &Archive, descriptor: &Descriptor, limits: &Limits) -> Result<Document> {
    let name = format!(
        "blobs/{}/{}",
        descriptor.digest().algorithm().as_ref(),
        descriptor.digest().digest()
    );
    let bytes = archive.read(&name, limits.manifest_bytes)?;
    let bytes = bytes.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!("{} is not in the archive", descriptor.digest()),
        )
    })?;
    digest::verify(&bytes, descriptor)?;
    Document::parse(bytes, Some(descriptor.media_type().as_ref()))
}

impl Source for ArchiveSource {
    fn root(&self) -> Result<Document> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        blob(&self.archive, descriptor, &self.limits)
    }

    fn open(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content> {
        let digest = descriptor.digest();
        let name = format!("blobs/{}/{}", digest.algorithm().as_ref(), digest.digest());
        let place = self
            .places
            .get(digest)
            .or_else(|| self.archive.files.get(&name));
        let place = place
            .ok_or_else(|| Error::new(Kind::NotFound, format!("{digest} is not in the archive")))?;
        Ok(self.archive.slice(*place, start, end))
    }
}

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
/// What source and file system report; [`Kind::Integrity`] when a layer is not what the configuration says.
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
    let folder = beside
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let fd =
        rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR).map_err(|e| error(e.into()))?;
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
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = std::path::PathBuf::from(name);
    let error = |e| Error::file("write", target, e);
    let file = File::create(&temporary).map_err(error)?;
    let mut writer = Writer::new(BufWriter::with_capacity(128 << 10, file));
    let result = fill(&mut writer)
        .and_then(|()| writer.finish().map(drop).map_err(error))
        .and_then(|()| std::fs::rename(&temporary, target).map_err(error));
    if result.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    result
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
