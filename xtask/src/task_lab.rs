//! `cargo xtask lab [LAB OPTION…] [-- COMMAND…]`: the integration tests, or a command, in a small guest.
//! `cargo xtask lab --cgroups [LAB OPTION…] [-- TEST…]`: the body of tests of the cgroups crate, below systemd through it.
//!
//! `cargo xtask lab --conformance VIEW [LAB OPTION…] [-- TEST…]`: the conformance suite on tare, with this view of control groups.
//!
//! The guest is described in tests/lab/README.md. Everything is built here and only run there.

use crate::{Answer, call, task_conformance, task_test};

pub(crate) fn run(arguments: &[String]) -> Answer {
    let (options, command) = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[] as &[String]),
    };
    let mut lab = call::program(call::workspace().join("tests/lab/lab"));
    let suite = options.iter().position(|option| option == "--conformance");
    let ours = |at: usize| suite.is_some_and(|suite| at == suite || at == suite + 1);
    let others = options.iter().enumerate().filter(|(at, _)| !ours(*at));
    lab.args(
        others
            .filter(|(_, option)| *option != "--cgroups")
            .map(|(_, option)| option),
    );
    for (name, value) in [("TARE_TEST_SLOW", "6"), ("TARE_TEST_CONTAINERS", "25")] {
        if std::env::var_os(name).is_none() {
            lab.env(name, value);
        }
    }
    let given = |name: &str| options.iter().any(|option| option.starts_with(name));
    if !given("--timeout") {
        lab.args(["--timeout", "1500"]);
    }
    if given("--cgroups") {
        let driver = match (given("--systemd"), given("--user")) {
            (true, true) => "systemd-user",
            (true, false) => "systemd",
            (false, _) => "direct",
        };
        lab.args(["--env", &format!("TARE_TEST_DRIVER={driver}"), "--"]);
        lab.arg(task_test::program("tare-cgroups", "live")?);
        // One after the other: some of them change the machine.
        lab.args(["--test-threads=1", "--nocapture"]).args(command);
        return call::run(&mut lab);
    }
    if let Some(at) = suite {
        let view = options.get(at + 1).ok_or("--conformance needs a view")?;
        lab.arg("--").arg(task_conformance::build()?);
        lab.args(["--runtime", "tare", "--slow", "6", "--cgroup", view]);
        lab.args(["--deviations", &task_conformance::deviations()]);
        for test in command {
            lab.args(["--filter", test]);
        }
        return call::run(&mut lab);
    }
    let (tests, _) = task_test::integration()?;
    lab.arg("--");
    // Arguments that are no program select tests.
    match command.first() {
        Some(first) if first.contains('/') || call::installed(first).is_some() => lab.args(command),
        _ => lab.arg(tests).args(command),
    };
    call::run(&mut lab)
}
