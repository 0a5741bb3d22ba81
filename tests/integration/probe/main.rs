//! A small static program that tells what it sees, for the inside of containers.
//!
//! It needs no C library and no file besides itself. Commands can be joined: `probe env -- cat /proc/self/status`.
//! All output goes to standard output, errors too (as `open /x: ENOENT`), so that their order is kept; the exit status
//! is 1 when one of the commands failed. See `COMMANDS` for the list.
#![no_std]
#![no_main]

mod entry;
mod files;
mod out;
mod processes;
mod report;
mod text;

use core::ffi::CStr;

use entry::Strings;
use out::{Bytes, Out};
use text::{Answer, Wrong};

/// What a command works with.
pub struct Context {
    /// Standard output.
    pub out: Out,
    /// The environment.
    pub environment: Strings,
    /// The path that the program was started by.
    pub program: &'static CStr,
}

type Command = fn(&mut Context, &[&'static CStr]) -> Answer;

/// All commands by name.
const COMMANDS: &[(&str, &str, Command)] = &[
    ("report", "print a summary of everything", report::report),
    ("cat", "FILE… print files", files::cat),
    ("ls", "DIR… print the names in directories", files::list),
    (
        "stat",
        "FILE… print type, mode, uid, gid, rdev, size and inode",
        files::stat,
    ),
    (
        "statfs",
        "PATH… print the file system type and the mount flags",
        files::statfs,
    ),
    (
        "readlink",
        "FILE… print what links contain",
        files::read_link,
    ),
    (
        "write",
        "FILE TEXT write a text into a file, which is made when it is missing",
        files::write,
    ),
    (
        "fill",
        "FILE MEGABYTES write so much into a file",
        files::fill,
    ),
    ("open", "FILE r|w|rw open a file", files::open),
    ("mkdir", "DIR… make directories", files::make_directory),
    ("touch", "FILE… make files", files::touch),
    (
        "mknod",
        "FILE c|b MAJOR MINOR make a device",
        files::make_node,
    ),
    ("chmod", "MODE FILE change permissions", files::change_mode),
    (
        "meddle",
        "FILE… try to change permissions, owner, times, attributes and length, and print what that answers",
        files::meddle,
    ),
    (
        "snoop",
        "PATH look for ever whether any process leads to this path of somebody else's",
        files::snoop,
    ),
    ("rm", "FILE… remove files", files::remove),
    ("mount", "SOURCE TARGET TYPE FLAGS mount", files::mount),
    (
        "pwd",
        "print the current directory",
        files::current_directory,
    ),
    (
        "log",
        "FILE send all further output to the end of a file",
        files::log,
    ),
    ("stdin", "print standard input", files::standard_input),
    (
        "fds",
        "print each open descriptor and what it is",
        files::descriptors,
    ),
    ("env", "print the environment", processes::environment),
    (
        "args",
        "ARG… print the arguments, one a line",
        processes::arguments,
    ),
    ("echo", "TEXT… print the arguments", processes::echo),
    (
        "err",
        "TEXT… print the arguments on standard error",
        processes::echo_error,
    ),
    ("limits", "print resource limits", processes::limits),
    (
        "status",
        "FIELD… print fields of /proc/self/status",
        processes::status,
    ),
    (
        "io-priority",
        "print the I/O priority as class level",
        processes::io_priority,
    ),
    (
        "personality",
        "NUMBER set the execution domain",
        processes::personality,
    ),
    (
        "foreign",
        "i386|x32 print what mkdir(2) of no path answers through the kernel's other entries",
        processes::foreign,
    ),
    (
        "umask",
        "print the file mode creation mask",
        processes::umask,
    ),
    (
        "tty",
        "print what standard input to error are, and the window size",
        processes::terminal,
    ),
    (
        "keyring",
        "print the session keyring's description",
        processes::keyring,
    ),
    ("sleep", "SECONDS sleep", processes::sleep),
    (
        "spawn",
        "COMMAND… start the probe once more without waiting, and print its pid",
        processes::spawn,
    ),
    ("reap", "wait for all children", processes::reap),
    ("kill-self", "SIGNAL die by a signal", processes::kill_self),
    (
        "wait-signal",
        "print the names of arriving signals; exit with 42 at TERM",
        processes::wait_signal,
    ),
    (
        "read-line",
        "print one line of standard input",
        processes::read_line,
    ),
    ("setuid", "UID change the user", processes::set_user),
    ("exec", "PROGRAM ARG… execute", processes::execute),
    ("exit", "STATUS exit", processes::exit),
    ("true", "do nothing", |_, _| Ok(())),
    ("false", "fail", |_, _| Err(Wrong::Usage("false fails"))),
];

/// Runs the commands in the arguments and returns the exit status.
fn run(mut arguments: Strings, environment: Strings) -> i32 {
    let program = arguments.next().unwrap_or(c"probe");
    let mut context = Context {
        out: Out::to(kernel::Stream::OUTPUT.borrow()),
        environment,
        program,
    };
    let mut words = [c""; 128];
    let mut count = 0;
    for word in arguments {
        let Some(place) = words.get_mut(count) else {
            context.out.line(format_args!("too many arguments"));
            return 2;
        };
        *place = word;
        count += 1;
    }
    // Under the name of a command it is that command, as with busybox.
    let base = program
        .to_bytes()
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    if let Some(command) = find(base) {
        return perform(&mut context, command, &words[..count]);
    }
    let mut status = 0;
    for group in words[..count].split(|word| *word == c"--") {
        let Some((name, rest)) = group.split_first() else {
            continue;
        };
        match find(name.to_bytes()) {
            Some(command) => status |= perform(&mut context, command, rest),
            None => {
                context
                    .out
                    .line(format_args!("{}: no such command", Bytes(name.to_bytes())));
                for (name, help, _) in COMMANDS {
                    context.out.line(format_args!("  {name:<12} {help}"));
                }
                status = 2;
            }
        }
    }
    if count == 0 {
        perform(&mut context, report::report, &[])
    } else {
        status
    }
}

fn find(name: &[u8]) -> Option<Command> {
    COMMANDS
        .iter()
        .find(|row| row.0.as_bytes() == name)
        .map(|row| row.2)
}

fn perform(context: &mut Context, command: Command, arguments: &[&'static CStr]) -> i32 {
    match command(context, arguments) {
        Ok(()) => 0,
        Err(wrong) => {
            context.out.line(format_args!("{wrong}"));
            1
        }
    }
}
