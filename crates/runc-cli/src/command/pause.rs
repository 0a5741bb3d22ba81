//! `pause`: stop the container's processes where they are.

use libcontainer::Container;

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::global::Global;
use crate::invocation::{Invocation, Order};

pub(crate) static COMMAND: Command = Command {
    name: "pause",
    summary: "suspend all processes of a container",
    synopsis: "ID",
    about: "Uses the freezer of the container's cgroup.",
    examples: &[("pause web", "stop all processes of web where they are")],
    flags: &[],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    Container::open(global.store(), invocation.id()?)?.pause()?;
    Ok(0)
}
