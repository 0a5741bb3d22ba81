//! The shim's own words: lines in the form of containerd's log, to the FIFO that containerd reads.

use std::io::Write;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// Standard error becomes the FIFO `log` of the bundle. Both ends are opened: whether containerd reads or not, writing neither
/// fails nor waits.
pub(crate) fn open_fifo(bundle: &Path) {
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    // Somebody who starts it by hand has none.
    if let Ok(fifo) = open(&bundle.join("log"), flags, Mode::empty()) {
        let _ = nix::unistd::dup2_stderr(&fifo);
    }
}

/// Something that is worth knowing and stops nothing.
pub(crate) fn warn(container: &str, text: &str) {
    write("warning", container, text);
}

/// Something that went wrong.
pub(crate) fn error(text: &str) {
    write("error", "", text);
}

fn write(level: &str, container: &str, text: &str) {
    let id = match container {
        "" => String::new(),
        id => format!(" id={id}"),
    };
    // Nobody reads, or the FIFO is full: nothing depends on it.
    let _ = writeln!(
        std::io::stderr(),
        "level={level} msg={text:?} shim=tare{id}"
    );
}
