//! `tags`: what a repository offers.

use tare_image::Result;

use super::{Line, Options, put};

pub(super) const VERB: &str = "
tags REPOSITORY  List the tags of a repository in its registry
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    for tag in options.registry.repository(&line.remote(0)?)?.tags()? {
        put!("{tag}");
    }
    Ok(0)
}
