//! `attach`: files about an image, beside it in its registry. `referrers`: what there is of that kind.

use tare_image::Result;
use tare_image::artifact::{self, Attachment};
use tare_image::progress::size;

use super::{Line, Options, put};

pub(super) const VERB: &str = "
attach REFERENCE [FILE[:TYPE]...]  Store files about an image in its registry, as something that refers to it
--artifact-type TYPE  what they are together
--annotation NAME=VALUE  about them; may be repeated
";

pub(super) const REFERRERS: &str = "
referrers REFERENCE  List what refers to an image in its registry: digest, size and kind
--artifact-type TYPE  only this kind
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let Some(kind) = line.text("--artifact-type") else {
        fail!(Usage: "attach needs --artifact-type" => "For example application/vnd.cyclonedx+json");
    };
    let mut files = Vec::new();
    for argument in &line.arguments[1..] {
        // A media type has a slash, and a file's name with a colon in it rarely goes on with one.
        let (path, media_type) = match argument.rsplit_once(':') {
            Some((path, kind)) if kind.contains('/') => (path, kind),
            _ => (argument.as_str(), "application/octet-stream"),
        };
        files.push(Attachment {
            path: path.into(),
            media_type: media_type.into(),
        });
    }
    let annotations = line.all("--annotation");
    let annotations = annotations.iter().map(|a| super::index::pair(a));
    let annotations = annotations.collect::<Result<_>>()?;
    let repository = options.registry.repository(&line.remote(0)?)?;
    let stored = artifact::attach(&repository, kind, &files, &annotations)?;
    put!("{}", stored.digest());
    Ok(0)
}

pub(super) fn referrers(line: &Line, options: &Options) -> Result<u8> {
    let repository = options.registry.repository(&line.remote(0)?)?;
    let digest = repository.resolve()?;
    for found in repository.referrers(&digest, line.text("--artifact-type"))? {
        let (digest, bytes) = (found.digest(), size(found.size()));
        let kind = found
            .artifact_type()
            .as_ref()
            .map_or("", |kind| kind.as_ref());
        put!("{digest}  {bytes:>9}  {kind}");
    }
    Ok(0)
}
