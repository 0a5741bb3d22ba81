//! `gc`: free what nothing leads to.

use std::process::ExitCode;

use tare_image::gc;

use super::options::{self, Options, Outcome};
use super::output::put;

pub(super) const COMMAND: super::Command = super::Command {
    name: "gc",
    usage: "",
    about: "Remove content that no name and no container leads to, and half-fetched layers",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let [] = options::rest(parser, &mut options, [])?;
    let store = options.store_as_root()?;
    let freed = gc::collect(&store)?;
    put!("{freed}");
    Ok(ExitCode::SUCCESS)
}
