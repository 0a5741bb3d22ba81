//! `cargo xtask faults`: the runtime and init are killed, or fail, at their system calls.
//!
//! What is tried stands in `tests/integration/tests/points.rs`: so many points of each command, chosen by a seed, or all.

use crate::{Answer, call, task_test};

/// Points of each command and bundle that are tried in CI, in less than four minutes.
const SAMPLE: &str = "50";

pub(crate) fn run(arguments: &[String]) -> Answer {
    let (mut points, mut seed) = (SAMPLE.to_owned(), None);
    let mut filter = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--all" => points = "all".to_owned(),
            "--points" => points = value()?,
            "--seed" => seed = Some(value()?),
            other if other.starts_with('-') => return Err(format!("unknown option {other}")),
            command => filter.push(format!("points::{command}")),
        }
    }
    if filter.is_empty() {
        filter.push("points::".to_owned());
    }
    let (program, _) = task_test::integration()?;
    let mut tests = call::program(program);
    tests.args(filter).env("TARE_TEST_POINTS", points);
    tests.envs(seed.map(|seed| ("TARE_TEST_SEED", seed)));
    call::run(&mut tests)
}
