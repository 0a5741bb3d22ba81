//! `sign`: say with a key that an image is what it should be.

use tare_image::{Result, sigstore};

use super::{Line, Options, put};

pub(super) const VERB: &str = "
sign REFERENCE  Sign an image in its registry, as cosign and podman do with a key
--key FILE  a private key in PEM (PKCS #8, not encrypted), ECDSA on P-256
";

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let Some(key) = line.path("--key") else {
        fail!(Usage: "sign needs --key");
    };
    let reference = line.remote(0)?;
    let repository = options.registry.repository(&reference)?;
    let digest = repository.resolve()?;
    sigstore::sign(repository, &digest, &reference, &key)?;
    put!("{digest}");
    Ok(0)
}
