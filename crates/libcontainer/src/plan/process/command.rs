//! `process.args`, `process.env`, `process.cwd`: the program, its environment and its directory.

use std::collections::BTreeSet;

use init::Span;
use init::step::{Directory, Execute, FindHome, FindProgram};
use init::wire::Strings;
use spec::{ConfigPath, Hook, Process};

use super::{Draft, PlanError, field};
use crate::plan::draft::without_nul;

/// What is executed.
#[derive(Debug)]
pub(super) struct Command {
    /// Where the program's name comes from.
    at: ConfigPath,
    arguments: Strings,
    environment: Strings,
    name: Span,
    path: Span,
    has_home: bool,
}

pub(super) fn read(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    listen_fds: u32,
) -> Result<Command, PlanError> {
    let at = field("args");
    let Some(name) = process.args.first() else {
        return Err(PlanError::invalid(at, "process args cannot be empty"));
    };
    let name = draft.text(&at.clone().index(0), name)?;
    let arguments = draft.strings(&at, process.args.iter().map(|argument| argument.as_str()))?;
    let environment = environment(draft, process, listen_fds)?;
    Ok(Command {
        at,
        arguments,
        name,
        ..environment
    })
}

/// A hook that takes the process's place. Without an environment of its own it has the process's.
pub(super) fn read_hook(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    hook: &Hook<'_>,
    at: &ConfigPath,
) -> Result<Command, PlanError> {
    let mut command = match &hook.env {
        None => environment(draft, process, 0)?,
        Some(given) => Command {
            environment: draft.strings(at, given.iter().map(|entry| entry.as_str()))?,
            has_home: true,
            ..Command::empty()
        },
    };
    command.at = at.clone();
    command.name = draft.text(at, &hook.path)?;
    let args = match hook.args.is_empty() {
        true => std::slice::from_ref(&hook.path),
        false => &hook.args,
    };
    command.arguments = draft.strings(at, args.iter().map(|argument| argument.as_str()))?;
    Ok(command)
}

/// What the process's environment comes to; the rest is empty.
fn environment(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    listen_fds: u32,
) -> Result<Command, PlanError> {
    for (index, entry) in process.env.iter().enumerate() {
        let at = field("env").index(index);
        if entry.find('=').unwrap_or(0) == 0 {
            let why = format!("invalid environment variable {entry:?}: must be NAME=value");
            return Err(PlanError::invalid(at, why));
        }
        without_nul(&at, entry)?;
    }
    let mut entries = last_of_each(process.env.iter().map(|entry| entry.as_str()));
    // An empty HOME is as good as none: shells and many programs insist on one.
    entries.retain(|entry| *entry != "HOME=");
    let fds = format!("LISTEN_FDS={listen_fds}");
    if listen_fds > 0 {
        entries
            .retain(|entry| !entry.starts_with("LISTEN_FDS=") && !entry.starts_with("LISTEN_PID="));
        entries.extend([fds.as_str(), "LISTEN_PID=1"]);
    }
    let path = entries
        .iter()
        .find_map(|entry| entry.strip_prefix("PATH="))
        .unwrap_or_default();
    let path = draft.text(&field("env"), path)?;
    let has_home = entries.iter().any(|entry| entry.starts_with("HOME="));
    let environment = draft.strings(&field("env"), entries)?;
    Ok(Command {
        environment,
        path,
        has_home,
        ..Command::empty()
    })
}

impl Command {
    fn empty() -> Command {
        let (start, length) = (0, 0);
        let nothing = Strings { start, length };
        Command {
            at: ConfigPath::none(),
            arguments: nothing,
            environment: nothing,
            name: Span { start, length },
            path: Span { start, length },
            has_home: false,
        }
    }
}

/// Of entries with the same name, the last counts; the order is that of the last ones.
fn last_of_each<'t>(entries: impl DoubleEndedIterator<Item = &'t str>) -> Vec<&'t str> {
    let name = |entry: &'t str| entry.split_once('=').map_or(entry, |(name, _)| name);
    let mut later = BTreeSet::new();
    let mut kept: Vec<&str> = entries
        .rev()
        .filter(|entry| later.insert(name(entry)))
        .collect();
    kept.reverse();
    kept
}

pub(super) fn home(draft: &mut Draft<'_>, process: &Process<'_>, command: &Command) {
    if !command.has_home {
        draft.child(
            &field("env"),
            FindHome {
                uid: process.user.uid,
            },
        );
    }
}

/// The directory is entered before the change of user, and after it if that was not permitted.
pub(super) fn directory(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    again: bool,
) -> Result<(), PlanError> {
    let at = field("cwd");
    let cwd = process
        .cwd
        .as_deref()
        .filter(|cwd| !cwd.is_empty())
        .ok_or_else(|| PlanError::missing(at.clone()))?;
    if !cwd.starts_with('/') {
        return Err(PlanError::invalid(
            at,
            format!("Cwd must be an absolute path: {cwd:?}"),
        ));
    }
    let path = draft.text(&at, cwd)?;
    draft.child(&at, Directory { path, again });
    Ok(())
}

pub(super) fn find(draft: &mut Draft<'_>, command: &Command) {
    draft.child(
        &command.at,
        FindProgram {
            name: command.name,
            path: command.path,
            arguments: command.arguments,
            environment: command.environment,
        },
    );
}

/// `first`: it is the container's first process.
pub(super) fn execute(draft: &mut Draft<'_>, command: &Command, first: bool) {
    let Command {
        arguments,
        environment,
        ..
    } = *command;
    draft.child(
        &command.at,
        Execute {
            arguments,
            environment,
            prints_failure: first,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::last_of_each;

    #[test]
    fn the_last_of_equal_names_counts() {
        let entries = ["A=1", "B=2", "A=3", "C", "AB=4", "C=5"];
        assert_eq!(
            last_of_each(entries.into_iter()),
            ["B=2", "A=3", "AB=4", "C=5"]
        );
    }
}
