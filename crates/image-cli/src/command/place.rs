//! Locations on the command line turned into sources and destinations.

use std::collections::HashMap;
use std::path::Path;

use oci_spec::image::Digest;

use tare_image::archive::{Archive, ToSave, folder_for, is_stream, pack_layout, save_docker};
use tare_image::error::During;
use tare_image::layout::{Layout, LayoutDestination, LayoutSource};
use tare_image::location::Location;
use tare_image::manifest::{Content, Image, is_manifest};
use tare_image::pull;
use tare_image::reference::Reference;
use tare_image::registry::{Elsewhere, Registry, RegistryDestination, RegistrySource};
use tare_image::source::{Destination, Source};
use tare_image::store::Store;
use tare_image::{Error, Kind, Result};

use super::options::{Options, counted};

/// True for archives of layouts; directories are layouts themselves.
fn is_archive(path: &Path) -> bool {
    path.is_file()
        || is_stream(path)
        || (!path.exists() && path.extension().is_some_and(|e| e == "tar"))
}

/// Opens a place to read from and calls `run` with it, when the policy accepts what is there.
pub(super) fn with_source<T>(
    location: &Location,
    options: &Options,
    registry: &Registry,
    run: impl FnOnce(&dyn Source) -> Result<T>,
) -> Result<T> {
    let Some(policy) = options.policy()? else {
        return with_any_source(location, options, registry, run);
    };
    match location {
        Location::Registry(reference) => {
            let source = RegistrySource::new(registry.repository(reference)?);
            return run(&policy.approve(&source, reference)?);
        }
        Location::Layout { path, .. } if is_archive(path) => policy.allow("oci-archive", path)?,
        Location::Layout { path, .. } => policy.allow("oci", path)?,
        Location::DockerArchive { path, .. } => policy.allow("docker-archive", path)?,
        Location::Store(_) => {}
    }
    with_any_source(location, options, registry, run)
}

/// The same to look at it, whatever the policy says.
pub(super) fn with_any_source<T>(
    location: &Location,
    options: &Options,
    registry: &Registry,
    run: impl FnOnce(&dyn Source) -> Result<T>,
) -> Result<T> {
    match location {
        Location::Registry(reference) => run(&RegistrySource::new(registry.repository(reference)?)),
        Location::Store(reference) => {
            let store = options.store_to_read()?;
            run(&store.image(reference, options.limits())?)
        }
        Location::Layout { path, name } if is_archive(path) => {
            run(&Archive::layout(path, options.limits())?.find(name.as_deref())?)
        }
        Location::Layout { path, name } => run(&LayoutSource::new(
            Layout::open(path)?,
            name.clone(),
            options.limits().clone(),
        )),
        Location::DockerArchive { path, reference } => {
            let name = reference.as_ref().map(ToString::to_string);
            run(&Archive::docker(path, options.limits())?.find(name.as_deref())?)
        }
    }
}

/// Opens a place to write to, calls `run` with it, and completes what needs completing. In a registry, the image gets
/// `tags` too.
pub(super) fn with_destination(
    location: &Location,
    tags: &[String],
    from: &Location,
    options: &Options,
    registry: &Registry,
    run: impl FnOnce(&dyn Destination) -> Result<()>,
) -> Result<()> {
    if !tags.is_empty() && !matches!(location, Location::Registry(_)) {
        fail!(Usage: "--also is for registries" => "Elsewhere, give the image another name with: tare-image tag");
    }
    match location {
        Location::Registry(reference) => {
            let elsewhere = match from {
                Location::Registry(from) if from.host() == reference.host() => {
                    Elsewhere::All(from.repository().to_string())
                }
                Location::Store(_) => Elsewhere::Some(known_elsewhere(
                    options.store_to_read()?.layout(),
                    reference,
                    options,
                )?),
                _ => Elsewhere::Unknown,
            };
            let repository = registry.repository(reference)?;
            run(&RegistryDestination::new(repository, elsewhere).also(tags)?)
        }
        Location::Store(reference) => {
            let store = options.store()?;
            run(&LayoutDestination::new(
                store.layout().clone(),
                Some(reference.to_string()),
                options.transfer(),
            ))
        }
        Location::Layout { path, name } if is_archive(path) => {
            in_temporary_layout(path, |layout| {
                let layout_name = name.clone();
                run(&LayoutDestination::new(
                    layout.clone(),
                    layout_name,
                    options.transfer(),
                ))?;
                pack_layout(layout, path)
            })
        }
        Location::Layout { path, name } => run(&LayoutDestination::new(
            Layout::create(path)?,
            name.clone(),
            options.transfer(),
        )),
        Location::DockerArchive { path, reference } => in_temporary_layout(path, |layout| {
            let transfer = options.transfer();
            run(&LayoutDestination::new(layout.clone(), None, transfer))?;
            let source = LayoutSource::new(layout.clone(), None, options.limits().clone());
            let (image, _) = pull::choose(&source, &source.root()?, &options.pull(None))?;
            let names = reference.iter().cloned().collect();
            save_docker(
                &[ToSave {
                    source: &source,
                    image,
                    names,
                }],
                path,
            )
        }),
    }
}

/// Where else in the registry of `reference` there is content of the store: in the repositories whose images have it. So
/// the layers of a base image are not sent again.
fn known_elsewhere(
    layout: &Layout,
    reference: &Reference,
    options: &Options,
) -> Result<HashMap<Digest, String>> {
    let mut found = HashMap::new();
    for (name, descriptor) in layout.names()? {
        let Ok(other) = name.parse::<Reference>() else {
            continue;
        };
        if other.host() != reference.host() || other.repository() == reference.repository() {
            continue;
        }
        let mut left = vec![descriptor];
        while let Some(descriptor) = left.pop() {
            // Of an index, only some images may be here.
            if !layout.has(&descriptor)? {
                continue;
            }
            let document = layout.document(&descriptor, options.limits().manifest_bytes)?;
            match document.content {
                Content::Manifest(_) => found.extend(
                    (document.children().into_iter())
                        .map(|d| (d.digest().clone(), other.repository().to_string())),
                ),
                // Indexes in indexes are too rare to look into.
                Content::Index(index) => left.extend(
                    (index.manifests().iter())
                        .filter(|d| is_manifest(d.media_type().as_ref()))
                        .cloned(),
                ),
            }
        }
    }
    Ok(found)
}

/// Collects what is to be in an archive beside it first.
pub(super) fn in_temporary_layout(
    path: &Path,
    fill: impl FnOnce(&Layout) -> Result<()>,
) -> Result<()> {
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = folder_for(path).join(format!("{own}.{}.layout", std::process::id()));
    let result = Layout::create(&folder).and_then(|layout| fill(&layout));
    tare_image::unpack::remove_tree(&folder)?;
    result.during(|| format!("write {}", path.display()))
}

/// The image that `reference` stands for in the store, for the wanted platform.
pub(super) fn local(store: &Store, reference: &Reference, options: &Options) -> Result<Image> {
    let source = store.image(reference, options.limits())?;
    let root = source.root()?;
    let image = pull::choose(&source, &root, &options.pull(None))?.0;
    for layer in image.manifest.layers() {
        if !store.layout().has(layer)? {
            fail!(NotFound: "layer {} of {reference} is not in the store", layer.digest());
        }
    }
    store.layout().touch(&image.descriptor);
    Ok(image)
}

/// When an image is pulled although perhaps it is here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pull {
    Always,
    Missing,
    Never,
}

impl std::str::FromStr for Pull {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "always" | "newer" => Pull::Always,
            "missing" => Pull::Missing,
            "never" => Pull::Never,
            _ => fail!(Usage: "--pull {text}: always, missing and never exist"),
        })
    }
}

/// As [`local`]; what is not there is pulled first.
pub(super) fn local_or_pulled(
    store: &Store,
    location: &Location,
    options: &Options,
) -> Result<(Image, Reference)> {
    local_or(Pull::Missing, store, location, options)
}

pub(super) fn local_or(
    when: Pull,
    store: &Store,
    location: &Location,
    options: &Options,
) -> Result<(Image, Reference)> {
    let reference = match location {
        Location::Store(reference) | Location::Registry(reference) => reference.clone(),
        Location::DockerArchive {
            reference: Some(reference),
            ..
        } => reference.clone(),
        Location::Layout { path, name } => by_path(path, name.as_deref())?,
        Location::DockerArchive {
            path,
            reference: None,
        } => by_path(path, None)?,
    };
    let mut missing = false;
    if matches!(location, Location::Store(_)) && when != Pull::Always {
        match local(store, &reference, options) {
            Err(e) if e.kind() == Kind::NotFound && when == Pull::Missing => missing = true,
            other => return other.map(|image| (image, reference)),
        }
    }
    let location = match location {
        Location::Store(reference) => Location::Registry(reference.clone()),
        other => other.clone(),
    };
    let registry = options.registry()?;
    let (bar, progress) = options.bar(&format!("pull {reference}"));
    let pulled = with_source(&location, options, &registry, |source| {
        pull::pull(
            source,
            store,
            &reference,
            false,
            &options.pull(Some(progress)),
        )
    });
    drop(bar);
    let pulled = match missing {
        true => pulled.during(|| format!("{reference} is not in the store")),
        false => pulled,
    };
    Ok((pulled?.image, reference))
}

/// A name for an image that came from a file.
fn by_path(path: &Path, name: Option<&str>) -> Result<Reference> {
    let stem = path
        .file_stem()
        .map(|s| s.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let clean: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let clean = clean.trim_matches('-');
    let tag = name
        .filter(|n| format!("x:{n}").parse::<Reference>().is_ok())
        .unwrap_or("latest");
    format!(
        "localhost/{}:{tag}",
        if clean.is_empty() { "image" } else { clean }
    )
    .parse()
}

/// Kind and number of entries of a document, for people.
pub(super) fn shape(content: &Content) -> String {
    match content {
        Content::Manifest(m) => format!("image with {}", counted(m.layers().len(), "layer")),
        Content::Index(i) => format!("index of {}", counted(i.manifests().len(), "image")),
    }
}
