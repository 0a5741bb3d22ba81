//! Choosing the entry of an image index that suits a machine.

use std::fmt;
use std::str::FromStr;

use oci_spec::image::{Descriptor, ImageIndex, Platform};

use crate::error::{Error, Result};
use crate::manifest;

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
            "loongarch64" => ("loong64", None),
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
        let architecture = self.architecture.as_str();
        if offered.os().to_string() != self.os || offered.architecture().to_string() != architecture
        {
            return None;
        }
        let usual = usual_variant(architecture);
        let (said, wanted) = (offered.variant().as_deref(), self.variant.as_deref());
        let (offered, wished) = (said.or(usual), wanted.or(usual));
        if offered == wished {
            return Some(0);
        }
        match (offered.and_then(level), wished.and_then(level)) {
            // A later processor runs programs for an earlier one, the nearest first.
            (Some(offered), Some(wished)) if offered < wished => Some(wished - offered),
            // Which level the machine has was not said.
            (Some(offered), Some(_)) if architecture == "amd64" && wanted.is_none() => {
                Some(60 + offered)
            }
            // Nobody said that it needs more.
            _ if said.is_none() => Some(50),
            _ if wished.is_none() => Some(60),
            _ => None,
        }
    }
}

/// What an architecture without variant means to engines.
fn usual_variant(architecture: &str) -> Option<&'static str> {
    match architecture {
        "amd64" => Some("v1"),
        "arm" => Some("v7"),
        "arm64" => Some("v8"),
        _ => None,
    }
}

fn level(variant: &str) -> Option<u32> {
    variant.strip_prefix('v')?.parse().ok().filter(|l| *l < 50)
}

impl FromStr for Wanted {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [os, architecture, ref variant @ ..] if variant.len() < 2 && !parts.contains(&"") => {
                Ok(Wanted {
                    os: os.into(),
                    architecture: architecture.into(),
                    variant: variant.first().map(|v| (*v).into()),
                })
            }
            _ => Err(failure!(Usage: "platform {text:?}"
                => "Write os/architecture or os/architecture/variant, as in linux/arm64/v8")),
        }
    }
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

/// The entries of `index` that suit, the best first; among equals the order of the index (image-spec, image-index.md,
/// "manifests"). An image or index without a platform suits everybody, and comes last.
pub(crate) fn candidates<'a>(index: &'a ImageIndex, wanted: &Wanted) -> Vec<&'a Descriptor> {
    let rank = |entry: &Descriptor| match entry.platform() {
        Some(platform) => wanted.rank(platform),
        // What it is, is not known: perhaps no image at all.
        None => manifest::is_known(entry.media_type().as_ref()).then_some(100),
    };
    let mut ranked: Vec<_> = (index.manifests().iter())
        .filter_map(|entry| Some((rank(entry)?, entry)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, entry)| entry).collect()
}

/// The error when there are none, which lists what there is.
pub(crate) fn nothing(offered: &[Platform], wanted: &Wanted) -> Error {
    let offered = offered.iter().map(|p| Wanted {
        os: p.os().to_string(),
        architecture: p.architecture().to_string(),
        variant: p.variant().clone(),
    });
    let mut offered: Vec<String> = offered.map(|p| p.to_string()).collect();
    offered.dedup();
    let offered = match offered[..] {
        [] => "nothing".into(),
        _ => format!("{}; --platform chooses", offered.join(", ")),
    };
    failure!(NotFound: "no image for {wanted}" => "The index offers: {offered}")
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
        let (index, wanted) = (index(platforms), wanted.parse().unwrap());
        candidates(&index, &wanted).first().map(|d| d.size())
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
        assert_eq!(pick(&arm, "linux/arm"), Some(1), "v7, as engines mean it");
        assert_eq!(pick(&arm[2..], "linux/arm"), Some(0), "then v6");
        assert_eq!(pick(&arm[..1], "linux/arm"), Some(0), "then v5");
        assert_eq!(
            pick(&[("arm", None), ("arm", Some("v6"))], "linux/arm/v6"),
            Some(1)
        );
        let amd = [
            ("amd64", Some("v4")),
            ("amd64", Some("v2")),
            ("amd64", None),
        ];
        assert_eq!(pick(&amd, "linux/amd64/v3"), Some(1));
        assert_eq!(pick(&amd[..2], "linux/amd64"), Some(1));
        assert_eq!(pick(&amd[..1], "linux/amd64/v3"), None);
        let other = [("riscv64", Some("rva23")), ("riscv64", None)];
        assert_eq!(pick(&other, "linux/riscv64"), Some(1));
        assert_eq!(pick(&other[..1], "linux/riscv64"), Some(0));
        assert_eq!(pick(&other[1..], "linux/riscv64/rva23"), Some(0));
    }

    #[test]
    fn the_error_lists_what_is_offered() {
        let wanted = "linux/amd64".parse().unwrap();
        let index = index(&[("s390x", None)]);
        let platforms: Vec<_> = (index.manifests().iter())
            .filter_map(|d| d.platform().clone())
            .collect();
        let message = nothing(&platforms, &wanted).to_string();
        assert!(message.contains("linux/s390x"), "{message}");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "linux", "linux/", "/amd64", "a/b/c/d", "a/b/"] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
    }
}
