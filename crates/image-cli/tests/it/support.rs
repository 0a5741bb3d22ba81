//! What the tests share: archives made by hand, snapshots of trees, a registry, the program.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tare_image::tar::{Entry, EntryKind, Time, Writer};
use tare_image::unpack::{Form, Layer, Owner, Summary, merge};
use tare_image::{Limits, Result};
use tempfile::TempDir;

/// An entry and its data.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn item(kind: EntryKind, path: &[u8]) -> Item {
    let entry = Entry {
        path: path.to_vec(),
        kind,
        mode: if kind == EntryKind::Directory {
            0o755
        } else {
            0o644
        },
        uid: i64::from(rustix::process::geteuid().as_raw()),
        gid: i64::from(rustix::process::getegid().as_raw()),
        mtime: Time {
            seconds: 1_000_000_000,
            nanoseconds: 0,
        },
        ..Entry::default()
    };
    Item {
        entry,
        data: Vec::new(),
    }
}

pub(crate) fn file(path: &str, data: &str) -> Item {
    Item {
        data: data.as_bytes().to_vec(),
        ..item(EntryKind::File, path.as_bytes())
    }
}

pub(crate) fn dir(path: &str) -> Item {
    item(EntryKind::Directory, path.as_bytes())
}

pub(crate) fn symlink(path: &str, to: &str) -> Item {
    link(EntryKind::Symlink, path, to)
}

pub(crate) fn hardlink(path: &str, to: &str) -> Item {
    link(EntryKind::HardLink, path, to)
}

fn link(kind: EntryKind, path: &str, to: &str) -> Item {
    let mut item = item(kind, path.as_bytes());
    item.entry.link = to.as_bytes().to_vec();
    item
}

impl Item {
    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.entry.mode = mode;
        self
    }
}

/// A complete archive.
pub(crate) fn archive(items: &[Item]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for item in items {
        let entry = Entry {
            size: item.data.len() as u64,
            ..item.entry.clone()
        };
        writer.append(&entry, &mut &item.data[..]).unwrap();
    }
    writer.finish().unwrap()
}

/// A folder in memory where that has extended attributes: tests that make thousands of trees should not wait for a disk.
pub(crate) fn quick_folder() -> TempDir {
    let temporary = || {
        let folder = tempfile::tempdir_in("/dev/shm").ok()?;
        rustix::fs::setxattr(
            folder.path(),
            "user.probe",
            b"y",
            rustix::fs::XattrFlags::empty(),
        )
        .ok()?;
        Some(folder)
    };
    temporary().unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// Unpacks archives as layers over each other into `<folder>/target`.
pub(crate) fn unpack_layers(
    folder: &Path,
    layers: &[Vec<u8>],
    limits: &Limits,
) -> Result<Vec<Summary>> {
    let root = folder.join("target");
    fs::create_dir_all(&root).unwrap();
    let owner = Owner::for_caller();
    let mut summaries = Vec::new();
    for (n, archive) in layers.iter().enumerate() {
        let staging = folder.join(format!("staging{n}"));
        fs::create_dir(&staging).unwrap();
        let run = || -> Result<Summary> {
            let mut layer = Layer::new(&staging, Form::Flat, owner, limits)?;
            layer.unpack(&archive[..])?;
            let lower = fs::File::open(&root).unwrap();
            let summary = layer.settle(&[lower.into()])?;
            merge::merge(&staging, &root, owner, &summary)?;
            Ok(summary)
        };
        let result = run();
        tare_image::unpack::remove_tree(&staging).unwrap();
        summaries.push(result?);
    }
    Ok(summaries)
}

/// Unpacks archives as layers that overlayfs would mount, into `<folder>/0` and so on.
pub(crate) fn unpack_for_overlay(folder: &Path, layers: &[Vec<u8>]) {
    let mut lowers: Vec<PathBuf> = Vec::new();
    for (n, archive) in layers.iter().enumerate() {
        let path = folder.join(n.to_string());
        fs::create_dir(&path).unwrap();
        let (form, owner) = (Form::Overlay, Owner::for_caller());
        let mut layer = Layer::new(&path, form, owner, &Limits::default()).unwrap();
        layer.unpack(&archive[..]).unwrap();
        let below = lowers.iter().rev();
        let below: Vec<_> = below.map(|p| fs::File::open(p).unwrap().into()).collect();
        layer.settle(&below).unwrap();
        lowers.push(path);
    }
}

/// One line for each name below `root`: what it is, without times unless asked for.
pub(crate) fn snapshot(root: &Path, times: bool) -> BTreeMap<String, String> {
    let mut snapshot = Snapshot {
        root,
        times,
        names: BTreeMap::new(),
        all: BTreeMap::new(),
    };
    snapshot.walk(root);
    snapshot.all
}

struct Snapshot<'a> {
    root: &'a Path,
    times: bool,
    /// The first name of each file.
    names: BTreeMap<u64, String>,
    all: BTreeMap<String, String>,
}

impl Snapshot<'_> {
    fn walk(&mut self, path: &Path) {
        let metadata = fs::symlink_metadata(path).unwrap();
        let kind = metadata.file_type();
        let below = path.strip_prefix(self.root).unwrap();
        let name = below.as_os_str().as_bytes().escape_ascii().to_string();
        let what = if kind.is_dir() {
            "dir".to_string()
        } else if kind.is_symlink() {
            let target = fs::read_link(path).unwrap();
            format!("link {}", target.as_os_str().as_bytes().escape_ascii())
        } else if kind.is_file() {
            let content = tare_image::digest::of(&fs::read(path).unwrap());
            let first = self.names.entry(metadata.ino()).or_insert(name.clone());
            format!("file {} of {first} {content}", metadata.nlink())
        } else if kind.is_fifo() {
            "fifo".into()
        } else {
            format!("device {}", metadata.rdev())
        };
        let mode = if kind.is_symlink() {
            0
        } else {
            metadata.mode() & 0o7777
        };
        let (uid, gid) = (metadata.uid(), metadata.gid());
        let mut line = format!("{what} {mode:o} {uid}:{gid}");
        if self.times {
            line += &format!(" {}.{:09}", metadata.mtime(), metadata.mtime_nsec());
        }
        if kind.is_dir() || kind.is_file() {
            line += &attributes(path);
        }
        self.all.insert(name, line);
        if kind.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
            names.sort();
            for name in names {
                self.walk(&name);
            }
        }
    }
}

/// Extended attributes of users, sorted.
fn attributes(path: &Path) -> String {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut found = Vec::new();
    for name in names[..length].split(|b| *b == 0) {
        if name.starts_with(b"user.") {
            let mut value = vec![0; 64 << 10];
            let name = OsStr::from_bytes(name);
            let n = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            let (name, value) = (name.to_string_lossy(), value[..n].escape_ascii());
            found.push(format!(" {name}={value}"));
        }
    }
    found.sort();
    found.concat()
}

/// True if the tool is there.
pub(crate) fn installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .any(|d| d.join(tool).exists())
}

/// True if the tool is there; says so if not.
pub(crate) fn have(tool: &str) -> bool {
    let found = installed(tool);
    if !found {
        println!("skipped: {tool} is not installed");
    }
    found
}

pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: this test needs root");
    }
    root
}

/// Another program, in a language that has all letters: some refuse names that theirs has not.
pub(crate) fn peer(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// Runs a tool that must succeed.
pub(crate) fn tool<S: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = S>) -> Output {
    let mut command = peer(name);
    command.args(args);
    let output = command.output().unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The program with a store of its own.
pub(crate) struct Program {
    pub(crate) folder: TempDir,
}

impl Program {
    pub(crate) fn new() -> Self {
        let folder = quick_folder();
        fs::write(folder.path().join("registries.conf"), "").unwrap();
        Program { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tare-image"));
        // Nothing of the caller's: proxies, credentials, certificates and stores are for other programs.
        command
            .args(args)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("TARE_IMAGE_ROOT", self.store())
            .env("HOME", self.folder.path())
            .env("REGISTRY_AUTH_FILE", self.path("auth.json"))
            .env("CONTAINERS_REGISTRIES_CONF", self.path("registries.conf"))
            .stdin(Stdio::null());
        command
    }

    /// Runs it; standard output when it succeeds, else what it says.
    pub(crate) fn try_run(&self, args: &[&str]) -> Result<String, String> {
        let output = self.command(args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
        if output.status.success() {
            Ok(text)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).to_string())
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.try_run(args)
            .unwrap_or_else(|e| panic!("tare-image {args:?}: {e}"))
    }

    /// Blobs, partial blobs, unpacked layers, leftovers.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let count = |folder: &str, depth: usize| {
            let mut folders = vec![self.store().join(folder)];
            for _ in 1..depth {
                folders = folders
                    .iter()
                    .flat_map(|f| fs::read_dir(f).into_iter().flatten())
                    .map(|e| e.unwrap().path())
                    .collect();
            }
            folders
                .iter()
                .flat_map(|f| fs::read_dir(f).into_iter().flatten())
                .count()
        };
        [
            count("blobs", 2),
            count("ingest", 1),
            count("layers", 2),
            count("staging", 1),
        ]
    }
}

/// Gives everything below `root` one time: not every format can say parts of a second.
pub(crate) fn whole_seconds(root: &Path) {
    let touch = [
        "-depth",
        "-exec",
        "touch",
        "-h",
        "-d",
        "@1600000000",
        "{}",
        "+",
    ];
    tool("find", [&[root.to_str().unwrap()], &touch[..]].concat());
}

/// A busybox image with `extra` as second layer, in the program's store under `name`.
pub(crate) fn make_image(program: &Program, name: &str, megabytes: usize) {
    let folder = program.path("rootfs");
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::create_dir_all(folder.join("data")).unwrap();
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find(|p| Path::new(p).exists());
    if let Some(busybox) = busybox {
        fs::copy(busybox, folder.join("bin/busybox")).unwrap();
        for name in ["sh", "echo", "cat", "id", "touch", "rm", "ls", "test"] {
            let _ = std::os::unix::fs::symlink("busybox", folder.join("bin").join(name));
        }
    }
    // Content that does not compress, the same on every run.
    let mut state = 88_172_645_463_325_252u64;
    for n in 0..megabytes {
        let bytes: Vec<u8> = (0..1 << 17)
            .flat_map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            })
            .collect();
        fs::write(folder.join("data").join(n.to_string()), bytes).unwrap();
    }
    whole_seconds(&folder);
    let tar = program.path("rootfs.tar");
    tool(
        "tar",
        [
            "--sort=name",
            "-C",
            folder.to_str().unwrap(),
            "-cf",
            tar.to_str().unwrap(),
            ".",
        ],
    );
    program.run(&[
        "import",
        tar.to_str().unwrap(),
        name,
        "--cmd",
        "/bin/echo default",
    ]);
}
