//! `tare`, a low-level OCI container runtime: the command line.
//!
//! This crate reads arguments, prints answers, writes the log and chooses exit codes. What a container is, and what is
//! done to it, is in `libcontainer`. Each command is one file in [`command`]; its flags are a table there, from which
//! parsing, help and `docs/cli.md` follow.

#![cfg_attr(not(test), no_main)]

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

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::exit;

use command::Command;
use failure::Failure;
use flag::HELP;
use global::{Global, VERSION};
use invocation::{Invocation, Order};
use kernel::entry::Arguments;
use kernel::{Errno, Stream, file, process};
use program::Program;

/// A run takes milliseconds: what it frees is not worth giving back.
#[global_allocator]
static ALLOCATOR: kernel::memory::ShortLived =
    kernel::memory::ShortLived::or_end(logger::out_of_memory);

#[cfg(not(test))]
kernel::entry!(main);

fn main(words: Arguments) -> i32 {
    std::panic::set_hook(Box::new(|panic| {
        // A defect of ours, but the engine that called should still find a reason in its log.
        logger::fatal(&Failure::new(format!("internal error: {panic}")));
        exit(1);
    }));
    let mut words = words.map(|word| OsStr::from_bytes(word.to_bytes()).to_owned());
    let program = Program::from_argument(words.next());
    let words: Vec<OsString> = words.collect();
    match prepare().and_then(|()| run(program, &words)) {
        Ok(status) => status,
        Err(failure) => {
            logger::fatal(&failure);
            failure.status
        }
    }
}

const SIGPIPE: i32 = 13;
const SIGCHLD: i32 = 17;
const SIGXFSZ: i32 = 25;

/// What is inherited from the caller becomes what the rest of the program relies on.
fn prepare() -> Result<(), Failure> {
    let failed = |doing: &'static str| move |fault| Failure::new(format!("{doing}: {fault}"));
    // What is opened next would become a stream that is closed.
    for stream in Stream::all() {
        match file::status_flags(stream.borrow()) {
            Err(fault) if fault.is(Errno::EBADF) => {
                open_null_as(stream)
                    .map_err(failed("open /dev/null as a stream that is closed"))?;
            }
            answer => answer
                .map(drop)
                .map_err(failed("look at standard streams"))?,
        }
    }
    // When it is inherited as ignored, the kernel tells nobody how children end.
    process::default_action(SIGCHLD).map_err(failed("take note of children"))?;
    // A write to a pipe that nobody reads, or beyond RLIMIT_FSIZE, is to fail, so that the error says which, instead of ending us
    // without a word. Init sets both to the default for the program.
    let ignored = process::ignore(SIGPIPE).and_then(|()| process::ignore(SIGXFSZ));
    ignored.map_err(failed("go on after writes that fail"))
}

fn open_null_as(stream: Stream) -> kernel::Result<()> {
    let lowest = file::open_at(file::HERE, c"/dev/null", file::open::RDWR, 0)?;
    let null = file::duplicate_above(lowest.borrow(), 3)?;
    // It had the number that is to be filled.
    drop(lowest);
    file::duplicate_onto(null.borrow(), stream)
}

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
