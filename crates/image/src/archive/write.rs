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
use crate::parallel::in_order;
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

/// Writes images as `docker save` would, with plain layers, of which `parallel` are made at the same time.
pub fn save_docker(
    images: &[ToSave<'_>],
    target: &Path,
    limits: &Limits,
    parallel: usize,
) -> Result<()> {
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
            let layers: Vec<String> = (image.diff_ids.iter())
                .map(|diff_id| format!("{}.tar", diff_id.digest()))
                .collect();
            let mut missing: Vec<usize> = (0..layers.len()).collect();
            missing.retain(|n| written.insert(layers[*n].clone()));
            in_order(
                missing.len(),
                parallel,
                |n, _| {
                    let n = missing[n];
                    let layer = &image.manifest.layers()[n];
                    plain_layer(*source, layer, &image.diff_ids[n], limits, target)
                },
                |n, (mut file, size)| add_stream(writer, &layers[missing[n]], size, &mut file),
            )?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use crate::platform::Wanted;
    use crate::source::Content;
    use oci_spec::image::MediaType;
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    /// Gives a layer only when another one is asked for, too.
    struct Pairs(Mutex<usize>, Condvar);

    impl Source for Pairs {
        fn open(&self, descriptor: &Descriptor, start: u64, _: Option<u64>) -> Result<Content> {
            let mut asked = self.0.lock().unwrap();
            *asked += 1;
            self.1.notify_all();
            let wait = self
                .1
                .wait_timeout_while(asked, Duration::from_secs(20), |n| *n < 2);
            assert!(!wait.unwrap().1.timed_out(), "nobody else came");
            let reader = Box::new(io::repeat(b'0').take(descriptor.size()));
            Ok(Content { reader, start })
        }
    }

    #[test]
    fn layers_are_made_at_the_same_time_and_written_in_order() {
        let blob = |size| {
            let bytes = vec![b'0'; size];
            digest::describe(MediaType::ImageLayer.as_ref(), &bytes)
        };
        let layers = [blob(1), blob(2)];
        let diff_ids = layers.each_ref().map(|layer| layer.digest().clone());
        let platform = Wanted::host();
        let config = json!({"os": platform.os, "architecture": platform.architecture,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = config.to_string().into_bytes();
        let descriptor = digest::describe(MediaType::ImageConfig.as_ref(), &config);
        let manifest = json!({"schemaVersion": 2, "config": descriptor, "layers": layers});
        let manifest = serde_json::from_value(manifest).unwrap();
        let limits = Limits::default();
        let image = Image::assemble(descriptor, manifest, &config, &limits).unwrap();
        let source = Pairs(Mutex::new(0), Condvar::new());
        let images = [ToSave {
            source: &source,
            image,
            names: Vec::new(),
        }];
        let temporary = tempfile::tempdir().unwrap();
        let target = temporary.path().join("archive.tar");
        save_docker(&images, &target, &limits, 2).unwrap();
        let mut reader =
            crate::tar::Reader::new(File::open(&target).map(BufReader::new).unwrap(), limits);
        let (mut entry, mut names) = (Entry::default(), Vec::new());
        while reader.next(&mut entry).unwrap() {
            names.push(String::from_utf8(entry.path.clone()).unwrap());
        }
        let expected = diff_ids.map(|d| format!("{}.tar", d.digest()));
        assert_eq!(names[1..3], expected);
    }
}
