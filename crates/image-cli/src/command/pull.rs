//! `pull`: bring an image into the store and unpack its layers.

use std::process::ExitCode;

use tare_image::location::Location;
use tare_image::pull;

use super::options::{self, Options, Outcome};
use super::output::put;
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "pull",
    usage: "REFERENCE | LOCATION [REFERENCE]",
    about: "Bring an image into the store, ready to run",
    options: &[("--no-unpack", "only the compressed layers")],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut unpack = true;
    let values = options::parse(parser, &mut options, |name, _| {
        let own = name == "no-unpack";
        unpack &= !own;
        Ok(own)
    })?;
    let (text, name) = match &values[..] {
        [text] => (text, None),
        [text, name] => (text, Some(name.parse()?)),
        _ => {
            fail!(Usage: "pull takes one image, and perhaps a name for it");
        }
    };
    // Here a bare reference means the registry.
    let location = match text.parse()? {
        Location::Store(reference) => Location::Registry(reference),
        other => other,
    };
    let reference = match (&location, name) {
        (_, Some(name)) => name,
        (Location::Registry(reference), None) => reference.clone(),
        (
            Location::DockerArchive {
                reference: Some(reference),
                ..
            },
            None,
        ) => reference.clone(),
        _ => {
            fail!(Usage: "give a name for what is in {location}");
        }
    };
    let store = options.store_as_root()?;
    let registry = options.registry()?;
    let (bar, progress) = options.bar(&format!("pull {reference}"));
    let pulled = place::with_source(&location, &options, &registry, |source| {
        pull::pull(
            source,
            &store,
            &reference,
            unpack,
            &options.pull(Some(progress)),
        )
    });
    drop(bar);
    put!("{}", pulled?.root.digest());
    Ok(ExitCode::SUCCESS)
}
