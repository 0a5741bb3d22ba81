//! `docs/cli.md`, made from the tables of commands and flags.
//!
//! The file is the snapshot of the whole command line: no command or flag changes without showing in a review.
//! `TARE_UPDATE_DOCS=1 cargo test -p tare` writes it anew.

use std::fmt::Write;
use std::path::Path;

use crate::command::{self, Command};
use crate::flag::{Flag, Kind};
use crate::{global, help};

const INTRODUCTION: &str = "\
# Command line

<!-- Made from the tables in crates/runc-cli; `TARE_UPDATE_DOCS=1 cargo test -p tare` writes it anew. -->

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
| 255 | `exec` could not start the process; the kernel could not execute the program of `run` |
| any | `run` and `exec` in the foreground: the exit code of the process, or 128 and the number of the signal that ended it |

## Log

Errors and warnings are lines on standard error: `time=\"…\" level=error msg=\"…\"`. With `--log FILE` they are appended
to the file, and the error that ended the command is also printed on standard error. With `--log-format json` a line is
`{\"level\":\"error\",\"msg\":\"…\",\"time\":\"…\"}`, followed by the parts of an error that are known by name: `operation`,
`container`, `config` (the field of config.json), `step`, `file`, `call`, `errno`, `hint`.
";

fn page() -> String {
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

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = page();
    if std::env::var_os("TARE_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/cli.md is out of date: TARE_UPDATE_DOCS=1 cargo test -p tare"
    );
}

#[test]
fn names_are_unique_and_texts_are_one_sentence() {
    let tables = command::ALL
        .iter()
        .map(|command| (command.name, command.flags));
    for (name, flags) in tables.chain([("global", global::FLAGS)]) {
        let mut names: Vec<&str> = Vec::new();
        for flag in flags.iter().copied().chain([&crate::flag::HELP]) {
            names.push(flag.name);
            names.extend(flag.short);
            assert!(!flag.help.ends_with('.'), "{name} --{}", flag.name);
            let switch = flag.kind == Kind::Switch;
            assert_eq!(flag.value.is_empty(), switch, "{name} --{}", flag.name);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{name} names a flag twice");
    }
    let names: Vec<&str> = command::ALL.iter().map(|command| command.name).collect();
    assert!(names.is_sorted());
}
