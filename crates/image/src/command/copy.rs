//! `copy`: from any place to any other. `push` is the same from the store to a registry.

use std::process::ExitCode;

use tare_image::error::During;
use tare_image::location::Location;
use tare_image::{Result, copy};

use super::options::{self, Options};
use super::place;

/// Options of both verbs.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("--all", "all platforms of an index"),
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

/// A command line of [`OPTIONS`] and arguments: the options, whether all platforms are meant, the arguments.
pub(super) fn parse(parser: lexopt::Parser) -> Result<(Options, bool, Vec<String>)> {
    let mut options = Options::default();
    let mut all = false;
    let values = options::parse(parser, &mut options, |name, _| {
        let own = name == "all";
        all |= own;
        Ok(own)
    })?;
    Ok((options, all, values))
}

fn run(parser: lexopt::Parser) -> Result<ExitCode> {
    let (options, all, values) = parse(parser)?;
    let [from, to] = options::exactly(values, ["FROM", "TO"])?;
    let (from, to): (Location, Location) = (from.parse()?, to.parse()?);
    transfer(&from, &to, &options, all).during(|| format!("copy {from} to {to}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Copies, and prints the digest.
pub(super) fn transfer(from: &Location, to: &Location, options: &Options, all: bool) -> Result<()> {
    let registry = options.registry()?;
    let selection = if all {
        copy::Selection::All
    } else {
        copy::Selection::One(options.platform())
    };
    let parallel = options.pull(None).parallel;
    place::with_source(from, options, &registry, |source| {
        place::with_destination(to, from, options, &registry, |destination| {
            let copied = copy::copy(source, destination, &selection, parallel)?;
            println!("{}", copied.digest());
            Ok(())
        })
    })
}
