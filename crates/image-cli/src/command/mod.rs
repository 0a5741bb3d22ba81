//! The command line: one file for each verb, which parses and prints, and leaves deciding to the library.

mod bundle;
mod check;
mod commit;
mod copy;
mod export;
mod gc;
mod history;
mod import;
mod inspect;
mod list;
mod load;
mod login;
mod logout;
mod options;
mod output;
mod place;
mod prune;
mod pull;
mod push;
mod remove;
mod run;
mod runtime_log;
mod save;
mod sign;
mod tag;
mod tags;
mod unpack;

use std::ffi::OsString;
use std::process::ExitCode;

use rustix::io::Errno;
use tare_image::{Error, Kind, Result};

use crate::identity;
use options::{Outcome, Stop};
use output::put;

/// A verb.
struct Command {
    name: &'static str,
    /// Arguments, as they are shown.
    usage: &'static str,
    /// One line.
    about: &'static str,
    /// Options of its own, each as it is shown.
    options: &'static [(&'static str, &'static str)],
    run: fn(lexopt::Parser) -> Outcome<ExitCode>,
}

const COMMANDS: [&Command; 23] = [
    &pull::COMMAND,
    &push::COMMAND,
    &copy::COMMAND,
    &unpack::COMMAND,
    &bundle::COMMAND,
    &run::COMMAND,
    &list::COMMAND,
    &inspect::COMMAND,
    &history::COMMAND,
    &tag::COMMAND,
    &remove::COMMAND,
    &save::COMMAND,
    &load::COMMAND,
    &import::COMMAND,
    &export::COMMAND,
    &commit::COMMAND,
    &tags::COMMAND,
    &sign::COMMAND,
    &gc::COMMAND,
    &prune::COMMAND,
    &check::COMMAND,
    &login::COMMAND,
    &logout::COMMAND,
];

/// The exit status when the verb that `arguments` begin with fails: that of `run` must not look like its container's.
pub(crate) fn failure(arguments: &[OsString]) -> ExitCode {
    match arguments.first() {
        Some(verb) if verb == run::COMMAND.name => ExitCode::from(run::FAILURE),
        _ => ExitCode::FAILURE,
    }
}

/// Runs the verb that `arguments` begin with.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    let first = arguments.first().and_then(|a| a.to_str()).unwrap_or("");
    match first {
        "" | "help" | "-h" | "--help" => {
            help()?;
            return Ok(if first.is_empty() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            });
        }
        "-V" | "--version" => {
            put!("tare-image {}", env!("CARGO_PKG_VERSION"));
            return Ok(ExitCode::SUCCESS);
        }
        identity::HELPER => {
            let rest: Vec<String> = arguments[1..]
                .iter()
                .map(|a| a.to_string_lossy().into_owned())
                .collect();
            identity::help(&rest)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let command = COMMANDS.iter().find(|c| c.name == first).ok_or_else(
        || failure!(Usage: "there is no verb {first:?}" => "\"tare-image help\" lists them"),
    )?;
    let parser = lexopt::Parser::from_args(arguments.into_iter().skip(1));
    match (command.run)(parser) {
        Ok(status) => Ok(status),
        Err(Stop::Help) => {
            explain(command)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Stop::Failed(error)) => Err(complete(error, command)),
    }
}

/// Makes sure that a message says what was being done, and what to try.
fn complete(error: Error, command: &Command) -> Error {
    let full = [Errno::NOSPC, Errno::DQUOT].map(|e| Some(e.raw_os_error()));
    match error.kind() {
        _ if full.contains(&error.errno()) => error
            .during_operation(command.name)
            .hint_if_none("Free some space, or choose another place with --root"),
        Kind::Usage => error.hint_if_none(format!("See: tare-image {} --help", command.name)),
        Kind::Limit => error
            .during_operation(command.name)
            .hint_if_none("Limits are changed with --max-…, if the image can be trusted"),
        _ => error.during_operation(command.name),
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
    let words = match command.name {
        "bundle" | "run" => tare_image::bundle::WORDS,
        _ => &[],
    };
    for (option, about) in command.options.iter().chain(words).chain(options::COMMON) {
        put!("  {option:<24} {about}");
    }
    Ok(())
}
