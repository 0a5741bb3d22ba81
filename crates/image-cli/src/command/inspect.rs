//! `inspect`: manifest and configuration of an image, from anywhere.

use std::process::ExitCode;

use serde_json::{Value, json};
use tare_image::error::During;
use tare_image::failure;
use tare_image::location::Location;
use tare_image::manifest::Content;
use tare_image::{Kind, Result, pull};

use super::options::{self, Options, Outcome};
use super::output::{self, put};
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "inspect",
    usage: "LOCATION",
    about: "Show an image's manifest and configuration as JSON",
    options: &[
        ("--raw", "the document that the name stands for, as it is"),
        ("--referrers", "what refers to the image instead"),
        ("--artifact-type TYPE", "of these referrers, only this kind"),
    ],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let (mut raw, mut referrers) = (false, false);
    let mut kind = None;
    let values = options::parse(parser, &mut options, |name, parser| {
        match name {
            "raw" => raw = true,
            "referrers" => referrers = true,
            "artifact-type" => kind = Some(options::text(parser)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let [location] = options::exactly(values, ["LOCATION"])?;
    let location: Location = location.parse()?;
    let registry = options.registry()?;
    if referrers {
        let Location::Registry(reference) = &location else {
            return Err(failure!(Usage, "only registries know referrers")
                .hint("Write docker://REFERENCE")
                .into());
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
    place::with_source(&location, &options, &registry, |source| {
        let root = source.root()?;
        if raw {
            output::write(format_args!("{}", String::from_utf8_lossy(&root.bytes)))?;
            return Ok(());
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
