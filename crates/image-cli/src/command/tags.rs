//! `tags`: what a repository offers.

use std::process::ExitCode;

use tare_image::error::During;
use tare_image::reference::Reference;

use super::options::{self, Options, Outcome};
use super::output::put;

pub(super) const COMMAND: super::Command = super::Command {
    name: "tags",
    usage: "REPOSITORY",
    about: "List the tags of a repository in its registry",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let [name] = options::rest(parser, &mut options, ["REPOSITORY"])?;
    let reference: Reference = name.trim_start_matches("docker://").parse()?;
    let registry = options.registry()?;
    for tag in registry
        .repository(&reference)?
        .tags()
        .during(|| format!("tags {}", reference.name()))?
    {
        put!("{tag}");
    }
    Ok(ExitCode::SUCCESS)
}
