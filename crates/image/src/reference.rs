//! Names of images in registries: `host/repository:tag@digest`.

use std::fmt;
use std::str::FromStr;

use oci_spec::image::Digest;

use crate::error::{Error, Result};

/// The registry of references that name none.
pub(crate) const DEFAULT_HOST: &str = "docker.io";
/// Digits that an id has at least.
const ID: usize = 4;
/// Where that registry's API is.
const DEFAULT_API_HOST: &str = "registry-1.docker.io";
/// Under which name credential files know it.
const DEFAULT_CREDENTIAL_KEY: &str = "https://index.docker.io/v1/";

/// `host/repository[:tag][@digest]`, in full.
///
/// Short names are completed as everywhere: without a host it is the default registry, there a single word is below
/// `library/`, and without tag and digest the tag is `latest`.
#[derive(Clone, Debug)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
    /// The name without host, if it was written so: another spelling, and the same name.
    short: Option<String>,
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        let own = |r: &Self| (r.name(), r.tag.clone(), r.digest.clone());
        own(self) == own(other)
    }
}

impl Eq for Reference {}

impl Reference {
    /// The name as it was written, when that did not say a host.
    pub(crate) fn short(&self) -> Option<&str> {
        self.short.as_deref()
    }

    /// Host and port as written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Host and port to connect to.
    pub fn api_host(&self) -> &str {
        if self.host == DEFAULT_HOST {
            DEFAULT_API_HOST
        } else {
            &self.host
        }
    }

    /// The hexadecimal digits that this may be instead of a name: `3f2a…` or `sha256:3f2a…`.
    pub(crate) fn id_prefix(&self) -> Option<&str> {
        let digits = match (self.short()?, self.tag()?) {
            ("sha256", tag) => tag,
            (short, "latest") => short,
            _ => return None,
        };
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (digits.len() >= ID && digits.bytes().all(is_digit)).then_some(digits)
    }

    /// The key under which credentials for `host` are stored.
    pub(crate) fn credential_key(host: &str) -> &str {
        if host == DEFAULT_HOST || host == DEFAULT_API_HOST {
            DEFAULT_CREDENTIAL_KEY
        } else {
            host
        }
    }

    /// Path of the repository below `/v2/`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if there is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if there is one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest.clone()
    }

    /// What stands after `/manifests/`: the digest if there is one, else the tag.
    pub fn target(&self) -> &str {
        let digest = self.digest.as_ref().map(AsRef::as_ref);
        digest.or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// `host/repository`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// The same repository with another tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        if !is_tag(tag) {
            fail!(Usage: "{tag:?} is not a tag"
                => "Tags have up to 128 letters, digits, dots, hyphens and underscores, a letter, digit or underscore first");
        }
        Ok(Reference {
            tag: Some(tag.into()),
            digest: None,
            ..self.clone()
        })
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = crate::digest::parse(digest);
                (rest, Some(digest.map_err(|e| bad(text, &e.to_string()))?))
            }
            None => (text, None),
        };
        // A colon after the last slash is the tag's, one before it the port's.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => {
                if !is_tag(tag) {
                    return Err(bad(
                        text,
                        "the tag has characters that tags may not have, or is longer than 128",
                    ));
                }
                (name, Some(tag.to_string()))
            }
            _ => (rest, None),
        };
        let mut short = Some(name.to_string());
        let (host, path) = match name.split_once('/') {
            Some((first, path)) if is_host(first) => {
                short = None;
                (first.to_string(), path.to_string())
            }
            Some(_) => (DEFAULT_HOST.to_string(), name.to_string()),
            None => (DEFAULT_HOST.to_string(), format!("library/{name}")),
        };
        let host = if host == "index.docker.io" || host == DEFAULT_API_HOST {
            DEFAULT_HOST.into()
        } else {
            host
        };
        let wrong = if !path.split('/').all(is_component) {
            "the repository has characters that names may not have"
        } else if !valid_host(&host) {
            "the host is not a host name with an optional port"
        } else if host.len() + 1 + path.len() > 255 {
            "host and repository together are longer than 255 characters"
        } else {
            ""
        };
        if !wrong.is_empty() {
            return Err(bad(text, wrong));
        }
        let tag = if tag.is_none() && digest.is_none() {
            Some("latest".into())
        } else {
            tag
        };
        Ok(Reference {
            host,
            repository: path,
            tag,
            digest,
            short,
        })
    }
}

fn bad(text: &str, why: &str) -> Error {
    failure!(Usage: "image reference {text:?}: {why}"
        => "Write [host[:port]/]name[:tag][@digest], names in lower case")
}

fn is_host(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn valid_host(host: &str) -> bool {
    let is_port = |port: &str| !port.starts_with('+') && port.parse::<u16>().is_ok();
    if let Some((address, port)) = host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
        return is_address && port.strip_prefix(':').map_or(port.is_empty(), is_port);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let is_label = |label: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(fits) && label.trim_matches('-') == label
    };
    is_port(port) && name.split('.').all(is_label)
}

/// distribution-spec, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(crate) fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !tag.starts_with(['.', '-'])
}

/// distribution-spec: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(component: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let between = component.trim_matches(is_letter);
    let separators = between.split(is_letter);
    let good = |s: &str| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    component.starts_with(is_letter) && component.ends_with(is_letter) && { separators }.all(good)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn completes_short_names() {
        let digest = format!("sha256:{HEX}");
        let table = [
            ("busybox", "docker.io/library/busybox:latest"),
            ("a/b", "docker.io/a/b:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a:b", "localhost:5000/a:b"),
            ("example.test/a/b/c", "example.test/a/b/c:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("a__b/c---d.e_f:T.-_1", "docker.io/a__b/c---d.e_f:T.-_1"),
        ];
        for (text, full) in table {
            let reference: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(reference.to_string(), full);
            assert_eq!(
                full.parse::<Reference>().unwrap(),
                reference,
                "the full form means the same"
            );
        }
        let pinned: Reference = format!("h:1/a:t@{digest}").parse().unwrap();
        assert_eq!(pinned.target(), digest);
        assert_eq!(pinned.tag(), Some("t"));
        assert_eq!(
            format!("h:1/a@{digest}")
                .parse::<Reference>()
                .unwrap()
                .tag(),
            None
        );
    }

    #[test]
    fn refuses_what_the_grammar_refuses() {
        let long_tag = format!("a:{}", "x".repeat(129));
        let long_name = format!("h:1/{}", "x".repeat(252));
        let table = [
            "",
            ":",
            "a:",
            "a//b",
            "/a",
            "a/",
            "A",
            "a/B",
            "..",
            "a/../b",
            "a:.t",
            "a:-t",
            "a___b",
            "a._b",
            "-a",
            "a-",
            "a b",
            "a@sha256:zz",
            "a@",
            "h:port/a",
            "h:99999/a",
            "-h.x/a",
            "h..x/a",
            "[::g]/a",
            "a\0b",
            "a:t:u",
            "ä",
            "h.x/",
            &long_tag,
            &long_name,
        ];
        for text in table {
            assert!(text.parse::<Reference>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_printing_is_stable(text in "[a-zA-Z0-9:/@._\\[\\]-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let printed = reference.to_string();
                prop_assert_eq!(printed.parse::<Reference>().unwrap(), reference);
                prop_assert!(!printed.contains(".."), "no name leaves its folder");
            }
        }
    }
}
