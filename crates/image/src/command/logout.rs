//! `logout`: forget credentials.

use std::process::ExitCode;

use tare_image::reference::Reference;
use tare_image::{Error, Kind, Result};

use super::options::{self, Options};

pub(super) const COMMAND: super::Command = super::Command {
    name: "logout",
    usage: "HOST",
    about: "Forget the credentials for a registry",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Result<ExitCode> {
    let mut options = Options::default();
    let [host] = options::rest(parser, &mut options, ["HOST"])?;
    let reference: Reference = format!("{host}/logout").parse()?;
    if !options.credentials().erase(reference.host())? {
        return Err(Error::new(
            Kind::NotFound,
            format!("there are no credentials for {host}"),
        ));
    }
    Ok(ExitCode::SUCCESS)
}
