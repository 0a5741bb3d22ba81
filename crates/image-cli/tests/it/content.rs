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

impl Made {
    /// An index of one manifest, called `x`; `change` makes it strange.
    fn index(&self, change: impl FnOnce(&mut Value)) -> String {
        let tar = archive(&[file("f", "here")]);
        let config = Made::config(&digest::of(&tar));
        let config = self.put(CONFIG, &config, digest::of(&config));
        let layer = self.put(LAYER, &tar, digest::of(&tar));
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let bytes = manifest.to_string().into_bytes();
        let mut entry = self.put(MANIFEST, &bytes, sha512(&bytes));
        change(&mut entry);
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [entry]});
        let bytes = index.to_string().into_bytes();
        let descriptor = self.put(media_type, &bytes, sha512(&bytes));
        let descriptor = serde_json::from_value(descriptor).unwrap();
        self.layout.tag(Some("x"), &descriptor).unwrap();
        format!("oci:{}:x", self.layout.root().display())
    }
}

#[test]
fn documents_keep_the_digest_they_are_asked_for_by() {
    use crate::own_registry::{Manner, OwnRegistry, Tags};
    let made = Made::new();
    let place = made.index(|_| {});
    let program = &made.program;
    // There and back again, each time without holes.
    let copied = format!("oci:{}:x", program.path("copied").display());
    let digest = program.run(&["copy", "--all", &place, &copied]);
    assert!(digest.starts_with("sha512:"), "{digest}");
    program.run(&["pull", &copied, "localhost/x"]);
    let registry = OwnRegistry::start(Manner {
        tags: Tags::Each,
        ..Manner::default()
    });
    let name = format!("{}/app:1", registry.address);
    program.run(&[
        "copy",
        "--plain-http",
        "--all",
        &copied,
        &format!("docker://{name}"),
    ]);
    for name in [format!("{}/app@{digest}", registry.address), name] {
        let other = Program::new();
        let out = other.path("out");
        other.run(&["pull", "--plain-http", &name]);
        other.run(&["unpack", &name, out.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(out.join("f")).unwrap(), "here");
        other.run(&["gc"]);
        other.run(&["unpack", &name, other.path("out2").to_str().unwrap()]);
    }
    assert_eq!(registry.violations(), Vec::<String>::new());
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    for (size, said) in [
        (json!(u64::MAX), "cannot have"),
        (json!(1u64 << 60), "cannot have"),
        (json!(1u64 << 46), "are allowed"),
        (json!(-1), "index"),
        (json!(1.5), "index"),
    ] {
        let made = Made::new();
        let place = made.index(|entry| entry["size"] = size.clone());
        let error = made.program.try_run(&["pull", &place, "localhost/x"]);
        let error = error.unwrap_err();
        assert!(
            error.contains(said) && !error.contains("panicked"),
            "{size}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn messages_have_one_line_and_nothing_for_the_terminal() {
    let made = Made::new();
    let config = made.put("application/x\n\u{1b}[2Jy", b"{}", digest::of(b"{}"));
    let tar = archive(&[file("f", "here")]);
    let layer = made.put(LAYER, &tar, digest::of(&tar));
    let error = made.unpack(&config, &layer).unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error:?}");
    assert!(
        !error.contains('\u{1b}') && error.contains("\\u{1b}[2Jy"),
        "{error:?}"
    );
}

#[test]
fn what_grows_too_much_is_refused() {
    let tar = archive(&[Item {
        data: vec![0; 8 << 20],
        ..file("f", "")
    }]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&tar).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(tar.len() / packed.len() > 500);
    let made = Made::new();
    let config = Made::config(&digest::of(&tar));
    let config = made.put(CONFIG, &config, digest::of(&config));
    let layer = made.put(&format!("{LAYER}+gzip"), &packed, digest::of(&packed));
    // As large as this, it is harmless; the options say otherwise.
    made.unpack(&config, &layer).unwrap();
    let place = format!("oci:{}:x", made.layout.root().display());
    for (option, value, said) in [
        ("--max-ratio", "500", "grows more than 500 times"),
        ("--max-layer-bytes", "1000000", "larger than 1000000 bytes"),
        ("--max-layers", "0", "1 layers where 0 are allowed"),
        ("--max-manifest-bytes", "10", "where 10 are allowed"),
        ("--max-config-bytes", "10", "where 10 are allowed"),
        ("--max-entries", "0", "more than 0 entries"),
        ("--max-path-bytes", "0", "where 0 are allowed"),
        ("--max-depth", "0", "more than 0 components"),
    ] {
        let other = Program::new();
        let error = other.try_run(&["pull", option, value, &place, "localhost/x"]);
        let error = error.unwrap_err();
        assert!(error.contains(said), "{option}: {error}");
        assert_eq!(other.counts()[2..], [0, 0], "no layer, no leftovers");
    }
    let error = made
        .program
        .try_run(&["pull", "--max-none", "1", &place, "localhost/x"]);
    assert!(error.unwrap_err().contains("--max-none"));
}

#[test]
fn indexes_in_indexes_are_searched_with_going_back() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let made = Made::new();
    let image = |architecture: &str| {
        let tar = archive(&[file("f", architecture)]);
        let mut config: Value = serde_json::from_slice(&Made::config(&digest::of(&tar))).unwrap();
        config["architecture"] = json!(architecture);
        let config = config.to_string().into_bytes();
        let config = made.put(CONFIG, &config, digest::of(&config));
        let layer = made.put(LAYER, &tar, digest::of(&tar));
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let bytes = manifest.to_string().into_bytes();
        let mut entry = made.put(MANIFEST, &bytes, digest::of(&bytes));
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let index = |entries: &[Value]| {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        let bytes = index.to_string().into_bytes();
        made.put(INDEX, &bytes, digest::of(&bytes))
    };
    let other = made.put("application/x-other", b"no image", digest::of(b"no image"));
    let mut gone = index(&[image("mips")]);
    gone["digest"] = json!(digest::of(b"not here"));
    let first = index(&[image("s390x"), index(&[image("ppc64le")])]);
    let second = index(&[other.clone(), index(&[image("arm64")])]);
    let all = index(&[first.clone(), second.clone()]);
    made.layout
        .tag(Some("all"), &serde_json::from_value(all).unwrap())
        .unwrap();
    let place = format!("oci:{}:all", made.layout.root().display());
    let pull = ["pull", "--platform", "linux/mips", &place, "localhost/mips"];
    let said = made.program.try_run(&pull).unwrap_err();
    let offer = "offers: linux/s390x, linux/ppc64le, linux/arm64;";
    assert!(said.contains(offer), "{said}");
    let root = index(&[other, gone, first, second]);
    made.layout
        .tag(Some("x"), &serde_json::from_value(root).unwrap())
        .unwrap();
    let place = format!("oci:{}:x", made.layout.root().display());
    for architecture in ["s390x", "ppc64le", "arm64"] {
        let platform = format!("linux/{architecture}");
        let name = format!("localhost/{architecture}");
        let program = &made.program;
        program.run(&["pull", "--platform", &platform, &place, &name]);
        let out = program.path(architecture);
        let arguments = ["unpack", "--platform", &platform, &name];
        program.run(&[&arguments[..], &[out.to_str().unwrap()]].concat());
        assert_eq!(fs::read_to_string(out.join("f")).unwrap(), architecture);
        let copy = format!("oci:{}:x", program.path("copies").display());
        program.run(&["copy", "--platform", &platform, &place, &copy]);
    }
    let error = made
        .program
        .try_run(&["inspect", "--platform", "linux/mips", &place]);
    assert!(
        !error
            .unwrap()
            .contains("\"config\": {\n    \"architecture\"")
    );
}

#[test]
fn what_a_layout_lacks_is_said_at_once() {
    let made = Made::new();
    let tar = archive(&[file("f", "here")]);
    let config = Made::config(&digest::of(&tar));
    let config = made.put(CONFIG, &config, digest::of(&config));
    let layer = made.put(LAYER, &tar, digest::of(&tar));
    made.unpack(&config, &layer).unwrap();
    fs::remove_file(made.layout.blob_path(&digest::of(&tar)).unwrap()).unwrap();
    let registry = crate::own_registry::OwnRegistry::start(crate::own_registry::Manner::default());
    let place = format!("oci:{}:x", made.layout.root().display());
    for to in [
        format!("docker://{}/a:1", registry.address),
        format!("oci:{}", made.program.path("other").display()),
        "localhost/other".into(),
    ] {
        let start = std::time::Instant::now();
        let copy = ["copy", "--quiet", "--plain-http", &place, &to];
        let program = Program::new();
        let error = program.try_run(&copy).unwrap_err();
        assert!(error.contains("has no content for sha256:"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(start.elapsed().as_secs() < 7, "{to}");
    }
    assert_eq!(registry.sessions(), 0);
}
