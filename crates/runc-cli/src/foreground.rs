//! Waiting in the foreground: signals and the terminal are passed through, no end is missed. And what this command line says
//! about terminals, in runc's words.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use kernel::terminal::{self, Size};
use kernel::{Stream, file};
use libcontainer::{
    Console, Container, Error, Interrupt, Process, Readiness, Terminal, TerminalSize,
};
use nix::errno::Errno;
use nix::libc::{SIGCHLD, SIGKILL, SIGPIPE, SIGURG, SIGWINCH, SIGXFSZ};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{self, SetArg, Termios};
use nix::sys::wait::{WaitPidFlag, waitpid};

use crate::failure::Failure;

/// Where the terminal of a process goes that this command line starts: to a socket, or, in the foreground, to ours.
pub(crate) fn console(detach: bool, socket: Option<PathBuf>) -> Result<Option<Console>, Failure> {
    match (detach, socket) {
        (false, Some(_)) => Err(Failure::new(NO_SOCKET)),
        (true, socket) => Ok(socket.map(Console::Socket)),
        (false, None) => Ok(Some(Console::Relay { size: own_size() })),
    }
}

const NO_SOCKET: &str = "cannot use console socket if runc will not detach or allocate tty";

/// What the library says about `console` is about `--console-socket` here.
pub(crate) fn in_words_of_runc(error: Error, has_socket: bool) -> Failure {
    let text = match (&error, has_socket) {
        (
            Error::Argument {
                name: "console", ..
            },
            true,
        ) => NO_SOCKET,
        (
            Error::Argument {
                name: "console", ..
            },
            false,
        ) => "cannot allocate tty if runc will detach without setting console socket",
        _ => return error.into(),
    };
    Failure::new(text)
}

/// A process whose terminal is relayed to ours starts with the size of ours.
fn own_size() -> Option<TerminalSize> {
    let size = terminal::size(Stream::INPUT.borrow());
    size.ok()
        .map(|Size { rows, columns, .. }| TerminalSize { rows, columns })
}

fn failed(doing: &'static str) -> impl Fn(Errno) -> Failure {
    move |errno| Failure::io(doing, &errno.into())
}

/// Signals are blocked and collected from here on, so that none is lost between the start of a child and the wait.
pub(crate) struct Waiting {
    signals: SignalFd,
    old: SigSet,
}

impl Waiting {
    pub(crate) fn begin() -> Result<Waiting, Failure> {
        let mut old = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut old))
            .map_err(failed("block signals"))?;
        Ok(Waiting {
            signals: collect(&SigSet::all()).map_err(failed("collect signals"))?,
            old,
        })
    }

    /// Waits for a child of ours; the answer is its status as a shell shows it. The service manager's main process is this
    /// one, which ends when the child does.
    pub(crate) fn wait(
        self,
        mut child: Process,
        readiness: Option<&Readiness>,
    ) -> Result<i32, Failure> {
        let _part = libcontainer::timings::part("wait for the end of the process");
        let mut relay = child.terminal.take().map(Relay::begin).transpose()?;
        loop {
            let fds = [
                Some(child.as_fd()),
                Some(self.signals.as_fd()),
                relay.as_ref().map(|relay| relay.master.as_fd()),
                relay
                    .as_ref()
                    .and_then(|relay| relay.input_open.then_some(standard_input())),
                readiness.map(Readiness::as_fd),
            ];
            let [ended, signalled, output, input, told] =
                wait_readable(fds).map_err(failed("wait for the process"))?;
            if signalled {
                self.pass_signals(&child, relay.as_ref());
            }
            if let Some(relay) = &mut relay {
                if output {
                    relay.copy_out();
                }
                if input {
                    relay.copy_in();
                }
            }
            if told
                && let Some(readiness) = readiness
                && let Err(error) = readiness.pass_on(std::process::id().cast_signed())
            {
                log::warn!("{error}");
            }
            if ended {
                break;
            }
        }
        if let Some(relay) = &mut relay {
            relay.drain();
        }
        let unknown = || failed("wait for the process")(Errno::ECHILD);
        child.wait()?.shell_status().ok_or_else(unknown)
    }

    fn pass_signals(&self, child: &Process, relay: Option<&Relay>) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match info.ssi_signo as i32 {
                SIGCHLD => reap_orphans(child),
                // About us, not about the container.
                SIGPIPE | SIGURG => {}
                // The kernel has it come from whoever writes beyond the limit.
                SIGXFSZ if info.ssi_pid == std::process::id() => {}
                SIGWINCH => {
                    if let Some(relay) = relay {
                        relay.resize();
                    }
                }
                signal => {
                    let _ = child.signal(signal);
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

fn collect(set: &SigSet) -> nix::Result<SignalFd> {
    SignalFd::with_flags(set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// The signals that end programs, collected as long as this is there: while a hook runs they end that.
struct EndingSignals {
    collected: SignalFd,
    old: SigSet,
}

/// What ends hooks.
pub(crate) fn ending_signals() -> std::io::Result<Box<dyn Interrupt>> {
    let mut set = SigSet::empty();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        // What is ignored, as below nohup(1), would be collected all the same.
        if !kernel::process::ignores(signal as i32)? {
            set.add(signal);
        }
    }
    let collected = collect(&set)?;
    let mut old = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut old))?;
    Ok(Box::new(EndingSignals { collected, old }))
}

impl AsFd for EndingSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.collected.as_fd()
    }
}

impl Interrupt for EndingSignals {
    fn reason(&self) -> String {
        match self.collected.read_signal() {
            Ok(Some(info)) => format!("signal {}", info.ssi_signo),
            _ => "a signal".to_owned(),
        }
    }
}

impl Drop for EndingSignals {
    fn drop(&mut self) {
        if let Err(errno) = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.old), None) {
            log::warn!("signals stay blocked: {errno}");
        }
    }
}

/// Waits until one of these can be read, or has come to its end, and says which.
/// Removes the container when its process has ended. Where that could not be waited for, as `status` says, it is ended: nobody
/// would take notice of its end, and a command that has failed leaves nothing.
pub(crate) fn remove(container: &Container, status: &Result<i32, Failure>) {
    let removed = match status {
        Ok(_) => container.remove(true),
        Err(_) => end(container),
    };
    match removed {
        // Somebody else has deleted it.
        Err(error) if error.is_not_found() => {}
        Err(error) => log::warn!("{error}"),
        Ok(()) => {}
    }
}

fn end(container: &Container) -> Result<(), Error> {
    const ROUNDS: usize = 1000;
    const PAUSE: u8 = 10;
    // It may have ended by itself.
    if let Err(error) = container.kill(SIGKILL, false) {
        log::debug!("{error}");
    }
    for _ in 0..ROUNDS {
        let Some(obstacle) = container.try_remove(true)? else {
            return Ok(());
        };
        // Orphans of the container are ours, and nothing else is: as zombies they would keep its pid namespace.
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG))
            && status.pid().is_some()
        {}
        let mut watch = [PollFd::new(obstacle.as_fd(), PollFlags::POLLIN)];
        if poll(&mut watch, PollTimeout::from(PAUSE)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(PAUSE.into()));
        }
    }
    container.remove(true)
}

fn wait_readable<const N: usize>(fds: [Option<BorrowedFd<'_>>; N]) -> nix::Result<[bool; N]> {
    let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut watches: Vec<PollFd<'_>> = fds.iter().flatten().copied().map(watch).collect();
    loop {
        match poll(&mut watches, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => break,
        }
    }
    let mut came = watches.iter().map(|watch| watch.any() != Some(false));
    Ok(fds.map(|fd| fd.is_some() && came.next() == Some(true)))
}

/// As a subreaper we get the container's orphans. The container's own process is left for the wait by its pidfd. This
/// program has no other children, so all may be waited for here; in the library nothing does.
fn reap_orphans(child: &Process) {
    use nix::sys::wait::{Id, WaitStatus, waitid};
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, peek) {
        match status.pid() {
            Some(pid)
                if pid.as_raw() != child.pid() && !matches!(status, WaitStatus::StillAlive) =>
            {
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
    fn begin(master: Terminal) -> Result<Relay, Failure> {
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
            master: std::fs::File::from(OwnedFd::from(master)),
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
