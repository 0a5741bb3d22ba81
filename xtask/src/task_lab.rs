//! `cargo xtask lab [LAB OPTION…] [-- COMMAND…]`: the integration tests, or a command, in a small guest.
//!
//! The guest is described in tests/lab/README.md. Everything is built here and only run there.

use crate::{Answer, call, task_test};

pub(crate) fn run(arguments: &[String]) -> Answer {
    let (options, command) = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[] as &[String]),
    };
    let (tests, _) = task_test::integration()?;
    let mut lab = call::program(call::workspace().join("tests/lab/lab"));
    lab.args(options);
    for (name, value) in [("TARE_TEST_SLOW", "6"), ("TARE_TEST_CONTAINERS", "25")] {
        if std::env::var_os(name).is_none() {
            lab.env(name, value);
        }
    }
    if !options.iter().any(|option| option.starts_with("--timeout")) {
        lab.args(["--timeout", "1500"]);
    }
    lab.arg("--");
    // Arguments that are no program select tests.
    match command.first() {
        Some(first) if first.contains('/') || call::installed(first).is_some() => lab.args(command),
        _ => lab.arg(tests).args(command),
    };
    call::run(&mut lab)
}
