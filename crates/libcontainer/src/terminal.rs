//! A process's terminal, as its owner has it: where it goes, and what can be done with it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use kernel::terminal as pty;
use kernel::{Call, Errno, Fault, Fd, socket};

use crate::perform::{Console as Way, own};
use crate::{Error, argument};

/// Where the terminal of a process goes whose config asks for one (`process.terminal`).
#[derive(Debug)]
#[non_exhaustive]
pub enum Console {
    /// It comes back with the process.
    Return,
    /// As [`Console::Return`], for a caller that copies it to a terminal of its own: newlines stay as they are written, for
    /// that terminal makes new lines of them, and it has this size if the config says none.
    Relay {
        /// The size of the caller's terminal.
        size: Option<TerminalSize>,
    },
    /// Its descriptor is sent to whoever listens at this socket, as engines want it.
    Socket(PathBuf),
    /// As [`Console::Socket`], with a connection that the caller has made.
    Connected(OwnedFd),
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// The owner's end of a process's terminal: what is written here the process reads, and what it writes is read here. When
/// this is closed, the kernel sends SIGHUP to the process.
#[derive(Debug)]
pub struct Terminal(OwnedFd);

impl Terminal {
    /// How large it is.
    ///
    /// # Errors
    /// As ioctl_tty(2).
    pub fn size(&self) -> Result<TerminalSize, Error> {
        let size = pty::size(self.0.as_fd().into())
            .map_err(|fault| Error::call("ask for the terminal's size", fault))?;
        Ok(TerminalSize {
            rows: size.rows,
            columns: size.columns,
        })
    }

    /// Changes its size; the process in its foreground is told by SIGWINCH.
    ///
    /// # Errors
    /// As ioctl_tty(2).
    pub fn set_size(&self, size: TerminalSize) -> Result<(), Error> {
        let TerminalSize { rows, columns } = size;
        pty::set_size(self.0.as_fd().into(), pty::Size::new(rows, columns))
            .map_err(|fault| Error::call("set the terminal's size", fault))
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Terminal {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<Terminal> for OwnedFd {
    fn from(terminal: Terminal) -> OwnedFd {
        terminal.0
    }
}

/// A socket at which terminals arrive, for programs that have other programs create containers (`--console-socket`), or
/// get terminals from [`Console::Socket`].
#[derive(Debug)]
pub struct ConsoleSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Listens at a path at which there is nothing yet. It goes when this is dropped.
    ///
    /// # Errors
    /// As bind(2); a path of more than 107 bytes.
    pub fn bind(path: impl Into<PathBuf>) -> Result<ConsoleSocket, Error> {
        let path = path.into();
        argument::socket_path("path", &path)?;
        let listener =
            UnixListener::bind(&path).map_err(|error| Error::file("listen at", &path, error))?;
        Ok(ConsoleSocket { listener, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next terminal. Waits until somebody connects, which the descriptor becomes readable for, and sends it.
    ///
    /// # Errors
    /// Who connected has sent something else.
    pub fn receive(&self) -> Result<Terminal, Error> {
        let (connection, _) = (self.listener.accept())
            .map_err(|error| Error::file("accept a terminal at", &self.path, error))?;
        receive(&OwnedFd::from(connection).into(), true)
    }
}

impl AsFd for ConsoleSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::debug!("{} stays: {error}", self.path.display());
        }
    }
}

/// The socket on which a terminal arrives that is to come back.
#[derive(Debug)]
pub(crate) struct Expected(Fd);

impl Expected {
    /// The terminal, which has been sent by now.
    pub(crate) fn receive(self) -> Result<Terminal, Error> {
        receive(&self.0, false)
    }
}

fn receive(socket: &Fd, wait: bool) -> Result<Terminal, Error> {
    let mut fds = [const { None }; 1];
    let mut name = [0; 4096];
    let failed = |fault| own("receive the terminal", fault);
    socket::receive(socket.borrow(), &mut name, &mut fds, wait).map_err(failed)?;
    let [fd] = fds;
    let missing = Fault::found(Call::Recvmsg, Errno::EPIPE);
    let fd = fd.ok_or_else(|| failed(missing))?;
    Ok(Terminal(fd.into()))
}

impl Console {
    /// Whether newlines are left alone.
    pub(crate) fn relays(&self) -> bool {
        matches!(self, Console::Relay { .. })
    }

    /// Where a process sends its terminal, if it has one, and where it then arrives here. The process gets its size.
    pub(crate) fn open(
        console: Option<Console>,
        process: Option<&mut spec::Process<'_>>,
    ) -> Result<(Way, Option<Expected>), Error> {
        let process = process.filter(|process| process.terminal);
        let Some(process) = process else {
            return match console {
                None | Some(Console::Return | Console::Relay { .. }) => Ok((Way::None, None)),
                Some(Console::Socket(_) | Console::Connected(_)) => Err(Error::argument(
                    "console",
                    "the process has no terminal to send (process.terminal)",
                )),
            };
        };
        match console {
            None => Err(Error::argument(
                "console",
                "the process has a terminal (process.terminal): say where it goes",
            )),
            Some(Console::Socket(path)) => {
                argument::path("console", &path)?;
                Ok((Way::Socket(path), None))
            }
            Some(Console::Connected(socket)) => {
                argument::socket("console", socket.as_fd().into())?;
                Ok((Way::Connected(socket.into()), None))
            }
            Some(Console::Return) => returned(),
            Some(Console::Relay { size }) => {
                if let (None, Some(size)) = (process.console_size, size) {
                    process.console_size = Some(spec::ConsoleSize {
                        height: size.rows.into(),
                        width: size.columns.into(),
                    });
                }
                returned()
            }
        }
    }
}

fn returned() -> Result<(Way, Option<Expected>), Error> {
    let (ours, theirs) =
        socket::pair().map_err(|fault| own("make a socket for the terminal", fault))?;
    Ok((Way::Connected(theirs), Some(Expected(ours))))
}
