//! `import`: an archive of a root file system becomes an image.

use std::fs::File;
use std::process::ExitCode;

use tare_image::Error;
use tare_image::commit::{self, Description};
use tare_image::reference::Reference;

use super::commit::DESCRIPTION;
use super::options::{self, Options, Outcome};
use super::output::put;

pub(super) const COMMAND: super::Command = super::Command {
    name: "import",
    usage: "FILE|- REFERENCE",
    about: "Make an image of a tar archive with a root file system",
    options: &DESCRIPTION,
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut description = Description::default();
    let values = options::parse(parser, &mut options, |name, parser| {
        super::commit::describe(&mut description, name, parser)
    })?;
    let [file, name] = options::exactly(values, ["FILE", "REFERENCE"])?;
    let name: Reference = name.parse()?;
    let store = options.store()?;
    let made = if file == "-" {
        commit::import(
            &store,
            std::io::stdin(),
            &name,
            &description,
            options.limits(),
        )?
    } else {
        let input = File::open(&file).map_err(|e| Error::file("open", file.as_ref(), e))?;
        commit::import(&store, input, &name, &description, options.limits())?
    };
    put!("{}", made.digest());
    Ok(ExitCode::SUCCESS)
}
