//! How long create, start, the end of a program, and delete take from within a program: the median, in milliseconds.
//!
//! ```sh
//! cargo run --release --example in_process -- BUNDLE STATE ROUNDS [THREADS MEBIBYTES]
//! ```

use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::Instant;

use tare_libcontainer::{Bundle, Container, CreateOptions, Exit, Store, Streams};

type Failure = Box<dyn std::error::Error>;

fn life(store: &Store, id: &str, bundle: &Bundle) -> Result<(), Failure> {
    let mut options = CreateOptions::default();
    options.streams = Streams::null();
    let created = Container::create(store, id, bundle, options)?;
    created.container.start()?;
    if created.process.wait()? != Exit::Code(0) {
        return Err("the program failed".into());
    }
    Ok(created.container.remove(false)?)
}

fn measure(bundle: &Bundle, store: &Store, rounds: usize) -> Result<f64, Failure> {
    let id = format!("in-process-{}", std::process::id());
    let mut times = Vec::new();
    // The first ones warm the caches.
    for round in 0..rounds + 3 {
        let begin = Instant::now();
        life(store, &id, bundle)?;
        if round >= 3 {
            times.push(begin.elapsed().as_secs_f64() * 1000.0);
        }
    }
    times.sort_by(f64::total_cmp);
    times
        .get(times.len() / 2)
        .copied()
        .ok_or_else(|| "no rounds".into())
}

fn run() -> Result<f64, Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let bundle = PathBuf::from(arguments.next().ok_or("which bundle?")?);
    let folder = PathBuf::from(arguments.next().ok_or("which directory for states?")?)
        .join(format!("in-process-{}", std::process::id()));
    let mut numbers = arguments.map(|word| word.to_string_lossy().parse::<usize>());
    let mut number = |usual| numbers.next().unwrap_or(Ok(usual));
    let (rounds, threads, mebibytes) = (number(100)?, number(0)?, number(0)?);
    let bundle = Bundle::load(bundle)?;
    let store = Store::open(&folder)?;
    // Touched, so that it is really there.
    let heap: Vec<u8> = (0..mebibytes << 20).map(|index| index as u8).collect();
    let end = Barrier::new(threads + 1);
    let measured = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| end.wait());
        }
        let measured = measure(&bundle, &store, rounds);
        end.wait();
        measured
    });
    black_box(&heap);
    let _ = std::fs::remove_dir(&folder);
    measured
}

fn main() -> ExitCode {
    let (text, code) = match run() {
        Ok(median) => (format!("{median:.3}"), ExitCode::SUCCESS),
        Err(error) => (format!("in_process: {error}"), ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}
