//! What is written down about the command line, made from the tables of commands and flags: `docs/cli.md`, manual pages,
//! completions for shells.
//!
//! The files are kept beside the sources, so that no command or flag changes without showing in a review, and packages
//! need no tools to make them. `cargo xtask dist --docs` writes them anew.

mod completion;
mod manual;
mod markdown;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::command::{self, Command};
use crate::flag::{Flag, HELP, Kind};
use crate::global;

/// All files by their path in the workspace.
fn files() -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut add = |path: String, text: String| drop(files.insert(PathBuf::from(path), text));
    add("docs/cli.md".to_owned(), markdown::page());
    add("docs/man/tare.8".to_owned(), manual::program());
    for command in command::ALL {
        let path = format!("docs/man/tare-{}.8", command.name);
        add(path, manual::command(command));
    }
    add("docs/completions/tare.bash".to_owned(), completion::bash());
    add("docs/completions/_tare".to_owned(), completion::zsh());
    add("docs/completions/tare.fish".to_owned(), completion::fish());
    files
}

/// What the environment variable that has the files written is called.
const UPDATE: &str = "TARE_UPDATE_DOCS";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_files_are_current() {
    let files = files();
    if std::env::var_os(UPDATE).is_some() {
        for folder in ["docs/man", "docs/completions"] {
            let _ = std::fs::remove_dir_all(workspace().join(folder));
        }
        for (path, text) in &files {
            let path = workspace().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    for (path, text) in &files {
        let written = std::fs::read_to_string(workspace().join(path)).unwrap_or_default();
        let path = path.display();
        assert!(
            written == *text,
            "{path} is out of date: cargo xtask dist --docs"
        );
    }
    for folder in ["docs/man", "docs/completions"] {
        for entry in std::fs::read_dir(workspace().join(folder)).unwrap() {
            let path = Path::new(folder).join(entry.unwrap().file_name());
            assert!(files.contains_key(&path), "{} is of no use", path.display());
        }
    }
}

#[test]
fn names_are_unique_and_texts_are_one_sentence() {
    let tables = command::ALL
        .iter()
        .map(|command| (command.name, command.flags));
    for (name, flags) in tables.chain([("global", global::FLAGS)]) {
        let mut names: Vec<&str> = Vec::new();
        for flag in flags.iter().copied().chain([&HELP]) {
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

/// Examples are command lines that are understood, and show what a command is for.
#[test]
fn examples_are_right() {
    use crate::invocation::{Invocation, Order};
    for command in command::ALL {
        assert!(!command.examples.is_empty(), "{}", command.name);
        for (line, does) in command.examples {
            let words: Vec<_> = line.split(' ').map(std::ffi::OsString::from).collect();
            let outer = Invocation::parse(global::FLAGS, Order::First, &words).expect(line);
            assert_eq!(outer.arguments[0], command.name, "{line}");
            let inner = Invocation::parse(command.flags, command.order, &outer.arguments[1..]);
            let count = inner.expect(line).arguments.len();
            assert_eq!(command.arguments.broken_by(count), None, "{line}");
            assert!(!does.ends_with('.'), "{line}");
        }
    }
}

/// The flags that are shown, `--help` last.
fn shown(flags: &'static [&'static Flag]) -> impl Iterator<Item = &'static Flag> {
    let all = flags.iter().copied().chain([&HELP]);
    all.filter(|flag| !flag.hidden)
}

/// What an argument of a command is, as far as a shell can propose some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    Container,
    Signal,
    Bundle,
    Command,
}

/// The arguments of a command up to the first that nothing is known about.
fn arguments(command: &Command) -> Vec<Argument> {
    let words = command.synopsis.split(' ');
    words
        .map_while(|word| match word {
            "ID" => Some(Argument::Container),
            "[SIGNAL]" => Some(Argument::Signal),
            "[BUNDLE]" => Some(Argument::Bundle),
            "[COMMAND]" => Some(Argument::Command),
            _ => None,
        })
        .collect()
}
