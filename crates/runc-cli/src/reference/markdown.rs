//! `docs/cli.md`: the whole command line on one page.

use std::fmt::Write;

use crate::command::{self, Command};
use crate::flag::{Flag, Kind};
use crate::{global, help};

const INTRODUCTION: &str = "\
# Command line

<!-- Made from the tables in crates/runc-cli; `cargo xtask dist --docs` writes it anew. -->

`tare [global options] command [command options] [arguments...]`

Options may stand before or after the arguments, except with `exec`, where everything after the id belongs to the
command. One dash or two make no difference; `--name value` and `--name=value` mean the same. A switch is turned off by
`--name=false`. Paths are relative to the caller's current directory.

Called under a name that ends in `runc`, tare takes that name: in messages, in `--version`, and in the directory for
state, `/run/runc`.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | an error; the log says which |
| 3 | there is no such command |
| 255 | `exec` could not start the process |
| any | `run` and `exec` in the foreground: the exit code of the process, or 128 and the number of the signal that ended it |

## Log

Errors and warnings are lines on standard error: `time=\"…\" level=error msg=\"…\"`. With `--log FILE` they are appended
to the file, and the error that ended the command is also printed on standard error. With `--log-format json` a line is
`{\"level\":\"error\",\"msg\":\"…\",\"time\":\"…\"}`, followed by the parts of an error that are known by name: `operation`,
`container`, `config` (the field of config.json), `step`, `file`, `call`, `errno`, `hint`.

With `--debug` the log tells the story of a call: what the host offers, where the cgroup is, how large the filter is, every step
as it begins and how long it took, what hooks said. The container's first process cannot log; its steps follow when it is done.

## Timings

`create`, `run`, `start`, `exec` and `delete` say with `--timings table` (or `json`, or `trace`) where their time went, step by
step, for the runtime and for the container's first process. With `TARE_TIMINGS=FILE` in the environment, all such calls
append to FILE what Perfetto and the tracing pages of browsers open: one timeline of everything that an engine calls.
";

pub(super) fn page() -> String {
    let mut page = format!("{INTRODUCTION}\n## Global options\n\n");
    push_flags(&mut page, global::FLAGS);
    for command in command::ALL {
        push_command(&mut page, command);
    }
    page
}

fn push_command(page: &mut String, command: &Command) {
    let name = command.name;
    let _ = write!(
        page,
        "\n## {name}\n\n`{}`\n\n",
        help::usage("tare", command)
    );
    let mut summary = command.summary.to_owned();
    summary[..1].make_ascii_uppercase();
    let _ = writeln!(page, "{summary}.");
    if !command.about.is_empty() {
        let _ = writeln!(page, "\n{}", command.about.replace("{name}", "tare"));
    }
    if !command.flags.is_empty() {
        page.push('\n');
        push_flags(page, command.flags);
    }
    page.push_str("\n```sh\n");
    let width = command.examples.iter().map(|(line, _)| line.len()).max();
    let width = width.unwrap_or(0);
    for (line, does) in command.examples {
        let _ = writeln!(page, "tare {line:width$}  # {does}");
    }
    page.push_str("```\n");
}

fn push_flags(page: &mut String, flags: &[&Flag]) {
    page.push_str("| option | meaning |\n|---|---|\n");
    for flag in flags {
        let mut notes = String::new();
        if flag.kind == Kind::List {
            notes.push_str("; may be repeated");
        }
        if flag.hidden {
            notes.push_str(" (not shown by `--help`)");
        }
        let help = flag.help.replace("{name}", "tare").replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {help}{notes} |", flag.synopsis());
    }
}
