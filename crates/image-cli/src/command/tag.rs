//! `tag`: another name for an image of the store.

use std::process::ExitCode;

use tare_image::reference::Reference;

use super::options::{self, Options, Outcome};

pub(super) const COMMAND: super::Command = super::Command {
    name: "tag",
    usage: "REFERENCE NEW-REFERENCE",
    about: "Give an image of the store another name",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let [old, new] = options::rest(parser, &mut options, ["REFERENCE", "NEW-REFERENCE"])?;
    let (old, new): (Reference, Reference) = (old.parse()?, new.parse()?);
    let store = options.store()?;
    let descriptor = store.resolve(&old)?;
    store.layout().tag(Some(&new.to_string()), &descriptor)?;
    Ok(ExitCode::SUCCESS)
}
