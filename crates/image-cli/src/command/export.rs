//! `export`: an image's files as one tar archive.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use tare_image::Result;
use tare_image::changes::{self, What};
use tare_image::error::Doing;

use super::{Line, Options, diff, output};

pub(super) const VERB: &str = "
export LOCATION FILE|-  Write an image's files as one tar archive
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let file = Path::new(&line.arguments[1]);
    let store = options.store_to_use()?;
    let (root, _staging) = diff::tree(&store, &line.arguments[0], options)?;
    let target: Box<dyn Write> = match line.arguments[1].as_str() {
        "-" => {
            output::is_no_terminal()?;
            Box::new(std::io::stdout().lock())
        }
        _ => Box::new(File::create(file).at("write", file)?),
    };
    let target = BufWriter::with_capacity(128 << 10, target);
    let (mut target, _) = changes::write(&root, What::Tree, target)?;
    target.flush().at("write", file)?;
    Ok(0)
}
