//! `events`: statistics and out-of-memory events as they come.

use std::time::Duration;

use libcontainer::Container;

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};

static INTERVAL: Flag = Flag::duration("interval", "time between statistics (default: 5s)");
static STATS: Flag = Flag::switch("stats", "print statistics once and end");

pub(crate) static COMMAND: Command = Command {
    name: "events",
    summary: "print statistics and events of a container",
    synopsis: "ID",
    about: "Prints one JSON document a line until the container ends.",
    flags: &[&INTERVAL, &STATS],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let interval = invocation.duration(&INTERVAL);
    if interval == Some(Duration::ZERO) {
        return Err(Failure::new("duration interval must be greater than 0"));
    }
    Container::open(&global.store(), invocation.id()?)?;
    Err(Failure::new(
        "events is not supported yet: reading statistics of cgroups is missing",
    ))
}
