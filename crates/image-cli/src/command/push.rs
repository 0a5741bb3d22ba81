//! `push`: send an image of the store to a registry.

use std::process::ExitCode;

use tare_image::error::During;
use tare_image::location::Location;
use tare_image::reference::Reference;

use super::copy;
use super::options::Outcome;

pub(super) const COMMAND: super::Command = super::Command {
    name: "push",
    usage: "REFERENCE [docker://REFERENCE]",
    about: "Send an image to a registry",
    options: copy::OPTIONS,
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let line = copy::parse(parser)?;
    let (from, to): (Reference, Reference) = match &line.values[..] {
        [one] => (one.parse()?, one.parse()?),
        [from, to] => (from.parse()?, to.trim_start_matches("docker://").parse()?),
        _ => return Err(failure!(Usage: "push takes one or two references").into()),
    };
    let (from, to) = (Location::Store(from), Location::Registry(to));
    copy::transfer(&from, &to, &line).during(|| format!("push {to}"))?;
    Ok(ExitCode::SUCCESS)
}
