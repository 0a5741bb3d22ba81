//! Very many entries, layers, and files in one directory: time must grow in a line, and memory not at all.
//!
//! `cargo bench -p tare-image-cli --bench many -- [--scale PERCENT] [WORD]`. Each image is made at a quarter, half and all of its size, and
//! pulled from a layout into a new store, unpacked. Processor time is what remains comparable on a busy machine.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for developers that may stop anywhere"
)]

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use tare_image::digest;
use tare_image::layout::Layout;
use tare_image::tar::{Entry, EntryKind, Writer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tare-image");

/// What there is many of, how many, and what the names of files in a layer are.
type Shape = (&'static str, usize, fn(usize) -> String);

const SHAPES: [Shape; 4] = [
    ("entries of one layer", 1_000_000, |n| {
        format!("{}/{}/f{n}", n % 64, n / 64 % 256)
    }),
    ("files in one directory", 200_000, |n| format!("d/f{n}")),
    // Engines make no more than 127.
    ("layers, as many as engines make", 127, |n| format!("l/{n}")),
    ("layers", 300, |n| format!("l/{n}")),
];

fn entry(path: String, kind: EntryKind) -> Entry {
    Entry {
        path: path.into_bytes(),
        kind,
        mode: 0o755,
        ..Entry::default()
    }
}

/// A layer of empty files, through a pipe into a store, and from there into a layout: nothing of it is in memory.
fn one_layer(folder: &Path, count: usize, name: fn(usize) -> String) {
    let store = folder.join("maker");
    let mut import = Command::new(PROGRAM)
        .args(["import", "--compression", "zstd", "-", "localhost/x"])
        .env("TARE_IMAGE_ROOT", &store)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let input = io::BufWriter::with_capacity(1 << 20, import.stdin.take().unwrap());
    let mut writer = Writer::new(input);
    for n in 0..count {
        let entry = entry(name(n), EntryKind::File);
        writer.append(&entry, &mut io::empty()).unwrap();
    }
    writer.finish().unwrap().flush().unwrap();
    assert!(import.wait().unwrap().success());
    let to = format!("oci:{}:x", folder.join("layout").display());
    let copy = Command::new(PROGRAM)
        .args(["copy", "-q", "localhost/x", &to])
        .env("TARE_IMAGE_ROOT", &store)
        .stdout(Stdio::null())
        .status();
    assert!(copy.unwrap().success());
    fs::remove_dir_all(store).unwrap();
}

/// Layers of one file each.
fn many_layers(folder: &Path, count: usize, name: fn(usize) -> String) {
    let layout = Layout::create(&folder.join("layout")).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let descriptor =
            json!({"mediaType": kind, "digest": digest::of(bytes), "size": bytes.len()});
        layout
            .put(&serde_json::from_value(descriptor.clone()).unwrap(), bytes)
            .unwrap();
        descriptor
    };
    let (mut layers, mut ids) = (Vec::new(), Vec::new());
    for n in 0..count {
        let mut writer = Writer::new(Vec::new());
        let entry = entry(name(n), EntryKind::File);
        writer.append(&entry, &mut io::empty()).unwrap();
        let bytes = writer.finish().unwrap();
        layers.push(put("application/vnd.oci.image.layer.v1.tar", &bytes));
        ids.push(digest::of(&bytes));
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "os": "linux", "architecture": architecture, "config": {}, "rootfs": {"type": "layers", "diff_ids": ids},
    });
    let config = put(
        "application/vnd.oci.image.config.v1+json",
        config.to_string().as_bytes(),
    );
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    let manifest = put(kind, manifest.to_string().as_bytes());
    layout
        .tag(Some("x"), &serde_json::from_value(manifest).unwrap())
        .unwrap();
}

/// Seconds, processor seconds and peak memory in kB of a pull.
fn pull(folder: &Path) -> (f64, f64, u64) {
    let from = format!("oci:{}:x", folder.join("layout").display());
    // What the system says of a child when it has ended; the shell is none of it.
    let script = "exec /usr/bin/time -f '%e %U %S %M' \"$0\" pull -q \"$1\" localhost/x";
    let output = Command::new("sh")
        .args(["-c", script, PROGRAM, &from])
        .env("TARE_IMAGE_ROOT", folder.join("store"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let numbers: Vec<f64> = said
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    (numbers[0], numbers[1] + numbers[2], numbers[3] as u64)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    // Started by `cargo test`, which has no `--bench`, it does nothing.
    let (mut scale, mut word, mut asked) = (100, String::new(), false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => asked = true,
            "--scale" => scale = arguments.next().unwrap().parse().unwrap(),
            other => word = other.into(),
        }
    }
    if !asked {
        return;
    }
    println!("| | | s | processor s | µs each | peak kB |\n|---|--:|--:|--:|--:|--:|");
    for (what, most, name) in SHAPES.into_iter().filter(|(what, ..)| what.contains(&word)) {
        for part in [4, 2, 1] {
            let count = (most * scale / 100 / part).max(1);
            let folder = tempfile::tempdir().unwrap();
            match what {
                what if what.starts_with("layers") => many_layers(folder.path(), count, name),
                _ => one_layer(folder.path(), count, name),
            }
            let (seconds, cpu, peak) = pull(folder.path());
            let each = cpu * 1e6 / count as f64;
            println!("| {what} | {count} | {seconds:.2} | {cpu:.2} | {each:.1} | {peak} |");
        }
    }
}
