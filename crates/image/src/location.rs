//! Places that images can be at, as they are written on a command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::reference::Reference;

/// Where an image is, or is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `docker://REFERENCE`: a registry.
    Registry(Reference),
    /// `store:REFERENCE`, or just a reference: the local store.
    Store(Reference),
    /// `oci:PATH[:NAME]`: an image layout, a directory or (with a name ending in `.tar`) an archive of one.
    Layout {
        /// Directory or archive.
        path: PathBuf,
        /// Value of `org.opencontainers.image.ref.name`; may be left out when there is one image.
        name: Option<String>,
    },
    /// `docker-archive:PATH[:REFERENCE]`: what `docker save` writes.
    DockerArchive {
        /// The tar file.
        path: PathBuf,
        /// Which image of it, or the name to give it.
        reference: Option<Reference>,
    },
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(reference) = text.strip_prefix("docker://") {
            return Ok(Location::Registry(reference.parse()?));
        }
        if let Some(rest) = text
            .strip_prefix("oci:")
            .or_else(|| text.strip_prefix("oci-archive:"))
        {
            let (path, name) = match rest.split_once(':') {
                Some((path, name)) => (path, Some(name.to_string())),
                None => (rest, None),
            };
            if path.is_empty() || name.as_deref() == Some("") {
                fail!(Usage: "location {text:?}" => "Write oci:PATH or oci:PATH:NAME");
            }
            return Ok(Location::Layout {
                path: path.into(),
                name,
            });
        }
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            let (path, reference) = match rest.split_once(':') {
                Some((path, reference)) => (path, Some(reference.parse()?)),
                None => (rest, None),
            };
            if path.is_empty() {
                fail!(Usage: "location {text:?}" => "Write docker-archive:FILE or docker-archive:FILE:REFERENCE");
            }
            return Ok(Location::DockerArchive {
                path: path.into(),
                reference,
            });
        }
        Ok(Location::Store(
            text.strip_prefix("store:").unwrap_or(text).parse()?,
        ))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Registry(reference) => write!(f, "docker://{reference}"),
            Location::Store(reference) => write!(f, "{reference}"),
            Location::Layout { path, name: None } => write!(f, "oci:{}", path.display()),
            Location::Layout {
                path,
                name: Some(name),
            } => write!(f, "oci:{}:{name}", path.display()),
            Location::DockerArchive {
                path,
                reference: None,
            } => write!(f, "docker-archive:{}", path.display()),
            Location::DockerArchive {
                path,
                reference: Some(r),
            } => write!(f, "docker-archive:{}:{r}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let table = [
            "docker://h:1/a:b",
            "oci:/tmp/x",
            "oci:/tmp/x.tar:v1",
            "docker-archive:/x.tar",
            "docker-archive:/x.tar:h:1/a:b",
        ];
        for text in table {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        assert!(matches!("a".parse::<Location>(), Ok(Location::Store(_))));
        for text in [
            "oci:",
            "oci::x",
            "oci:x:",
            "docker-archive:",
            "docker://",
            "store:",
        ] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
