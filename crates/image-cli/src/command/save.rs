//! `save`: images of the store as a file to carry.

use std::path::Path;
use std::process::ExitCode;

use tare_image::archive::{ToSave, is_stream, pack_layout, save_docker};
use tare_image::copy::{self, Selection};
use tare_image::error::During;
use tare_image::layout::LayoutDestination;
use tare_image::pull;
use tare_image::reference::Reference;
use tare_image::source::Source;
use tare_image::store::Store;
use tare_image::{Error, Kind, Result};

use super::options::{self, Options, Outcome, text};
use super::{output, place};

pub(super) const COMMAND: super::Command = super::Command {
    name: "save",
    usage: "REFERENCE... FILE|-",
    about: "Write images to a file, as docker save does or as a layout",
    options: &[("--format FORMAT", "docker or oci (docker)")],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut format = "docker".to_string();
    let mut values = options::parse(parser, &mut options, |name, parser| {
        if name == "format" {
            format = text(parser)?;
            return Ok(true);
        }
        Ok(false)
    })?;
    let Some(mut file) = values.pop().filter(|_| !values.is_empty()) else {
        fail!(Usage: "save takes images, and a file after them");
    };
    if file == "-" {
        output::is_no_terminal()?;
        file = "/dev/stdout".into();
    }
    let path = Path::new(&file);
    let names = values.iter().map(|v| v.parse());
    let names = names.collect::<Result<Vec<Reference>>>()?;
    let save = match format.as_str() {
        "docker" => docker,
        "oci" if path.extension().is_none_or(|e| e != "tar") && !is_stream(path) => {
            let what = "the name of an archive of a layout must end in .tar";
            return Err(Error::new(Kind::Usage, what).into());
        }
        "oci" => oci,
        _ => {
            fail!(Usage: "format {format:?}" => "docker and oci exist");
        }
    };
    save(&names, path, &options).during(|| format!("save {}", values.join(" ")))?;
    Ok(ExitCode::SUCCESS)
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
        let (image, _) = pull::choose(&all, &root, &options.pull(None))?;
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
    save_docker(&images, path)
}

fn oci(names: &[Reference], path: &Path, options: &Options) -> Result<()> {
    let store = options.store_to_read()?;
    let selection = Selection::One(options.platform());
    place::in_temporary_layout(path, |layout| {
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
            copy::copy(&source, &to, &selection, 1)?;
        }
        pack_layout(layout, path)
    })
}
