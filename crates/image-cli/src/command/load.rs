//! `load`: what `save` wrote, back into the store.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tare_image::archive::{Archive, is_stream};
use tare_image::copy::{Selection, copy};
use tare_image::error::{Doing, During};
use tare_image::reference::Reference;
use tare_image::store::Staging;
use tare_image::{Result, store::Store};

use super::{Line, Options, put};

pub(super) const VERB: &str = "
load FILE|- [REFERENCE]  Read images from a file that save, docker save or podman save wrote
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let file = Path::new(&line.arguments[0]);
    let name = line.arguments.get(1).map(|name| name.parse::<Reference>());
    let name = name.transpose()?;
    // Archives are read here and there: one that comes through a pipe is kept until then.
    let kept = spooled(file, options)?;
    let path = kept
        .as_ref()
        .map(|(_, staging)| staging.path().join("archive"));
    let archive = Archive::any(path.as_deref().unwrap_or(file), options.limits())?;
    if let Some(policy) = options.policy()? {
        policy.allow(archive.transport(), file)?;
    }
    let mut images = archive.names();
    match (name, &mut images[..]) {
        (Some(name), [only]) => *only = vec![name],
        (Some(_), all) => fail!(Usage: "{} has {} images for one name", file.display(), all.len()
            => "\"copy\" takes one of them: docker-archive:FILE:NAME or oci:FILE:NAME"),
        (None, all) if all.iter().all(Vec::is_empty) => {
            fail!(Usage: "{} does not name its image", file.display() => "Give a name after the file")
        }
        _ => {}
    }
    let store = options.store()?;
    for (n, names) in images.iter().enumerate() {
        if names.is_empty() {
            log::warn!("image {} has no name and is left out", n + 1);
        }
        for name in names {
            let to = store.destination(name, options.transfer());
            let load = || copy(&archive.image(n)?, &to, &Selection::All, options.parallel());
            load().during(|| format!("load {name}"))?;
            put!("{name}");
        }
    }
    Ok(0)
}

/// A copy of what cannot be read twice, in a store that is open as long as it is needed.
fn spooled(file: &Path, options: &Options) -> Result<Option<(Store, Staging)>> {
    let mut input: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ if is_stream(file) => Box::new(File::open(file).at("open", file)?),
        _ => return Ok(None),
    };
    let store = options.store()?;
    let staging = store.staging()?;
    let path = staging.path().join("archive");
    File::create(&path)
        .and_then(|mut copy| std::io::copy(&mut input, &mut copy))
        .at("copy the archive to", &path)?;
    Ok(Some((store, staging)))
}
