//! Choosing the entry of an image index that suits a machine.

use std::fmt;
use std::str::FromStr;

use oci_spec::image::{Descriptor, ImageIndex, Platform};

use crate::error::{Error, Kind, Result};

/// What to run on: `os/architecture[/variant]`, in the words of the image specification (Go's GOOS and GOARCH).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// For example `linux`.
    pub os: String,
    /// For example `amd64`.
    pub architecture: String,
    /// For example `v8`; without one every variant suits, the machine's own first.
    pub variant: Option<String>,
}

impl Wanted {
    /// The machine that this program was built for.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "x86" => ("386", None),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Wanted {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: variant.map(Into::into),
        }
    }

    /// Position in the order of preference, lower is better; `None` when it does not suit at all.
    fn rank(&self, offered: &Platform) -> Option<u32> {
        if offered.os().to_string() != self.os
            || offered.architecture().to_string() != self.architecture
        {
            return None;
        }
        let offered = offered.variant().as_deref();
        let wanted = self.variant.as_deref();
        if offered == wanted {
            return Some(0);
        }
        match (offered, wanted) {
            // arm64 has one variant that everybody means.
            (None, Some("v8")) if self.architecture == "arm64" => Some(0),
            (Some("v8"), None) if self.architecture == "arm64" => Some(0),
            (Some("v1"), None) if self.architecture == "amd64" => Some(0),
            (None, Some(_)) => Some(50),
            // A later processor runs programs for an earlier one, the nearest first.
            (Some(offered), Some(wanted)) => match (level(offered), level(wanted)) {
                (Some(o), Some(w)) if o < w => Some(w - o),
                _ => None,
            },
            // Which level the machine has was not said: an unspecific entry is preferred to any of these.
            (Some(offered), None) if self.architecture == "amd64" => level(offered).map(|l| 60 + l),
            (Some(_), None) => Some(60),
            (None, None) => Some(0),
        }
    }
}

fn level(variant: &str) -> Option<u32> {
    variant.strip_prefix('v')?.parse().ok().filter(|l| *l < 50)
}

impl FromStr for Wanted {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split('/');
        let (Some(os), Some(architecture), variant, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad(text));
        };
        if os.is_empty() || architecture.is_empty() || variant == Some("") {
            return Err(bad(text));
        }
        Ok(Wanted {
            os: os.into(),
            architecture: architecture.into(),
            variant: variant.map(Into::into),
        })
    }
}

fn bad(text: &str) -> Error {
    Error::new(Kind::Usage, format!("platform {text:?}"))
        .hint("Write os/architecture or os/architecture/variant, as in linux/arm64/v8")
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = &self.variant {
            write!(f, "/{variant}")?;
        }
        Ok(())
    }
}

/// The best entry of `index`; among equals the first (image-spec, image-index.md, "manifests").
/// An entry without a platform suits everybody, and is taken when nothing names ours.
///
/// # Errors
/// [`Kind::NotFound`], listing what there is.
pub fn choose<'a>(index: &'a ImageIndex, wanted: &Wanted) -> Result<&'a Descriptor> {
    let ranked = index.manifests().iter().filter_map(|entry| {
        let rank = match entry.platform() {
            Some(platform) => wanted.rank(platform)?,
            None => 100,
        };
        Some((rank, entry))
    });
    ranked
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry)
        .ok_or_else(|| {
            let mut offered: Vec<String> = index
                .manifests()
                .iter()
                .filter_map(|d| d.platform().as_ref())
                .map(|p| match p.variant() {
                    Some(v) => format!("{}/{}/{v}", p.os(), p.architecture()),
                    None => format!("{}/{}", p.os(), p.architecture()),
                })
                .collect();
            offered.dedup();
            Error::new(Kind::NotFound, format!("no image for {wanted}")).hint(format!(
                "The index offers: {}",
                if offered.is_empty() {
                    "nothing".into()
                } else {
                    format!("{}; --platform chooses", offered.join(", "))
                }
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use oci_spec::image::{Arch, MediaType, Os};

    fn index(platforms: &[(&str, Option<&str>)]) -> ImageIndex {
        let manifests = platforms
            .iter()
            .enumerate()
            .map(|(n, (arch, variant))| {
                let mut platform = Platform::default();
                platform.set_os(Os::Linux);
                platform.set_architecture(Arch::from(*arch));
                platform.set_variant(variant.map(String::from));
                let mut d =
                    Descriptor::new(MediaType::ImageManifest, n as u64, digest::of(&[n as u8]));
                d.set_platform(Some(platform));
                d
            })
            .collect::<Vec<_>>();
        let mut index = ImageIndex::default();
        index.set_manifests(manifests);
        index
    }

    fn pick(platforms: &[(&str, Option<&str>)], wanted: &str) -> Option<u64> {
        choose(&index(platforms), &wanted.parse().unwrap())
            .ok()
            .map(Descriptor::size)
    }

    #[test]
    fn table() {
        let arm = [
            ("arm", Some("v5")),
            ("arm", Some("v7")),
            ("arm", Some("v6")),
            ("arm64", None),
        ];
        assert_eq!(pick(&arm, "linux/arm/v7"), Some(1));
        assert_eq!(
            pick(&arm, "linux/arm/v8"),
            Some(1),
            "the nearest earlier one"
        );
        assert_eq!(pick(&arm, "linux/arm/v6"), Some(2));
        assert_eq!(pick(&arm, "linux/arm64/v8"), Some(3));
        assert_eq!(pick(&arm, "linux/amd64"), None);
        let amd = [("amd64", Some("v3")), ("amd64", None), ("amd64", None)];
        assert_eq!(
            pick(&amd, "linux/amd64"),
            Some(1),
            "first of equals, never a newer level by accident"
        );
        assert_eq!(pick(&amd, "linux/amd64/v4"), Some(0));
    }

    #[test]
    fn the_error_lists_what_is_offered() {
        let message = choose(&index(&[("s390x", None)]), &"linux/amd64".parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(message.contains("linux/s390x"), "{message}");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "linux", "linux/", "/amd64", "a/b/c/d", "a/b/"] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
    }
}
