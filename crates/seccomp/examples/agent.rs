//! A small agent for `SCMP_ACT_NOTIFY`: it makes the directories that a container asks for, under another name.
//!
//! `agent SOCKET` listens there. For each container that starts with this `listenerPath` it gets one connection with the
//! container process state (config-linux.md, "The Container Process State") and the listener of its filter, and answers its
//! `mkdir` and `mkdirat` calls until the last process of the container is gone. `listenerMetadata` is added to each name, so
//! that one can see who made the directory. bundles/seccomp-agent has a container for it.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::{env, thread};

use kernel::file::{self, open, resolve};
use kernel::process::{self, PollFd};
use kernel::seccomp::{self as notify, Notification, Reply};
use kernel::{BorrowedFd, Errno, socket};
use tare_seccomp::Architecture;

/// The longest path that the kernel takes, with its end.
const PATH_MAX: usize = 4096;

/// What of the message matters here.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState {
    fds: Vec<String>,
    pid: i32,
    #[serde(default)]
    metadata: String,
    state: State,
}

#[derive(serde::Deserialize)]
struct State {
    id: String,
}

fn main() -> io::Result<()> {
    let path = env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: agent SOCKET"))?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(&path)?;
    writeln!(io::stdout(), "listening")?;
    for connection in socket.incoming() {
        let connection = connection?;
        let (state, listener) = match hello(connection.as_fd().into()) {
            Ok(hello) => hello,
            Err(error) => {
                writeln!(io::stderr(), "refused a connection: {error}")?;
                continue;
            }
        };
        writeln!(
            io::stdout(),
            "container {} (pid {})",
            state.state.id,
            state.pid
        )?;
        thread::spawn(move || serve(&state, &listener));
    }
    Ok(())
}

/// The one message of a connection. The descriptor comes with its first byte; the text may come in pieces.
fn hello(connection: BorrowedFd<'_>) -> io::Result<(ProcessState, OwnedFd)> {
    let mut text = Vec::new();
    let mut fds = [const { None }; 4];
    let mut listener = None;
    loop {
        let mut part = vec![0; 64 * 1024];
        let received = socket::receive(connection, &mut part, &mut fds, true)?;
        for (index, fd) in fds.iter_mut().enumerate().take(received.fds) {
            let fd = fd.take().map(OwnedFd::from);
            // The names in the message stand in the order of the descriptors; the listener is the only one that we know.
            listener = listener.or(fd.map(|fd| (index, fd)));
        }
        text.extend_from_slice(&part[..received.bytes]);
        if received.bytes == 0 || serde_json::from_slice::<serde_json::Value>(&text).is_ok() {
            break;
        }
    }
    let state: ProcessState = serde_json::from_slice(&text)?;
    match listener {
        Some((index, fd))
            if state
                .fds
                .get(index)
                .is_some_and(|name| name == tare_seccomp::agent::SECCOMP_FD) =>
        {
            Ok((state, fd))
        }
        _ => Err(io::Error::other("no listener came with the message")),
    }
}

/// Answers calls until nobody can make any more.
fn serve(state: &ProcessState, listener: &OwnedFd) {
    let listener = listener.as_fd().into();
    loop {
        // The last process is gone when the listener hangs up (POLLHUP); to receive would wait for ever.
        let mut watch = [PollFd::new(listener, PollFd::IN)];
        if process::poll(&mut watch, None).is_err() || watch[0].came & PollFd::IN == 0 {
            break;
        }
        let notification = match notify::receive(listener) {
            Ok(notification) => notification,
            // The caller was killed between the two calls.
            Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::EINTR) => continue,
            Err(_) => break,
        };
        let reply = match make_directory(&notification, listener, &state.metadata) {
            Ok(()) => Reply::Value(0),
            Err(errno) => Reply::Error(errno),
        };
        // It may have been killed meanwhile: nothing to be done about that.
        let _ = notify::reply(listener, notification.id, reply);
    }
}

fn make_directory(
    call: &Notification,
    listener: BorrowedFd<'_>,
    suffix: &str,
) -> Result<(), Errno> {
    let architecture = Architecture::NATIVE
        .filter(|native| native.audit() == call.architecture)
        .ok_or(Errno::ENOSYS)?;
    let name = architecture.name_of(call.number as u32);
    let (directory, address, permissions) = match name {
        Some("mkdir") => (None, call.arguments[0], call.arguments[1]),
        Some("mkdirat") => (
            Some(call.arguments[0] as i32),
            call.arguments[1],
            call.arguments[2],
        ),
        _ => return Err(Errno::ENOSYS),
    };
    let path = string(call.pid, address)?;
    let proc = format!("/proc/{}", call.pid);
    // The caller's own view, in which no symbolic link leads out of the place that the path starts from.
    let start = match directory.filter(|fd| *fd >= 0) {
        _ if path.first() == Some(&b'/') => format!("{proc}/root"),
        Some(fd) => format!("{proc}/fd/{fd}"),
        None => format!("{proc}/cwd"),
    };
    let start = File::open(start).map_err(|_| Errno::EACCES)?;
    // All that was read of the caller is its own only if it still waits: otherwise its pid may be another's by now.
    if !notify::still_waits(listener, call.id) {
        return Err(Errno::EINTR);
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(&path));
    let name = path.file_name().ok_or(Errno::EEXIST)?;
    let parent = path
        .parent()
        .map_or(&b""[..], |parent| parent.as_os_str().as_bytes());
    let parent =
        CString::new(if parent.is_empty() { b"." } else { parent }).map_err(|_| Errno::EINVAL)?;
    let parent = file::open_how(
        start.as_fd().into(),
        &parent,
        open::PATH | open::DIRECTORY,
        0,
        resolve::IN_ROOT,
    )
    .map_err(|fault| fault.errno)?;
    let name =
        CString::new([name.as_bytes(), suffix.as_bytes()].concat()).map_err(|_| Errno::EINVAL)?;
    file::make_directory(parent.borrow(), &name, permissions as u32 & 0o777)
        .map_err(|fault| fault.errno)
}

/// A string in the memory of the caller.
fn string(pid: u32, address: u64) -> Result<Vec<u8>, Errno> {
    let memory = File::open(format!("/proc/{pid}/mem")).map_err(|_| Errno::EPERM)?;
    let mut bytes = [0; PATH_MAX];
    let mut length = 0;
    // Piece by piece up to the end of each page: the string may end just before memory that is not there.
    while length < PATH_MAX {
        let at = address.wrapping_add(length as u64);
        let piece = (4096 - at % 4096).min((PATH_MAX - length) as u64) as usize;
        let read = memory
            .read_at(&mut bytes[length..length + piece], at)
            .map_err(|_| Errno::EFAULT)?;
        if let Some(end) = bytes[length..length + read]
            .iter()
            .position(|byte| *byte == 0)
        {
            return Ok(bytes[..length + end].to_vec());
        }
        if read == 0 {
            return Err(Errno::EFAULT);
        }
        length += read;
    }
    Err(Errno::ENAMETOOLONG)
}
