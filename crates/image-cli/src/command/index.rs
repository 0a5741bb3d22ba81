//! `index`: images for several platforms under one name.

use serde_json::{Value, json};
use tare_image::copy::{Selection, copy_content};
use tare_image::location::Location;
use tare_image::platform::Wanted;
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
    let given: Vec<Value> = given.into_iter().flatten().collect();
    let is_given = |d: &Value| given.iter().any(|g| g["digest"] == d["digest"]);
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
fn entry(store: &Store, image: &str) -> Result<Value> {
    match (store.resolve(&image.parse()?), digest::parse(image)) {
        (Err(e), Ok(digest)) if e.kind() == Kind::NotFound => Ok(json!({"digest": digest})),
        (resolved, _) => Ok(json!({"digest": resolved?.digest()})),
    }
}

/// The entries for an image that is here, or is brought here for that.
fn entries(store: &Store, image: &str, line: &Line, options: &Options) -> Result<Vec<Value>> {
    let location: Location = image.parse()?;
    let descriptor = match &location {
        Location::Store(reference) => store.resolve(reference)?,
        location => {
            let source = place::source(location, options)?;
            let to = store.destination(&location.default_name()?, options.transfer());
            copy_content(&*source, &to, &Selection::All, options.parallel())?
        }
    };
    let mut found = index::entries(store, &descriptor, options.limits())?;
    if let [only] = &mut found[..] {
        describe(only, line)?;
    }
    Ok(found)
}

/// Adds to an entry what the options say.
fn describe(entry: &mut Value, line: &Line) -> Result<()> {
    let platform = [
        ("os", "--os"),
        ("architecture", "--arch"),
        ("variant", "--variant"),
    ];
    for (field, option) in platform {
        if let Some(value) = line.text(option) {
            if entry["platform"].is_null() {
                let host = Wanted::host();
                entry["platform"] = json!({"os": host.os, "architecture": host.architecture});
            }
            entry["platform"][field] = json!(value);
        }
    }
    for annotation in line.all("--annotation") {
        let (key, value) = pair(&annotation)?;
        entry["annotations"][key] = json!(value);
    }
    Ok(())
}

/// `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String)> {
    let bad = || Error::new(Kind::Usage, format!("annotation {text:?}")).hint("Write NAME=VALUE");
    let (key, value) = text.split_once('=').ok_or_else(bad)?;
    Ok((key.into(), value.into()))
}
