//! `remove`: take names away, and what only they led to.

use std::path::Path;

use tare_image::container::{self, Record};
use tare_image::error::Doing;
use tare_image::location::Location;
use tare_image::reference::Reference;
use tare_image::store::Store;
use tare_image::{Kind, Result, gc};

use super::{Line, Options, put};

pub(super) const VERB: &str = "
remove LOCATION...  Remove images from the store, or one from a registry
--container  the names are of containers that \"run --keep\" left, or of bundles
--no-gc  leave the content for \"gc\"
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    if line.has("--container") {
        return containers(&line.arguments, options);
    }
    let mut local = false;
    for value in &line.arguments {
        match value.parse()? {
            Location::Store(reference) => {
                local = true;
                let store = options.store()?;
                if !store.layout().untag(&reference.to_string())? {
                    store.layout().untag(&only_name(&store, &reference)?)?;
                }
            }
            Location::Registry(reference) => {
                let repository = options.registry.repository(&reference)?;
                repository.delete_manifest(&repository.resolve()?)?;
            }
            other => fail!(Usage: "{other} is a file; remove it with rm"),
        }
    }
    if local && !line.has("--no-gc") {
        put!("{}", gc::collect(&options.store_as_root()?)?);
    }
    Ok(0)
}

fn containers(names: &[String], options: &Options) -> Result<u8> {
    let store = options.store_as_root()?;
    for name in names {
        let folder = match Path::new(name) {
            path if path.join("image.json").exists() => path.to_path_buf(),
            _ => store.container(name),
        };
        if !folder.exists() {
            fail!(NotFound: "there is no container or bundle {name}");
        }
        match Record::read(&folder) {
            // That it was one can be seen, and nothing else matters here.
            Err(e) if e.kind() == Kind::Malformed => {}
            other => drop(other?),
        }
        let folder = folder.canonicalize().at("resolve", &folder)?;
        container::discard(&store, &folder)?;
    }
    Ok(0)
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
