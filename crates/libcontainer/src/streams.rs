//! Where a process's standard input, output and error come from.

use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use kernel::file::{self, open};
use kernel::{BorrowedFd, Fd};

use crate::Error;
use crate::perform::own;

/// One standard stream of a process.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Stdio {
    /// The caller's own.
    #[default]
    Inherit,
    /// `/dev/null`.
    Null,
    /// This descriptor. It is closed here once the process has it.
    Fd(OwnedFd),
    /// A new pipe, whose other end comes back with the process.
    Piped,
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Stdio {
        Stdio::Fd(fd)
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        Stdio::Fd(file.into())
    }
}

impl From<UnixStream> for Stdio {
    fn from(socket: UnixStream) -> Stdio {
        Stdio::Fd(socket.into())
    }
}

impl From<PipeReader> for Stdio {
    fn from(end: PipeReader) -> Stdio {
        Stdio::Fd(end.into())
    }
}

impl From<PipeWriter> for Stdio {
    fn from(end: PipeWriter) -> Stdio {
        Stdio::Fd(end.into())
    }
}

/// The three standard streams of a process. Unless told otherwise they are the caller's.
#[derive(Debug, Default)]
pub struct Streams {
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
}

impl Streams {
    /// Nothing to read, and nobody who reads.
    pub fn null() -> Streams {
        Streams {
            stdin: Stdio::Null,
            stdout: Stdio::Null,
            stderr: Stdio::Null,
        }
    }

    /// Three pipes.
    pub fn piped() -> Streams {
        Streams {
            stdin: Stdio::Piped,
            stdout: Stdio::Piped,
            stderr: Stdio::Piped,
        }
    }

    /// The process's ends and the caller's, before there is a process. With a terminal, all three are that.
    pub(crate) fn open(self, has_terminal: bool) -> Result<Ends, Error> {
        let mut ends = Ends::default();
        let given = [
            ("streams.stdin", self.stdin),
            ("streams.stdout", self.stdout),
            ("streams.stderr", self.stderr),
        ];
        for (index, (name, stdio)) in given.into_iter().enumerate() {
            if has_terminal && matches!(stdio, Stdio::Fd(_) | Stdio::Piped) {
                let why = "a process with a terminal has that as its standard streams";
                return Err(Error::argument(name, why));
            }
            (ends.theirs[index], ends.ours[index]) = stdio.open(index == 0)?;
        }
        Ok(ends)
    }
}

/// Both ends of the streams that are not the caller's own.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    theirs: [Option<Fd>; 3],
    pub(crate) ours: [Option<OwnedFd>; 3],
}

impl Ends {
    /// What the process gets.
    pub(crate) fn theirs(&self) -> [Option<BorrowedFd<'_>>; 3] {
        self.theirs
            .each_ref()
            .map(|end| end.as_ref().map(Fd::borrow))
    }
}

impl Stdio {
    fn open(self, is_input: bool) -> Result<(Option<Fd>, Option<OwnedFd>), Error> {
        match self {
            Stdio::Inherit => Ok((None, None)),
            Stdio::Fd(fd) => Ok((Some(fd.into()), None)),
            Stdio::Null => {
                let flags = if is_input { open::RDONLY } else { open::WRONLY };
                let null = file::open_at(file::HERE, c"/dev/null", flags, 0)
                    .map_err(|fault| own("open /dev/null for a standard stream", fault))?;
                Ok((Some(null), None))
            }
            Stdio::Piped => {
                let (read, write) = file::pipe()
                    .map_err(|fault| own("make a pipe for a standard stream", fault))?;
                let (theirs, ours) = if is_input {
                    (read, write)
                } else {
                    (write, read)
                };
                Ok((Some(theirs), Some(ours.into())))
            }
        }
    }
}
