//! Locations on the command line turned into sources and destinations.

use std::collections::HashMap;
use std::path::Path;

use oci_spec::image::Digest;
use tare_image::archive::{Archive, ToSave, folder_for, is_stream, pack_layout, save_docker};
use tare_image::error::During;
use tare_image::layout::{Layout, LayoutDestination, LayoutSource};
use tare_image::location::Location;
use tare_image::manifest::{Content, Image};
use tare_image::pull::{self, Pulled};
use tare_image::reference::Reference;
use tare_image::registry::{Elsewhere, RegistryDestination, RegistrySource};
use tare_image::source::{Destination, Source};
use tare_image::store::{Staging, Store};
use tare_image::{Error, Kind, Result};

use super::options::Options;

/// True for archives of layouts; directories are layouts themselves.
fn is_archive(path: &Path) -> bool {
    path.is_file()
        || is_stream(path)
        || (!path.exists() && path.extension().is_some_and(|e| e == "tar"))
}

/// Opens a place to read from, when the policy accepts what is there.
pub(super) fn source<'a>(
    location: &Location,
    options: &'a Options,
) -> Result<Box<dyn Source + 'a>> {
    if let Some(policy) = options.policy()? {
        match location {
            Location::Registry(reference) => {
                let source = RegistrySource::new(options.registry.repository(reference)?);
                return Ok(Box::new(policy.approve(source, reference)?));
            }
            Location::Layout { path, .. } => match is_archive(path) {
                true => policy.allow("oci-archive", path)?,
                false => policy.allow("oci", path)?,
            },
            Location::DockerArchive { path, .. } => policy.allow("docker-archive", path)?,
            Location::Store(_) => {}
        }
    }
    any_source(location, options)
}

/// The same to look at it, whatever the policy says.
pub(super) fn any_source<'a>(
    location: &Location,
    options: &'a Options,
) -> Result<Box<dyn Source + 'a>> {
    let limits = options.limits();
    Ok(match location {
        Location::Registry(reference) => {
            Box::new(RegistrySource::new(options.registry.repository(reference)?))
        }
        Location::Store(reference) => Box::new(options.store_to_read()?.image(reference, limits)?),
        Location::Layout { path, name } if is_archive(path) => {
            Box::new(Archive::layout(path, limits)?.find(name.as_deref())?)
        }
        Location::Layout { path, name } => {
            let layout = Layout::open(path)?;
            Box::new(LayoutSource::new(layout, name.clone(), limits.clone()))
        }
        Location::DockerArchive { path, reference } => {
            let name = reference.as_ref().map(ToString::to_string);
            Box::new(Archive::docker(path, limits)?.find(name.as_deref())?)
        }
    })
}

/// A place to write to, which may need completing.
pub(super) struct Target<'a> {
    pub(super) to: Box<dyn Destination + 'a>,
    /// What is to be in an archive is collected in a layout first.
    archive: Option<(Layout, Staging, Location)>,
}

/// Opens a place to write to what comes from `from`. In a registry, the image gets `tags` too.
pub(super) fn target<'a>(
    location: &Location,
    tags: &[String],
    from: &Location,
    options: &'a Options,
) -> Result<Target<'a>> {
    if !tags.is_empty() && !matches!(location, Location::Registry(_)) {
        fail!(Usage: "--also is for registries"
            => "Elsewhere, give the image another name with: tare-image tag");
    }
    let collect = |name: Option<String>, path: &Path| {
        let (layout, staging) = layout_beside(path)?;
        let to = LayoutDestination::new(layout.clone(), name, options.transfer());
        let archive = Some((layout, staging, location.clone()));
        let to = Box::new(to);
        Ok(Target { to, archive })
    };
    let to: Box<dyn Destination> = match location {
        Location::Registry(reference) => {
            let elsewhere = match from {
                Location::Registry(from) if from.host() == reference.host() => {
                    Elsewhere::All(from.repository().to_string())
                }
                Location::Store(_) => {
                    let store = options.store_to_read()?;
                    Elsewhere::Some(known_elsewhere(store.layout(), reference, options)?)
                }
                _ => Elsewhere::Unknown,
            };
            let repository = options.registry.repository(reference)?;
            let watch = options.transfer().watch;
            let to = RegistryDestination::new(repository, elsewhere).watched(watch);
            Box::new(to.also(tags)?)
        }
        Location::Store(name) => Box::new(options.store()?.destination(name, options.transfer())),
        Location::Layout { path, name } if is_archive(path) => return collect(name.clone(), path),
        Location::Layout { path, name } => {
            let layout = Layout::create(path)?;
            Box::new(LayoutDestination::new(
                layout,
                name.clone(),
                options.transfer(),
            ))
        }
        Location::DockerArchive { path, .. } => return collect(None, path),
    };
    Ok(Target { to, archive: None })
}

impl Target<'_> {
    /// Writes what was only collected until now.
    pub(super) fn finish(self, options: &Options) -> Result<()> {
        match self.archive {
            Some((layout, _staging, Location::DockerArchive { path, reference })) => {
                let source = &LayoutSource::new(layout, None, options.limits().clone());
                let (image, _) = pull::choose(source, &source.root()?, &options.pull())?;
                let names = reference.into_iter().collect();
                save_docker(
                    &[ToSave {
                        source,
                        image,
                        names,
                    }],
                    &path,
                    options.limits(),
                    options.parallel(),
                )
            }
            Some((layout, _staging, Location::Layout { path, .. })) => pack_layout(&layout, &path),
            _ => Ok(()),
        }
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
        let documents = layout.documents([descriptor], options.limits().manifest_bytes);
        // What is damaged of other images is no reason not to send this one.
        for document in documents.flatten() {
            if let Content::Manifest(_) = document.content {
                let children = document.children().into_iter();
                let own = || other.repository().to_string();
                found.extend(children.map(|d| (d.digest().clone(), own())));
            }
        }
    }
    Ok(found)
}

/// A layout for what is to be in an archive at `path`, as long as the folder that it is in.
pub(super) fn layout_beside(path: &Path) -> Result<(Layout, Staging)> {
    let place = folder_for(path).join(path.file_name().unwrap_or_default());
    let staging = Staging::beside(&place)?;
    Ok((Layout::create(staging.path())?, staging))
}

/// The image that `reference` stands for in the store, for the wanted platform.
pub(super) fn local(store: &Store, reference: &Reference, options: &Options) -> Result<Image> {
    let source = store.image(reference, options.limits())?;
    let image = pull::choose(&source, &source.root()?, &options.pull())?.0;
    for layer in image.manifest.layers() {
        if !store.layout().has(layer)? {
            let digest = layer.digest();
            fail!(NotFound: "layer {digest} of {reference} is not in the store");
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
) -> Result<Image> {
    local_or(Pull::Missing, store, location, options)
}

pub(super) fn local_or(
    when: Pull,
    store: &Store,
    location: &Location,
    options: &Options,
) -> Result<Image> {
    let reference = location.default_name()?;
    let mut missing = false;
    if matches!(location, Location::Store(_)) && when != Pull::Always {
        match local(store, &reference, options) {
            Err(e) if e.kind() == Kind::NotFound && when == Pull::Missing => missing = true,
            other => return other,
        }
    }
    let location = location.clone().or_remote();
    let pulled = match pull(store, &location, &reference, false, options) {
        Err(e) if missing => Err(e.during(format!("{reference} is not in the store"))),
        other => other,
    };
    Ok(pulled?.image)
}

/// Pulls what the policy accepts.
pub(super) fn pull(
    store: &Store,
    location: &Location,
    reference: &Reference,
    unpack: bool,
    options: &Options,
) -> Result<Pulled> {
    let source = source(location, options).during(|| format!("pull {reference}"))?;
    pull::pull(&*source, store, reference, unpack, &options.pull())
}
