//! `load`: what `save` wrote, back into the store.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tare_image::archive::{Archive, is_stream};
use tare_image::error::Doing;
use tare_image::error::During;
use tare_image::layout::LayoutDestination;
use tare_image::reference::Reference;
use tare_image::store::Staging;
use tare_image::{Error, Kind, Result, copy};

use super::options::{self, Options, Outcome};
use super::output::put;

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
            fail!(Usage: "load takes a file, and perhaps a name");
        }
    };
    // Archives are read here and there: one that comes through a pipe is kept until then.
    let kept = spooled(&file, &options)?;
    let path = match &kept {
        Some(staging) => staging.path().join("archive"),
        None => file.clone(),
    };
    let during = || format!("load {}", file.display());
    let archive = Archive::any(&path, options.limits()).during(during)?;
    if let Some(policy) = options.policy()? {
        policy.allow(archive.transport(), &file).during(during)?;
    }
    let mut images = archive.names();
    let nameless =
        |said: &str| failure!(Usage: "{} {said}", file.display() => "Give a name after the file");
    match (name, &mut images[..]) {
        (Some(name), [only]) => *only = vec![name],
        (Some(_), all) => {
            let what = format!("{} has {} images for one name", file.display(), all.len());
            return Err(Error::new(Kind::Usage, what)
                .hint("\"copy\" takes one of them: docker-archive:FILE:NAME or oci:FILE:NAME")
                .into());
        }
        (None, all) if all.iter().all(Vec::is_empty) => {
            return Err(nameless("does not name its image").into());
        }
        _ => {}
    }
    let store = options.store()?;
    for (n, names) in images.iter().enumerate() {
        if names.is_empty() {
            log::warn!("image {} has no name and is left out", n + 1);
        }
        for name in names {
            let place = Some(name.to_string());
            let to = LayoutDestination::new(store.layout().clone(), place, options.transfer());
            let load = || copy::copy(&archive.image(n)?, &to, &copy::Selection::All, 2);
            load().during(|| format!("load {name}"))?;
            put!("{name}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A copy of what cannot be read twice.
fn spooled(file: &Path, options: &Options) -> Result<Option<Staging>> {
    let mut input: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ if is_stream(file) => Box::new(File::open(file).at("open", file)?),
        _ => return Ok(None),
    };
    let staging = options.store()?.staging()?;
    let path = staging.path().join("archive");
    File::create(&path)
        .and_then(|mut copy| std::io::copy(&mut input, &mut copy))
        .at("copy the archive to", &path)?;
    Ok(Some(staging))
}
