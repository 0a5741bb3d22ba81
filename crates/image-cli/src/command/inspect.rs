//! `inspect`: manifest and configuration of an image, from anywhere.

use serde_json::{Value, json};
use tare_image::location::Location;
use tare_image::manifest::Content;
use tare_image::{Kind, Result, pull};

use super::{Line, Options, output, place, put};

pub(super) const VERB: &str = "
inspect LOCATION  Show an image's manifest and configuration as JSON
--format FORMAT  json: all of it; config or manifest: that document of the image, as it is (json)
--raw  the document that the name stands for, as it is
--referrers  what refers to the image instead
--artifact-type TYPE  of these referrers, only this kind
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let location: Location = line.arguments[0].parse()?;
    let format = line.text("--format").unwrap_or("json");
    if !["json", "config", "manifest"].contains(&format) {
        fail!(Usage: "format {format:?}" => "json, config and manifest exist");
    }
    if line.has("--referrers") {
        let Location::Registry(reference) = &location else {
            fail!(Usage: "only registries know referrers" => "Write docker://REFERENCE");
        };
        let repository = options.registry.repository(reference)?;
        let digest = repository.resolve()?;
        let found = repository.referrers(&digest, line.text("--artifact-type"))?;
        put!("{:#}", json!(found));
        return Ok(0);
    }
    let source = place::any_source(&location, options)?;
    let root = source.root()?;
    if line.has("--raw") {
        return output::bytes(&root.bytes);
    }
    let chosen = pull::choose(&*source, &root, &options.pull());
    if format != "json" {
        let (image, _) = chosen?;
        return output::bytes(&match format {
            "config" => image.config_bytes,
            _ if root.descriptor.digest() == image.descriptor.digest() => root.bytes,
            _ => source.document(&image.descriptor)?.bytes,
        });
    }
    let mut shown = json!({"name": location.to_string(), "digest": root.descriptor.digest()});
    if let Content::Index(index) = &root.content {
        shown["index"] = json!(index);
    }
    match chosen {
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
    put!("{shown:#}");
    Ok(0)
}
