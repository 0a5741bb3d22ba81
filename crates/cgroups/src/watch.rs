//! Events without threads: descriptors to poll.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use kernel::process::{self, PollFd};
use kernel::watch;
use kernel::{Errno, Fd, file};

use crate::dir::{Dir, number};
use crate::{Error, Group};

/// What has happened since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// How many processes the OOM killer has killed (v2), or how often memory ran out (v1).
    pub oom: u64,
    /// It was frozen or thawed: the new state.
    pub frozen: Option<bool>,
    /// The last process has left, or the cgroup was removed.
    pub empty: bool,
}

/// A watch over one cgroup: [`Watch::wait`] for something to happen. A program with a loop of its own asks [`Watch::events`] once,
/// and again whenever [`Watch::as_fd`] is readable. On v2 that stays readable until it was asked, and the removal of a cgroup
/// that was empty already is not told there.
#[derive(Debug)]
pub struct Watch {
    /// An epoll instance over the files on v2, an eventfd on v1.
    fd: Fd,
    source: Source,
}

#[derive(Debug)]
enum Source {
    V2 {
        memory: Option<Fd>,
        cgroup: Fd,
        oom_kills: u64,
        frozen: bool,
    },
    V1 {
        /// Kept open: the kernel tells about this file.
        _control: Fd,
        directory: std::path::PathBuf,
    },
}

impl Group {
    /// Starts to watch for processes killed for want of memory, for being frozen and for the end of the last process.
    ///
    /// On v1 hosts only memory is told about.
    ///
    /// # Errors
    /// The cgroup is gone, or has no memory controller of v1.
    pub fn watch(&self) -> Result<Watch, Error> {
        let on_v1 = self
            .place
            .locations
            .iter()
            .position(|location| location.has("memory"));
        if let Some(dir) = on_v1.and_then(|index| self.dirs[index].as_ref()) {
            return watch_v1(dir);
        }
        self.unified()
            .map_or(Err(Error::None("watch it")), watch_v2)
    }
}

fn watch_v2(dir: &Dir) -> Result<Watch, Error> {
    let memory = match dir.open_to_read("memory.events") {
        Ok(file) => Some(file),
        Err(error) if error.is(Errno::ENOENT) => None,
        Err(error) => return Err(error),
    };
    let cgroup = dir.open_to_read("cgroup.events")?;
    let files = std::iter::once(&cgroup).chain(&memory).map(Fd::borrow);
    let fd = watch::changes_of(&files.collect::<Vec<_>>())
        .map_err(|fault| Error::file("watch", dir.path(), fault))?;
    let mut watch = Watch {
        fd,
        source: Source::V2 {
            memory,
            cgroup,
            oom_kills: 0,
            frozen: false,
        },
    };
    // What was before the watch is no event.
    watch.events()?;
    Ok(watch)
}

/// The kernel's interface of v1: an eventfd, told by writing its number and that of the file into a third.
fn watch_v1(dir: &Dir) -> Result<Watch, Error> {
    let fd = watch::event_counter().map_err(|fault| Error::file("watch", dir.path(), fault))?;
    let control = dir.open_to_read("memory.oom_control")?;
    dir.write(
        "cgroup.event_control",
        &format!("{} {}", fd.raw(), control.raw()),
    )?;
    Ok(Watch {
        fd,
        source: Source::V1 {
            _control: control,
            directory: dir.path().to_owned(),
        },
    })
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Watch {
    /// Waits until something happens, at most so long, and tells what; nothing, when time is up. That the cgroup is empty
    /// is told at once.
    ///
    /// # Errors
    /// As [`Watch::events`].
    pub fn wait(&mut self, patience: Duration) -> Result<Events, Error> {
        let deadline = Instant::now() + patience;
        loop {
            // The files change for more reasons than those that are told, and what is already so signals nothing more.
            let events = self.events()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if events != Events::default() || left.is_zero() {
                return Ok(events);
            }
            let nanoseconds = left.as_nanos().min(u64::MAX.into()) as u64;
            let mut watched = [PollFd::new(self.fd.borrow(), PollFd::IN)];
            match process::poll(&mut watched, Some(nanoseconds)) {
                Err(fault) if !fault.is(Errno::EINTR) => {
                    return Err(Error::file("wait for events of", "cgroup", fault));
                }
                _ => {}
            }
        }
    }

    /// What has happened since the last call; nothing, when nothing has. Does not wait.
    ///
    /// # Errors
    /// Whatever the kernel refuses; a cgroup that is gone is `empty`.
    pub fn events(&mut self) -> Result<Events, Error> {
        let mut events = Events::default();
        match &mut self.source {
            Source::V1 { directory, .. } => {
                // The kernel signals the removal as well: looked at afterwards, it is not taken for a want of memory.
                let signalled = counted(&self.fd)?;
                events.empty =
                    match file::status_at(file::HERE, &crate::error::c_string(directory)?) {
                        Ok(_) => false,
                        Err(fault) if fault.is(Errno::ENOENT) => true,
                        Err(fault) => {
                            return Err(Error::file("look at", directory.as_path(), fault));
                        }
                    };
                events.oom = if events.empty { 0 } else { signalled };
            }
            Source::V2 {
                memory,
                cgroup,
                oom_kills,
                frozen,
            } => {
                let count = match memory {
                    Some(file) => value(file, "oom_kill")?,
                    None => None,
                };
                if let Some(count) = count {
                    events.oom = count.saturating_sub(*oom_kills);
                    *oom_kills = count;
                }
                let now = value(cgroup, "frozen")?.map(|state| state == 1);
                if let Some(now) = now.filter(|now| now != frozen) {
                    events.frozen = Some(now);
                    *frozen = now;
                }
                events.empty = value(cgroup, "populated")?.is_none_or(|populated| populated == 0);
            }
        }
        Ok(events)
    }
}

/// What an eventfd has counted since it was read last.
fn counted(fd: &Fd) -> Result<u64, Error> {
    let mut count = [0; 8];
    match file::read(fd.borrow(), &mut count) {
        Ok(_) => Ok(u64::from_ne_bytes(count)),
        Err(fault) if fault.is(Errno::EAGAIN) || fault.is(Errno::EINTR) => Ok(0),
        Err(fault) => Err(Error::file("read events of", "cgroup", fault)),
    }
}

/// The number behind a key; `None` when the cgroup is gone.
fn value(file: &Fd, key: &str) -> Result<Option<u64>, Error> {
    let mut buffer = [0; 1024];
    let length = match file::read_at(file.borrow(), &mut buffer, 0) {
        Err(fault) if fault.is(Errno::ENODEV) => return Ok(None),
        answer => answer.map_err(|fault| Error::file("read events of", "cgroup", fault))?,
    };
    let text = String::from_utf8_lossy(&buffer[..length]);
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    found
        .map(|text| number(std::path::Path::new(key), text))
        .transpose()
}
