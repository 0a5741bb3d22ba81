//! A process that can be waited for, signalled, and told apart from all others.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kernel::process::{self, PollFd, Started, signals};
use kernel::{Errno, Fd, file, watch};

use crate::state::observe;
use crate::streams::Ends;
use crate::terminal::Terminal;
use crate::{Error, argument};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It called exit with this status, 0..=255.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It has ended, and how is not known. The parent of a process is told, as long as it does not ignore SIGCHLD and nobody else in
    /// the same program has waited for the process; others are told by Linux 6.15 and newer, and by older ones as long as
    /// the parent has not waited.
    Unknown,
}

impl Exit {
    /// Whether it called exit with 0.
    pub fn success(self) -> bool {
        self == Exit::Code(0)
    }

    /// The status as a shell shows it: the code, or 128 plus the signal.
    pub fn shell_status(self) -> Option<i32> {
        match self {
            Exit::Code(code) => Some(code),
            Exit::Signal(signal) => Some(128 + signal),
            Exit::Unknown => None,
        }
    }
}

impl From<process::Exit> for Exit {
    fn from(exit: process::Exit) -> Exit {
        match exit {
            process::Exit::Code(code) => Exit::Code(code),
            process::Exit::Signal(signal) => Exit::Signal(signal),
        }
    }
}

/// A process: the first one of a container, or one that was added to it. It is held by its pidfd, so its number cannot come to
/// mean another one.
///
/// How it ended is found out by waitid(2) for this pidfd alone, or, of somebody else's child, by what the kernel keeps: no other
/// child of the program is ever waited for. Before Linux 6.15 whoever waits for all children of the program takes this one's
/// status away ([`Exit::Unknown`]).
///
/// Dropping it neither ends the process nor waits for it. If it has ended by then, nothing is left of it. Else it is taken
/// note of by whatever is done next with its container in this program, so that it cannot stay a zombie which keeps
/// the container's pid namespace alive. A program that waits for pidfds in a loop of its own does best to keep the handle
/// until it has come to its end.
#[derive(Debug)]
#[non_exhaustive]
pub struct Process {
    child: Arc<Child>,
    /// Its end is somebody else's to see.
    released: bool,
    /// The end to write to, of a standard input that was asked for as a pipe.
    pub stdin: Option<OwnedFd>,
    /// The end to read from, of a standard output that was asked for as a pipe.
    pub stdout: Option<OwnedFd>,
    /// The end to read from, of a standard error that was asked for as a pipe.
    pub stderr: Option<OwnedFd>,
    /// Its terminal, where that was to come back.
    pub terminal: Option<Terminal>,
}

impl Process {
    /// One that this library has started, in a container that is told from others by the identity of its first process.
    pub(crate) fn started(started: Started, container: u64, first: bool) -> Process {
        Process::of(Child::adopt(started, container, first))
    }

    /// A container's first process, whoever has started it.
    pub(crate) fn first(pid: i32, pidfd: Fd, container: u64) -> Process {
        let known = register().children.iter().find_map(|child| {
            let is_it = child.first && child.container == container;
            is_it.then(|| Arc::clone(child))
        });
        Process::of(
            known.unwrap_or_else(|| Arc::new(Child::new(Started { pid, pidfd }, container, true))),
        )
    }

    fn of(child: Arc<Child>) -> Process {
        Process {
            child,
            released: false,
            stdin: None,
            stdout: None,
            stderr: None,
            terminal: None,
        }
    }

    /// With the caller's ends of its streams, and its terminal.
    pub(crate) fn with(mut self, ends: Ends, terminal: Option<Terminal>) -> Process {
        [self.stdin, self.stdout, self.stderr] = ends.ours;
        self.terminal = terminal;
        self
    }

    /// Its number in the caller's pid namespace.
    pub fn pid(&self) -> i32 {
        self.child.started.pid
    }

    /// How it ended, if it has. Never blocks.
    ///
    /// # Errors
    /// As poll(2) and waitid(2).
    pub fn try_wait(&self) -> Result<Option<Exit>, Error> {
        self.child.look()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// As poll(2) and waitid(2).
    pub fn wait(&self) -> Result<Exit, Error> {
        loop {
            if let Some(exit) = self.wait_until(None)? {
                return Ok(exit);
            }
        }
    }

    /// As [`Process::wait`], but not for longer than this: then the answer is `None`.
    ///
    /// # Errors
    /// As poll(2) and waitid(2).
    pub fn wait_timeout(&self, limit: Duration) -> Result<Option<Exit>, Error> {
        // A time that the clock cannot show never comes.
        self.wait_until(Instant::now().checked_add(limit))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<Option<Exit>, Error> {
        let failed = |fault| Error::call("wait for the process", fault);
        if let Some(exit) = self.child.look()? {
            return Ok(Some(exit));
        }
        let waiter = match self.child.first {
            true => Some(Waiter::new(self.child.container).map_err(failed)?),
            false => None,
        };
        loop {
            let others = match &waiter {
                Some(waiter) => waiter.others(&self.child)?,
                None => Vec::new(),
            };
            if let Some(exit) = self.child.look()? {
                return Ok(Some(exit));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            let mut watches = vec![PollFd::new(self.child.pidfd().borrow(), PollFd::IN)];
            let others = others.iter().map(|other| other.pidfd());
            let news = waiter.iter().map(|waiter| &*waiter.news);
            watches.extend(
                others
                    .chain(news)
                    .map(|fd| PollFd::new(fd.borrow(), PollFd::IN)),
            );
            let left = left.map(|left| left.as_nanos().min(u64::MAX.into()) as u64);
            match process::poll(&mut watches, left) {
                Err(fault) if !fault.is(Errno::EINTR) => return Err(failed(fault)),
                _ => {}
            }
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended, or a signal that the kernel does not know.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        argument::signal(signal)?;
        process::signal(self.child.pidfd().borrow(), signal)
            .map_err(|fault| Error::call(format!("send signal {signal}"), fault))
    }

    /// Ends it: SIGKILL. When it has ended, its pidfd is readable; a process that has ended already is no error.
    ///
    /// # Errors
    /// As pidfd_send_signal(2).
    pub fn kill(&self) -> Result<(), Error> {
        match process::signal(self.child.pidfd().borrow(), signals::KILL) {
            Err(fault) if !fault.is(Errno::ESRCH) => Err(Error::call("end the process", fault)),
            _ => Ok(()),
        }
    }
}

impl Process {
    /// Gives it up as it is, for a program that is about to end itself: whoever inherits its children, such as a subreaper, is
    /// the one to wait for this one.
    pub fn release(mut self) {
        self.released = true;
        self.child.forget();
    }
}

impl AsFd for Process {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.started.pidfd.as_fd()
    }
}

impl AsRawFd for Process {
    fn as_raw_fd(&self) -> RawFd {
        self.child.started.pidfd.as_raw_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.released
            && let Err(error) = self.child.look()
        {
            log::debug!("{error}");
        }
    }
}

/// A process and its end, as all handles of it share them.
#[derive(Debug)]
struct Child {
    started: Started,
    /// The identity of its container's first process.
    container: u64,
    /// Whether it is that.
    first: bool,
    exit: Mutex<Option<Exit>>,
}

impl Child {
    fn new(started: Started, container: u64, first: bool) -> Child {
        Child {
            started,
            container,
            first,
            exit: Mutex::new(None),
        }
    }

    /// Takes note of a child of ours.
    fn adopt(started: Started, container: u64, first: bool) -> Arc<Child> {
        let child = Arc::new(Child::new(started, container, first));
        let mut register = register();
        // Whose handles have been dropped: nobody else asks for their end.
        let dropped = register.children.iter();
        let dropped: Vec<Arc<Child>> = dropped
            .filter(|child| Arc::strong_count(child) == 1)
            .cloned()
            .collect();
        register.children.push(Arc::clone(&child));
        for (_, news) in register.waiters.iter().filter(|(of, _)| *of == container) {
            wake(news);
        }
        drop(register);
        for child in dropped {
            if let Err(error) = child.look() {
                log::debug!("{error}");
            }
        }
        child
    }

    fn pidfd(&self) -> &Fd {
        &self.started.pidfd
    }

    /// How it ended, if it has: then it is reaped, if it is ours.
    fn look(&self) -> Result<Option<Exit>, Error> {
        let mut exit = lock(&self.exit);
        if exit.is_some() {
            return Ok(*exit);
        }
        let seen = loop {
            match process::wait(self.pidfd().borrow(), false) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                Ok(seen) => break seen.map(Exit::from),
                // Not our child, or not any more.
                Err(fault) if fault.is(Errno::ECHILD) => {
                    break match observe::has_ended(self.pidfd())? {
                        true => Some(observe::exit_of_other(self.started.pid, self.pidfd())?),
                        false => None,
                    };
                }
                Err(fault) => return Err(Error::call("wait for the process", fault)),
            }
        };
        if seen.is_some() {
            *exit = seen;
            drop(exit);
            self.forget();
        }
        Ok(seen)
    }

    /// Nobody needs to look after it any more.
    fn forget(&self) {
        register()
            .children
            .retain(|child| !std::ptr::eq(&**child, self));
    }
}

/// Children of ours whose end nobody has taken note of, and who waits for a container's first process.
///
/// A process that was added to a container and has ended stays a zombie until it is waited for. As long as there is one in a
/// pid namespace, the first process of that does not come to its end (pid_namespaces(7)): whoever waits for that one looks
/// after the others as well. Their status is kept for their handles.
#[derive(Debug)]
struct Register {
    children: Vec<Arc<Child>>,
    waiters: Vec<(u64, Arc<Fd>)>,
}

static REGISTER: Mutex<Register> = Mutex::new(Register {
    children: Vec::new(),
    waiters: Vec::new(),
});

fn register() -> MutexGuard<'static, Register> {
    lock(&REGISTER)
}

/// Takes note of the ends of our processes in a container, which would keep its first one from coming to its own.
pub(crate) fn tend(container: u64) -> Result<(), Error> {
    let ours: Vec<Arc<Child>> = register()
        .children
        .iter()
        .filter(|child| child.container == container && !child.first)
        .cloned()
        .collect();
    ours.iter().try_for_each(|child| child.look().map(drop))
}

/// Nothing is left half done in what these locks guard.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(news: &Fd) {
    // It fails only where it has been told as often as can be counted.
    if let Err(fault) = file::write(news.borrow(), &1u64.to_ne_bytes()) {
        log::debug!("{fault}");
    }
}

/// Who waits for the first process of a container.
struct Waiter {
    container: u64,
    /// Readable when a process was added to it since.
    news: Arc<Fd>,
}

impl Waiter {
    fn new(container: u64) -> kernel::Result<Waiter> {
        let news = Arc::new(watch::event_counter()?);
        register().waiters.push((container, Arc::clone(&news)));
        Ok(Waiter { container, news })
    }

    /// The other processes of the container that are ours and have not ended. Those that have are reaped.
    fn others(&self, first: &Child) -> Result<Vec<Arc<Child>>, Error> {
        let mut count = [0; 8];
        match file::read(self.news.borrow(), &mut count) {
            Err(fault) if !fault.is(Errno::EAGAIN) && !fault.is(Errno::EINTR) => {
                return Err(Error::call("wait for the process", fault));
            }
            _ => {}
        }
        let mut others: Vec<Arc<Child>> = register()
            .children
            .iter()
            .filter(|child| child.container == self.container && !std::ptr::eq(&***child, first))
            .cloned()
            .collect();
        let mut failed = Ok(());
        others.retain(|child| match child.look() {
            Ok(exit) => exit.is_none(),
            Err(error) => {
                failed = Err(error);
                true
            }
        });
        failed.map(|()| others)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        register()
            .waiters
            .retain(|(_, news)| !Arc::ptr_eq(news, &self.news));
    }
}
