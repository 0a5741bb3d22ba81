//! `unpack`: an image's files in a directory.

use std::path::Path;

use tare_image::{Result, flatten::flatten};

use super::{Line, Options, place};

pub(super) const VERB: &str = "
unpack LOCATION DIR  Put an image's files into a new directory
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let location = line.arguments[0].parse()?;
    let store = options.store_to_use()?;
    let image = place::local_or_pulled(&store, &location, options)?;
    let target = Path::new(&line.arguments[1]);
    flatten(&store, &image, target, &options.pull())?;
    Ok(0)
}
