//! A root file system for examples and tests: a static busybox, in a directory that goes with it.
#![allow(dead_code, reason = "each uses a part")]

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Where a static program with a shell may be.
const PROGRAMS: [&str; 3] = ["/bin/busybox", "/usr/bin/busybox", "/sbin/busybox"];

/// Why containers cannot be made here.
pub(crate) fn missing() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("containers without a user namespace need root");
    }
    match program() {
        Some(_) => None,
        None => Some("there is no static busybox for the root file system"),
    }
}

/// A busybox that needs no other file: one that has no interpreter.
fn program() -> Option<&'static Path> {
    let is_static = |path: &&Path| {
        fs::read(path).is_ok_and(|bytes| {
            let end = bytes.len().min(4096);
            !bytes[..end]
                .windows(8)
                .any(|part| part == b"/ld-linu" || part == b"/ld-musl")
        })
    };
    PROGRAMS.iter().map(Path::new).find(is_static)
}

/// A directory with a root file system, and room for containers' state.
pub(crate) struct Root(PathBuf);

impl Root {
    pub(crate) fn new(name: &str) -> io::Result<Root> {
        let path = std::env::temp_dir().join(format!("tare-{name}-{}", std::process::id()));
        let root = Root(path);
        for directory in ["bin", "proc", "dev", "sys", "tmp"] {
            fs::create_dir_all(root.rootfs().join(directory))?;
        }
        let copy = root.rootfs().join("bin/busybox");
        fs::copy(program().unwrap_or(Path::new("")), &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        for applet in [
            "cat", "echo", "hostname", "id", "ls", "readlink", "sh", "sleep", "sort", "stty",
            "true",
        ] {
            symlink("busybox", root.rootfs().join("bin").join(applet))?;
        }
        Ok(root)
    }

    /// What holds them.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.0.join("rootfs")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("state")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
