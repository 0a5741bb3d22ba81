//! `gc`: remove what crashes have left.

use std::fmt::Write;
use std::io::ErrorKind;

use libcontainer::{Found, GcOptions, Leftover, Outcome};

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::{Global, RootFrom};
use crate::invocation::{Invocation, Order};
use crate::output;

static DRY_RUN: Flag = Flag::switch("dry-run", "only say what would be removed");
static STOPPED: Flag = Flag::switch(
    "stopped",
    "also remove containers that have stopped in good order and were not deleted",
);
static FORMAT: Flag = Flag::text("format", "FORMAT", "text or json (default: text)")
    .short("f")
    .one_of(&["text", "json"]);

pub(crate) static COMMAND: Command = Command {
    name: "gc",
    summary: "remove what crashes of the runtime or the machine have left",
    synopsis: "",
    about: "\
Looks through the directory that the global flag --root names for containers
that were not made, started or deleted to the end, because {name} was killed or
the machine was started anew, and removes what is left of them: processes,
control groups, systemd units, state. Running containers and those that wait
for `start` are left alone, and so is everything that no record there names.
Exits with 1 when something could not be removed.",
    examples: &[
        ("gc --dry-run", "what would be removed"),
        ("gc", "remove it"),
        (
            "--root /run/runc gc --stopped",
            "in another directory; stopped containers, too",
        ),
    ],
    flags: &[&DRY_RUN, &STOPPED, &FORMAT],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(0),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let print = match invocation.text(&FORMAT) {
        None | Some("text") => text,
        Some("json") => output::line,
        Some(_) => return Err(Failure::new("invalid format option")),
    };
    let options = GcOptions {
        dry_run: invocation.switch(&DRY_RUN),
        stopped: invocation.switch(&STOPPED),
    };
    let found = match std::fs::symlink_metadata(&global.root) {
        // Nobody said that this one exists.
        Err(error) if error.kind() == ErrorKind::NotFound && global.root_from != RootFrom::Flag => {
            Vec::new()
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let doing = format!("list containers in {}", global.root.display());
            return Err(Failure::io(&doing, &error));
        }
        _ => libcontainer::gc(global.store(), &options)?,
    };
    output::print(&print(&found)?)?;
    let failed = |one: &Leftover| matches!(one.outcome, Outcome::Failed(_));
    Ok(i32::from(found.iter().any(failed)))
}

/// A line for each container, and below it one for each part.
fn text(found: &Vec<Leftover>) -> Result<String, Failure> {
    let mut text = String::new();
    for one in found {
        let outcome = match &one.outcome {
            Outcome::Removed => "removed",
            Outcome::ToBeRemoved => "would be removed",
            Outcome::Kept => "kept",
            Outcome::Failed(why) => why,
        };
        let _ = writeln!(text, "{}: {}: {outcome}", one.id, sentence(one.found));
        for part in &one.parts {
            let _ = writeln!(text, "  {:<7}  {}", part.kind, part.what);
        }
    }
    if found.is_empty() {
        text.push_str("nothing is left over\n");
    }
    Ok(text)
}

fn sentence(found: Found) -> &'static str {
    match found {
        Found::Unrecorded => "its runtime was killed before it had made anything",
        Found::Unfinished => "its runtime was killed while it made the container",
        Found::Abandoned => "the run that was to delete it was killed",
        Found::HalfDeleted => "was not deleted to the end",
        Found::EarlierBoot => "is from before the machine was started",
        Found::Stopped => "has stopped, and waits to be deleted",
        Found::Unreadable => "cannot be read",
    }
}
