//! A command line, read as the tables of options say.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::{Arg, Parser};
use tare_image::reference::Reference;
use tare_image::{Error, Kind, Limits, Result};

use super::Command;

/// What was written on it.
#[derive(Default)]
pub(super) struct Line {
    /// By the first name of each option, in their order; without a value it is empty.
    given: Vec<(String, OsString)>,
    /// As many as [`Command::usage`] lists.
    pub(super) arguments: Vec<String>,
    /// What belongs to the program that is to be run.
    pub(super) command: Vec<String>,
}

impl Line {
    /// Reads what follows the verb; none when it asks for help.
    pub(super) fn read(command: &Command, arguments: Vec<OsString>) -> Result<Option<Self>> {
        let bad = |e: lexopt::Error| Error::new(Kind::Usage, e.to_string());
        let text = |value: OsString| match value.into_string() {
            Ok(text) => Ok(text),
            Err(value) => Err(failure!(Usage: "{value:?} is no text")),
        };
        let places: Vec<&str> = command.usage().split_whitespace().collect();
        let last = places.iter().position(|p| *p == "[COMMAND...]");
        let mut line = Line::default();
        let mut parser = Parser::from_args(arguments);
        while last.is_none_or(|last| line.arguments.len() < last) {
            let word = match parser.next().map_err(bad)? {
                None => break,
                Some(Arg::Value(value)) => {
                    line.arguments.push(text(value)?);
                    continue;
                }
                Some(Arg::Long(name)) => format!("--{name}"),
                Some(Arg::Short(name)) => format!("-{name}"),
            };
            let Some((name, kind)) = find(command, &word) else {
                match word.as_str() {
                    "--help" => return Ok(None),
                    _ => fail!(Usage: "invalid option '{word}'"),
                }
            };
            let value = match kind {
                "" => OsString::new(),
                "FILE" | "DIR" => parser.value().map_err(bad)?,
                _ => text(parser.value().map_err(bad)?)?.into(),
            };
            line.given.push((name, value));
        }
        let rest = parser.raw_args().map_err(bad)?;
        line.command = rest.map(|a| a.to_string_lossy().into_owned()).collect();
        line.check(&places[..last.unwrap_or(places.len())])?;
        Ok(Some(line))
    }

    /// Counts the arguments.
    fn check(&self, places: &[&str]) -> Result<()> {
        let least = places.iter().filter(|p| !p.starts_with('[')).count();
        let more = places.iter().any(|p| p.contains("..."));
        let count = self.arguments.len();
        if count >= least && (more || count <= places.len()) {
            return Ok(());
        }
        let expected = match (places.len(), more) {
            (0, _) => "none is".to_string(),
            (1, false) if least == 1 => "1 is".into(),
            (all, false) if least == all => format!("{all} are"),
            (all, false) => format!("{least} to {all} are"),
            (_, true) => format!("at least {least} are"),
        };
        let expected = format!("{expected} expected: {}", places.join(" "));
        let expected = expected.trim_end_matches(": ");
        fail!(Usage: "{} where {expected}", counted(count, "argument"));
    }

    fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &OsStr> {
        let own = self.given.iter().filter(move |(n, _)| n == name);
        own.map(|(_, value)| value.as_os_str())
    }

    /// All options and their values.
    pub(super) fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        let given = self.given.iter();
        given.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
    }

    /// An argument that is the name of an image in a registry, with `docker://` or without.
    pub(super) fn remote(&self, n: usize) -> Result<Reference> {
        self.arguments[n].trim_start_matches("docker://").parse()
    }

    /// True if the option was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The values of an option that may be repeated.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let values = self.values(name).map(OsStr::to_string_lossy);
        values.map(|v| v.into_owned()).collect()
    }

    /// The value of an option; the last one counts.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values(name).next_back()?.to_str()
    }

    /// The same for files and folders.
    pub(super) fn paths(&self, name: &str) -> Vec<PathBuf> {
        self.values(name).map(PathBuf::from).collect()
    }

    /// The last of them.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.paths(name).pop()
    }

    /// The same for what is written in some way.
    pub(super) fn parsed<T: FromStr<Err = Error>>(&self, name: &str) -> Result<Option<T>> {
        self.text(name).map(str::parse).transpose()
    }

    /// The same for numbers.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>> {
        let number = |text: &str| match text.parse() {
            Ok(number) => Ok(number),
            Err(_) => Err(failure!(Usage: "{text:?} is not a number")),
        };
        self.text(name).map(number).transpose()
    }
}

/// The option called `word`: its first name, and what its value is called.
fn find(command: &Command, word: &str) -> Option<(String, &'static str)> {
    let limit = word
        .strip_prefix("--max-")
        .map(|limit| limit.replace('-', "_"));
    if limit.is_some_and(|limit| Limits::NAMES.contains(&limit.as_str())) {
        return Some((word.to_string(), "N"));
    }
    let mut options = command.all_options().into_iter().map(|(option, _)| option);
    options.find_map(|option| {
        let (names, kind) = names(option);
        names.contains(&word).then(|| (names[0].to_string(), kind))
    })
}

/// The names of an option and what its value is called, as the tables have them: `--env, -e NAME=VALUE`.
pub(super) fn names(option: &'static str) -> (Vec<&'static str>, &'static str) {
    let words = option.split(' ').map(|word| word.trim_end_matches(','));
    let (names, kind): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with('-'));
    (names, kind.first().copied().unwrap_or_default())
}

/// "1 layer", "2 layers".
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
