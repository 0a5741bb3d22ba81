//! `remove`: take names away, and what only they led to.

use std::process::ExitCode;

use tare_image::progress::size;
use tare_image::reference::Location;
use tare_image::registry::Registry;
use tare_image::{Error, Kind, Result, gc};

use super::options::{self, Options};

pub(super) const COMMAND: super::Command = super::Command {
    name: "remove",
    usage: "REFERENCE... | docker://REFERENCE",
    about: "Remove images from the store, or one from a registry",
    options: &[("--no-gc", "leave the content for \"gc\"")],
    run,
};

fn run(parser: lexopt::Parser) -> Result<ExitCode> {
    let mut options = Options::default();
    let mut collect = true;
    let values = options::parse(parser, &mut options, |name, _| {
        let own = name == "no-gc";
        collect &= !own;
        Ok(own)
    })?;
    if values.is_empty() {
        return Err(Error::new(Kind::Usage, "remove takes images"));
    }
    let registry = options.registry()?;
    let mut local = false;
    for value in values {
        match value.parse()? {
            Location::Store(reference) => {
                local = true;
                if !options.store()?.layout().untag(&reference.to_string())? {
                    return Err(Error::new(
                        Kind::NotFound,
                        format!("{reference} is not in the store"),
                    ));
                }
            }
            Location::Registry(reference) => remote(&registry, &reference)?,
            other => {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{other} is a file; remove it with rm"),
                ));
            }
        }
    }
    if local && collect {
        let store = options.store_as_root()?;
        let freed = gc::collect(&store)?;
        println!(
            "freed {} in {} blobs and {} layers",
            size(freed.bytes),
            freed.blobs,
            freed.layers
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn remote(registry: &Registry, reference: &tare_image::reference::Reference) -> Result<()> {
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
