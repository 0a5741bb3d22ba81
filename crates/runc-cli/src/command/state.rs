//! `state`: what is known about one container.

use libcontainer::Container;

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::output;

pub(crate) static COMMAND: Command = Command {
    name: "state",
    summary: "print the state of a container",
    synopsis: "ID",
    about: "Prints a JSON document. Its status is created, running, paused or stopped.",
    examples: &[("state web", "what is known about web, as JSON")],
    flags: &[],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let state = Container::open(global.store(), invocation.id()?)?.state()?;
    // Without a final newline, as callers that compare bytes know it.
    output::print(&output::pretty(&state, "  ")?)?;
    Ok(0)
}
