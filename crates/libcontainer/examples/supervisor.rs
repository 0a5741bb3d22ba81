//! A supervisor: sixteen containers with limits, their output captured by pipes, each started again when it ends, all in
//! one loop of epoll(7) and one thread.
//!
//! Needs root and a static busybox.
//!
//! ```sh
//! cargo run --example supervisor
//! ```

#[path = "busybox/root.rs"]
mod root;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use root::Root;
use tare_libcontainer::{
    Bundle, Config, Container, CreateOptions, Created, Exit, Process, Resources, Stdio, Store,
};

type Failure = Box<dyn std::error::Error>;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// How often a container was started.
    pub(crate) starts: usize,
    /// How often one ended with the status that its program has.
    pub(crate) ends: usize,
    /// Lines of output.
    pub(crate) lines: usize,
}

/// A container that is to be kept running.
struct Service {
    id: String,
    bundle: Bundle,
    /// How often it has been started.
    starts: usize,
    running: Option<Running>,
}

struct Running {
    container: Container,
    process: Process,
    /// Standard output and error, until their ends.
    outputs: [Option<File>; 2],
    exit: Option<Exit>,
}

/// Three descriptors a service: its process, and its outputs.
const PROCESS: u64 = 2;
const DESCRIPTORS: u64 = 3;

impl Service {
    fn start(&mut self, store: &Store, epoll: &Epoll, token: u64) -> Result<(), Failure> {
        let mut options = CreateOptions::default();
        options.streams.stdin = Stdio::Null;
        options.streams.stdout = Stdio::Piped;
        options.streams.stderr = Stdio::Piped;
        // This is the one call that takes milliseconds: a program that cannot wait for it makes it in another thread.
        let Created {
            container,
            mut process,
            ..
        } = Container::run(store, &self.id, &self.bundle, options)?;
        let readable = |which| EpollEvent::new(EpollFlags::EPOLLIN, token * DESCRIPTORS + which);
        let outputs = [process.stdout.take(), process.stderr.take()];
        let outputs = outputs.map(|end| end.map(File::from));
        for (which, output) in outputs.iter().enumerate() {
            if let Some(output) = output {
                epoll.add(output, readable(which as u64))?;
            }
        }
        epoll.add(process.as_fd(), readable(PROCESS))?;
        self.starts += 1;
        self.running = Some(Running {
            container,
            process,
            outputs,
            exit: None,
        });
        Ok(())
    }
}

impl Running {
    /// Something has come at one of the descriptors. A descriptor that is closed leaves the epoll by itself.
    fn handle(&mut self, which: u64, epoll: &Epoll, report: &mut Report) -> Result<(), Failure> {
        if which == PROCESS {
            self.exit = self.process.try_wait()?;
            if self.exit.is_some() {
                epoll.delete(self.process.as_fd())?;
            }
            return Ok(());
        }
        let output = &mut self.outputs[which as usize];
        let Some(file) = output else { return Ok(()) };
        let mut buffer = [0; 4096];
        match file.read(&mut buffer)? {
            0 => *output = None,
            length => {
                report.lines += buffer[..length]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count();
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.exit.is_some() && self.outputs.iter().all(Option::is_none)
    }
}

/// Keeps `count` containers running until each has been started `starts` times.
pub(crate) fn supervise(count: usize, starts: usize) -> Result<Report, Failure> {
    let root = Root::new("supervisor")?;
    let store = Store::open(root.state())?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut services = Vec::new();
    for number in 0..count {
        let line = format!("echo started as $$; echo warning >&2; exit {}", number % 7);
        let config = Config::default_for(root.rootfs(), ["/bin/sh", "-c", &line])
            .env("NUMBER", &number.to_string())
            .without_mount("/dev/mqueue")
            .resources(Resources::new().memory_bytes(64 << 20).pids(16));
        services.push(Service {
            id: format!("supervised-{}-{number}", std::process::id()),
            bundle: Bundle::of(&config)?,
            starts: 0,
            running: None,
        });
    }
    let mut report = Report::default();
    let outcome = keep_running(&mut services, starts, &store, &epoll, &mut report);
    // Nothing stays, whatever has happened.
    for service in &services {
        Container::delete(&store, &service.id, true)?;
    }
    outcome.map(|()| report)
}

fn keep_running(
    services: &mut [Service],
    starts: usize,
    store: &Store,
    epoll: &Epoll,
    report: &mut Report,
) -> Result<(), Failure> {
    for (token, service) in services.iter_mut().enumerate() {
        service.start(store, epoll, token as u64)?;
        report.starts += 1;
    }
    let mut events = [EpollEvent::empty(); 32];
    while services.iter().any(|service| service.running.is_some()) {
        let came = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..came] {
            let (token, which) = (event.data() / DESCRIPTORS, event.data() % DESCRIPTORS);
            let service = &mut services[token as usize];
            let Some(running) = &mut service.running else {
                continue;
            };
            running.handle(which, epoll, report)?;
            if !running.is_over() {
                continue;
            }
            let status = (token % 7) as i32;
            report.ends += usize::from(running.exit == Some(Exit::Code(status)));
            running.container.remove(false)?;
            service.running = None;
            if service.starts < starts {
                service.start(store, epoll, token)?;
                report.starts += 1;
            }
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "the tests call what is above")]
fn main() -> ExitCode {
    let outcome = match root::missing() {
        Some(missing) => Err(missing.into()),
        None => supervise(16, 4),
    };
    let (text, code) = match outcome {
        Ok(report) => (format!("{report:?}"), ExitCode::SUCCESS),
        Err(error) => (format!("supervisor: {error}"), ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}
