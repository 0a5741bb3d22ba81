//! `index`: images for several platforms under one name.

use std::collections::HashMap;

use oci_spec::image::{Descriptor, MediaType};
use tare_image::copy::{Selection, copy_content};
use tare_image::location::Location;
use tare_image::reference::Reference;
use tare_image::store::Store;
use tare_image::{Error, Kind, Result, digest, index};

use super::{Line, Options, copy, place, put};

pub(super) const VERB: &str = "
index create|add|remove|annotate|push NAME [IMAGE...]  Put images for several platforms together under one name of the store, and push them
--os OS  what the image is for; for add and annotate, like those that follow
--arch ARCH  likewise
--variant VARIANT  likewise
--annotation NAME=VALUE  of the entry; may be repeated
--also TAG  push: give it this tag in the registry too; may be repeated
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let name: Reference = line.arguments[1].parse()?;
    let images = &line.arguments[2..];
    let verb = line.arguments[0].as_str();
    if verb == "push" {
        let to = line.remote(if images.is_empty() { 1 } else { 2 })?;
        let (from, to) = (Location::Store(name), Location::Registry(to));
        return copy::transfer(&from, &to, Selection::All, line, options);
    }
    if images.is_empty() && verb != "create" {
        fail!(Usage: "index {verb} takes images after the name");
    }
    let store = options.store()?;
    let mut given = Vec::new();
    for image in images {
        given.push(match verb {
            "create" | "add" => entries(&store, image, line, options)?,
            _ => vec![entry(&store, image)?],
        });
    }
    let given: Vec<Descriptor> = given.into_iter().flatten().collect();
    let is_given = |d: &Descriptor| given.iter().any(|g| g.digest() == d.digest());
    let made = index::edit(&store, &name, options.limits(), |all| {
        match verb {
            "create" => *all = given.clone(),
            "add" => {
                all.retain(|d| !is_given(d));
                all.extend(given.clone());
            }
            "remove" => all.retain(|d| !is_given(d)),
            "annotate" => {
                for entry in all.iter_mut().filter(|d| is_given(d)) {
                    describe(entry, line)?;
                }
            }
            _ => fail!(Usage: "index {verb}: there is no such verb"
                => "create, add, remove, annotate and push exist"),
        }
        Ok(())
    })?;
    put!("{}", made.digest());
    Ok(0)
}

/// Something with the digest of the entry that is meant, whose image needs to have no name here.
fn entry(store: &Store, image: &str) -> Result<Descriptor> {
    match (store.resolve(&image.parse()?), digest::parse(image)) {
        (Err(e), Ok(digest)) if e.kind() == Kind::NotFound => {
            Ok(Descriptor::new(MediaType::ImageManifest, 0, digest))
        }
        (resolved, _) => resolved,
    }
}

/// The entries for an image that is here, or is brought here for that.
fn entries(store: &Store, image: &str, line: &Line, options: &Options) -> Result<Vec<Descriptor>> {
    let location: Location = image.parse()?;
    let descriptor = match &location {
        Location::Store(reference) => store.resolve(reference)?,
        location => {
            let source = place::source(location, options)?;
            let to = store.destination(&location.default_name()?, options.transfer());
            copy_content(&*source, &to, &Selection::All, options.pull().parallel)?
        }
    };
    let mut found = index::entries(store, &descriptor, options.limits())?;
    if let [only] = &mut found[..] {
        describe(only, line)?;
    }
    Ok(found)
}

/// Adds to an entry what the options say.
fn describe(entry: &mut Descriptor, line: &Line) -> Result<()> {
    let (os, arch, variant) = (
        line.text("--os"),
        line.text("--arch"),
        line.text("--variant"),
    );
    if os.or(arch).or(variant).is_some() {
        let mut platform = entry.platform().clone().unwrap_or_default();
        os.map(|os| platform.set_os(os.into()));
        arch.map(|arch| platform.set_architecture(arch.into()));
        variant.map(|variant| platform.set_variant(Some(variant.into())));
        entry.set_platform(Some(platform));
    }
    let mut all: HashMap<String, String> = entry.annotations().clone().unwrap_or_default();
    for annotation in line.all("--annotation") {
        let (key, value) = pair(&annotation)?;
        all.insert(key, value);
    }
    if !all.is_empty() {
        entry.set_annotations(Some(all));
    }
    Ok(())
}

/// `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String)> {
    let bad = || Error::new(Kind::Usage, format!("annotation {text:?}")).hint("Write NAME=VALUE");
    let (key, value) = text.split_once('=').ok_or_else(bad)?;
    Ok((key.into(), value.into()))
}
