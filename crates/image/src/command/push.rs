//! `push`: send an image of the store to a registry.

use std::process::ExitCode;

use tare_image::error::During;
use tare_image::reference::{Location, Reference};
use tare_image::{Error, Kind, Result, copy};

use super::options::{self, Options};
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "push",
    usage: "REFERENCE [docker://REFERENCE]",
    about: "Send an image to a registry",
    options: &[
        ("--all", "all platforms of an index"),
        (
            "--push-chunk BYTES",
            "larger layers are sent in pieces of this size (67108864)",
        ),
    ],
    run,
};

fn run(parser: lexopt::Parser) -> Result<ExitCode> {
    let mut options = Options::default();
    let mut all = false;
    let values = options::parse(parser, &mut options, |name, _| {
        let own = name == "all";
        all |= own;
        Ok(own)
    })?;
    let (from, to): (Reference, Reference) = match &values[..] {
        [one] => (one.parse()?, one.parse()?),
        [from, to] => (from.parse()?, to.trim_start_matches("docker://").parse()?),
        _ => return Err(Error::new(Kind::Usage, "push takes one or two references")),
    };
    let registry = options.registry()?;
    let (from, to) = (Location::Store(from), Location::Registry(to));
    let selection = if all {
        copy::Selection::All
    } else {
        copy::Selection::One(options.platform())
    };
    let parallel = options.pull(None).parallel;
    place::with_source(&from, &options, &registry, |source| {
        place::with_destination(&to, &from, &options, &registry, |destination| {
            let pushed = copy::copy(source, destination, &selection, parallel)?;
            println!("{}", pushed.digest());
            Ok(())
        })
    })
    .during(|| format!("push {to}"))?;
    Ok(ExitCode::SUCCESS)
}
