//! All layers of an image in one directory.

use std::fs;
use std::path::Path;

#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Doing, During, Result};
use crate::files;
use crate::manifest::Image;
use crate::parallel::in_order;
use crate::pull::{Job, Options, make_directory, report};
use crate::store::{Staging, Store};
use crate::tar::Time;
use crate::unpack::{Form, merge, open_directory, remove_tree, timestamps};

/// Makes one root file system of an image whose blobs are in the store. It appears at `target`, which must not exist or be empty,
/// in one step.
///
/// # Errors
/// As [`crate::pull::pull`]; [`Kind::Local`] when `target` is in the way.
pub fn flatten(store: &Store, image: &Image, target: &Path, options: &Options) -> Result<()> {
    files::check_free(target)?;
    let staging = Staging::beside(target)?;
    let root = staging.path().join("root");
    make_directory(&root)?;
    // Where no layer says anything about the root: not the time of unpacking, so that the same image gives the same tree.
    rustix::fs::futimens(open_directory(&root)?, &timestamps(Time::default()))
        .at("set time of", &root)?;
    let source = store.source(&options.limits);
    let job = Job::new(&source, store, image, options);
    let step = |n: usize| job.step(n);
    in_order(
        image.chain_ids.len(),
        options.parallel,
        |n, failed| {
            let folder = staging.path().join(n.to_string());
            make_directory(&folder)?;
            job.prepare(n, &folder, Form::Flat, failed)
                .during(|| step(n))
        },
        |n, layer| {
            let lower = [open_directory(&root)?];
            let summary = layer.settle(&lower).during(|| step(n))?;
            report(&summary);
            let folder = staging.path().join(n.to_string());
            merge::merge(&folder.join("fs"), &root, options.owner, &summary).during(|| step(n))?;
            remove_tree(&folder)
        },
    )?;
    if target.exists() {
        fs::remove_dir(target).at("replace", target)?;
    }
    fs::rename(&root, target).at("move root file system to", target)
}
