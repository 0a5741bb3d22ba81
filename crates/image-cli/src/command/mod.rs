//! The command line: one file for each verb, which parses and prints, and leaves deciding to the library.

mod attach;
mod bundle;
mod check;
mod commit;
mod copy;
mod diff;
mod export;
mod gc;
mod history;
mod import;
mod index;
mod inspect;
mod line;
mod list;
mod load;
mod login;
mod mount;
mod options;
mod output;
mod place;
mod progress;
mod prune;
mod pull;
#[cfg(test)]
mod reference;
mod remove;
mod run;
mod runtime_log;
mod save;
mod sign;
mod squash;
mod sync;
mod tag;
mod tags;
mod unpack;

use std::ffi::OsString;
use std::process::ExitCode;

use rustix::io::Errno;
use tare_image::bundle::WORDS;
use tare_image::{Error, Kind, Result};

use crate::identity;
use line::Line;
use options::Options;
use output::put;
pub(crate) use output::shown;

/// A verb.
struct Command {
    name: &'static str,
    /// Arguments, as they are shown. `[COMMAND...]` stands for whatever follows.
    usage: &'static str,
    /// One line.
    about: &'static str,
    /// A table of its own options: names and what the value is called, two spaces, what it does.
    options: &'static str,
    /// What to end with.
    run: fn(&Line, &Options) -> Result<u8>,
}

/// Options that are taken and not shown.
const HIDDEN: &str = "
--publish, -p PORTS  refused
--publish-all, -P  refused
";

impl Command {
    /// Its own, those of engines where it makes a bundle, and those of all verbs: each as it is shown, and what it does.
    fn shown_options(&self) -> Vec<(&'static str, &'static str)> {
        let words = match self.makes_bundle() {
            true => WORDS,
            false => "",
        };
        let tables = [self.options, words, options::COMMON];
        tables.into_iter().flat_map(rows).collect()
    }

    fn all_options(&self) -> Vec<(&'static str, &'static str)> {
        let mut all = self.shown_options();
        all.extend(rows(HIDDEN).filter(|_| self.makes_bundle()));
        all
    }

    fn makes_bundle(&self) -> bool {
        ["bundle", "run"].contains(&self.name)
    }
}

/// The rows of a table of options.
fn rows(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.lines().filter_map(|row| row.split_once("  "))
}

const COMMANDS: &[&Command] = &[
    &pull::COMMAND,
    &copy::PUSH,
    &copy::COMMAND,
    &sync::COMMAND,
    &unpack::COMMAND,
    &bundle::COMMAND,
    &run::COMMAND,
    &mount::COMMAND,
    &mount::UMOUNT,
    &list::COMMAND,
    &inspect::COMMAND,
    &history::COMMAND,
    &diff::COMMAND,
    &tag::COMMAND,
    &remove::COMMAND,
    &save::COMMAND,
    &load::COMMAND,
    &import::COMMAND,
    &export::COMMAND,
    &commit::COMMAND,
    &squash::COMMAND,
    &index::COMMAND,
    &tags::COMMAND,
    &attach::COMMAND,
    &attach::REFERRERS,
    &sign::COMMAND,
    &gc::COMMAND,
    &prune::COMMAND,
    &check::COMMAND,
    &login::COMMAND,
    &login::LOGOUT,
];

/// The exit status when the verb that `arguments` begin with fails: that of `run` must not look like its container's.
pub(crate) fn failure(arguments: &[OsString]) -> ExitCode {
    match arguments.first() {
        Some(verb) if verb == run::COMMAND.name => ExitCode::from(run::FAILURE),
        _ => ExitCode::FAILURE,
    }
}

/// Runs the verb that `arguments` begin with.
pub(crate) fn run(mut arguments: Vec<OsString>) -> Result<ExitCode> {
    let first = match arguments.is_empty() {
        true => String::new(),
        false => arguments.remove(0).to_string_lossy().into_owned(),
    };
    match first.as_str() {
        "" => return help().map(|()| ExitCode::FAILURE),
        "help" | "-h" | "--help" => help()?,
        "-V" | "--version" => put!("tare-image {}", env!("CARGO_PKG_VERSION")),
        identity::HELPER => {
            let rest = arguments.iter().map(|a| a.to_string_lossy().into_owned());
            identity::help(&rest.collect::<Vec<_>>())?;
        }
        first => {
            let command = COMMANDS.iter().find(|c| c.name == first).ok_or_else(
                || failure!(Usage: "there is no verb {first:?}" => "\"tare-image help\" lists them"),
            )?;
            let read = Line::read(command, arguments).map_err(|e| complete(e, command, &[]))?;
            let Some(line) = read else {
                return explain(command).map(|()| ExitCode::SUCCESS);
            };
            return Options::new(&line)
                .and_then(|options| (command.run)(&line, &options))
                .map(ExitCode::from)
                .map_err(|e| complete(e, command, &line.arguments));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that a message says what was being done, and what to try.
fn complete(error: Error, command: &Command, arguments: &[String]) -> Error {
    let operation = [&[command.name.to_string()], arguments].concat().join(" ");
    let full = [Errno::NOSPC, Errno::DQUOT].map(|e| Some(e.raw_os_error()));
    match error.kind() {
        _ if full.contains(&error.errno()) => error
            .during_operation(&operation)
            .hint_if_none("Free some space, or choose another place with --root"),
        Kind::Usage => error.hint_if_none(format!("See: tare-image {} --help", command.name)),
        Kind::Limit => error
            .during_operation(&operation)
            .hint_if_none("Limits are changed with --max-…, if the image can be trusted"),
        _ => error.during_operation(&operation),
    }
}

fn help() -> Result<()> {
    put!("Images from registries to bundles and back, without a daemon.\n");
    put!("Usage: tare-image VERB [OPTIONS] ARGUMENTS\n\nVerbs:");
    for command in COMMANDS {
        put!("  {:<9} {}", command.name, command.about);
    }
    put!("\n\"tare-image VERB --help\" explains one verb.");
    put!(
        "Images are at docker://REFERENCE, oci:PATH[:NAME], docker-archive:FILE[:REFERENCE], or, without any of these, in the store."
    );
    Ok(())
}

fn explain(command: &Command) -> Result<()> {
    put!(
        "{}\n\nUsage: tare-image {} [OPTIONS] {}\n\nOptions:",
        command.about,
        command.name,
        command.usage
    );
    for (option, about) in command.shown_options() {
        put!("  {option:<24} {about}");
    }
    Ok(())
}
