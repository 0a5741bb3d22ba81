//! `tag`: another name for an image of the store.

use tare_image::Result;
use tare_image::reference::Reference;

use super::{Line, Options};

pub(super) const VERB: &str = "
tag REFERENCE NEW-REFERENCE  Give an image of the store another name
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let (old, new): (_, Reference) = (line.arguments[0].parse()?, line.arguments[1].parse()?);
    let store = options.store()?;
    let descriptor = store.resolve(&old)?;
    store.layout().tag(Some(&new.to_string()), &descriptor)?;
    Ok(0)
}
