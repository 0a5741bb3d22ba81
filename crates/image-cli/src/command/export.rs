//! `export`: an image's files as one tar archive.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use tare_image::Error;
use tare_image::changes::{self, What};
use tare_image::error::During;
use tare_image::flatten::flatten;
use tare_image::location::Location;

use super::options::{self, Options, Outcome};
use super::{output, place};

pub(super) const COMMAND: super::Command = super::Command {
    name: "export",
    usage: "LOCATION FILE|-",
    about: "Write an image's files as one tar archive",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let [location, file] = options::rest(parser, &mut options, ["LOCATION", "FILE"])?;
    let location: Location = location.parse()?;
    let store = options.store_to_use()?;
    let (image, _) = place::local_or_pulled(&store, &location, &options)?;
    let staging = store.staging()?;
    let root = staging.path().join("root");
    flatten(
        &store.source(options.limits()),
        &store,
        &image,
        &root,
        &options.pull(None),
    )
    .during(|| format!("export {location}"))?;
    let error = |e| Error::file("write", file.as_ref(), e);
    let target: Box<dyn Write> = match file.as_str() {
        "-" => {
            output::is_no_terminal()?;
            Box::new(std::io::stdout().lock())
        }
        _ => Box::new(File::create(&file).map_err(error)?),
    };
    let (mut target, _) = changes::write(
        &root,
        What::Tree,
        BufWriter::with_capacity(128 << 10, target),
    )?;
    target.flush().map_err(error)?;
    Ok(ExitCode::SUCCESS)
}
