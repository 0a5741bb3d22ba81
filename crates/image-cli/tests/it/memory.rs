//! Memory does not grow with the number of files.

use std::fs;
use std::io::{BufWriter, Write};
use std::process::Stdio;
use std::time::Duration;

use oci_spec::image::Descriptor;
use serde_json::json;
use tare_image::digest;
use tare_image::layout::Layout;
use tare_image::tar::{Entry, EntryKind, Writer};

use crate::support::*;

/// Entries of one folder: the folder, links of both kinds, a whiteout, and files.
const FOLDER: usize = 100;

/// Writes a layer with `count` entries.
fn layer(count: usize, output: impl Write) {
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, output));
    for folder in 0..count / FOLDER {
        for n in 0..FOLDER {
            let path = match n {
                0 => format!("d{folder}/"),
                3 => format!("d{folder}/.wh.gone"),
                _ => format!("d{folder}/a-name-of-usual-length-{n}"),
            };
            let (kind, link, data) = match n {
                0 => (EntryKind::Directory, String::new(), ""),
                1 => (EntryKind::Symlink, "elsewhere".into(), ""),
                // Forward: it cannot be made before the end.
                2 => (
                    EntryKind::HardLink,
                    format!("d{folder}/a-name-of-usual-length-9"),
                    "",
                ),
                3 => (EntryKind::File, String::new(), ""),
                _ => (EntryKind::File, String::new(), "content"),
            };
            let entry = Entry {
                link: link.into_bytes(),
                size: data.len() as u64,
                mtime: tare_image::tar::Time {
                    seconds: 1_600_000_000 + n as i64,
                    nanoseconds: 0,
                },
                ..item(kind, path.as_bytes()).entry
            };
            writer.append(&entry, &mut data.as_bytes()).unwrap();
        }
    }
    writer.finish().unwrap();
}

/// Runs the program to its end and returns the most memory that it had, in KiB.
fn peak(program: &Program, arguments: &[&str], input: Option<usize>) -> u64 {
    let mut command = program.command(arguments);
    command.stdout(Stdio::null());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    let feeding = child.stdin.take().map(|pipe| {
        let count = input.unwrap_or(0);
        std::thread::spawn(move || layer(count, pipe))
    });
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    // The kernel keeps the highest value itself: only what grows in the last moment can be missed.
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let value = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(value.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(ended.success(), "{arguments:?}");
    if let Some(feeding) = feeding {
        feeding.join().unwrap();
    }
    most
}

/// Peaks of everything that handles each entry of a layer.
fn peaks(count: usize) -> Vec<(&'static str, u64)> {
    let program = Program::new();
    let start = std::time::Instant::now();
    let place = format!("oci:{}:localhost/made:latest", program.store().display());
    let other = program.path("other");
    let other = other.to_str().unwrap();
    let found = vec![
        (
            "import",
            peak(&program, &["import", "-", "localhost/made"], Some(count)),
        ),
        (
            "pull",
            peak(
                &program,
                &["pull", "-q", "--root", other, &place, "localhost/app"],
                None,
            ),
        ),
        (
            "export",
            peak(
                &program,
                &["export", "--root", other, "localhost/app", "/dev/null"],
                None,
            ),
        ),
        (
            "remove",
            peak(
                &program,
                &["remove", "--root", other, "localhost/app"],
                None,
            ),
        ),
    ];
    println!("{count} entries, {:.1?}: KiB {found:?}", start.elapsed());
    found
}

/// `TARE_IMAGE_ENTRIES=1000000` makes the layer ten times as large, which takes minutes without optimisation.
#[test]
fn memory_does_not_grow_with_the_number_of_files() {
    let many = std::env::var("TARE_IMAGE_ENTRIES").map_or(100_000, |n| n.parse().unwrap());
    let few = peaks(10_000);
    for ((verb, few), (_, many)) in few.into_iter().zip(peaks(many)) {
        // What differs is how many buffers happened to be in use at once; 24 bytes for each entry would be seen.
        assert!(
            many < few + 2048,
            "{verb}: {few} KiB for few, {many} KiB for many"
        );
    }
}

/// Makes an image of `count` layers, of 12 MB each, in frames of zstd with a window of 8 MiB. Returns its place.
pub(crate) fn wide(program: &Program, count: usize) -> String {
    let folder = program.path(&format!("wide{count}"));
    let layout = Layout::create(&folder).unwrap();
    let put = |media_type: &str, bytes: &[u8]| {
        let descriptor = Descriptor::new(media_type.into(), bytes.len() as u64, digest::of(bytes));
        layout.put(&descriptor, bytes).unwrap();
        descriptor
    };
    let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
    for n in 0..count {
        let tar = archive(&[file(&format!("file{n}"), &"twelve bytes".repeat(1 << 20))]);
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(23).unwrap();
        encoder.write_all(&tar).unwrap();
        let packed = encoder.finish().unwrap();
        layers.push(put("application/vnd.oci.image.layer.v1.tar+zstd", &packed));
        diff_ids.push(digest::of(&tar));
    }
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).to_string();
    let config = put(
        "application/vnd.oci.image.config.v1+json",
        config.as_bytes(),
    );
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
    let manifest = put(media_type, manifest.to_string().as_bytes());
    layout.tag(Some("wide"), &manifest).unwrap();
    format!("oci:{}:wide", folder.display())
}

/// Six layers could take as many windows as there are threads.
#[test]
fn memory_does_not_grow_with_the_number_of_windows() {
    let [one, six] = [1, 6].map(|count| {
        let program = Program::new();
        let place = wide(&program, count);
        let pull = ["pull", "-q", "--parallel", "6", &place, "localhost/wide"];
        peak(&program, &pull, None)
    });
    println!("KiB: {one} for one layer, {six} for six");
    assert!(
        six < one + 6144,
        "{one} KiB for one layer, {six} KiB for six"
    );
}
