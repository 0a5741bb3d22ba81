//! `start`: let the program of a created container begin.

use libcontainer::Container;

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::timings::TIMINGS;

pub(crate) static COMMAND: Command = Command {
    name: "start",
    summary: "start a created container",
    synopsis: "ID",
    about: "",
    examples: &[(
        "start web",
        "let the program of the created container web begin",
    )],
    flags: &[&TIMINGS],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    Container::open(&global.store(), invocation.id()?)?.start()?;
    Ok(0)
}
