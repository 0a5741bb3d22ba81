//! `remove`: take names away, and what only they led to.

use std::path::Path;
use std::process::ExitCode;

use tare_image::container::{self, Record};
use tare_image::error::Doing;
use tare_image::error::During;
use tare_image::location::Location;
use tare_image::reference::Reference;
use tare_image::registry::Registry;
use tare_image::store::Store;
use tare_image::{Kind, Result, gc};

use super::options::{self, Options, Outcome};
use super::output::put;

pub(super) const COMMAND: super::Command = super::Command {
    name: "remove",
    usage: "REFERENCE... | docker://REFERENCE",
    about: "Remove images from the store, or one from a registry",
    options: &[
        (
            "--container",
            "the names are of containers that \"run --keep\" left, or of bundles",
        ),
        ("--no-gc", "leave the content for \"gc\""),
    ],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let (mut collect, mut containers) = (true, false);
    let values = options::parse(parser, &mut options, |name, _| {
        collect &= name != "no-gc";
        containers |= name == "container";
        Ok(name == "no-gc" || name == "container")
    })?;
    if values.is_empty() {
        fail!(Usage: "remove takes images");
    }
    if containers {
        let store = options.store_as_root()?;
        for value in values {
            let folder = match Path::new(&value) {
                path if path.join("image.json").exists() => path.to_path_buf(),
                _ => store.container(&value),
            };
            if !folder.exists() {
                fail!(NotFound: "there is no container or bundle {value}");
            }
            match Record::read(&folder) {
                // That it was one can be seen, and nothing else matters here.
                Err(e) if e.kind() == Kind::Malformed => {}
                other => drop(other?),
            }
            let folder = folder.canonicalize().at("resolve", &folder)?;
            container::discard(&store, &folder)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let registry = options.registry()?;
    let mut local = false;
    for value in values {
        match value.parse()? {
            Location::Store(reference) => {
                local = true;
                let store = options.store()?;
                if !store.layout().untag(&reference.to_string())? {
                    store.layout().untag(&only_name(&store, &reference)?)?;
                }
            }
            Location::Registry(reference) => {
                remote(&registry, &reference).during(|| format!("remove docker://{reference}"))?
            }
            other => {
                fail!(Usage: "{other} is a file; remove it with rm");
            }
        }
    }
    if local && collect {
        let store = options.store_as_root()?;
        let freed = gc::collect(&store)?;
        put!("{freed}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The one name of an image that is meant by its id.
fn only_name(store: &Store, reference: &Reference) -> Result<String> {
    let meant = store.resolve(reference).map_err(|e| match e.kind() {
        Kind::NotFound => failure!(NotFound: "{reference} is not in the store"),
        _ => e,
    })?;
    let names = store.layout().names()?.into_iter();
    let names = names.filter(|(_, d)| d.digest() == meant.digest());
    let mut names: Vec<String> = names.map(|(name, _)| name).collect();
    match names.len() {
        1 => Ok(names.remove(0)),
        0 => fail!(NotFound: "{reference} is not in the store"),
        _ => fail!(Usage: "that image has several names: {}", names.join(", ")),
    }
}

fn remote(registry: &Registry, reference: &Reference) -> Result<()> {
    let repository = registry.repository(reference)?;
    let digest = match reference.digest() {
        Some(digest) => digest,
        None => repository
            .manifest(reference.target())?
            .descriptor
            .digest()
            .clone(),
    };
    repository.delete_manifest(&digest)
}
