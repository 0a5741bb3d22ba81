//! `cargo xtask faults`: the runtime and init are killed, or fail, at their system calls.
//!
//! With `--cgroup v1` or `--cgroup v2` only that version of control groups is to be seen, on a machine that has both.
//! What is tried stands in `tests/integration/tests/points.rs`: so many points of each command, chosen by a seed, or all.

use crate::{Answer, call, task_test};

/// Points of each command and bundle that are tried in CI, in less than four minutes.
const SAMPLE: &str = "50";

pub(crate) fn run(arguments: &[String]) -> Answer {
    let (mut points, mut seed) = (SAMPLE.to_owned(), None);
    let (mut filter, mut script) = (Vec::new(), None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--all" => points = "all".to_owned(),
            "--points" => points = value()?,
            "--seed" => seed = Some(value()?),
            "--cgroup" => {
                script = match value()?.as_str() {
                    "host" => None,
                    "v1" => Some(task_test::WITHOUT_UNIFIED),
                    "v2" => Some(task_test::UNIFIED),
                    other => return Err(format!("there is no view {other}")),
                }
            }
            other if other.starts_with('-') => return Err(format!("unknown option {other}")),
            command => filter.push(format!("points::{command}")),
        }
    }
    if filter.is_empty() {
        filter.push("points::".to_owned());
    }
    let (program, _) = task_test::integration()?;
    let mut tests = match script {
        None => call::program(program),
        Some(script) => {
            let unshare = call::installed("unshare").ok_or("unshare is not installed")?;
            task_test::in_view(&unshare, script, &program)
        }
    };
    tests.args(filter).env("TARE_TEST_POINTS", points);
    tests.envs(seed.map(|seed| ("TARE_TEST_SEED", seed)));
    call::run(&mut tests)
}
