//! `save`: images of the store as a file to carry.

use std::path::Path;

use tare_image::archive::{ToSave, is_stream, pack_layout, save_docker};
use tare_image::copy::{Selection, copy};
use tare_image::layout::LayoutDestination;
use tare_image::reference::Reference;
use tare_image::source::Source;
use tare_image::store::Store;
use tare_image::{Result, pull};

use super::{Line, Options, output, place};

pub(super) const VERB: &str = "
save REFERENCE... FILE|-  Write images to a file, as docker save does or as a layout
--format FORMAT  docker or oci (docker)
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let (mut file, names) = match line.arguments.split_last() {
        Some((file, names)) => (file.as_str(), names.iter().map(|name| name.parse())),
        None => return Ok(0),
    };
    if file == "-" {
        output::is_no_terminal()?;
        file = "/dev/stdout";
    }
    let (path, names) = (Path::new(file), names.collect::<Result<Vec<_>>>()?);
    match line.text("--format").unwrap_or("docker") {
        "docker" => docker(&names, path, options)?,
        "oci" if path.extension().is_none_or(|e| e != "tar") && !is_stream(path) => {
            fail!(Usage: "the name of an archive of a layout must end in .tar")
        }
        "oci" => oci(&names, path, options)?,
        other => fail!(Usage: "format {other:?}" => "docker and oci exist"),
    }
    Ok(0)
}

/// The name, unless it was the beginning of an id.
fn own_name(store: &Store, name: &Reference) -> Option<Reference> {
    let known = store.layout().resolve(Some(&name.to_string())).is_ok();
    (known || name.digest().is_some()).then(|| name.clone())
}

fn docker(names: &[Reference], path: &Path, options: &Options) -> Result<()> {
    let store = options.store_to_read()?;
    let all = store.source(options.limits());
    let mut images: Vec<ToSave<'_>> = Vec::new();
    for name in names {
        let root = store.image(name, options.limits())?.root()?;
        let (image, _) = pull::choose(&all, &root, &options.pull())?;
        let digest = image.descriptor.digest();
        let same = |i: &&mut ToSave<'_>| i.image.descriptor.digest() == digest;
        match images.iter_mut().find(same) {
            Some(known) => known.names.extend(own_name(&store, name)),
            None => images.push(ToSave {
                source: &all,
                image,
                names: own_name(&store, name).into_iter().collect(),
            }),
        }
    }
    save_docker(&images, path, options.limits(), options.parallel())
}

fn oci(names: &[Reference], path: &Path, options: &Options) -> Result<()> {
    let store = options.store_to_read()?;
    let selection = Selection::One(options.platform());
    let (layout, _staging) = place::layout_beside(path)?;
    for name in names {
        // One image alone is found by its tag; several have their full names, as podman writes them.
        let short = match names {
            [_] => name.tag().map(String::from),
            _ => Some(name.to_string()),
        };
        let full = own_name(&store, name);
        let short = short.filter(|_| full.is_some());
        let mut to = LayoutDestination::new(layout.clone(), short, options.transfer());
        if let Some(full) = &full {
            to = to.image(full);
        }
        let source = store.image(name, options.limits())?;
        copy(&source, &to, &selection, options.parallel())?;
    }
    pack_layout(&layout, path)
}
