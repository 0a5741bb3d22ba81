//! The commands, one file each: a table of flags, and a function that turns them into one call of the library.

mod check;
mod checkpoint;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod gc;
mod help;
mod info;
mod kill;
mod list;
mod pause;
mod plan;
mod ps;
mod restore;
mod resume;
mod run;
mod seccomp;
mod spec;
mod start;
mod state;
mod update;

use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::nearest::nearest;

/// A command as data.
#[derive(Debug)]
pub(crate) struct Command {
    /// The word that calls it.
    pub(crate) name: &'static str,
    /// One line, without a full stop.
    pub(crate) summary: &'static str,
    /// What follows the flags, as help texts show it.
    pub(crate) synopsis: &'static str,
    /// Paragraphs for help texts; may be empty. `{name}` stands for the program.
    pub(crate) about: &'static str,
    /// Command lines without the program's name, and what each does.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    pub(crate) flags: &'static [&'static Flag],
    pub(crate) order: Order,
    pub(crate) arguments: Arguments,
    /// Does it; the answer is the exit code.
    pub(crate) run: fn(&Global, &Invocation) -> Result<i32, Failure>,
}

impl Command {
    /// Whether the first argument is the id of a container.
    pub(crate) fn is_about_one_container(&self) -> bool {
        self.synopsis.starts_with("ID")
    }
}

/// How many arguments a command takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arguments {
    Exactly(usize),
    AtLeast(usize),
    Between(usize, usize),
}

impl Arguments {
    /// The rule that `count` arguments break, as a message continues after "requires".
    pub(crate) fn broken_by(self, count: usize) -> Option<String> {
        match self {
            Arguments::Exactly(expected) if count != expected => {
                Some(format!("exactly {expected}"))
            }
            Arguments::AtLeast(least) | Arguments::Between(least, _) if count < least => {
                Some(format!("a minimum of {least}"))
            }
            Arguments::Between(_, most) if count > most => Some(format!("a maximum of {most}")),
            _ => None,
        }
    }
}

/// All commands, in the order of help texts.
pub(crate) static ALL: &[&Command] = &[
    &check::COMMAND,
    &checkpoint::COMMAND,
    &create::COMMAND,
    &delete::COMMAND,
    &events::COMMAND,
    &exec::COMMAND,
    &features::COMMAND,
    &gc::COMMAND,
    &help::COMMAND,
    &info::COMMAND,
    &kill::COMMAND,
    &list::COMMAND,
    &pause::COMMAND,
    &plan::COMMAND,
    &ps::COMMAND,
    &restore::COMMAND,
    &resume::COMMAND,
    &run::COMMAND,
    &seccomp::COMMAND,
    &spec::COMMAND,
    &start::COMMAND,
    &state::COMMAND,
    &update::COMMAND,
];

/// The command called by this word.
pub(crate) fn find(word: &str) -> Option<&'static Command> {
    let name = if word == "h" { "help" } else { word };
    ALL.iter().copied().find(|command| command.name == name)
}

/// There is no command of this name.
pub(crate) fn unknown(word: &str) -> Failure {
    let names = ALL.iter().map(|command| command.name);
    let meant = match nearest(word, names) {
        Some(name) => format!(" (did you mean '{name}'?)"),
        None => String::new(),
    };
    Failure::new(format!("No help topic for '{word}'{meant}")).status(3)
}
