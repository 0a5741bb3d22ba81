//! `help`: the same texts as `--help`.

use super::{Arguments, Command, find, unknown};
use crate::failure::Failure;
use crate::global::Global;
use crate::help;
use crate::invocation::{Invocation, Order};
use crate::output;

pub(crate) static COMMAND: Command = Command {
    name: "help",
    summary: "show all commands, or help for one",
    synopsis: "[COMMAND]",
    about: "",
    examples: &[("help run", "help for the command run")],
    flags: &[],
    order: Order::Anywhere,
    arguments: Arguments::Between(0, 1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let program = &global.program.name;
    let text = match invocation.argument(0)? {
        "" => help::program(program),
        name => {
            let command = find(name).ok_or_else(|| unknown(name))?;
            help::command(program, command)
        }
    };
    output::print(&text).map(|()| 0)
}
