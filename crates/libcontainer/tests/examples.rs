//! The examples do what they show.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]
#![allow(
    clippy::duplicate_mod,
    reason = "each example has what it shares with the others"
)]

#[path = "../examples/build_steps.rs"]
mod build_steps;
#[path = "../examples/supervisor.rs"]
mod supervisor;
#[path = "../examples/supervisor_tokio.rs"]
mod supervisor_tokio;

mod sandbox;

use std::io::Write;
use std::time::{Duration, Instant};

use build_steps::{Outcome, Step};
use tare_libcontainer::Exit;

fn skipped(name: &str) -> bool {
    let missing = sandbox::missing();
    if let Some(why) = missing {
        // Past the capture of test output, so that it can be counted.
        let line = format!("skipped: {name}: {why}\n");
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
    missing.is_some()
}

#[test]
fn sixteen_containers_in_one_loop() {
    if skipped("sixteen_containers_in_one_loop") {
        return;
    }
    let report = supervisor::supervise(16, 4).unwrap();
    let expected = supervisor::Report {
        starts: 64,
        ends: 64,
        lines: 128,
    };
    assert_eq!(report, expected);
}

#[test]
fn sixteen_containers_on_tokio() {
    if skipped("sixteen_containers_on_tokio") {
        return;
    }
    let report = supervisor_tokio::supervise(16, 4).unwrap();
    let expected = supervisor_tokio::Report {
        ends: 64,
        lines: 128,
    };
    assert_eq!(report, expected);
}

#[test]
fn build_steps_have_input_output_and_limits() {
    if skipped("build_steps_have_input_output_and_limits") {
        return;
    }
    let step = |line, input, limit| Step {
        line,
        input,
        limit: Duration::from_millis(limit),
    };
    // More than pipes hold, both ways.
    let much = "pear\napple\n".repeat(20_000);
    let started = Instant::now();
    let steps = [
        step("sort", much.as_bytes(), 20_000),
        step("echo out; echo err >&2; exit 3", b"not read", 20_000),
        step("echo begun; sleep 1000", b"", 300),
        step("sleep 1000 & echo left behind", b"", 20_000),
    ];
    let outcomes = build_steps::build(&steps).unwrap();
    assert!(started.elapsed() < Duration::from_secs(20));
    let outcome = |exit, timed_out, out: &str, err: &str| Outcome {
        exit,
        timed_out,
        out: out.into(),
        err: err.into(),
    };
    let sorted = "apple\n".repeat(20_000) + &"pear\n".repeat(20_000);
    let expected = [
        outcome(Exit::Code(0), false, &sorted, ""),
        outcome(Exit::Code(3), false, "out\n", "err\n"),
        outcome(Exit::Signal(9), true, "begun\n", ""),
        outcome(Exit::Code(0), false, "left behind\n", ""),
    ];
    for (outcome, expected) in outcomes.iter().zip(&expected) {
        assert!(outcome == expected, "{outcome:?} instead of {expected:?}");
    }
    assert_eq!(outcomes.len(), expected.len());
}
