//! Splitting a command line into flags and arguments, by the rules that callers of runc rely on.
//!
//! Those are the rules of Go's `flag` package: one dash or two make no difference, `-x v` equals `-x=v`, a switch takes
//! a value only behind `=`, the word after any other flag is its value even when it starts with a dash. No crate for the
//! Unix conventions can read that (a single dash there starts a bundle of letters), and a hundred lines of our own
//! start faster.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Failure;
use crate::flag::{Flag, HELP, Kind};
use crate::nearest::nearest;
use crate::time::parse_duration;

/// Where a command's flags may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Before and after the arguments.
    Anywhere,
    /// Only before the first argument: what follows belongs to another program.
    First,
    /// Anywhere, and an unknown flag after the first argument is an argument too.
    AnywhereElseArguments,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Switch(bool),
    Text(OsString),
    Number(i64),
    Duration(Duration),
}

/// A command line, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Invocation {
    given: Vec<(&'static str, Value)>,
    /// The words that are neither flags nor their values.
    pub(crate) arguments: Vec<OsString>,
}

impl Invocation {
    /// Takes `words` apart. The error is the sentence to print.
    pub(crate) fn parse(
        flags: &[&'static Flag],
        order: Order,
        words: &[OsString],
    ) -> Result<Invocation, String> {
        let mut invocation = Invocation::default();
        let mut spellings: Vec<(&'static str, bool)> = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(dashed) = dashed(word.as_bytes())? else {
                if word == "--" {
                    invocation.arguments.extend(words.cloned());
                    break;
                }
                invocation.arguments.push(word.clone());
                if order == Order::First {
                    invocation.arguments.extend(words.cloned());
                    break;
                }
                continue;
            };
            let Some((flag, is_short)) = find(flags, dashed.name) else {
                if order == Order::AnywhereElseArguments && !invocation.arguments.is_empty() {
                    invocation.arguments.push(word.clone());
                    continue;
                }
                return Err(undefined(flags, dashed.name));
            };
            // Which of the two would win is not obvious to a reader, so giving both is an error.
            if spellings.contains(&(flag.name, !is_short)) {
                let short = flag.short.unwrap_or_default();
                return Err(format!(
                    "Cannot use two forms of the same flag: {short} {}",
                    flag.name
                ));
            }
            spellings.push((flag.name, is_short));
            let value = read_value(flag, &dashed, || words.next())?;
            if flag.kind != Kind::List {
                invocation.given.retain(|(name, _)| *name != flag.name);
            }
            invocation.given.push((flag.name, value));
        }
        Ok(invocation)
    }

    fn find(&self, flag: &Flag) -> Option<&Value> {
        self.given
            .iter()
            .find(|(name, _)| *name == flag.name)
            .map(|(_, value)| value)
    }

    /// Whether the flag was given, whatever its value.
    pub(crate) fn has(&self, flag: &Flag) -> bool {
        self.find(flag).is_some()
    }

    /// A switch; off when not given.
    pub(crate) fn switch(&self, flag: &Flag) -> bool {
        self.find(flag) == Some(&Value::Switch(true))
    }

    /// The word given for a flag.
    pub(crate) fn text(&self, flag: &Flag) -> Option<&str> {
        match self.find(flag) {
            Some(Value::Text(text)) => text.to_str(),
            _ => None,
        }
    }

    /// All words given for a list.
    pub(crate) fn list(&self, flag: &Flag) -> Vec<String> {
        self.given
            .iter()
            .filter(|(name, _)| *name == flag.name)
            .filter_map(|(_, value)| match value {
                Value::Text(text) => Some(text.to_str()?.to_owned()),
                _ => None,
            })
            .collect()
    }

    /// A number given for a flag.
    pub(crate) fn number(&self, flag: &Flag) -> Option<i64> {
        match self.find(flag) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A time given for a flag.
    pub(crate) fn duration(&self, flag: &Flag) -> Option<Duration> {
        match self.find(flag) {
            Some(Value::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }

    /// The path given for a flag, made absolute: it is relative to the caller's directory, whatever the library does
    /// with the current directory later. An empty one counts as not given.
    pub(crate) fn path(&self, flag: &Flag) -> Result<Option<PathBuf>, Failure> {
        match self.find(flag) {
            Some(Value::Text(path)) if !path.is_empty() => absolute(Path::new(path)).map(Some),
            _ => Ok(None),
        }
    }

    /// The argument at `index`, which the command's `Arguments` promise to be there.
    pub(crate) fn argument(&self, index: usize) -> Result<&str, Failure> {
        let argument = self.arguments.get(index).map_or(OsStr::new(""), |a| a);
        argument
            .to_str()
            .ok_or_else(|| Failure::new(format!("argument {argument:?} is not valid UTF-8")))
    }

    /// The id of the container: the first argument of most commands.
    pub(crate) fn id(&self) -> Result<&str, Failure> {
        match self.argument(0) {
            Ok("") => Err(Failure::new("container id cannot be empty")),
            Ok(id) => Ok(id),
            Err(_) => Err(Failure::new("invalid container ID format")),
        }
    }

    /// The arguments from `index` on.
    pub(crate) fn arguments_from(&self, index: usize) -> Result<Vec<String>, Failure> {
        (index..self.arguments.len())
            .map(|index| self.argument(index).map(str::to_owned))
            .collect()
    }
}

/// `path` seen from the caller's directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::io("get the current directory", &error))
}

/// A word that starts with dashes: the name behind them, and what follows `=`.
struct Dashed<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
}

/// `None` for a word that is no flag: a plain word, `-`, or `--`.
fn dashed(word: &[u8]) -> Result<Option<Dashed<'_>>, String> {
    let Some(rest) = word.strip_prefix(b"-") else {
        return Ok(None);
    };
    let rest = match rest {
        b"" | b"-" => return Ok(None),
        _ => rest.strip_prefix(b"-").unwrap_or(rest),
    };
    if rest.starts_with(b"-") || rest.starts_with(b"=") {
        return Err(format!(
            "bad flag syntax: {}",
            String::from_utf8_lossy(word)
        ));
    }
    Ok(Some(match rest.iter().position(|byte| *byte == b'=') {
        Some(at) => Dashed {
            name: &rest[..at],
            value: Some(&rest[at + 1..]),
        },
        None => Dashed {
            name: rest,
            value: None,
        },
    }))
}

/// The flag of this name, and whether the name is its short one.
fn find(flags: &[&'static Flag], name: &[u8]) -> Option<(&'static Flag, bool)> {
    flags.iter().copied().chain([&HELP]).find_map(|flag| {
        if flag.name.as_bytes() == name {
            return Some((flag, false));
        }
        let short = flag.short?;
        (short.as_bytes() == name).then_some((flag, true))
    })
}

fn undefined(flags: &[&'static Flag], name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let shown = flags.iter().copied().chain([&HELP]);
    let shown = shown.filter(|flag| !flag.hidden).map(|flag| flag.name);
    let meant = match nearest(&name, shown) {
        Some(meant) => format!(" (did you mean --{meant}?)"),
        None => String::new(),
    };
    format!("flag provided but not defined: -{name}{meant}")
}

fn read_value<'a>(
    flag: &Flag,
    dashed: &Dashed<'_>,
    next: impl FnOnce() -> Option<&'a OsString>,
) -> Result<Value, String> {
    let spelled = String::from_utf8_lossy(dashed.name);
    if flag.kind == Kind::Switch {
        let text = dashed.value.unwrap_or(b"true");
        return truth(text).map(Value::Switch).ok_or_else(|| {
            let text = String::from_utf8_lossy(text);
            format!("invalid boolean value {text:?} for -{spelled}: parse error")
        });
    }
    let text = match dashed.value {
        Some(value) => OsString::from_vec(value.to_owned()),
        None => next()
            .ok_or_else(|| format!("flag needs an argument: -{spelled}"))?
            .clone(),
    };
    let value = match flag.kind {
        Kind::Path => Some(Value::Text(text.clone())),
        Kind::Number => text
            .to_str()
            .and_then(|text| text.parse().ok())
            .map(Value::Number),
        Kind::Duration => text.to_str().and_then(parse_duration).map(Value::Duration),
        Kind::Text | Kind::List | Kind::Switch => {
            text.to_str().map(|text| Value::Text(text.into()))
        }
    };
    value.ok_or_else(|| format!("invalid value {text:?} for flag -{spelled}: parse error"))
}

/// A truth value as Go reads it.
pub(crate) fn truth(text: &[u8]) -> Option<bool> {
    match text {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
