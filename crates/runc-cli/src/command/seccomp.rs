//! `seccomp`: the bundle's system call filter, for those who audit it.

use std::path::Path;

use libcontainer::Bundle;

use super::{Arguments, Command, create};
use crate::failure::Failure;
use crate::flag::BUNDLE;
use crate::global::Global;
use crate::invocation::{Invocation, Order, absolute};
use crate::output;

pub(crate) static COMMAND: Command = Command {
    name: "seccomp",
    summary: "print what the bundle's system call filter does",
    synopsis: "[BUNDLE]",
    about: "\
Compiles linux.seccomp of config.json and prints the filter as text: for each
architecture, which system calls get which answer. Nothing on the system
changes.",
    examples: &[(
        "seccomp /srv/web",
        "what the filter of this bundle answers to which call",
    )],
    flags: &[&BUNDLE],
    order: Order::Anywhere,
    arguments: Arguments::Between(0, 1),
    run,
};

fn run(_: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let bundle = match invocation.arguments.first() {
        Some(dir) => Bundle::load(absolute(Path::new(dir))?)?,
        None => create::bundle(invocation)?,
    };
    output::print(&libcontainer::seccomp_text(&bundle)?).map(|()| 0)
}
