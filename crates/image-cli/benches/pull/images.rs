//! The images to measure with: made here, the same on every run.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use tare_image::compression::{Compression, Compressor};
use tare_image::digest::HashingWriter;
use tare_image::tar::{Entry, EntryKind, Time, Writer};

use crate::tools::Place;

/// An image to measure with.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    layers: usize,
    /// Files of one layer.
    files: usize,
    /// Uncompressed bytes of one layer.
    bytes: u64,
}

pub(crate) const SHAPES: [Shape; 4] = [
    Shape {
        name: "6 layers, 71,000 paths",
        layers: 6,
        files: 11_800,
        bytes: 205 << 20,
    },
    Shape {
        name: "busybox",
        layers: 1,
        files: 400,
        bytes: 4 << 20,
    },
    Shape {
        name: "60 small layers",
        layers: 60,
        files: 20,
        bytes: 200 << 10,
    },
    Shape {
        name: "one 1 GB layer",
        layers: 1,
        files: 40,
        bytes: 1 << 30,
    },
];

/// Content that compresses about as well as programs and texts do: words from a small vocabulary, and noise.
struct Filler {
    state: u64,
    vocabulary: Vec<Vec<u8>>,
}

impl Filler {
    fn new(seed: u64) -> Self {
        let mut filler = Filler {
            state: seed * 2 + 1,
            vocabulary: Vec::new(),
        };
        filler.vocabulary = (0..2048)
            .map(|_| {
                (0..2 + filler.next() % 9)
                    .map(|_| b'a' + (filler.next() % 26) as u8)
                    .chain([b' '])
                    .collect()
            })
            .collect();
        filler
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 11
    }

    fn fill(&mut self, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 64);
        let noisy = self.next().is_multiple_of(5);
        while out.len() < length {
            if noisy && self.next().is_multiple_of(2) {
                let noise = self.next().to_le_bytes();
                out.extend_from_slice(&noise[..6]);
            } else {
                // Some words are much more frequent than others.
                let limit = 1 << (3 + self.next() % 9);
                let word = (self.next() % limit) as usize % self.vocabulary.len();
                out.extend_from_slice(&self.vocabulary[word]);
            }
        }
        out.truncate(length);
        out
    }
}

/// An image that the registry has.
pub(crate) struct Made {
    /// Of its layers.
    pub(crate) digests: Vec<String>,
    compressed: u64,
    unpacked: u64,
    paths: u64,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (layers, paths) = (self.digests.len(), self.paths);
        let (compressed, unpacked) = (self.compressed as f64 / 1e6, self.unpacked as f64 / 1e6);
        write!(
            f,
            "{layers} layers, {compressed:.1} MB gzip, {unpacked:.1} MB of tar, {paths} paths"
        )
    }
}

/// Makes an image and pushes it.
pub(crate) fn make(place: &Place, shape: &Shape, image: &str, scale: u64) -> Made {
    let layout = tare_image::layout::Layout::create(&place.folder.join("layout")).unwrap();
    let mut layers = Vec::new();
    let mut diff_ids = Vec::new();
    let (mut unpacked, mut paths) = (0, 0);
    for n in 0..shape.layers {
        let path = layout.root().join("layer");
        let output = HashingWriter::new(BufWriter::new(File::create(&path).unwrap()));
        let output = HashingWriter::new(Compressor::new(output, Compression::Gzip).unwrap());
        let (output, count) = tree(Writer::new(output), shape, n, scale);
        let (compressor, diff_id, length) = output.finish();
        unpacked += length;
        paths += count;
        let (mut file, digest, size) = compressor.finish().unwrap().finish();
        file.flush().unwrap();
        let descriptor = oci_spec::image::Descriptor::new(
            oci_spec::image::MediaType::ImageLayerGzip,
            size,
            digest,
        );
        fs::rename(&path, layout.blob_path(descriptor.digest()).unwrap()).unwrap();
        layers.push(descriptor);
        diff_ids.push(diff_id.to_string());
    }
    let put = |media_type: &str, value: serde_json::Value| {
        let bytes = serde_json::to_vec(&value).unwrap();
        let descriptor = oci_spec::image::Descriptor::new(
            media_type.into(),
            bytes.len() as u64,
            tare_image::digest::of(&bytes),
        );
        layout.put(&descriptor, &bytes).unwrap();
        descriptor
    };
    let config = put(
        "application/vnd.oci.image.config.v1+json",
        serde_json::json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}),
    );
    let manifest = put(
        "application/vnd.oci.image.manifest.v1+json",
        serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers}),
    );
    layout.tag(Some(image), &manifest).unwrap();
    let pushed = Command::new(env!("CARGO_BIN_EXE_tare-image"))
        .args([
            "copy",
            "-q",
            "--plain-http",
            &format!("oci:{}:{image}", layout.root().display()),
            &format!("docker://{}/{image}", place.registry),
        ])
        .stdout(Stdio::null())
        .status();
    assert!(pushed.unwrap().success());
    tare_image::unpack::remove_tree(layout.root()).unwrap();
    Made {
        digests: layers.iter().map(|l| l.digest().to_string()).collect(),
        compressed: layers.iter().map(oci_spec::image::Descriptor::size).sum(),
        unpacked,
        paths,
    }
}

/// Writes one layer; also returns the number of its paths.
fn tree<W: Write>(mut writer: Writer<W>, shape: &Shape, layer: usize, scale: u64) -> (W, u64) {
    let mut filler = Filler::new(layer as u64 + 7);
    let files = (shape.files as u64 * scale / 100).max(1);
    let average = shape.bytes * scale / 100 / files;
    let time = Time {
        seconds: 1_600_000_000,
        nanoseconds: 0,
    };
    let mut paths = 0;
    let mut append = |path: String, kind, link: &str, data: &[u8]| {
        let mode = if kind == EntryKind::Directory {
            0o755
        } else {
            0o644
        };
        let entry = Entry {
            path: path.into_bytes(),
            kind,
            link: link.into(),
            mode,
            size: data.len() as u64,
            mtime: time,
            ..Entry::default()
        };
        writer.append(&entry, &mut &*data).unwrap();
        paths += 1;
    };
    append(format!("layer{layer}"), EntryKind::Directory, "", b"");
    for n in 0..files {
        let folder = format!("layer{layer}/dir{}", n / 20);
        if n % 20 == 0 {
            append(folder.clone(), EntryKind::Directory, "", b"");
        }
        // Sizes as they are: many small ones, few large ones with the same sum.
        let length = match n % 10 {
            9 if files > 100 => average * 6,
            _ if files > 100 => average * 4 / 9,
            _ => average,
        };
        append(
            format!("{folder}/file{n}"),
            EntryKind::File,
            "",
            &filler.fill(length as usize),
        );
        if n % 25 == 3 {
            append(
                format!("{folder}/link{n}"),
                EntryKind::Symlink,
                "file0",
                b"",
            );
        }
    }
    (writer.finish().unwrap(), paths)
}
