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

/// What it says in a row of a table, and what that means.
type Row = (&'static str, &'static str);

/// A verb: its tables, and what it does, which returns what to end with. The first row is how it is called, where `[COMMAND...]`
/// stands for whatever follows, two spaces, and what it is for; the others are its own options: names and what the value is
/// called, two spaces, what it does.
struct Command(&'static [&'static str], fn(&Line, &Options) -> Result<u8>);

/// Options that are taken and not shown.
const HIDDEN: &str = "
--publish, -p PORTS  refused
--publish-all, -P  refused
";

impl Command {
    fn first(&self) -> Row {
        rows(self.0[0]).next().unwrap_or_default()
    }

    fn name(&self) -> &'static str {
        self.first().0.split(' ').next().unwrap_or_default()
    }

    /// Its arguments, as they are shown.
    fn usage(&self) -> &'static str {
        self.first().0[self.name().len()..].trim_start()
    }

    /// One line.
    fn about(&self) -> &'static str {
        self.first().1
    }

    /// Its own, and those of all verbs: each as it is shown, and what it does.
    fn shown_options(&self) -> Vec<Row> {
        let own = self.0.iter().flat_map(|table| rows(table)).skip(1);
        own.chain(rows(options::COMMON)).collect()
    }

    fn all_options(&self) -> Vec<Row> {
        let hidden = rows(HIDDEN).filter(|_| self.0.contains(&WORDS));
        self.shown_options().into_iter().chain(hidden).collect()
    }
}

fn rows(table: &'static str) -> impl Iterator<Item = Row> {
    table.lines().filter_map(|row| row.split_once("  "))
}

const COMMANDS: &[Command] = &[
    Command(&[pull::VERB], pull::run),
    Command(&[copy::PUSH, copy::OPTIONS], copy::push),
    Command(&[copy::VERB, copy::OPTIONS], copy::run),
    Command(&[sync::VERB], sync::run),
    Command(&[unpack::VERB], unpack::run),
    Command(&[bundle::VERB, WORDS], bundle::run),
    Command(&[run::VERB, WORDS], run::run),
    Command(&[mount::VERB], mount::run),
    Command(&[mount::UMOUNT], mount::umount),
    Command(&[list::VERB], list::run),
    Command(&[inspect::VERB], inspect::run),
    Command(&[history::VERB], history::run),
    Command(&[diff::VERB], diff::run),
    Command(&[tag::VERB], tag::run),
    Command(&[remove::VERB], remove::run),
    Command(&[save::VERB], save::run),
    Command(&[load::VERB], load::run),
    Command(&[import::VERB, commit::DESCRIPTION], import::run),
    Command(&[export::VERB], export::run),
    Command(&[commit::VERB, commit::DESCRIPTION], commit::run),
    Command(&[squash::VERB, commit::DESCRIPTION], squash::run),
    Command(&[index::VERB], index::run),
    Command(&[tags::VERB], tags::run),
    Command(&[attach::VERB], attach::run),
    Command(&[attach::REFERRERS], attach::referrers),
    Command(&[sign::VERB], sign::run),
    Command(&[gc::VERB], gc::run),
    Command(&[prune::VERB], prune::run),
    Command(&[check::VERB], check::run),
    Command(&[login::VERB], login::run),
    Command(&[login::LOGOUT], login::logout),
];

/// The exit status when the verb that `arguments` begin with fails: that of `run` must not look like its container's.
pub(crate) fn failure(arguments: &[OsString]) -> ExitCode {
    match arguments.first() {
        Some(verb) if verb == "run" => ExitCode::from(run::FAILURE),
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
            let command = COMMANDS.iter().find(|c| c.name() == first).ok_or_else(
                || failure!(Usage: "there is no verb {first:?}" => "\"tare-image help\" lists them"),
            )?;
            let read = Line::read(command, arguments).map_err(|e| complete(e, command, &[]))?;
            let Some(line) = read else {
                return explain(command).map(|()| ExitCode::SUCCESS);
            };
            return Options::new(&line)
                .and_then(|options| (command.1)(&line, &options))
                .map(ExitCode::from)
                .map_err(|e| complete(e, command, &line.arguments));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that a message says what was being done, and what to try.
fn complete(error: Error, command: &Command, arguments: &[String]) -> Error {
    let operation = [&[command.name().to_string()], arguments]
        .concat()
        .join(" ");
    let full = [Errno::NOSPC, Errno::DQUOT].map(|e| Some(e.raw_os_error()));
    match error.kind() {
        _ if full.contains(&error.errno()) => error
            .during_operation(&operation)
            .hint_if_none("Free some space, or choose another place with --root"),
        Kind::Usage => error.hint_if_none(format!("See: tare-image {} --help", command.name())),
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
        put!("  {:<9} {}", command.name(), command.about());
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
        command.about(),
        command.name(),
        command.usage()
    );
    for (option, about) in command.shown_options() {
        put!("  {option:<24} {about}");
    }
    Ok(())
}
