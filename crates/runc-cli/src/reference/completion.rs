//! Completions for bash, zsh and fish.

use std::fmt::Write;

use super::{Argument, arguments, shown};
use crate::command::{self, Command};
use crate::flag::{Flag, Kind};
use crate::{global, signal};

/// What a shell can propose as the value of a flag.
enum Proposal {
    /// The flag takes no value.
    Nothing,
    Directory,
    File,
    OneOf(&'static [&'static str]),
    /// Nobody knows.
    Any,
}

fn proposal(flag: &Flag) -> Proposal {
    match (flag.kind, flag.value) {
        (Kind::Switch, _) => Proposal::Nothing,
        (Kind::Path, "DIR") => Proposal::Directory,
        (Kind::Path, _) | (_, "FILE") => Proposal::File,
        _ if !flag.choices.is_empty() => Proposal::OneOf(flag.choices),
        _ => Proposal::Any,
    }
}

/// The global flags, under an empty name, and those of each command.
fn tables() -> impl Iterator<Item = (&'static str, &'static [&'static Flag])> {
    let commands = command::ALL.iter().map(|one| (one.name, one.flags));
    std::iter::once(("", global::FLAGS)).chain(commands)
}

fn names(flag: &'static Flag) -> impl Iterator<Item = &'static str> {
    std::iter::once(flag.name).chain(flag.short)
}

fn command_names() -> String {
    let names: Vec<&str> = command::ALL.iter().map(|one| one.name).collect();
    names.join(" ")
}

fn signal_names() -> String {
    signal::names().join(" ")
}

const MADE: &str = "Made from the tables in crates/runc-cli by `cargo xtask dist --docs`.";

/// A script is a template in which `@NAME@` lines stand for what the tables say.
fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut text = template.replace("@MADE@", MADE);
    for (name, part) in parts {
        text = text.replace(&format!("@{name}@\n"), part);
        text = text.replace(&format!("@{name}@"), part);
    }
    text
}

pub(super) fn bash() -> String {
    // Which `command flag` takes what; both words are looked up together.
    let mut values = String::new();
    let mut options = String::new();
    for (command, flags) in tables() {
        let mut words = Vec::new();
        for flag in shown(flags) {
            words.push(format!("--{}", flag.name));
            let answer = match proposal(flag) {
                Proposal::Nothing => continue,
                Proposal::Directory => "directory".to_owned(),
                Proposal::File => "file".to_owned(),
                Proposal::OneOf(words) => words.join(" "),
                Proposal::Any => "any".to_owned(),
            };
            let keys: Vec<String> = names(flag)
                .map(|name| format!("\"{command} {name}\""))
                .collect();
            let _ = writeln!(values, "    {}) value=\"{answer}\" ;;", keys.join(" | "));
        }
        let _ = writeln!(
            options,
            "    \"{command}\") words=\"{}\" ;;",
            words.join(" ")
        );
    }
    let mut places = "    \" 0\") words=$commands ;;\n".to_owned();
    for command in command::ALL {
        for (index, argument) in arguments(command).into_iter().enumerate() {
            let answer = match argument {
                Argument::Container => "words=$(_tare_containers)",
                Argument::Signal => "words=$signals",
                Argument::Bundle => "value=directory",
                Argument::Command => "words=$commands",
            };
            let _ = writeln!(places, "    \"{} {index}\") {answer} ;;", command.name);
        }
    }
    fill(
        include_str!("tare.bash"),
        &[
            ("VALUES", values),
            ("OPTIONS", options),
            ("PLACES", places),
            ("COMMANDS", command_names()),
            ("SIGNALS", signal_names()),
        ],
    )
}

pub(super) fn zsh() -> String {
    let mut summaries = String::new();
    let mut commands = String::new();
    for command in command::ALL {
        let summary = zsh_text(command.summary);
        let _ = writeln!(
            summaries,
            "                {}",
            quote(&format!("{}:{summary}", command.name))
        );
        let _ = writeln!(
            commands,
            "                {})\n                    _arguments \\",
            command.name
        );
        commands.push_str(&zsh_flags(command.flags, "                        "));
        commands.push_str(&zsh_arguments(command));
        commands.push_str("                    ;;\n");
    }
    fill(
        include_str!("tare.zsh"),
        &[
            ("GLOBAL", zsh_flags(global::FLAGS, "        ")),
            ("SUMMARIES", summaries),
            ("CASES", commands),
            ("SIGNALS", signal_names()),
        ],
    )
}

/// One specification of `_arguments` on each line, for each flag.
fn zsh_flags(flags: &'static [&'static Flag], indent: &str) -> String {
    let mut text = String::new();
    for flag in shown(flags) {
        let help = zsh_text(&flag.help.replace("{name}", "tare"));
        let action = match proposal(flag) {
            Proposal::Nothing => String::new(),
            Proposal::Directory => format!(":{}:_directories", zsh_text(flag.value)),
            Proposal::File => format!(":{}:_files", zsh_text(flag.value)),
            Proposal::OneOf(words) => format!(":{}:({})", zsh_text(flag.value), words.join(" ")),
            Proposal::Any => format!(":{}: ", zsh_text(flag.value)),
        };
        let (equals, again) = match flag.kind {
            Kind::Switch => ("", ""),
            Kind::List => ("=", "*"),
            _ => ("=", ""),
        };
        let both = match flag.short {
            Some(short) if again.is_empty() => format!("(--{} -{short})", flag.name),
            _ => again.to_owned(),
        };
        let long = format!("{both}--{}{equals}[{help}]{action}", flag.name);
        let _ = writeln!(text, "{indent}{} \\", quote(&long));
        if let Some(short) = flag.short {
            let short = format!("{both}-{short}[{help}]{action}");
            let _ = writeln!(text, "{indent}{} \\", quote(&short));
        }
    }
    text
}

fn zsh_arguments(command: &Command) -> String {
    let mut text = String::new();
    for (index, argument) in arguments(command).into_iter().enumerate() {
        let action = match argument {
            Argument::Container => "container:_tare_containers",
            Argument::Signal => "signal:($signals)",
            Argument::Bundle => "bundle:_directories",
            Argument::Command => "command:($commands)",
        };
        // In double quotes, for the names of signals and commands are in variables.
        let optional = if index == 0 && argument == Argument::Container {
            ""
        } else {
            ":"
        };
        let _ = writeln!(
            text,
            "                        \"{}:{optional}{action}\" \\",
            index + 1
        );
    }
    // What follows belongs to somebody else, or is nothing.
    text.push_str("                        '*: : '\n");
    text
}

/// Characters that mean something in a specification.
fn zsh_text(text: &str) -> String {
    let mut result = String::new();
    for letter in text.chars() {
        if matches!(letter, ':' | '[' | ']' | '\\') {
            result.push('\\');
        }
        result.push(letter);
    }
    result
}

/// A word in single quotes, as all three shells read them.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

pub(super) fn fish() -> String {
    let mut with_value = String::new();
    let mut rows = String::new();
    for (command, flags) in tables() {
        let keys: Vec<String> = shown(flags)
            .filter(|flag| flag.kind != Kind::Switch)
            .flat_map(names)
            .map(|name| format!("'{command} {name}'"))
            .collect();
        if !keys.is_empty() {
            let _ = writeln!(
                with_value,
                "        case {}\n            return 0",
                keys.join(" ")
            );
        }
        for flag in shown(flags) {
            let _ = writeln!(rows, "{}", fish_flag(command, flag));
        }
    }
    for command in command::ALL {
        let (name, summary) = (command.name, quote(command.summary));
        let _ = writeln!(
            rows,
            "complete -c tare -n '__tare_at \"\" 0' -a {name} -d {summary}"
        );
        for (index, argument) in arguments(command).into_iter().enumerate() {
            let words = match argument {
                Argument::Container => "'(__tare_containers)'".to_owned(),
                Argument::Signal => quote(&signal_names()),
                Argument::Bundle => "'(__fish_complete_directories)'".to_owned(),
                Argument::Command => quote(&command_names()),
            };
            let _ = writeln!(
                rows,
                "complete -c tare -n '__tare_at {name} {index}' -a {words}"
            );
        }
    }
    fill(
        include_str!("tare.fish"),
        &[("WITH_VALUE", with_value), ("ROWS", rows)],
    )
}

fn fish_flag(command: &str, flag: &Flag) -> String {
    let mut row = format!(
        "complete -c tare -n '__tare_in \"{command}\"' -l {}",
        flag.name
    );
    if let Some(short) = flag.short {
        let _ = write!(row, " -s {short}");
    }
    row.push_str(&match proposal(flag) {
        Proposal::Nothing => String::new(),
        Proposal::Directory => " -x -a '(__fish_complete_directories)'".to_owned(),
        Proposal::File => " -r -F".to_owned(),
        Proposal::OneOf(words) => format!(" -x -a '{}'", words.join(" ")),
        Proposal::Any => " -x".to_owned(),
    });
    let _ = write!(row, " -d {}", quote(&flag.help.replace("{name}", "tare")));
    row
}
