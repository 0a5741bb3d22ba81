//! The supervisor on tokio: a task for each container waits at the process's pidfd and at its pipes. The library knows nothing of
//! tokio: descriptors are all that it takes.
//!
//! Needs root and a static busybox.
//!
//! ```sh
//! cargo run --example supervisor_tokio
//! ```

#[path = "busybox/root.rs"]
mod root;

use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;

use root::Root;
use tare_libcontainer::{
    Bundle, Config, Container, CreateOptions, Created, Exit, Process, Resources, Stdio, Store,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::task::spawn_blocking;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// How often a container ended with the status that its program has.
    pub(crate) ends: usize,
    /// Lines of output.
    pub(crate) lines: usize,
}

/// Waits for the end of a process without a thread: its pidfd becomes readable.
async fn ended(process: Process) -> Result<Exit, Failure> {
    // Deprecated for types that may close or change their descriptor while they are registered. A process keeps its own, so
    // what the newer function wants to be vouched for holds; but that one is `unsafe`, which examples are to do without.
    #[allow(deprecated, reason = "see above")]
    let process = AsyncFd::with_interest(process, Interest::READABLE)?;
    loop {
        let mut ready = process.readable().await?;
        if let Some(exit) = process.get_ref().try_wait()? {
            return Ok(exit);
        }
        ready.clear_ready();
    }
}

/// Counts the lines that come from a pipe until its end.
async fn lines(end: Option<OwnedFd>) -> Result<usize, Failure> {
    let Some(end) = end else { return Ok(0) };
    let pipe = pipe::Receiver::from_owned_fd(end)?;
    let (mut lines, mut buffer) = (0, [0; 4096]);
    loop {
        pipe.readable().await?;
        match pipe.try_read(&mut buffer) {
            Ok(0) => return Ok(lines),
            Ok(length) => {
                lines += buffer[..length]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count()
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One container, started `starts` times.
async fn keep_running(
    store: Store,
    id: String,
    bundle: Arc<Bundle>,
    starts: usize,
    status: i32,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    for _ in 0..starts {
        let (own, name, config) = (store.clone(), id.clone(), Arc::clone(&bundle));
        // What takes milliseconds is done where blocking is allowed.
        let created = spawn_blocking(move || {
            let mut options = CreateOptions::default();
            options.streams.stdin = Stdio::Null;
            options.streams.stdout = Stdio::Piped;
            options.streams.stderr = Stdio::Piped;
            Container::run(&own, &name, &config, options)
        });
        let Created {
            container,
            mut process,
            ..
        } = created.await??;
        let (out, err) = (process.stdout.take(), process.stderr.take());
        let (out, err) = (tokio::spawn(lines(out)), tokio::spawn(lines(err)));
        report.ends += usize::from(ended(process).await? == Exit::Code(status));
        report.lines += out.await?? + err.await??;
        spawn_blocking(move || container.remove(false)).await??;
    }
    Ok(report)
}

/// Keeps `count` containers running until each has been started `starts` times.
pub(crate) fn supervise(count: usize, starts: usize) -> Result<Report, Failure> {
    let root = Root::new("supervisor-tokio")?;
    let store = Store::open(root.state())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let mut tasks = Vec::new();
        for number in 0..count {
            let status = (number % 7) as i32;
            let line = format!("echo started as $$; echo warning >&2; exit {status}");
            let config = Config::default_for(root.rootfs(), ["/bin/sh", "-c", &line])
                .without_mount("/dev/mqueue")
                .resources(Resources::new().memory_bytes(64 << 20).pids(16));
            let bundle = Arc::new(Bundle::of(&config)?);
            let id = format!("tokio-{}-{number}", std::process::id());
            tasks.push(tokio::spawn(keep_running(
                store.clone(),
                id,
                bundle,
                starts,
                status,
            )));
        }
        let mut sum = Report::default();
        for task in tasks {
            let report = task.await??;
            sum.ends += report.ends;
            sum.lines += report.lines;
        }
        Ok(sum)
    });
    // Nothing stays, whatever has happened.
    for id in store.ids()? {
        Container::delete(&store, &id, true)?;
    }
    outcome
}

#[allow(dead_code, reason = "the tests call what is above")]
fn main() -> ExitCode {
    let outcome = match root::missing() {
        Some(missing) => Err(missing.into()),
        None => supervise(16, 4),
    };
    let (text, code) = match outcome {
        Ok(report) => (format!("{report:?}"), ExitCode::SUCCESS),
        Err(error) => (format!("supervisor_tokio: {error}"), ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}
