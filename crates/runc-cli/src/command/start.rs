//! `start`: let the program of a created container begin.

use libcontainer::Container;

use super::create::notify_socket;
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
    let container = Container::open(global.store(), invocation.id()?)?;
    match notify_socket() {
        None => container.start()?,
        Some(manager) => {
            let readiness = container.readiness(&manager)?;
            container.start()?;
            // One that has ended, and was reaped, says nothing any more.
            if let (Some(readiness), Ok(process)) = (readiness, container.process()) {
                readiness.wait(&process)?;
            }
        }
    }
    Ok(0)
}
