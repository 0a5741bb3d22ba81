//! Integration tests: the runtime on real bundles. One file for each area of config.json and each command.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod process;

fn main() -> std::process::ExitCode {
    harness::main(&[process::CASES])
}
