//! `resume`: let paused processes go on.

use libcontainer::Container;

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::global::Global;
use crate::invocation::{Invocation, Order};

pub(crate) static COMMAND: Command = Command {
    name: "resume",
    summary: "resume all processes of a paused container",
    synopsis: "ID",
    about: "",
    examples: &[("resume web", "let the processes of web go on")],
    flags: &[],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    Container::open(global.store(), invocation.id()?)?.resume()?;
    Ok(0)
}
