//! `import`: an archive of a root file system becomes an image.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tare_image::error::Doing;
use tare_image::{Result, commit};

use super::{Line, Options, put};

pub(super) const VERB: &str = "
import FILE|- REFERENCE  Make an image of a tar archive with a root file system
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let description = super::commit::description(line)?;
    let (file, name) = (Path::new(&line.arguments[0]), line.arguments[1].parse()?);
    let store = options.store()?;
    let input: Box<dyn Read + Send> = match line.arguments[0].as_str() {
        "-" => Box::new(std::io::stdin()),
        _ => Box::new(File::open(file).at("open", file)?),
    };
    let made = commit::import(&store, input, &name, &description, options.limits())?;
    put!("{}", made.digest());
    Ok(0)
}
