//! `help`: the same texts as `--help`.

use super::{Arguments, Command, find};
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
            let command = find(name)
                .ok_or_else(|| Failure::new(format!("No help topic for '{name}'")).status(3))?;
            help::command(program, command)
        }
    };
    output::print(&text).map(|()| 0)
}
