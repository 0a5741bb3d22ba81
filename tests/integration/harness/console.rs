//! The other end of `--console-socket`: receives a terminal's master and talks to the container through it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::wait_until;

/// A listening socket.
#[derive(Debug)]
pub struct ConsoleSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Listens at a path.
    pub fn listen(path: PathBuf) -> ConsoleSocket {
        let listener = UnixListener::bind(&path).expect("console socket");
        listener.set_nonblocking(true).expect("non-blocking");
        // A runtime of another user connects too.
        let everyone =
            <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777);
        std::fs::set_permissions(&path, everyone).expect("chmod");
        ConsoleSocket { listener, path }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the runtime and takes the terminal that it sends.
    #[track_caller]
    pub fn receive(&self) -> Console {
        let mut stream: Option<UnixStream> = None;
        wait_until("a connection to the console socket", || {
            stream = self.listener.accept().ok().map(|(stream, _)| stream);
            stream.is_some()
        });
        let stream = stream.expect("set above");
        stream.set_nonblocking(false).expect("blocking");
        let (mut name, mut fds) = ([0; 256], [None, None]);
        let received = kernel::socket::receive(stream.as_fd().into(), &mut name, &mut fds, true);
        let received = received.expect("a message on the console socket");
        assert_eq!(received.fds, 1, "one descriptor is sent");
        let [Some(master), None] = fds else {
            panic!("one descriptor")
        };
        Console::new(File::from(OwnedFd::from(master)))
    }
}

/// The master of a pseudo terminal.
#[derive(Debug)]
pub struct Console {
    /// The master.
    pub master: File,
    text: String,
}

impl Console {
    /// Wraps a master.
    pub fn new(master: File) -> Console {
        kernel::file::set_nonblocking(master.as_fd().into(), true).expect("non-blocking");
        Console {
            master,
            text: String::new(),
        }
    }

    /// Sets the window's size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = kernel::terminal::Size::new(rows, columns);
        kernel::terminal::set_size(self.master.as_fd().into(), size).expect("TIOCSWINSZ");
    }

    /// Types a text.
    pub fn type_in(&mut self, text: &str) {
        self.master
            .write_all(text.as_bytes())
            .expect("write to the terminal");
    }

    /// Waits until the text has appeared on the terminal, and returns all that has.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        wait_until(&format!("{text:?} on the terminal"), || {
            self.read();
            self.text.contains(text)
        });
        self.text.clone()
    }

    /// Everything that has appeared.
    pub fn read(&mut self) -> String {
        let mut buffer = [0; 4096];
        loop {
            match self.master.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self
                    .text
                    .push_str(&String::from_utf8_lossy(&buffer[..count])),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing more now, or (EIO) the other side is closed.
                Err(_) => break,
            }
        }
        self.text.clone()
    }
}
