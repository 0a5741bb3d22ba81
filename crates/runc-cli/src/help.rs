//! Help texts, made from the tables of commands and flags.
//!
//! The first line is `NAME:` and the second starts with the program's name and the command's: scripts look for them.

use std::fmt::Write;

use crate::command::{self, Command};
use crate::flag::{Flag, HELP};
use crate::global;

/// Help for the program as a whole.
pub(crate) fn program(name: &str) -> String {
    let mut text = format!(
        "NAME:\n   {name} - Open Container Initiative runtime\n\n\
         USAGE:\n   {name} [global options] command [command options] [arguments...]\n\n\
         COMMANDS:\n"
    );
    let rows = command::ALL.iter().map(|command| {
        let name = match command.name {
            "help" => "help, h",
            name => name,
        };
        (name.to_owned(), command.summary)
    });
    push_rows(&mut text, name, rows.collect());
    text.push_str("\nGLOBAL OPTIONS:\n");
    push_flags(&mut text, name, global::FLAGS);
    text
}

/// Help for one command.
pub(crate) fn command(name: &str, command: &Command) -> String {
    let mut text = format!(
        "NAME:\n   {name} {} - {}\n\nUSAGE:\n   {}\n",
        command.name,
        command.summary,
        usage(name, command)
    );
    if !command.about.is_empty() {
        text.push_str("\nDESCRIPTION:\n");
        for line in command.about.lines() {
            let indent = if line.is_empty() { "" } else { "   " };
            let _ = writeln!(text, "{indent}{}", line.replace("{name}", name));
        }
    }
    text.push_str("\nOPTIONS:\n");
    push_flags(&mut text, name, command.flags);
    text.push_str("\nEXAMPLES:\n");
    for (line, does) in command.examples {
        let _ = writeln!(text, "   {name} {line}\n      {does}");
    }
    text
}

/// `tare kill [command options] ID [SIGNAL]`
pub(crate) fn usage(name: &str, command: &Command) -> String {
    let mut text = format!("{name} {}", command.name);
    for part in ["[command options]", command.synopsis] {
        if !part.is_empty() {
            let _ = write!(text, " {part}");
        }
    }
    text
}

fn push_flags(text: &mut String, name: &str, flags: &[&'static Flag]) {
    let shown = flags
        .iter()
        .copied()
        .chain([&HELP])
        .filter(|flag| !flag.hidden);
    push_rows(
        text,
        name,
        shown.map(|flag| (flag.synopsis(), flag.help)).collect(),
    );
}

/// Two columns, the first as wide as it must be.
fn push_rows(text: &mut String, name: &str, rows: Vec<(String, &str)>) {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    for (left, right) in rows {
        let right = right.replace("{name}", name);
        let _ = writeln!(text, "   {left:width$}  {right}");
    }
}
