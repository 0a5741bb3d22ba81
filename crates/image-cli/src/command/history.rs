//! `history`: how an image came to be.

use tare_image::progress::size;
use tare_image::{Result, pull};

use super::{Line, Options, place, put};

pub(super) const VERB: &str = "
history LOCATION  Show the steps that an image was made in, newest first
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let location = line.arguments[0].parse()?;
    let source = place::any_source(&location, options)?;
    let (image, _) = pull::choose(&*source, &source.root()?, &options.pull())?;
    let mut layers = image.manifest.layers().iter();
    let mut rows = Vec::new();
    for step in image.config.history().iter().flatten() {
        let layer = match step.empty_layer() {
            Some(true) => None,
            _ => layers.next(),
        };
        let bytes = layer.map(|l| size(l.size())).unwrap_or_default();
        let created = step.created().as_deref().unwrap_or_default();
        let created: String = created.chars().take(20).collect();
        let by = step.created_by().as_ref().or(step.comment().as_ref());
        let by = by.map_or("", |by| by).replace(char::is_control, " ");
        rows.push(format!("{created:<20}  {bytes:>9}  {by}"));
    }
    for row in rows.iter().rev() {
        put!("{row}");
    }
    Ok(0)
}
