//! `history`: how an image came to be.

use std::process::ExitCode;

use tare_image::location::Location;
use tare_image::progress::size;
use tare_image::pull;

use super::options::{self, Options, Outcome};
use super::output::put;
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "history",
    usage: "LOCATION",
    about: "Show the steps that an image was made in, newest first",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let [location] = options::rest(parser, &mut options, ["LOCATION"])?;
    let location: Location = location.parse()?;
    let registry = options.registry()?;
    place::with_any_source(&location, &options, &registry, |source| {
        let (image, _) = pull::choose(source, &source.root()?, &options.pull(None))?;
        let mut layers = image.manifest.layers().iter();
        let mut rows = Vec::new();
        for step in image.config.history().iter().flatten() {
            let bytes = if step.empty_layer() == Some(true) {
                None
            } else {
                layers.next().map(|l| l.size())
            };
            let created = step.created().clone().unwrap_or_default();
            let by = step
                .created_by()
                .clone()
                .or(step.comment().clone())
                .unwrap_or_default();
            rows.push((created, bytes.map(size).unwrap_or_default(), by));
        }
        for (created, bytes, by) in rows.into_iter().rev() {
            let by: String = by
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            put!(
                "{:<20}  {bytes:>9}  {by}",
                &created.chars().take(20).collect::<String>()
            );
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
