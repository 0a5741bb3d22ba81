//! `tare-image run` of an image that is in the store, beside `tare run` of the same bundle: what the bundle, the mount and
//! taking both away cost.
//!
//! `cargo bench -p tare-image-cli --bench run -- [ROUNDS]`. Needs root, a static `busybox`, and the runtime: `$TARE`, or `tare` beside
//! the program.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for developers that may stop anywhere"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tare_image::tar::{Entry, EntryKind, Writer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tare-image");
const BUSYBOX: &str = "/bin/busybox";

/// A root file system of one program.
fn archive() -> Vec<u8> {
    let program = fs::read(BUSYBOX).unwrap();
    let mut writer = Writer::new(Vec::new());
    for (path, kind, size) in [
        ("bin", EntryKind::Directory, 0),
        ("bin/true", EntryKind::File, program.len() as u64),
    ] {
        let entry = Entry {
            path: path.into(),
            kind,
            mode: 0o755,
            size,
            ..Entry::default()
        };
        let content = &program[..size as usize];
        writer.append(&entry, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

/// Milliseconds until it has ended.
fn time(command: &mut Command) -> f64 {
    let begun = Instant::now();
    assert!(command.status().unwrap().success(), "{command:?}");
    begun.elapsed().as_secs_f64() * 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    // Started by `cargo test`, which has no `--bench`, it does nothing.
    if arguments.peek().is_none() {
        return;
    }
    let mut rounds = arguments.filter_map(|a| a.parse::<usize>().ok());
    let rounds = rounds.next().unwrap_or(100);
    let beside = Path::new(PROGRAM).with_file_name("tare");
    let runtime = std::env::var_os("TARE").map_or(beside, PathBuf::from);
    if !rustix::process::geteuid().is_root() || !runtime.exists() || !Path::new(BUSYBOX).exists() {
        println!(
            "skipped: root, {BUSYBOX} and {} are needed",
            runtime.display()
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(words).stdout(Stdio::null());
        command.env("TARE_IMAGE_ROOT", folder.path().join("store"));
        command.env("TARE", &runtime);
        command
    };
    let (tar, bundle) = (folder.path().join("x.tar"), folder.path().join("bundle"));
    fs::write(&tar, archive()).unwrap();
    time(&mut image(&[
        "import",
        tar.to_str().unwrap(),
        "localhost/x",
    ]));
    let to = bundle.to_str().unwrap();
    time(&mut image(&[
        "bundle",
        "--overlay",
        "localhost/x",
        to,
        "/bin/true",
    ]));
    let state = folder.path().join("state");
    let (mut alone, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut run = Command::new(&runtime);
        run.arg("--root")
            .arg(&state)
            .args(["run", "--bundle", to, "bench-run"]);
        alone.push(time(&mut run));
        whole.push(time(&mut image(&["run", "localhost/x", "/bin/true"])));
    }
    rustix::mount::unmount(bundle.join("rootfs"), rustix::mount::UnmountFlags::DETACH).unwrap();
    let (alone, whole) = (median(alone), median(whole));
    println!("| tare run, ms | tare-image run, ms | ratio |\n|--:|--:|--:|");
    println!("| {alone:.2} | {whole:.2} | {:.2} |", whole / alone);
}
