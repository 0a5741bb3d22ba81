//! What the tests share: archives made by hand, snapshots of trees, a registry, the program.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tare_image::tar::{Entry, EntryKind, Time, Writer};
use tare_image::unpack::{Layer, Owner, Summary, merge};
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
            let mut layer = Layer::new(&staging, owner, limits)?;
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

/// One line for each name below `root`: what it is, without times unless asked for.
pub(crate) fn snapshot(root: &Path, times: bool) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    walk(root, root, times, &mut all);
    all
}

fn walk(root: &Path, path: &Path, times: bool, all: &mut BTreeMap<String, String>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = metadata.file_type();
    let what = if kind.is_dir() {
        "dir".to_string()
    } else if kind.is_symlink() {
        format!(
            "link {}",
            fs::read_link(path)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .escape_ascii()
        )
    } else if kind.is_file() {
        let content = fs::read(path).unwrap();
        format!(
            "file {} {}",
            metadata.nlink(),
            tare_image::digest::of(&content)
        )
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
    let time = if times { metadata.mtime() } else { 0 };
    let name = path
        .strip_prefix(root)
        .unwrap()
        .as_os_str()
        .as_bytes()
        .escape_ascii()
        .to_string();
    all.insert(
        name,
        format!(
            "{what} {mode:o} {}:{} {time}",
            metadata.uid(),
            metadata.gid()
        ),
    );
    if kind.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        names.sort();
        for name in names {
            walk(root, &name, times, all);
        }
    }
}

/// True if the tool is there; says so if not.
pub(crate) fn have(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .any(|d| d.join(tool).exists());
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

/// Runs a tool that must succeed.
pub(crate) fn tool<S: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = S>) -> Output {
    let mut command = Command::new(name);
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
        Program {
            folder: quick_folder(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tare-image"));
        command
            .args(args)
            .env("TARE_IMAGE_ROOT", self.store())
            .env("HOME", self.folder.path())
            .env("REGISTRY_AUTH_FILE", self.path("auth.json"))
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("XDG_CONFIG_HOME")
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

/// Debian's registry, on a free port, until dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
    pub(crate) folder: TempDir,
}

/// How the registry is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    None,
    Password,
    Tls,
    ClientCertificate,
}

impl Registry {
    /// None when it is not installed.
    pub(crate) fn start(protection: Protection) -> Option<Self> {
        if !have("docker-registry") {
            return None;
        }
        let folder = quick_folder();
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}/data\n  delete:\n    enabled: true\n",
            folder.path().display()
        );
        let at = |name: &str| folder.path().join(name).display().to_string();
        if protection == Protection::Password {
            let line = tool("htpasswd", ["-Bbn", "user", "secret"]).stdout;
            fs::write(at("htpasswd"), line).unwrap();
            config += &format!(
                "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                at("htpasswd")
            );
        }
        config += &format!("http:\n  addr: {address}\n");
        if matches!(protection, Protection::Tls | Protection::ClientCertificate) {
            certificates(folder.path());
            config += &format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                at("server.crt"),
                at("server.key")
            );
            if protection == Protection::ClientCertificate {
                config += &format!("    clientcas:\n      - {}\n", at("ca.crt"));
            }
        }
        fs::write(at("config.yml"), config).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Registry {
            child,
            address,
            folder,
        };
        let start = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "the registry does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// An authority, a server certificate for 127.0.0.1, and a client certificate.
fn certificates(folder: &Path) {
    let at = |name: &str| folder.join(name).display().to_string();
    let new = |name: &str, subject: &str| {
        let args = [
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            subject,
            "-keyout",
            &at(&format!("{name}.key")),
            "-out",
            &at(&format!("{name}.csr")),
        ];
        tool("openssl", args.map(String::from));
    };
    tool(
        "openssl",
        [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test authority",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-keyout",
            &at("ca.key"),
            "-out",
            &at("ca.crt"),
        ]
        .map(String::from),
    );
    for (name, subject, extension) in [
        (
            "server",
            "/CN=127.0.0.1",
            "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
        ),
        ("client", "/CN=client", "extendedKeyUsage=clientAuth\n"),
    ] {
        new(name, subject);
        fs::write(at(&format!("{name}.ext")), extension).unwrap();
        let (csr, crt, ext) = (
            at(&format!("{name}.csr")),
            at(&format!("{name}.crt")),
            at(&format!("{name}.ext")),
        );
        tool(
            "openssl",
            [
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                &at("ca.crt"),
                "-CAkey",
                &at("ca.key"),
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                &ext,
                "-out",
                &crt,
            ]
            .map(String::from),
        );
    }
}
