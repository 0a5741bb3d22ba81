//! The standard streams of a process: FIFOs that it gets itself, files, and programs that take a log.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use libcontainer::{Stdio, Streams};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::log_uri::{self, Log};
use crate::status::Status;

/// The streams as containerd names them: paths, or the URIs of logs; empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) terminal: bool,
}

/// What a process is to get, and what stays here.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub(crate) streams: Streams,
    /// With a terminal: where its input comes from, and where its output goes.
    pub(crate) input: Option<OwnedFd>,
    pub(crate) output: Option<OwnedFd>,
    pub(crate) ends: Ends,
}

/// The ends that stay with the shim as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The end to write to of its standard input: until it is closed, the program does not see the end of it.
    stdin: Option<OwnedFd>,
    /// An end to read from of each output: whoever reads may go and come back, and the program does not notice.
    outputs: Vec<OwnedFd>,
}

const FIFO: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_CLOEXEC);

impl Opened {
    /// Opens the streams. Of a FIFO both ends are opened, so that neither the program nor whoever reads sees an end before there
    /// is one; and none is opened twice for the same side, for a writer that comes and goes is an end of file to the reader.
    pub(crate) fn new(names: &Names, log: &Log<'_>) -> Result<Opened, Status> {
        let mut opened = Opened {
            streams: Streams::null(),
            ..Opened::default()
        };
        if names.terminal {
            opened.streams = Streams::default();
            opened.open_terminal(names, log)?;
            return Ok(opened);
        }
        if let Some(read) = opened.open_stdin(&names.stdin)? {
            set_blocking(&read)?;
            opened.streams.stdin = Stdio::Fd(read);
        }
        if log_uri::is_program(&names.stdout) {
            let [stdout, stderr] = log.start(&names.stdout, true)?;
            opened.streams.stdout = Stdio::Fd(stdout);
            opened.streams.stderr = Stdio::Fd(stderr);
            return Ok(opened);
        }
        if let Some(write) = opened.open_output("stdout", &names.stdout)? {
            opened.streams.stdout = Stdio::Fd(write);
        }
        if let Some(write) = opened.open_output("stderr", &names.stderr)? {
            opened.streams.stderr = Stdio::Fd(write);
        }
        Ok(opened)
    }

    fn open_stdin(&mut self, path: &str) -> Result<Option<OwnedFd>, Status> {
        if path.is_empty() {
            return Ok(None);
        }
        let failed = |errno| cannot_open("stdin", path, errno);
        let place = match Place::find(path) {
            Err(Errno::ENOENT) => return Ok(None),
            answer => answer.map_err(failed)?,
        };
        let read = place.open(OFlag::O_RDONLY).map_err(failed)?;
        if place.is_fifo {
            self.ends.stdin = Some(place.open(OFlag::O_WRONLY).map_err(failed)?);
        }
        Ok(Some(read))
    }

    fn open_output(&mut self, which: &str, name: &str) -> Result<Option<OwnedFd>, Status> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(file) = log_uri::file(name) {
            let file = OwnedFd::from(file?);
            set_blocking(&file)?;
            return Ok(Some(file));
        }
        let failed = |errno| cannot_open(which, name, errno);
        let place = Place::find(name).map_err(failed)?;
        let mut flags = OFlag::O_WRONLY;
        match place.is_fifo {
            true => self
                .ends
                .outputs
                .push(place.open(OFlag::O_RDONLY).map_err(failed)?),
            false => flags |= OFlag::O_APPEND,
        }
        let write = place.open(flags).map_err(failed)?;
        set_blocking(&write)?;
        Ok(Some(write))
    }

    fn open_terminal(&mut self, names: &Names, log: &Log<'_>) -> Result<(), Status> {
        self.input = self.open_stdin(&names.stdin)?;
        if log_uri::is_program(&names.stdout) {
            let [stdout, _] = log.start(&names.stdout, false)?;
            self.output = Some(stdout);
            return Ok(());
        }
        self.output = self.open_output("stdout", &names.stdout)?;
        Ok(())
    }
}

/// What a path says, found once: whatever comes to be there afterwards, this is what is opened.
struct Place {
    found: OwnedFd,
    is_fifo: bool,
}

impl Place {
    fn find(path: &str) -> nix::Result<Place> {
        let found = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
        let mode = fstat(&found)?.st_mode;
        let is_fifo = SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFIFO;
        Ok(Place { found, is_fifo })
    }

    /// Nobody is waited for: neither at the other end of a FIFO, nor what a device may wait for.
    fn open(&self, flags: OFlag) -> nix::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.found.as_raw_fd());
        let never = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        open(path.as_str(), flags | never, Mode::empty())
    }
}

impl Ends {
    /// Lets the program see the end of its standard input, once whoever writes there has closed it, too.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// After the process's end. Whoever reads sees the end of the outputs when the last process that has them has ended. Where
    /// nobody reads yet, an end to write to is kept, or who comes later would wait for ever: those are the answer.
    pub(crate) fn release(&mut self) -> Vec<OwnedFd> {
        self.stdin = None;
        let outputs = std::mem::take(&mut self.outputs);
        outputs.into_iter().filter_map(keep_open).collect()
    }
}

/// Makes of an end to read from one to write to, if nobody else reads.
fn keep_open(read: OwnedFd) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", read.as_raw_fd());
    let write = open(path.as_str(), OFlag::O_WRONLY | FIFO, Mode::empty()).ok()?;
    drop(read);
    (!is_read(&write)).then_some(write)
}

/// Whether anybody has the end to read from of this end to write to.
pub(crate) fn is_read(write: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(write.as_fd(), PollFlags::empty())];
    match poll(&mut polled, PollTimeout::ZERO) {
        Ok(_) => !polled[0]
            .revents()
            .unwrap_or(PollFlags::empty())
            .contains(PollFlags::POLLERR),
        Err(_) => true,
    }
}

fn set_blocking(fd: &OwnedFd) -> Result<(), Status> {
    kernel::file::set_nonblocking(fd.as_fd().into(), false)
        .map_err(|fault| Status::failed(format!("make a stream wait: {fault}")))
}

fn cannot_open(which: &str, name: &str, errno: Errno) -> Status {
    Status::failed(format!(
        "open {which} {name}: {}",
        kernel::Errno(errno as i32).text()
    ))
}
