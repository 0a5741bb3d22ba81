//! `copy`: from any place to any other. `push` is the same from the store to a registry.

use std::process::ExitCode;

use tare_image::error::During;
use tare_image::location::Location;
use tare_image::{Result, copy};

use super::options::{self, Options, Outcome};
use super::output::put;
use super::place;

/// Options of both verbs.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("--all", "all platforms of an index"),
    (
        "--also TAG",
        "give it this tag in the registry too; may be repeated",
    ),
    (
        "--push-chunk BYTES",
        "larger layers are sent in pieces of this size (67108864)",
    ),
];

pub(super) const COMMAND: super::Command = super::Command {
    name: "copy",
    usage: "LOCATION LOCATION",
    about: "Copy an image from any place to any other, byte by byte",
    options: OPTIONS,
    run,
};

/// A command line of [`OPTIONS`] and arguments.
pub(super) struct Line {
    pub(super) options: Options,
    all: bool,
    also: Vec<String>,
    pub(super) values: Vec<String>,
}

pub(super) fn parse(parser: lexopt::Parser) -> Outcome<Line> {
    let mut options = Options::default();
    let (mut all, mut also) = (false, Vec::new());
    let values = options::parse(parser, &mut options, |name, parser| {
        match name {
            "all" => all = true,
            "also" => also.push(options::text(parser)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Line {
        options,
        all,
        also,
        values,
    })
}

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut line = parse(parser)?;
    let values = std::mem::take(&mut line.values);
    let [from, to] = options::exactly(values, ["FROM", "TO"])?;
    let (from, to): (Location, Location) = (from.parse()?, to.parse()?);
    transfer(&from, &to, &line).during(|| format!("copy {from} to {to}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Copies, and prints the digest.
pub(super) fn transfer(from: &Location, to: &Location, line: &Line) -> Result<()> {
    let options = &line.options;
    let registry = options.registry()?;
    let selection = if line.all {
        copy::Selection::All
    } else {
        copy::Selection::One(options.platform())
    };
    let parallel = options.pull(None).parallel;
    place::with_source(from, options, &registry, |source| {
        place::with_destination(to, &line.also, from, options, &registry, |destination| {
            let copied = copy::copy(source, destination, &selection, parallel)?;
            put!("{}", copied.digest());
            Ok(())
        })
    })
}
