//! `features`: what this runtime can do, for engines that ask before they use it.

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::output;

pub(crate) static COMMAND: Command = Command {
    name: "features",
    summary: "print the supported features",
    synopsis: "",
    about: "Prints the features document of the OCI runtime specification, as JSON.",
    examples: &[("features", "the document that engines read")],
    flags: &[],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(0),
    run,
};

fn run(_: &Global, _: &Invocation) -> Result<i32, Failure> {
    let mut text = output::pretty(&libcontainer::features(), "    ")?;
    text.push('\n');
    output::print(&text).map(|()| 0)
}
