//! `delete`: remove what is left of a container.

use libcontainer::Container;

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::timings::TIMINGS;

static FORCE: Flag = Flag::switch(
    "force",
    "kill the container first when it runs; say nothing when there is none",
)
.short("f");

pub(crate) static COMMAND: Command = Command {
    name: "delete",
    summary: "remove a container that is not running",
    synopsis: "ID",
    about: "",
    examples: &[
        ("delete web", "remove the stopped container web"),
        (
            "delete --force web",
            "remove it whatever it does; no error when there is none",
        ),
    ],
    flags: &[&FORCE, &TIMINGS],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let force = invocation.switch(&FORCE);
    Container::delete(global.store(), invocation.id()?, force)?;
    Ok(0)
}
