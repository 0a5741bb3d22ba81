//! Runs the tests and prints results as `cargo test` does.
//!
//! libtest cannot skip a test after it was started, and whether a test can run here is often known only then; so this
//! is a runner of our own: a test that calls [`crate::skip!`] counts as ignored and its reason is printed.

#![allow(clippy::print_stdout, reason = "results are its output")]

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use nix::sys::signal::Signal;

/// One test.
#[derive(Clone, Copy)]
pub struct Case {
    /// Module path and name.
    pub name: &'static str,
    /// The test; it panics when it fails.
    pub run: fn(),
}

/// The panic value of a test that cannot run here, with the reason.
#[derive(Debug)]
pub struct Skip(pub String);

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

thread_local! {
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Options {
    filters: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    list: bool,
    threads: usize,
}

impl Options {
    /// The options of libtest that make sense here; others are accepted without effect.
    fn parse(arguments: impl Iterator<Item = String>) -> Options {
        let mut options = Options {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            ..Options::default()
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => options.list = true,
                "--exact" => options.exact = true,
                "--skip" => options.skipped.extend(arguments.next()),
                "--test-threads" => {
                    options.threads = arguments
                        .next()
                        .and_then(|count| count.parse().ok())
                        .unwrap_or(1);
                }
                "--format" | "--color" | "--logfile" => drop(arguments.next()),
                other => match other.strip_prefix("--test-threads=") {
                    Some(count) => options.threads = count.parse().unwrap_or(1),
                    None if other.starts_with('-') => {}
                    None => options.filters.push(argument),
                },
            }
        }
        options
    }

    fn wants(&self, name: &str) -> bool {
        let matches = |filter: &String| {
            if self.exact {
                name == filter
            } else {
                name.contains(filter)
            }
        };
        (self.filters.is_empty() || self.filters.iter().any(matches))
            && !self.skipped.iter().any(matches)
    }
}

/// Runs the tests that the command line asks for.
pub fn main(groups: &[&[Case]]) -> ExitCode {
    let options = Options::parse(std::env::args().skip(1));
    let short = |name: &'static str| name.split_once("::").map_or(name, |(_, rest)| rest);
    let all: Vec<Case> = groups
        .iter()
        .flat_map(|group| group.iter().copied())
        .collect();
    let wanted: VecDeque<Case> = all
        .iter()
        .copied()
        .filter(|case| options.wants(short(case.name)))
        .collect();
    if options.list {
        for case in &wanted {
            println!("{}: test", short(case.name));
        }
        return ExitCode::SUCCESS;
    }
    // Containers that outlive their runtime become our children, so that their exit status can be read.
    nix::sys::prctl::set_child_subreaper(true).expect("PR_SET_CHILD_SUBREAPER");
    // What was started in the background ignores the terminal's signals, and so would all that it starts.
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        kernel::process::default_action(signal as i32).expect("rt_sigaction(2)");
    }
    panic::set_hook(Box::new(|info| {
        let text = text_of(info.payload());
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        // Only the first: more may follow while the test cleans up.
        MESSAGE.with_borrow_mut(|message| {
            message.get_or_insert_with(|| format!("{place}: {text}"));
        });
    }));
    let begin = Instant::now();
    println!("\nrunning {} tests", wanted.len());
    let filtered = all.len() - wanted.len();
    let queue = Mutex::new(wanted);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no test panics here").pop_front();
                    let Some(case) = next else { break };
                    let outcome = run(case, short(case.name));
                    report(short(case.name), &outcome);
                    results
                        .lock()
                        .expect("as above")
                        .push((short(case.name), outcome));
                }
            });
        }
    });
    summary(&results.into_inner().expect("as above"), filtered, begin)
}

fn text_of(payload: &dyn Any) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("(no message)")
}

fn run(case: Case, name: &str) -> Outcome {
    let privileged = name
        .rsplit("::")
        .next()
        .is_some_and(|last| last.starts_with("privileged_"));
    if privileged && !nix::unistd::geteuid().is_root() {
        return Outcome::Skipped("needs root".to_owned());
    }
    MESSAGE.set(None);
    match panic::catch_unwind(AssertUnwindSafe(case.run)) {
        Ok(()) => Outcome::Passed,
        Err(payload) => match payload.downcast::<Skip>() {
            Ok(skip) => Outcome::Skipped(skip.0),
            Err(_) => Outcome::Failed(MESSAGE.take().unwrap_or_else(|| "panicked".to_owned())),
        },
    }
}

fn report(name: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Passed => println!("test {name} ... ok"),
        Outcome::Failed(_) => println!("test {name} ... FAILED"),
        Outcome::Skipped(reason) => println!("test {name} ... ignored, {reason}"),
    }
}

fn summary(results: &[(&str, Outcome)], filtered: usize, begin: Instant) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (_, outcome) in results {
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed(_) => failed += 1,
            Outcome::Skipped(_) => skipped += 1,
        }
    }
    if failed > 0 {
        println!("\nfailures:\n");
    }
    for (name, outcome) in results {
        if let Outcome::Failed(message) = outcome {
            println!("---- {name} ----\n{message}\n");
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; {filtered} filtered \
         out; finished in {:.2}s\n",
        begin.elapsed().as_secs_f64()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(101)
    }
}
