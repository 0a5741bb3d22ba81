//! New images from changes: a layer on top of another image, or a first one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use crate::changes::{self, What};
use crate::compression::{Compression, Compressor, decompress};
use crate::digest::{self, HashingWriter};
use crate::error::{Doing, During, Error, Result};
use crate::json::{parse_json, to_json};
use crate::limits::Limits;
use crate::manifest::{Document, Image};
use crate::reference::Reference;
use crate::store::Store;
use crate::tar::{Entry, Reader, Time};

/// What the new image says about itself.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Form of the layer.
    pub compression: Compression,
    /// Who made it.
    pub author: Option<String>,
    /// For `history`.
    pub comment: Option<String>,
    /// When; without it the newest time in the layer, so that the same changes give the same image.
    pub created: Option<i64>,
    /// Changes fields of the configuration's `config`, by their names there (`Cmd`, `Labels`, …): variables and labels are
    /// added to those of the base, everything else is replaced.
    pub config: serde_json::Map<String, Value>,
}

/// A layer that was written.
struct Made {
    descriptor: Descriptor,
    diff_id: Digest,
    newest: Time,
}

/// Puts the changes in the overlay directory `upper`, all but the names in `without` (see [`crate::container::stubs`]), on
/// top of `base` and names the result.
pub fn commit(
    store: &Store,
    base: &Image,
    upper: &Path,
    without: &BTreeSet<Vec<u8>>,
    name: &Reference,
    description: &Description,
) -> Result<Descriptor> {
    let work = || {
        let made = layer(store, description.compression, |output| {
            changes::write(upper, What::Changes(without), output)
        })?;
        // As a value: fields that the types do not know (health checks, shells) belong to the image all the same.
        let config: Value = parse_json(&base.config_bytes, "configuration")?;
        let layers = base.manifest.layers().clone();
        finish(store, config, layers, made, name, description)
    };
    work().during(|| format!("commit {name}"))
}

/// Makes an image of one layer from the archive `input`, which may be compressed.
pub fn import(
    store: &Store,
    input: impl Read + Send,
    name: &Reference,
    description: &Description,
    limits: &Limits,
) -> Result<Descriptor> {
    let work = || {
        let plain = decompress(BufReader::with_capacity(128 << 10, input)).doing("read archive")?;
        let made = layer(store, description.compression, |mut output| {
            let tee = BufReader::with_capacity(128 << 10, Tee(plain, &mut output));
            let mut reader = Reader::new(tee, limits.clone());
            let (mut entry, mut newest) = (Entry::default(), Time::default());
            while reader.next(&mut entry)? {
                newest = newest.max(entry.mtime);
            }
            std::io::copy(&mut reader.into_inner(), &mut std::io::sink()).doing("read archive")?;
            Ok((output, newest))
        })?;
        let platform = crate::platform::Wanted::host();
        let config = json!({
            "architecture": platform.architecture, "os": platform.os, "config": {},
            "rootfs": {"type": "layers", "diff_ids": []}, "history": [],
        });
        finish(store, config, Vec::new(), made, name, description)
    };
    work().during(|| format!("import {name}"))
}

/// Makes an image of one layer that has all that `base` has, which is below `root`, and names it.
pub fn squash(
    store: &Store,
    base: &Image,
    root: &Path,
    name: &Reference,
    description: &Description,
) -> Result<Descriptor> {
    let work = || {
        let made = layer(store, description.compression, |output| {
            changes::write(root, What::Tree, output)
        })?;
        let mut config: Value = parse_json(&base.config_bytes, "configuration")?;
        config["rootfs"]["diff_ids"] = json!([]);
        config["history"] = json!([]);
        finish(store, config, Vec::new(), made, name, description)
    };
    work().during(|| format!("squash {name}"))
}

/// Passes on what is read.
struct Tee<R, W>(R, W);

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(into)?;
        self.1.write_all(&into[..n])?;
        Ok(n)
    }
}

type Output = HashingWriter<Compressor<HashingWriter<BufWriter<File>>>>;

/// Writes a layer through both digests into the store.
fn layer(
    store: &Store,
    compression: Compression,
    fill: impl FnOnce(Output) -> Result<(Output, Time)>,
) -> Result<Made> {
    let staging = store.staging()?;
    let path = staging.path().join("layer");
    let error = |e| Error::file("write", &path, e);
    let file = BufWriter::with_capacity(128 << 10, File::create(&path).map_err(error)?);
    let output =
        HashingWriter::new(Compressor::new(HashingWriter::new(file), compression).map_err(error)?);
    let (output, newest) = fill(output)?;
    let (compressor, diff_id, _) = output.finish();
    let (mut file, digest, size) = compressor.finish().map_err(error)?.finish();
    file.flush().map_err(error)?;
    let descriptor = Descriptor::new(compression.media_type(), size, digest);
    let target = store.layout().blob_path(descriptor.digest())?;
    std::fs::rename(&path, &target).map_err(error)?;
    Ok(Made {
        descriptor,
        diff_id,
        newest,
    })
}

fn finish(
    store: &Store,
    mut config: Value,
    mut layers: Vec<Descriptor>,
    made: Made,
    name: &Reference,
    description: &Description,
) -> Result<Descriptor> {
    let created = description.created.unwrap_or(made.newest.seconds);
    let created = rfc3339(created).ok_or_else(|| {
        failure!(Usage: "created {created}: the year of that time has not four digits"
            => "--created takes seconds since 1970, up to the year 9999")
    })?;
    let mut history = json!({"created": created, "created_by": "tare-image"});
    if let Some(author) = &description.author {
        history["author"] = json!(author);
        config["author"] = json!(author);
    }
    if let Some(comment) = &description.comment {
        history["comment"] = json!(comment);
    }
    config["created"] = json!(created);
    let mut add = |list: &str, value| match config[list].as_array_mut() {
        Some(list) => list.push(value),
        None => config[list] = json!([value]),
    };
    add("history", history);
    if let Some(diff_ids) = config["rootfs"]["diff_ids"].as_array_mut() {
        diff_ids.push(json!(made.diff_id));
    }
    if !config["config"].is_object() {
        config["config"] = json!({});
    }
    for (key, value) in &description.config {
        change(&mut config["config"][key], key, value);
    }
    let config = to_json(&config)?;
    let described = digest::describe(MediaType::ImageConfig.as_ref(), &config);
    store.layout().put(&described, &config)?;
    layers.push(made.descriptor);
    let document = Document::image(&described, &layers)?;
    store.layout().put(&document.descriptor, &document.bytes)?;
    let name = name.to_string();
    store.layout().tag(Some(&name), &document.descriptor)?;
    Ok(document.descriptor)
}

/// Puts `value` into the field `key` of a configuration.
fn change(field: &mut Value, key: &str, value: &Value) {
    match (key, &mut *field, value) {
        ("Env", Value::Array(old), Value::Array(new)) => {
            let name = |entry: &Value| {
                let text = entry.as_str().unwrap_or_default();
                text.split('=').next().unwrap_or_default().to_string()
            };
            old.retain(|entry| !new.iter().any(|n| name(n) == name(entry)));
            old.extend(new.iter().cloned());
        }
        ("Labels", Value::Object(old), Value::Object(new)) => old.extend(new.clone()),
        _ => *field = value.clone(),
    }
}

/// `2006-01-02T15:04:05Z` of seconds since 1970; none before the year 0 and after 9999, which RFC 3339 has no form for.
pub fn rfc3339(seconds: i64) -> Option<String> {
    // The first seconds of the years 0 and 10000.
    if !(-62_167_219_200..253_402_300_800).contains(&seconds) {
        return None;
    }
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01: years that start in March have the leap day at the end. A cycle is 400 years.
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (year + cycle * 400, month + 3),
        _ => (year + cycle * 400 + 1, month - 9),
    };
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_labels_are_added_and_all_else_is_replaced() {
        let mut config = json!({"Env": ["A=1", "B=2"], "Labels": {"a": "1", "b": "2"}, "Cmd": ["x", "y"], "User": null});
        for (key, value) in [
            ("Env", json!(["B=3", "C=4"])),
            ("Labels", json!({"b": "3"})),
            ("Cmd", json!(["z"])),
            ("User", json!("7")),
            ("WorkingDir", json!("/w")),
        ] {
            change(&mut config[key], key, &value);
        }
        let wanted = json!({
            "Env": ["A=1", "B=3", "C=4"], "Labels": {"a": "1", "b": "3"}, "Cmd": ["z"], "User": "7", "WorkingDir": "/w",
        });
        assert_eq!(config, wanted);
    }

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds).as_deref(), Some(text));
        }
        for seconds in [i64::MIN, -62_167_219_201, 253_402_300_800, i64::MAX] {
            assert_eq!(rfc3339(seconds), None);
        }
    }
}
