//! `sign`: say with a key that an image is what it should be.

use std::process::ExitCode;

use tare_image::error::During;
use tare_image::reference::Reference;
use tare_image::sigstore;

use super::options::{self, Options, Outcome};
use super::output::put;

pub(super) const COMMAND: super::Command = super::Command {
    name: "sign",
    usage: "--key FILE REFERENCE",
    about: "Sign an image in its registry, as cosign and podman do with a key",
    options: &[(
        "--key FILE",
        "a private key in PEM (PKCS #8, not encrypted), ECDSA on P-256",
    )],
    run,
};

fn run(parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut key = None;
    let values = options::parse(parser, &mut options, |name, parser| {
        let own = name == "key";
        if own {
            key = Some(options::path(parser)?);
        }
        Ok(own)
    })?;
    let [name] = options::exactly(values, ["REFERENCE"])?;
    let key = key.ok_or_else(|| failure!(Usage: "sign needs --key"))?;
    let reference: Reference = name.trim_start_matches("docker://").parse()?;
    let registry = options.registry()?;
    let work = || {
        let repository = registry.repository(&reference)?;
        let digest = match reference.digest() {
            Some(digest) => digest,
            None => {
                let document = repository.manifest(reference.target())?;
                document.descriptor.digest().clone()
            }
        };
        sigstore::sign(repository, &digest, &reference, &key)?;
        put!("{digest}");
        Ok(())
    };
    work().during(|| format!("sign {reference}"))?;
    Ok(ExitCode::SUCCESS)
}
