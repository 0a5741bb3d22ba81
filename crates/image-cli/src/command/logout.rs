//! `logout`: forget credentials.

use std::process::ExitCode;

use tare_image::reference::Reference;

use super::options::{self, Options, Outcome};

pub(super) const COMMAND: super::Command = super::Command {
    name: "logout",
    usage: "HOST",
    about: "Forget the credentials for a registry",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let [host] = options::rest(parser, &mut options, ["HOST"])?;
    let reference: Reference = format!("{host}/logout").parse()?;
    if !options.credentials().erase(reference.host())? {
        fail!(NotFound: "there are no credentials for {host}");
    }
    Ok(ExitCode::SUCCESS)
}
