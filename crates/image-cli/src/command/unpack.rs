//! `unpack`: an image's files in a directory.

use std::path::Path;
use std::process::ExitCode;

use tare_image::error::During;
use tare_image::flatten::flatten;
use tare_image::location::Location;

use super::options::{self, Options, Outcome};
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "unpack",
    usage: "LOCATION DIR",
    about: "Put an image's files into a new directory",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let [location, target] = options::rest(parser, &mut options, ["LOCATION", "DIR"])?;
    let location: Location = location.parse()?;
    let store = options.store_to_use()?;
    let (image, _) = place::local_or_pulled(&store, &location, &options)?;
    flatten(
        &store.source(options.limits()),
        &store,
        &image,
        Path::new(&target),
        &options.pull(None),
    )
    .during(|| format!("unpack {location}"))?;
    Ok(ExitCode::SUCCESS)
}
