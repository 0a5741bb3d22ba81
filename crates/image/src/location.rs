//! Places that images can be at, as they are written on a command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::reference::{Reference, is_tag};

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

impl Location {
    /// A bare name as that of an image in a registry.
    #[must_use]
    pub fn or_remote(self) -> Self {
        match self {
            Location::Store(reference) => Location::Registry(reference),
            other => other,
        }
    }

    /// The image's name, where it says one in full.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Location::Registry(reference) | Location::Store(reference) => Some(reference),
            Location::DockerArchive { reference, .. } => reference.as_ref(),
            Location::Layout { .. } => None,
        }
    }

    /// The same, or a name that is made of the file's.
    pub fn default_name(&self) -> Result<Reference> {
        let (path, name) = match self {
            Location::Layout { path, name } => (path, name.as_deref()),
            Location::DockerArchive {
                path,
                reference: None,
            } => (path, None),
            Location::DockerArchive {
                reference: Some(reference),
                ..
            }
            | Location::Registry(reference)
            | Location::Store(reference) => return Ok(reference.clone()),
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let clean = stem
            .to_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let clean = Some(clean.trim_matches('-')).filter(|c| !c.is_empty());
        let tag = name.filter(|name| is_tag(name)).unwrap_or("latest");
        format!("localhost/{}:{tag}", clean.unwrap_or("image")).parse()
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        let (path, name) = match rest.split_once(':') {
            Some((path, name)) => (path, Some(name)),
            None => (rest, None),
        };
        Ok(match scheme {
            "docker" if rest.starts_with("//") => Location::Registry(rest[2..].parse()?),
            "oci" | "oci-archive" if path.is_empty() || name == Some("") => {
                fail!(Usage: "location {text:?}" => "Write oci:PATH or oci:PATH:NAME")
            }
            "oci" | "oci-archive" => Location::Layout {
                path: path.into(),
                name: name.map(String::from),
            },
            "docker-archive" if path.is_empty() => fail!(Usage: "location {text:?}"
                => "Write docker-archive:FILE or docker-archive:FILE:REFERENCE"),
            "docker-archive" => Location::DockerArchive {
                path: path.into(),
                reference: name.map(str::parse).transpose()?,
            },
            "store" => Location::Store(rest.parse()?),
            _ => Location::Store(text.parse()?),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path, name) = match self {
            Location::Registry(reference) => return write!(f, "docker://{reference}"),
            Location::Store(reference) => return write!(f, "{reference}"),
            Location::Layout { path, name } => ("oci", path, name.clone()),
            Location::DockerArchive { path, reference } => {
                let name = reference.as_ref().map(ToString::to_string);
                ("docker-archive", path, name)
            }
        };
        write!(f, "{scheme}:{}", path.display())?;
        name.map_or(Ok(()), |name| write!(f, ":{name}"))
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
