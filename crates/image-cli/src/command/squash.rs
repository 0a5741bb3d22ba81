//! `squash`: an image of one layer.

use tare_image::{Result, commit};

use super::{Line, Options, diff, place, put};

pub(super) const VERB: &str = "
squash LOCATION REFERENCE  Make an image of one layer with the files of another, and its configuration
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let description = super::commit::description(line)?;
    let (location, name) = (line.arguments[0].parse()?, line.arguments[1].parse()?);
    let store = options.store_as_root()?;
    let base = place::local_or_pulled(&store, &location, options)?;
    let (root, _staging) = diff::tree(&store, &line.arguments[0], options)?;
    let made = commit::squash(&store, &base, &root, &name, &description)?;
    put!("{}", made.digest());
    Ok(0)
}
