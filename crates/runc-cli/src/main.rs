//! `tare`, a low-level OCI container runtime: the command line.
//!
//! This crate reads arguments, prints answers, writes the log and chooses exit codes. What a container is, and what is
//! done to it, is in `libcontainer`. Each command is one file in [`command`]; its flags are a table there, from which
//! parsing, help and `docs/cli.md` follow.

mod command;
mod failure;
mod flag;
mod foreground;
mod global;
mod help;
mod invocation;
mod logger;
mod nearest;
mod output;
mod program;
#[cfg(test)]
mod reference;
mod signal;
mod time;
mod timings;

use std::ffi::OsString;
use std::process::exit;

use command::Command;
use failure::Failure;
use flag::HELP;
use global::{Global, VERSION};
use invocation::{Invocation, Order};
use program::Program;

/// A run takes milliseconds: what it frees is not worth giving back.
#[global_allocator]
static ALLOCATOR: kernel::memory::ShortLived =
    kernel::memory::ShortLived::or_end(logger::out_of_memory);

fn main() {
    std::panic::set_hook(Box::new(|panic| {
        // A defect of ours, but the engine that called should still find a reason in its log.
        logger::fatal(&Failure::new(format!("internal error: {panic}")));
        exit(1);
    }));
    // It may have been inherited as ignored: then the kernel would tell nobody how children end.
    if let Err(fault) = kernel::process::default_action(SIGCHLD) {
        logger::fatal(&Failure::new(format!("take note of children: {fault}")));
        exit(1);
    }
    // Beyond RLIMIT_FSIZE a write is to fail, so that the error says which, instead of ending us without a word. Init sets it to
    // the default for the program.
    if let Err(fault) = kernel::process::ignore(SIGXFSZ) {
        logger::fatal(&Failure::new(format!("go on after large files: {fault}")));
        exit(1);
    }
    let mut words = std::env::args_os();
    let program = Program::from_argument(words.next());
    let words: Vec<OsString> = words.collect();
    match run(program, &words) {
        Ok(status) => exit(status),
        Err(failure) => {
            logger::fatal(&failure);
            exit(failure.status);
        }
    }
}

const SIGCHLD: i32 = 17;
const SIGXFSZ: i32 = 25;

/// Runs the whole command line; the answer is the exit code.
fn run(program: Program, words: &[OsString]) -> Result<i32, Failure> {
    let invocation = match Invocation::parse(global::FLAGS, Order::First, words) {
        Ok(invocation) => invocation,
        Err(mistake) => {
            let help = help::program(&program.name);
            output::print(&format!("Incorrect Usage. {mistake}\n\n{help}"))?;
            return Err(Failure::new(mistake));
        }
    };
    if invocation.switch(&VERSION) {
        return output::print(&program.version()).map(|()| 0);
    }
    if invocation.switch(&HELP) || invocation.arguments.is_empty() {
        return output::print(&help::program(&program.name)).map(|()| 0);
    }
    let global = Global::new(program, &invocation)?;
    let name = &invocation.arguments[0];
    let command = name
        .to_str()
        .and_then(command::find)
        .ok_or_else(|| command::unknown(&name.to_string_lossy()))?;
    run_command(command, &global, &invocation.arguments[1..])
}

fn run_command(command: &Command, global: &Global, words: &[OsString]) -> Result<i32, Failure> {
    let program = &global.program.name;
    let invocation = match Invocation::parse(command.flags, command.order, words) {
        Ok(invocation) => invocation,
        Err(mistake) => {
            let help = help::command(program, command);
            output::print(&format!("Incorrect Usage: {mistake}\n\n{help}"))?;
            return Err(Failure::new(mistake));
        }
    };
    if invocation.switch(&HELP) {
        return output::print(&help::command(program, command)).map(|()| 0);
    }
    if let Some(rule) = command.arguments.broken_by(invocation.arguments.len()) {
        let help = help::command(program, command);
        output::print(&format!("Incorrect Usage.\n\n{help}"))?;
        let name = command.name;
        return Err(Failure::new(format!(
            "{program}: \"{name}\" requires {rule} argument(s)"
        )));
    }
    let run = || (command.run)(global, &invocation);
    let answer = timings::recorded(command.name, command.flags, &invocation, run);
    answer.map_err(|mut failure| {
        if failure.about_the_store {
            failure.message += &format!(" in {}", global.root.display());
        }
        let failure = match invocation.id() {
            Ok(id) if command.is_about_one_container() => failure.field("container", id),
            _ => failure,
        };
        failure.field("operation", command.name)
    })
}
