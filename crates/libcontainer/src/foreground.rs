//! Waiting in the foreground: signals and the terminal are passed through, no end is missed.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use kernel::process::{Exit, PollFd, Started};
use kernel::terminal::{self, Size};
use kernel::{Errno, Fd, Stream, file, process};
use nix::libc::{SIGCHLD, SIGPIPE, SIGURG, SIGWINCH};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{self, SetArg, Termios};

use crate::Error;
use crate::notify::Readiness;
use crate::perform::{Console, own};

/// Which of terminal, detached and socket go together.
pub(crate) fn judge_terminal(terminal: bool, detach: bool, socket: bool) -> Result<(), Error> {
    let text = if detach && terminal && !socket {
        "cannot allocate tty if runc will detach without setting console socket"
    } else if (!detach || !terminal) && socket {
        "cannot use console socket if runc will not detach or allocate tty"
    } else {
        return Ok(());
    };
    Err(Error::Invalid {
        text: text.to_owned(),
        what: String::new(),
    })
}

/// A process whose terminal is relayed to ours starts with the size of ours, unless the config has one.
pub(crate) fn size_as_ours(process: Option<&mut spec::Process<'_>>, socket: Option<&Path>) {
    let Some(process) = process.filter(|process| process.terminal && socket.is_none()) else {
        return;
    };
    if let (None, Ok(Size { rows, columns, .. })) =
        (process.console_size, terminal::size(Stream::INPUT.borrow()))
    {
        process.console_size = Some(spec::ConsoleSize {
            height: rows.into(),
            width: columns.into(),
        });
    }
}

fn failed(doing: &'static str) -> impl Fn(nix::Error) -> Error {
    move |errno| {
        own(
            doing,
            kernel::Fault::found(kernel::Call::Ioctl, Errno(errno as i32)),
        )
    }
}

/// The way on which the container's terminal will come.
pub(crate) struct Terminal(Fd);

impl Terminal {
    /// Where the container is to send its terminal: to a socket of the caller's, or, in the foreground, to us.
    pub(crate) fn prepare(
        wanted: bool,
        socket: Option<&Path>,
    ) -> Result<(Console, Option<Terminal>), Error> {
        match (wanted, socket) {
            (false, _) => Ok((Console::None, None)),
            (true, Some(path)) => Ok((Console::Socket(path.to_owned()), None)),
            (true, None) => {
                let (ours, theirs) = kernel::socket::pair()
                    .map_err(|fault| own("make a socket for the terminal", fault))?;
                Ok((Console::Connected(theirs), Some(Terminal(ours))))
            }
        }
    }

    fn receive(self) -> Result<OwnedFd, Error> {
        let mut fds = [const { None }; 1];
        let mut name = [0; 64];
        kernel::socket::receive(self.0.borrow(), &mut name, &mut fds, true)
            .map_err(|fault| own("receive the terminal", fault))?;
        let [fd] = fds;
        let missing = kernel::Fault::found(kernel::Call::Recvmsg, Errno::EPIPE);
        fd.map(OwnedFd::from)
            .ok_or_else(|| own("receive the terminal", missing))
    }
}

/// Signals are blocked and collected from here on, so that none is lost between the start of a child and the wait.
pub(crate) struct Waiting {
    signals: SignalFd,
    old: SigSet,
}

impl Waiting {
    pub(crate) fn begin() -> Result<Waiting, Error> {
        let mut old = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut old))
            .map_err(failed("block signals"))?;
        let signals = SignalFd::with_flags(
            &SigSet::all(),
            SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
        )
        .map_err(failed("collect signals"))?;
        Ok(Waiting { signals, old })
    }

    /// Waits for a child of ours; the answer is its status as a shell shows it. The service manager's main process is this
    /// one, which ends when the child does.
    pub(crate) fn wait(
        self,
        child: &Started,
        terminal: Option<Terminal>,
        readiness: Option<&Readiness>,
    ) -> Result<i32, Error> {
        let _part = crate::timings::part("wait for the end of the process");
        let mut relay = match terminal {
            Some(terminal) => Some(Relay::begin(terminal.receive()?)?),
            None => None,
        };
        loop {
            let master = relay.as_ref().map(|relay| relay.master.as_fd().into());
            let open = relay.as_ref().is_some_and(|relay| relay.input_open);
            let mut watches = [
                Some(child.pidfd.borrow()),
                Some(self.signals.as_fd().into()),
                master,
                open.then_some(Stream::INPUT.borrow()),
                readiness.map(Readiness::borrow),
            ]
            .map(|fd| PollFd::optional(fd, PollFd::IN));
            match process::poll(&mut watches, None) {
                Err(fault) if fault.is(Errno::EINTR) => continue,
                answer => answer.map_err(|fault| own("wait for the process", fault))?,
            };
            let came = watches.map(|watch| watch.came != 0);
            if came[1] {
                self.pass_signals(child, relay.as_ref());
            }
            if let Some(relay) = &mut relay {
                if came[2] {
                    relay.copy_out();
                }
                if came[3] {
                    relay.copy_in();
                }
            }
            if came[4]
                && let Some(readiness) = readiness
                && let Err(error) = readiness.pass_on(std::process::id().cast_signed())
            {
                log::warn!("{error}");
            }
            if came[0] {
                break;
            }
        }
        if let Some(relay) = &mut relay {
            relay.drain();
        }
        let exit = process::wait(child.pidfd.borrow(), true)
            .map_err(|fault| own("wait for the process", fault))?;
        let unknown = kernel::Fault::found(kernel::Call::Wait, Errno::ECHILD);
        exit.map(Exit::shell_status)
            .ok_or_else(|| own("wait for the process", unknown))
    }

    fn pass_signals(&self, child: &Started, relay: Option<&Relay>) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match info.ssi_signo as i32 {
                SIGCHLD => reap_orphans(child),
                // About us, not about the container.
                SIGPIPE | SIGURG => {}
                SIGWINCH => {
                    if let Some(relay) = relay {
                        relay.resize();
                    }
                }
                signal => {
                    let _ = process::signal(child.pidfd.borrow(), signal);
                }
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.old), None);
    }
}

/// As a subreaper we get the container's orphans. The container's own process is left for the wait by its pidfd.
fn reap_orphans(child: &Started) {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, peek) {
        match status.pid() {
            Some(pid) if pid.as_raw() != child.pid && !matches!(status, WaitStatus::StillAlive) => {
                let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
            }
            _ => return,
        }
    }
}

/// The container's terminal, connected to ours.
struct Relay {
    master: std::fs::File,
    /// Our terminal as it was, to be put back.
    saved: Option<Termios>,
    input_open: bool,
}

fn standard_input() -> BorrowedFd<'static> {
    // `Stdin` is a static, so its descriptor can be borrowed for ever.
    static STDIN: std::sync::OnceLock<std::io::Stdin> = std::sync::OnceLock::new();
    STDIN.get_or_init(std::io::stdin).as_fd()
}

impl Relay {
    fn begin(master: OwnedFd) -> Result<Relay, Error> {
        let saved = termios::tcgetattr(standard_input()).ok();
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            termios::cfmakeraw(&mut raw);
            // The container's terminal writes newlines as they are; ours turns them into new lines.
            raw.output_flags = saved.output_flags;
            termios::tcsetattr(standard_input(), SetArg::TCSANOW, &raw)
                .map_err(failed("set the terminal raw"))?;
        }
        let relay = Relay {
            master: std::fs::File::from(master),
            saved,
            input_open: true,
        };
        relay.resize();
        Ok(relay)
    }

    /// The container's terminal gets the size of ours.
    fn resize(&self) {
        if let Ok(size @ Size { rows: 1.., .. }) = terminal::size(Stream::INPUT.borrow()) {
            let _ = terminal::set_size(self.master.as_fd().into(), size);
        }
    }

    /// False when there is nothing (more) to copy.
    fn copy_out(&mut self) -> bool {
        let mut buffer = [0; 8192];
        match self.master.read(&mut buffer) {
            Ok(length) if length > 0 => {
                let mut out = std::io::stdout().lock();
                out.write_all(&buffer[..length])
                    .and_then(|()| out.flush())
                    .is_ok()
            }
            _ => false,
        }
    }

    fn copy_in(&mut self) {
        const END_OF_TRANSMISSION: u8 = 4;
        let mut buffer = [0; 8192];
        match file::read(Stream::INPUT.borrow(), &mut buffer) {
            Ok(length) if length > 0 => {
                let _ = self.master.write_all(&buffer[..length]);
            }
            _ => {
                // The end of a pipe or file is typed as a user would.
                let _ = self.master.write_all(&[END_OF_TRANSMISSION]);
                self.input_open = false;
            }
        }
    }

    /// What the container wrote last is still in the terminal.
    fn drain(&mut self) {
        let _ = file::set_nonblocking(self.master.as_fd().into(), true);
        while self.copy_out() {}
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            let _ = termios::tcsetattr(standard_input(), SetArg::TCSANOW, saved);
        }
    }
}
