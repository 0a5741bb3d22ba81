//! `save`: images of the store as a file to carry.

use std::process::ExitCode;

use tare_image::archive::is_stream;
use tare_image::error::During;
use tare_image::location::Location;
use tare_image::reference::Reference;
use tare_image::{Error, Kind, copy};

use super::options::{self, Options, Outcome, text};
use super::{output, place};

pub(super) const COMMAND: super::Command = super::Command {
    name: "save",
    usage: "REFERENCE FILE|-",
    about: "Write an image to a file, as docker save does or as a layout",
    options: &[("--format FORMAT", "docker or oci (docker)")],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut format = "docker".to_string();
    let values = options::parse(parser, &mut options, |name, parser| {
        if name == "format" {
            format = text(parser)?;
            return Ok(true);
        }
        Ok(false)
    })?;
    let [reference, mut file] = options::exactly(values, ["REFERENCE", "FILE"])?;
    if file == "-" {
        output::is_no_terminal()?;
        file = "/dev/stdout".into();
    }
    let reference: Reference = reference.parse()?;
    let to = match format.as_str() {
        "docker" => Location::DockerArchive {
            path: file.clone().into(),
            reference: Some(reference.clone()),
        },
        // The name in a layout is short, since it has no registry.
        "oci" => {
            let path = std::path::PathBuf::from(&file);
            if path.extension().is_none_or(|e| e != "tar") && !is_stream(&path) {
                return Err(Error::new(
                    Kind::Usage,
                    "the name of an archive of a layout must end in .tar",
                )
                .into());
            }
            Location::Layout {
                path,
                name: reference.tag().map(String::from),
            }
        }
        _ => {
            return Err(Error::new(Kind::Usage, format!("format {format:?}"))
                .hint("docker and oci exist")
                .into());
        }
    };
    let from = Location::Store(reference);
    let registry = options.registry()?;
    let selection = copy::Selection::One(options.platform());
    place::with_source(&from, &options, &registry, |source| {
        place::with_destination(&to, &[], &from, &options, &registry, |destination| {
            copy::copy(source, destination, &selection, 1).map(drop)
        })
    })
    .during(|| format!("save {from}"))?;
    Ok(ExitCode::SUCCESS)
}
