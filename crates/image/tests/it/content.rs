//! Digests, sizes and embedded data: which content is taken for which.

use std::fs;
use std::io::Write;

use oci_spec::image::{Descriptor, Digest};
use serde_json::{Value, json};
use tare_image::digest::{self, Hasher};
use tare_image::layout::Layout;

use crate::support::*;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layout in which an image is made by hand.
struct Made {
    program: Program,
    layout: Layout,
}

fn sha512(bytes: &[u8]) -> Digest {
    let like = format!("sha512:{}", "0".repeat(128));
    let mut hasher = Hasher::like(&digest::parse(&like).unwrap()).unwrap();
    hasher.update(bytes);
    hasher.finish()
}

impl Made {
    fn new() -> Self {
        let program = Program::new();
        let layout = Layout::create(&program.path("layout")).unwrap();
        Made { program, layout }
    }

    fn put(&self, media_type: &str, bytes: &[u8], digest: Digest) -> Value {
        let path = self.layout.blob_path(&digest).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        let descriptor = Descriptor::new(media_type.into(), bytes.len() as u64, digest);
        serde_json::to_value(descriptor).unwrap()
    }

    /// A configuration for a layer with this DiffID.
    fn config(diff_id: &Digest) -> Vec<u8> {
        let rootfs = json!({"type": "layers", "diff_ids": [diff_id]});
        let config =
            json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs});
        config.to_string().into_bytes()
    }

    /// Tries to unpack an image of one layer, and returns what is in its file `f`.
    fn unpack(&self, config: &Value, layer: &Value) -> Result<String, String> {
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let bytes = manifest.to_string().into_bytes();
        let descriptor = self.put(MANIFEST, &bytes, digest::of(&bytes));
        let descriptor = serde_json::from_value(descriptor).unwrap();
        self.layout.tag(Some("x"), &descriptor).unwrap();
        let place = format!("oci:{}:x", self.layout.root().display());
        let pulled = self.program.try_run(&["pull", &place, "localhost/x"]);
        if pulled.is_err() {
            assert_eq!(self.program.counts()[2..], [0, 0], "no layer, no leftovers");
            return pulled;
        }
        let out = self.program.path("out");
        self.program
            .run(&["unpack", "localhost/x", out.to_str().unwrap()]);
        Ok(fs::read_to_string(out.join("f")).unwrap())
    }
}

#[test]
fn other_algorithms_and_what_follows_the_archive() {
    let made = Made::new();
    let mut tar = archive(&[file("f", "here")]);
    // Not part of any entry, but of the layer, and therefore of its DiffID.
    tar.extend_from_slice(&[7; 3000]);
    let config = Made::config(&sha512(&tar));
    let config = made.put(CONFIG, &config, sha512(&config));
    let layer = made.put(LAYER, &tar, sha512(&tar));
    assert_eq!(made.unpack(&config, &layer).unwrap(), "here");
}

#[test]
fn a_layer_with_another_diff_id_is_refused() {
    let tar = archive(&[file("f", "here")]);
    for wrong in [digest::of(b"other"), sha512(b"other")] {
        let made = Made::new();
        let config = Made::config(&wrong);
        let config = made.put(CONFIG, &config, digest::of(&config));
        let layer = made.put(LAYER, &tar, digest::of(&tar));
        let error = made.unpack(&config, &layer).unwrap_err();
        assert!(error.contains(wrong.as_ref()), "{error}");
    }
}

#[test]
fn sizes_and_digests_of_a_layer_are_compared() {
    let tar = archive(&[file("f", "here")]);
    let config = Made::config(&digest::of(&tar));
    for change in [-1i64, 1] {
        let made = Made::new();
        let config = made.put(CONFIG, &config, digest::of(&config));
        let mut layer = made.put(LAYER, &tar, digest::of(&tar));
        layer["size"] = json!(tar.len() as i64 + change);
        assert!(made.unpack(&config, &layer).is_err());
    }
    let made = Made::new();
    let config = made.put(CONFIG, &config, digest::of(&config));
    let mut changed = tar.clone();
    changed[512] ^= 1;
    let layer = made.put(LAYER, &changed, digest::of(&tar));
    let error = made.unpack(&config, &layer).unwrap_err();
    assert!(error.contains(digest::of(&tar).as_ref()), "{error}");
}

#[test]
fn embedded_content_is_used_only_when_it_is_right() {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let tar = archive(&[file("f", "here")]);
    let bytes = Made::config(&digest::of(&tar));
    for (data, stored) in [(&bytes[..], false), (b"{}", true), (b"{}", false)] {
        let made = Made::new();
        let mut config = made.put(CONFIG, &bytes, digest::of(&bytes));
        if !stored {
            fs::remove_file(made.layout.blob_path(&digest::of(&bytes)).unwrap()).unwrap();
        }
        config["data"] = json!(encode(data));
        let layer = made.put(LAYER, &tar, digest::of(&tar));
        let result = made.unpack(&config, &layer);
        assert_eq!(result.is_ok(), data == bytes || stored, "{result:?}");
    }
}

#[test]
fn compressed_in_several_members() {
    let made = Made::new();
    let tar = archive(&[file("f", "here")]);
    let mut packed = Vec::new();
    for part in tar.chunks(700) {
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::GzEncoder::new(&mut packed, level);
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    let config = Made::config(&digest::of(&tar));
    let config = made.put(CONFIG, &config, digest::of(&config));
    let layer = made.put(&format!("{LAYER}+gzip"), &packed, digest::of(&packed));
    assert_eq!(made.unpack(&config, &layer).unwrap(), "here");
}
