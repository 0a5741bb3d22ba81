//! The shim's socket: where it is, and who may make or remove one.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, umask};

use crate::frame;

/// Where containerd's shims have their sockets.
const FOLDER: &str = "/run/containerd/s";

/// The socket of a group of containers: paths of sockets are short, so it is named by a number that follows from whose it is.
pub(crate) fn path(
    folder: Option<&str>,
    containerd: &str,
    namespace: &str,
    group: &str,
) -> PathBuf {
    let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or(FOLDER);
    let mut number: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in [containerd, namespace, group].join("\0").bytes() {
        // FNV-1a: no secret, only distinct.
        number ^= u128::from(byte);
        number = number.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    Path::new(folder).join(format!("tare-{number:032x}"))
}

/// As containerd names it.
pub(crate) fn to_uri(path: &Path) -> String {
    format!("unix://{}", path.display())
}

/// The path in an address of containerd's.
pub(crate) fn from_uri(address: &str) -> Option<PathBuf> {
    let path = address.strip_prefix("unix://").unwrap_or(address);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// Whoever has this is the only one to make or remove sockets in the same folder. `None` where that cannot be had: then two may
/// come into each other's way.
pub(crate) fn lock(socket: &Path) -> Option<Flock<File>> {
    let folder = File::open(socket.parent()?).ok()?;
    Flock::lock(folder, FlockArg::LockExclusive).ok()
}

/// A socket to be served, or the news that somebody serves it.
pub(crate) enum Place {
    New(UnixListener),
    Served,
}

/// Listens there, unless somebody else does, who then is told that somebody will come. One that a dead shim has left is replaced.
pub(crate) fn claim(socket: &Path) -> std::io::Result<Place> {
    if let Some(folder) = socket.parent() {
        std::fs::DirBuilder::new()
            .mode(0o711)
            .recursive(true)
            .create(folder)?;
    }
    let _lock = lock(socket);
    match UnixStream::connect(socket) {
        Ok(mut shim) => {
            shim.write_all(&frame::encode(0, frame::KNOCK, &[]))?;
            return Ok(Place::Served);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(_) => std::fs::remove_file(socket)?,
    }
    let old = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(socket);
    umask(old);
    listener.map(Place::New)
}

/// Removes a socket that nobody serves.
pub(crate) fn remove_dead(socket: &Path) {
    let _lock = lock(socket);
    if UnixStream::connect(socket).is_err() {
        let _ = std::fs::remove_file(socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short_and_distinct() {
        let long = "x".repeat(76);
        let one = path(None, "/run/containerd/containerd.sock", &long, &long);
        assert!(one.as_os_str().len() < 100);
        assert_ne!(
            one,
            path(None, "/run/containerd/containerd.sock", &long, "y")
        );
        assert_ne!(path(None, "a", "b", "c"), path(None, "a", "bc", ""));
        assert_eq!(from_uri(&to_uri(&one)), Some(one));
    }

    #[test]
    fn one_of_two_serves() {
        let folder = std::env::temp_dir().join(format!("tare-shim-{}", std::process::id()));
        let socket = folder.join("socket");
        let first = claim(&socket).expect("a socket");
        assert!(matches!(first, Place::New(_)));
        assert!(matches!(claim(&socket), Ok(Place::Served)));
        drop(first);
        assert!(matches!(claim(&socket), Ok(Place::New(_))));
        std::fs::remove_dir_all(folder).expect("to remove");
    }
}
