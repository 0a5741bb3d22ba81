//! What the example and its test do: a crowd of threads that each create, start, wait for and delete containers.

use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tare_libcontainer::{Bundle, Container, CreateOptions, Exit, Status, Store};

#[path = "../busybox/root.rs"]
mod root;

use root::Root;
pub(crate) use root::missing;

/// Threads that do nothing but allocate.
const ALLOCATORS: usize = 3;

/// How many, how often, and how large the program around them is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    /// Threads that work with containers.
    pub(crate) threads: usize,
    /// Containers of each thread, one after the other.
    pub(crate) rounds: usize,
    /// Size of the heap.
    pub(crate) mebibytes: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Containers that ran.
    pub(crate) containers: usize,
    /// From the first create to the last delete.
    pub(crate) took: Duration,
    /// The slowest create.
    pub(crate) slowest: Duration,
    /// What the other threads allocated meanwhile.
    pub(crate) allocations: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures {
            containers,
            took,
            slowest,
            allocations,
        } = self;
        write!(
            f,
            "{containers} containers in {took:.1?}, slowest create {slowest:.1?}, beside {allocations} allocations"
        )
    }
}

fn config(status: usize) -> String {
    format!(
        r#"{{"ociVersion":"1.3.0","root":{{"path":"rootfs","readonly":true}},
        "process":{{"args":["/bin/busybox","sh","-c","exit {status}"],"cwd":"/","user":{{"uid":0,"gid":0}}}},
        "mounts":[{{"destination":"/proc","type":"proc","source":"proc"}},
                  {{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["size=64k","mode=755"]}}],
        "hostname":"crowd","linux":{{"namespaces":[{{"type":"pid"}},{{"type":"mount"}},{{"type":"uts"}},{{"type":"ipc"}}],
        "maskedPaths":["/proc/kcore","/proc/keys"]}}}}"#
    )
}

impl Crowd {
    /// Runs them all; the first failure of any is the answer.
    pub(crate) fn run(self) -> Result<Figures, String> {
        let root = Root::new("crowd").map_err(|error| format!("make the bundle: {error}"))?;
        // Touched, so that it is really there.
        let heap: Vec<u8> = (0..self.mebibytes << 20).map(|index| index as u8).collect();
        let (stop, allocations) = (AtomicBool::new(false), AtomicU64::new(0));
        let started = Instant::now();
        let outcome = thread::scope(|scope| {
            for seed in 0..ALLOCATORS {
                let (stop, allocations) = (&stop, &allocations);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        allocate(seed);
                        allocations.fetch_add(64, Ordering::Relaxed);
                    }
                });
            }
            let folder = root.folder();
            let workers: Vec<_> = (0..self.threads)
                .map(|number| scope.spawn(move || self.work(folder, number)))
                .collect();
            let mut outcome = Ok(Duration::ZERO);
            for worker in workers {
                let answer = worker
                    .join()
                    .unwrap_or_else(|_| Err("a thread panicked".to_owned()));
                outcome = outcome.and_then(|slowest: Duration| Ok(slowest.max(answer?)));
            }
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        let took = started.elapsed();
        black_box(&heap);
        outcome.map(|slowest| Figures {
            containers: self.threads * self.rounds,
            took,
            slowest,
            allocations: allocations.into_inner(),
        })
    }

    /// One thread's containers; the answer is the slowest create.
    fn work(self, folder: &Path, number: usize) -> Result<Duration, String> {
        let store = Store::open(folder.join("state")).map_err(|error| error.to_string())?;
        let status = number % 100;
        let bundle = Bundle::from_text(folder, config(status));
        let mut slowest = Duration::ZERO;
        for round in 0..self.rounds {
            let id = format!("crowd-{}-{number}-{round}", std::process::id());
            let once = one(&store, &id, &bundle, status);
            if once.is_err() {
                let _ = Container::delete(&store, &id, true);
            }
            slowest = slowest.max(once.map_err(|error| format!("{id}: {error}"))?);
        }
        Ok(slowest)
    }
}

/// The life of one container; the answer is how long its create took.
fn one(store: &Store, id: &str, bundle: &Bundle, status: usize) -> Result<Duration, String> {
    let text = |error: tare_libcontainer::Error| error.to_string();
    let started = Instant::now();
    let created = Container::create(store, id, bundle, CreateOptions::default()).map_err(text)?;
    let container = created.container;
    let took = started.elapsed();
    let state = container.state().map_err(text)?;
    if state.status != Status::Created {
        return Err(format!("it is {}, not created", state.status));
    }
    container.start().map_err(text)?;
    let exit = created.process.wait().map_err(text)?;
    if exit != Exit::Code(status as i32) {
        return Err(format!("it ended with {exit:?} instead of {status}"));
    }
    Container::delete(store, id, false).map_err(text)?;
    match Container::open(store, id) {
        Err(error) if error.is_not_found() => Ok(took),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("it is still there after delete".to_owned()),
    }
}

/// Blocks of many sizes, some kept for a while.
fn allocate(seed: usize) {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for step in 1..=64usize {
        let size = (step * 7919 + seed * 104_729) % 65_536 + 1;
        kept.push(black_box(vec![step as u8; size]));
        if step % 3 == 0 {
            kept.swap_remove(step % kept.len());
        }
    }
    black_box(&kept);
}
