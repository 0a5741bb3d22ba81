//! A runner of build steps: one container that waits, and steps that are added to it, each with its input, its output captured,
//! and a time after which it is killed.
//!
//! Needs root and a static busybox.
//!
//! ```sh
//! cargo run --example build_steps
//! ```

#[path = "busybox/root.rs"]
mod root;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use root::Root;
use tare_libcontainer::{
    Bundle, Config, Container, CreateOptions, ExecRequest, Exit, Process, Store, Streams,
};

type Failure = Box<dyn std::error::Error>;

/// One step.
pub(crate) struct Step<'a> {
    /// A line of shell.
    pub(crate) line: &'a str,
    /// What it reads.
    pub(crate) input: &'a [u8],
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// What came of a step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) exit: Exit,
    /// It was killed when its time was up.
    pub(crate) timed_out: bool,
    /// What it wrote to standard output.
    pub(crate) out: Vec<u8>,
    /// What it wrote to standard error.
    pub(crate) err: Vec<u8>,
}

fn nonblocking(end: Option<OwnedFd>) -> Result<Option<File>, Failure> {
    if let Some(end) = &end {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok(end.map(File::from))
}

/// Reads what there is; the pipe goes when it has come to its end.
fn collect(pipe: &mut Option<File>, into: &mut Vec<u8>) -> Result<(), Failure> {
    let mut buffer = [0; 4096];
    while let Some(open) = pipe {
        match open.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(length) => into.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes what fits; the pipe goes when all is written, or when nobody reads it.
fn feed(pipe: &mut Option<File>, rest: &mut &[u8]) -> Result<(), Failure> {
    while let Some(open) = pipe {
        match open.write(rest) {
            _ if rest.is_empty() => *pipe = None,
            Ok(length) => *rest = &rest[length..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => *pipe = None,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Runs one step in a container.
pub(crate) fn run(container: &Container, step: &Step<'_>) -> Result<Outcome, Failure> {
    let mut request = ExecRequest::default();
    request.args = ["/bin/sh", "-c", step.line].map(str::to_owned).to_vec();
    request.streams = Streams::piped();
    let mut process = container.exec(request)?;
    let deadline = Instant::now() + step.limit;
    let mut stdin = nonblocking(process.stdin.take())?;
    let mut stdout = nonblocking(process.stdout.take())?;
    let mut stderr = nonblocking(process.stderr.take())?;
    let (mut rest, mut out, mut err) = (step.input, Vec::new(), Vec::new());
    let mut timed_out = false;
    loop {
        feed(&mut stdin, &mut rest)?;
        collect(&mut stdout, &mut out)?;
        collect(&mut stderr, &mut err)?;
        // Programs that it left behind may keep the pipes open: its own end is what counts.
        if let Some(exit) = process.try_wait()? {
            collect(&mut stdout, &mut out)?;
            collect(&mut stderr, &mut err)?;
            return Ok(Outcome {
                exit,
                timed_out,
                out,
                err,
            });
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() && !timed_out {
            process.kill()?;
            timed_out = true;
        }
        let left = if timed_out { None } else { Some(left) };
        wait(&process, &stdin, [&stdout, &stderr], left)?;
    }
}

/// Waits until something can be done.
fn wait(
    process: &Process,
    stdin: &Option<File>,
    outputs: [&Option<File>; 2],
    limit: Option<Duration>,
) -> Result<(), Failure> {
    let mut watches = vec![PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    let input = stdin.iter();
    watches.extend(input.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLOUT)));
    let outputs = outputs.into_iter().flatten();
    watches.extend(outputs.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)));
    let limit = match limit {
        // Rounded up: a time that is not over yet is waited for.
        Some(left) => PollTimeout::try_from(left + Duration::from_millis(1))?,
        None => PollTimeout::NONE,
    };
    poll(&mut watches, limit)?;
    Ok(())
}

/// Runs steps one after the other in a container that is there for them alone.
pub(crate) fn build(steps: &[Step<'_>]) -> Result<Vec<Outcome>, Failure> {
    let root = Root::new("build")?;
    let store = Store::open(root.state())?;
    let config = Config::default_for(root.rootfs(), ["/bin/sleep", "1000000"])
        .env("PATH", "/bin")
        .without_mount("/dev/mqueue");
    let mut options = CreateOptions::default();
    options.streams = Streams::null();
    let id = format!("build-{}", std::process::id());
    let created = Container::run(&store, &id, &Bundle::of(&config)?, options)?;
    let outcomes = steps
        .iter()
        .map(|step| run(&created.container, step))
        .collect();
    // All that is left of the steps goes with the first process.
    created.process.kill()?;
    created.process.wait()?;
    created.container.remove(false)?;
    outcomes
}

#[allow(dead_code, reason = "the tests call what is above")]
fn main() -> ExitCode {
    let second = Duration::from_secs(1);
    let steps = [
        Step {
            line: "sort",
            input: b"pear\napple\n",
            limit: second,
        },
        Step {
            line: "echo out; echo err >&2; exit 3",
            input: b"",
            limit: second,
        },
        Step {
            line: "sleep 1000",
            input: b"",
            limit: second / 4,
        },
    ];
    let outcome = match root::missing() {
        Some(missing) => Err(missing.into()),
        None => build(&steps),
    };
    let (text, code) = match outcome {
        Ok(outcomes) => (format!("{outcomes:#?}"), ExitCode::SUCCESS),
        Err(error) => (format!("build_steps: {error}"), ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}
