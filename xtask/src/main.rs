//! The project's tasks, run as `cargo xtask TASK`. One file for each.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod bench;
mod call;
mod mutant;
#[path = "../../tests/integration/build_probe.rs"]
mod probe;
mod task_attack;
mod task_bench_image;
mod task_bench_shim;
mod task_check;
mod task_conformance;
mod task_dist;
mod task_engines;
mod task_faults;
mod task_field_cost;
mod task_foreign;
mod task_golden;
mod task_hello;
mod task_lab;
mod task_lengths;
mod task_order;
mod task_publish;
mod task_test;

use std::process::ExitCode;

/// What a task answers: a message when it failed.
type Answer = Result<(), String>;

type Task = (&'static str, &'static str, fn(&[String]) -> Answer);

const TASKS: &[Task] = &[
    (
        "hello",
        "build tare and run the bundle in bundles/hello",
        task_hello::run,
    ),
    (
        "test",
        "[--quick] [FILTER] run all tests that this machine allows",
        task_test::run,
    ),
    (
        "check",
        "all that CI runs: format, lints, documentation, the unsafe fence, tests",
        task_check::run,
    ),
    (
        "conformance",
        "[--write] [SUITE OPTION…] run the conformance suite; --write compares with runc and crun in docs/",
        task_conformance::run,
    ),
    (
        "mutants",
        "[SUITE OPTION…] show that each test of the conformance suite can fail",
        task_conformance::mutants,
    ),
    ("golden", "write the expected plans anew", task_golden::run),
    (
        "dist",
        "[--twice | --docs] make packages in target/dist; --twice in two clones, and compare; --docs write the command line's reference, manual pages and completions anew",
        task_dist::run,
    ),
    (
        "publish",
        "show that each crate can be published: nothing is sent anywhere",
        task_publish::run,
    ),
    (
        "msrv",
        "check everything with the oldest Rust that is promised",
        task_publish::msrv,
    ),
    (
        "lengths",
        "list files over 400 lines and functions over 60",
        task_lengths::run,
    ),
    (
        "order",
        "write anew in which order the functions of the static program lie",
        task_order::run,
    ),
    (
        "attack",
        "[--write] [--mutants [WORD]] [--controls [FAMILY…]] [SUITE OPTION…] run the attack suite; --write compares with runc and crun in docs/",
        task_attack::run,
    ),
    (
        "faults",
        "[--all] [--points N] [--seed N] [--cgroup VIEW] [COMMAND…] kill or fail the runtime and init at their system calls",
        task_faults::run,
    ),
    (
        "field-cost",
        "COMMIT count the files that a commit changed, by kind",
        task_field_cost::run,
    ),
    (
        "lab",
        "[LAB OPTION…] [-- COMMAND…] run the integration tests in a small guest",
        task_lab::run,
    ),
    (
        "foreign",
        "aarch64|riscv64 [FILTER…] run the integration tests on an emulated machine",
        task_foreign::run,
    ),
    (
        "engines",
        "[--engine NAME] [--runtime tare|runc|PATH] [--shim] [--filter WORD] [--short] [--newer] run real engines on the runtime",
        task_engines::run,
    ),
    (
        "bench",
        "[--mode host|v1|v2] [--rounds N] measure tare beside runc, crun and the floor",
        bench::run,
    ),
    (
        "bench-image",
        "[--rounds N] [--scale PERCENT] [--only WORD] [--tools A,B] measure the image library beside its peers and the floor",
        task_bench_image::run,
    ),
    (
        "bench-shim",
        "[--rounds N] [--cgroup host|v2] measure containers of containerd's with its own shim and with tare's",
        task_bench_shim::run,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let found = arguments
        .first()
        .and_then(|name| TASKS.iter().find(|task| task.0 == name));
    let Some((name, help, run)) = found else {
        println!("cargo xtask TASK, where TASK is one of\n");
        for (name, help, _) in TASKS {
            println!("  {name:<12} {help}");
        }
        return match arguments.first().map(String::as_str) {
            None | Some("help" | "--help" | "-h") => ExitCode::SUCCESS,
            Some(_) => ExitCode::FAILURE,
        };
    };
    let own = arguments.split(|argument| argument == "--").next();
    if own.is_some_and(|own| {
        own.iter()
            .any(|argument| argument == "--help" || argument == "-h")
    }) {
        println!("cargo xtask {name} {help}");
        return ExitCode::SUCCESS;
    }
    match run(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
