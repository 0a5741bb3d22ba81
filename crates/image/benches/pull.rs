//! From a registry to a mountable root file system: this crate, its peers, and the floor, interleaved on one registry.
//!
//! `cargo bench -p tare-image --bench pull -- [--rounds N] [--scale PERCENT] [--only WORD] [--tools A,B]` prints a table in Markdown. Needs root and Debian's
//! `docker-registry`; peers (`skopeo` with `umoci`, `podman`, `ctr` with `containerd`) and the floor (`cc`, `libisal-dev`, `libssl-dev`)
//! are left out where they are missing. Everything happens below one temporary directory, on the loopback interface.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers that may stop anywhere"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tare_image::compression::{Compression, Compressor};
use tare_image::digest::HashingWriter;
use tare_image::tar::{Entry, EntryKind, Time, Writer};

/// An image to measure with.
struct Shape {
    name: &'static str,
    layers: usize,
    files: usize,
    /// Uncompressed bytes of one layer.
    bytes: u64,
}

const SHAPES: [Shape; 4] = [
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

/// A way to pull.
struct Tool {
    name: &'static str,
    /// Runs in a fresh directory, once to pull and, where that means something, again with nothing to do.
    command: fn(&Place, &str, &[String]) -> Vec<Vec<String>>,
}

struct Place {
    registry: String,
    folder: PathBuf,
    floor: PathBuf,
}

#[derive(Default)]
struct Measured {
    seconds: Vec<f64>,
    again: Vec<f64>,
    /// Processor seconds of all processes: what remains comparable on a busy machine.
    cpu: Vec<f64>,
    peak_kb: u64,
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

fn ours(place: &Place, image: &str, _: &[String]) -> Vec<Vec<String>> {
    let program = env!("CARGO_BIN_EXE_tare-image");
    vec![words(&format!(
        "{program} pull -q --plain-http --root {}/out/store {}/{image}",
        place.folder.display(),
        place.registry
    ))]
}

fn floor(place: &Place, image: &str, digests: &[String]) -> Vec<Vec<String>> {
    let (floor, folder, registry) = (
        place.floor.display(),
        place.folder.display(),
        &place.registry,
    );
    vec![words(&format!(
        "{floor} {registry} {image} {folder}/out 2 {}",
        digests.join(" ")
    ))]
}

fn skopeo_umoci(place: &Place, image: &str, _: &[String]) -> Vec<Vec<String>> {
    let (folder, registry) = (place.folder.display(), &place.registry);
    vec![
        words(&format!(
            "skopeo copy -q --src-tls-verify=false docker://{registry}/{image} oci:{folder}/out/layout:x"
        )),
        words(&format!(
            "umoci raw unpack --image {folder}/out/layout:x {folder}/out/rootfs"
        )),
    ]
}

fn podman(place: &Place, image: &str, _: &[String]) -> Vec<Vec<String>> {
    let (folder, registry) = (place.folder.display(), &place.registry);
    vec![words(&format!(
        "podman --root {folder}/out/root --runroot {folder}/out/run --storage-driver overlay pull -q --tls-verify=false {registry}/{image}:latest"
    ))]
}

fn ctr(place: &Place, image: &str, _: &[String]) -> Vec<Vec<String>> {
    let (folder, registry) = (place.folder.display(), &place.registry);
    vec![words(&format!(
        "ctr --address {folder}/containerd.sock images pull --plain-http {registry}/{image}:latest"
    ))]
}

const TOOLS: [Tool; 5] = [
    Tool {
        name: "floor",
        command: floor,
    },
    Tool {
        name: "tare-image",
        command: ours,
    },
    Tool {
        name: "containerd (ctr)",
        command: ctr,
    },
    Tool {
        name: "podman",
        command: podman,
    },
    Tool {
        name: "skopeo+umoci",
        command: skopeo_umoci,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        arguments
            .iter()
            .position(|a| a == name)
            .and_then(|n| arguments.get(n + 1))
            .cloned()
    };
    let rounds: usize = value("--rounds").map_or(5, |v| v.parse().unwrap());
    let scale: u64 = value("--scale").map_or(100, |v| v.parse().unwrap());
    let only = value("--only").unwrap_or_default();
    let wanted = value("--tools").unwrap_or_default();
    let chosen =
        |tool: &Tool| wanted.is_empty() || wanted.split(',').any(|w| tool.name.contains(w));
    if !have("docker-registry") || !rustix::process::geteuid().is_root() {
        println!("skipped: root and docker-registry are needed");
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let registry = Registry::start(temporary.path());
    let place = Place {
        registry: registry.address.clone(),
        folder: temporary.path().into(),
        floor: build_floor(temporary.path()),
    };
    for shape in SHAPES.iter().filter(|s| s.name.contains(&only)) {
        let image = shape
            .name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .collect::<String>()
            .to_lowercase();
        eprintln!("making {}", shape.name);
        let (digests, bytes) = make(&place, shape, &image, scale);
        let mut results: BTreeMap<usize, Measured> = BTreeMap::new();
        for round in 0..rounds {
            for (n, tool) in TOOLS
                .iter()
                .enumerate()
                .filter(|(_, t)| chosen(t) && available(t, &place))
            {
                eprintln!(
                    "{}: round {} of {rounds}: {}",
                    shape.name,
                    round + 1,
                    tool.name
                );
                measure(
                    &place,
                    tool,
                    &image,
                    &digests,
                    results.entry(n).or_default(),
                );
            }
        }
        report(shape, bytes, &results);
    }
}

fn report(shape: &Shape, bytes: u64, results: &BTreeMap<usize, Measured>) {
    println!("\n{} ({} MB compressed)\n", shape.name, bytes / 1_000_000);
    println!(
        "| | seconds, median | best | times the floor | processor seconds, best | peak RSS, MB | again, ms |\n|---|---|---|---|---|---|---|"
    );
    let base = results.get(&0).map(|m| median(&m.seconds));
    for (n, measured) in results {
        let seconds = median(&measured.seconds);
        let best = measured.seconds.iter().copied().fold(f64::MAX, f64::min);
        let cpu = measured.cpu.iter().copied().fold(f64::MAX, f64::min);
        let ratio = base.map_or(String::new(), |b| format!("{:.2}", seconds / b));
        let again = if measured.again.is_empty() {
            "–".into()
        } else {
            format!("{:.1}", median(&measured.again) * 1000.0)
        };
        let peak = measured.peak_kb as f64 / 1024.0;
        println!(
            "| {} | {seconds:.3} | {best:.3} | {ratio} | {cpu:.2} | {peak:.0} | {again} |",
            TOOLS[*n].name
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn available(tool: &Tool, place: &Place) -> bool {
    match tool.name {
        "floor" => place.floor.exists(),
        "containerd (ctr)" => have("containerd") && have("ctr"),
        "skopeo+umoci" => have("skopeo") && have("umoci"),
        name => name == "tare-image" || have(name),
    }
}

fn measure(place: &Place, tool: &Tool, image: &str, digests: &[String], into: &mut Measured) {
    let out = place.folder.join("out");
    // Not removed now: for minutes afterwards ext4 searches around deleted inodes whenever it makes new ones, which took more
    // processor time than all the rest.
    let old = place.folder.join("old");
    fs::create_dir_all(&old).unwrap();
    if out.exists() {
        fs::rename(
            &out,
            old.join(fs::read_dir(&old).unwrap().count().to_string()),
        )
        .unwrap();
    }
    fs::create_dir(&out).unwrap();
    let daemon = (tool.name == "containerd (ctr)").then(|| Containerd::start(place));
    // What earlier runs left to write must not be paid for by this one.
    assert!(Command::new("sync").status().unwrap().success());
    let commands = (tool.command)(place, image, digests);
    let run = |peak: &mut u64| {
        let start = Instant::now();
        for command in &commands {
            *peak = (*peak).max(run_one(command));
        }
        start.elapsed().as_secs_f64()
    };
    let before = cpu_seconds("self", 13) + daemon.as_ref().map_or(0.0, Containerd::cpu);
    into.seconds.push(run(&mut into.peak_kb));
    into.cpu
        .push(cpu_seconds("self", 13) + daemon.as_ref().map_or(0.0, Containerd::cpu) - before);
    if tool.name != "floor" && tool.name != "skopeo+umoci" {
        let mut ignored = 0;
        into.again.push(run(&mut ignored));
    }
    if let Some(daemon) = daemon {
        into.peak_kb = into.peak_kb.max(peak_kb(daemon.child.id()));
    }
    // podman leaves a mount on its own directory.
    let _ = Command::new("umount")
        .arg(out.join("root/overlay"))
        .stderr(Stdio::null())
        .status();
}

/// Peak resident memory, in kB.
fn run_one(command: &[String]) -> u64 {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_kb(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    if !status.success() {
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        panic!("{command:?} failed: {said}");
    }
    peak
}

fn peak_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Two neighbouring times of `/proc/<pid>/stat`, counted from the process's state on: 11 are its own, 13 those of its children.
fn cpu_seconds(pid: &str, field: usize) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(field);
    // In hundredths of a second, on every Linux that programs see.
    fields
        .take(2)
        .filter_map(|f| f.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

struct Containerd {
    child: Child,
}

impl Containerd {
    /// Its own, and of the programs it called.
    fn cpu(&self) -> f64 {
        let pid = self.child.id().to_string();
        cpu_seconds(&pid, 11) + cpu_seconds(&pid, 13)
    }

    fn start(place: &Place) -> Self {
        let folder = place.folder.display();
        let socket = place.folder.join("containerd.sock");
        let _ = fs::remove_file(&socket);
        let config = place.folder.join("containerd.toml");
        fs::write(&config, format!(
            "version = 2\nroot = \"{folder}/out/containerd\"\nstate = \"{folder}/out/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{folder}/containerd.sock\"\n"
        )).unwrap();
        let child = Command::new("containerd")
            .arg("-c")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let ready = || {
            let asked = Command::new("ctr")
                .args(["--address", socket.to_str().unwrap(), "version"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            asked.is_ok_and(|s| s.success())
        };
        while !ready() {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "containerd does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Containerd { child }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let config = folder.join("registry.yml");
        fs::write(&config, format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}/registry\nhttp:\n  addr: {address}\n",
            folder.display()
        )).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "the registry does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Registry { child, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn build_floor(folder: &Path) -> PathBuf {
    let program = folder.join("floor");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/floor.c");
    let built = Command::new("cc")
        .args([
            "-O2",
            "-o",
            program.to_str().unwrap(),
            source,
            "-lisal",
            "-lcrypto",
            "-lpthread",
        ])
        .stderr(Stdio::null())
        .status();
    if !built.is_ok_and(|s| s.success()) {
        eprintln!("the floor is left out: cc, libisal-dev and libssl-dev are needed");
    }
    program
}

fn have(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .any(|d| d.join(tool).exists())
}

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

/// Makes an image, pushes it, and returns the digests of its layers and their compressed size.
fn make(place: &Place, shape: &Shape, image: &str, scale: u64) -> (Vec<String>, u64) {
    let layout = tare_image::layout::Layout::create(&place.folder.join("layout")).unwrap();
    let mut layers = Vec::new();
    let mut diff_ids = Vec::new();
    for n in 0..shape.layers {
        let path = layout.root().join("layer");
        let output = HashingWriter::new(BufWriter::new(File::create(&path).unwrap()));
        let output = HashingWriter::new(Compressor::new(output, Compression::Gzip).unwrap());
        let output = tree(Writer::new(output), shape, n, scale);
        let (compressor, diff_id, _) = output.finish();
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
    let bytes = layers.iter().map(oci_spec::image::Descriptor::size).sum();
    tare_image::unpack::remove_tree(layout.root()).unwrap();
    (
        layers.iter().map(|l| l.digest().to_string()).collect(),
        bytes,
    )
}

fn tree<W: Write>(mut writer: Writer<W>, shape: &Shape, layer: usize, scale: u64) -> W {
    let mut filler = Filler::new(layer as u64 + 7);
    let files = (shape.files as u64 * scale / 100).max(1);
    let average = shape.bytes * scale / 100 / files;
    let time = Time {
        seconds: 1_600_000_000,
        nanoseconds: 0,
    };
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
    writer.finish().unwrap()
}
