//! Memory does not grow with the number of files.

use std::fs;
use std::io::{BufWriter, Write};
use std::process::Stdio;
use std::time::Duration;

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
