//! `load`: what `save` wrote, back into the store.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tare_image::archive::{docker_names, is_stream};
use tare_image::error::During;
use tare_image::location::Location;
use tare_image::reference::Reference;
use tare_image::store::Staging;
use tare_image::{Error, Kind, Result, copy};

use super::options::{self, Options, Outcome};
use super::output::put;
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "load",
    usage: "FILE|- [REFERENCE]",
    about: "Read images from a file that save, docker save or podman save wrote",
    options: &[],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let values = options::parse(parser, &mut options, |_, _| Ok(false))?;
    let (file, name) = match &values[..] {
        [file] => (PathBuf::from(file), None),
        [file, name] => (PathBuf::from(file), Some(name.parse::<Reference>()?)),
        _ => {
            return Err(Error::new(Kind::Usage, "load takes a file, and perhaps a name").into());
        }
    };
    let registry = options.registry()?;
    // Archives are read here and there: one that comes through a pipe is kept until then.
    let (file, _kept) = match spooled(&file, &options)? {
        Some(staging) => (staging.path().join("archive"), Some(staging)),
        None => (file, None),
    };
    let known = match docker_names(&file, options.limits()) {
        Ok(names) => Some(names),
        Err(e) if e.kind() == Kind::NotFound => None,
        Err(e) => Err(e).during(|| format!("load {}", file.display()))?,
    };
    let work: Vec<(Location, Reference)> = match (known, name) {
        (Some(names), None) if !names.is_empty() => names
            .into_iter()
            .map(|n| {
                (
                    Location::DockerArchive {
                        path: file.clone(),
                        reference: Some(n.clone()),
                    },
                    n,
                )
            })
            .collect(),
        (Some(_), Some(name)) => vec![(
            Location::DockerArchive {
                path: file.clone(),
                reference: None,
            },
            name,
        )],
        (None, Some(name)) => vec![(
            Location::Layout {
                path: file.clone(),
                name: None,
            },
            name,
        )],
        _ => {
            return Err(Error::new(
                Kind::Usage,
                format!("{} does not name its image", file.display()),
            )
            .hint("Give a name after the file")
            .into());
        }
    };
    for (from, name) in work {
        let to = Location::Store(name.clone());
        place::with_source(&from, &options, &registry, |source| {
            place::with_destination(&to, &[], &from, &options, &registry, |destination| {
                copy::copy(source, destination, &copy::Selection::All, 2).map(drop)
            })
        })
        .during(|| format!("load {name}"))?;
        put!("{name}");
    }
    Ok(ExitCode::SUCCESS)
}

/// A copy of what cannot be read twice.
fn spooled(file: &Path, options: &Options) -> Result<Option<Staging>> {
    let mut input: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ if is_stream(file) => {
            Box::new(File::open(file).map_err(|e| Error::file("open", file, e))?)
        }
        _ => return Ok(None),
    };
    let staging = options.store()?.staging()?;
    let path = staging.path().join("archive");
    File::create(&path)
        .and_then(|mut copy| std::io::copy(&mut input, &mut copy))
        .map_err(|e| Error::file("copy the archive to", &path, e))?;
    Ok(Some(staging))
}
