//! `copy`: from any place to any other.

use std::process::ExitCode;

use tare_image::error::During;
use tare_image::reference::Location;
use tare_image::{Result, copy};

use super::options::{self, Options};
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "copy",
    usage: "LOCATION LOCATION",
    about: "Copy an image from any place to any other, byte by byte",
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
    let [from, to] = options::exactly(values, ["FROM", "TO"])?;
    let (from, to): (Location, Location) = (from.parse()?, to.parse()?);
    let registry = options.registry()?;
    let selection = if all {
        copy::Selection::All
    } else {
        copy::Selection::One(options.platform())
    };
    let parallel = options.pull(None).parallel;
    place::with_source(&from, &options, &registry, |source| {
        place::with_destination(&to, &from, &options, &registry, |destination| {
            let copied = copy::copy(source, destination, &selection, parallel)?;
            println!("{}", copied.digest());
            Ok(())
        })
    })
    .during(|| format!("copy {from} to {to}"))?;
    Ok(ExitCode::SUCCESS)
}
