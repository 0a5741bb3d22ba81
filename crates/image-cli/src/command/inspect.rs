//! `inspect`: manifest and configuration of an image, from anywhere.

use std::process::ExitCode;

use serde_json::{Value, json};
use tare_image::error::During;
use tare_image::location::Location;
use tare_image::manifest::Content;
use tare_image::{Kind, Result, pull, source};

use super::options::{self, Options, Outcome};
use super::output::{self, put};
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "inspect",
    usage: "LOCATION",
    about: "Show an image's manifest and configuration as JSON",
    options: &[
        (
            "--format FORMAT",
            "json: all of it; config or manifest: that document of the image, as it is (json)",
        ),
        ("--raw", "the document that the name stands for, as it is"),
        ("--referrers", "what refers to the image instead"),
        ("--artifact-type TYPE", "of these referrers, only this kind"),
    ],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let (mut raw, mut referrers) = (false, false);
    let (mut kind, mut format) = (None, "json".to_string());
    let values = options::parse(parser, &mut options, |name, parser| {
        match name {
            "raw" => raw = true,
            "referrers" => referrers = true,
            "format" => format = options::text(parser)?,
            "artifact-type" => kind = Some(options::text(parser)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let [location] = options::exactly(values, ["LOCATION"])?;
    let location: Location = location.parse()?;
    if !["json", "config", "manifest"].contains(&format.as_str()) {
        fail!(Usage: "format {format:?}" => "json, config and manifest exist");
    }
    let registry = options.registry()?;
    if referrers {
        let Location::Registry(reference) = &location else {
            fail!(Usage: "only registries know referrers" => "Write docker://REFERENCE");
        };
        let repository = registry.repository(reference)?;
        let digest = repository
            .manifest(reference.target())?
            .descriptor
            .digest()
            .clone();
        print(&json!(repository.referrers(&digest, kind.as_deref())?))?;
        return Ok(ExitCode::SUCCESS);
    }
    place::with_any_source(&location, &options, &registry, |source| {
        let root = source.root()?;
        if raw {
            return output::bytes(&root.bytes);
        }
        if format != "json" {
            let (image, _) = pull::choose(source, &root, &options.pull(None))?;
            let limit = options.limits().config_bytes;
            return match format.as_str() {
                "config" => output::bytes(&source::read(source, image.manifest.config(), limit)?),
                _ if root.descriptor.digest() == image.descriptor.digest() => {
                    output::bytes(&root.bytes)
                }
                _ => output::bytes(&source.document(&image.descriptor)?.bytes),
            };
        }
        let mut shown = json!({"name": location.to_string(), "digest": root.descriptor.digest()});
        if let Content::Index(index) = &root.content {
            shown["index"] = json!(index);
        }
        match pull::choose(source, &root, &options.pull(None)) {
            Ok((image, _)) => {
                shown["manifest"] = json!(image.manifest);
                shown["config"] = json!(image.config);
                shown["chainIds"] = json!(image.chain_ids);
            }
            // An artifact, or an index for other machines: what there is can still be shown.
            Err(e) if matches!(e.kind(), Kind::Unsupported | Kind::NotFound) => {
                log::warn!("{e}");
                shown["document"] = serde_json::from_slice(&root.bytes).unwrap_or(Value::Null);
            }
            Err(e) => return Err(e),
        }
        print(&shown)
    })
    .during(|| format!("inspect {location}"))?;
    Ok(ExitCode::SUCCESS)
}

fn print(value: &Value) -> Result<()> {
    put!("{value:#}");
    Ok(())
}
