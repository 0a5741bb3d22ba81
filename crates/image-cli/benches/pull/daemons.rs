//! What has to run or be built before anything can be measured.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::cpu_seconds;
use crate::stop;
use crate::tools::Place;

/// A daemon with everything of its own.
pub(crate) struct Containerd {
    pub(crate) child: Child,
}

impl Containerd {
    /// Its own, and of the programs it called.
    pub(crate) fn cpu(&self) -> f64 {
        let pid = self.child.id().to_string();
        cpu_seconds(&pid, 11) + cpu_seconds(&pid, 13)
    }

    pub(crate) fn start(place: &Place) -> Self {
        let folder = place.folder.display();
        let socket = place.folder.join("containerd.sock");
        let _ = fs::remove_file(&socket);
        let config = place.folder.join("containerd.toml");
        fs::write(&config, format!(
            "version = 2\nroot = \"{folder}/out/containerd\"\nstate = \"{folder}/out/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{folder}/containerd.sock\"\n"
        )).unwrap();
        let child = stop::start(
            Command::new("containerd")
                .arg("-c")
                .arg(config)
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
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
        stop::ended(&self.child);
    }
}

/// Debian's registry, until dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
}

impl Registry {
    pub(crate) fn start(folder: &Path) -> Self {
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
        let child = stop::start(
            Command::new("docker-registry")
                .arg("serve")
                .arg(config)
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
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
        stop::ended(&self.child);
    }
}

/// The program that does only what must be done.
pub(crate) fn build_floor(folder: &Path) -> PathBuf {
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

pub(crate) fn have(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .any(|d| d.join(tool).exists())
}
