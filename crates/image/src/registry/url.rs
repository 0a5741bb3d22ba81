//! As much about addresses as a registry client needs: origin, and following a `Location`.

use crate::error::{Error, Result};

/// Scheme, host and port: what credentials are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) secure: bool,
    /// In lower case, with the port when it is not the scheme's own.
    pub(super) authority: String,
}

impl Origin {
    /// True for the machine that this runs on.
    pub(super) fn is_loopback(&self) -> bool {
        let host = match self.authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => self.authority.split(':').next(),
        };
        let host = host.unwrap_or_default();
        let address = host.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|a| a.is_loopback())
    }
}

/// The origin of an absolute address.
pub(super) fn origin(url: &str) -> Result<Origin> {
    let (secure, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        _ => return Err(bad(url)),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    // "user@host" looks like one host and means another.
    if authority.is_empty()
        || authority.contains('@')
        || authority
            .bytes()
            .any(|b| b <= b' ' || b >= 0x7f || b == b'\\')
    {
        return Err(bad(url));
    }
    let authority = authority.to_ascii_lowercase();
    let authority = match (
        secure,
        authority.strip_suffix(":443"),
        authority.strip_suffix(":80"),
    ) {
        (true, Some(host), _) | (false, _, Some(host)) => host.to_string(),
        _ => authority,
    };
    Ok(Origin { secure, authority })
}

/// Resolves `location`, absolute or relative, as seen from `base` (RFC 9110, section 10.2.2).
pub(super) fn join(base: &str, location: &str) -> Result<String> {
    if location.is_empty() || location.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err(bad(location));
    }
    if location.contains("://") && !location.starts_with(['/', '?']) {
        origin(location)?;
        return Ok(location.to_string());
    }
    let scheme = base.split_once("://").ok_or_else(|| bad(base))?.0;
    if let Some(rest) = location.strip_prefix("//") {
        let url = format!("{scheme}://{rest}");
        origin(&url)?;
        return Ok(url);
    }
    let start = scheme.len() + 3;
    let path_start = base[start..]
        .find(['/', '?', '#'])
        .map_or(base.len(), |n| start + n);
    let path_end = base[path_start..]
        .find(['?', '#'])
        .map_or(base.len(), |n| path_start + n);
    if location.starts_with('/') {
        return Ok(format!("{}{location}", &base[..path_start]));
    }
    if location.starts_with('?') {
        return Ok(format!("{}{location}", &base[..path_end]));
    }
    let folder = match base[path_start..path_end].rfind('/') {
        Some(slash) => &base[path_start..=path_start + slash],
        None => "/",
    };
    let (path, rest) = location.split_at(location.find(['?', '#']).unwrap_or(location.len()));
    let path = without_dots(&format!("{folder}{path}"));
    Ok(format!("{}{path}{rest}", &base[..path_start]))
}

/// RFC 3986, section 5.2.4: what leads upwards ends at the top.
fn without_dots(path: &str) -> String {
    let mut parts = Vec::new();
    let mut last = "";
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
        last = part;
    }
    if [".", ".."].contains(&last) {
        parts.push("");
    }
    format!("/{}", parts.join("/"))
}

/// Adds a query parameter; the value is escaped.
pub(super) fn with_query(url: &str, key: &str, value: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{key}={}", escape(value))
}

/// Percent-encodes everything but unreserved characters (RFC 3986, section 2.3).
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn bad(url: &str) -> Error {
    failure!(Protocol: "the registry sent an address that cannot be followed: {url:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        let base = "https://h:1/v2/a/b/blobs/uploads/?x=1";
        let table = [
            ("/v2/x", "https://h:1/v2/x"),
            ("http://o/y?z", "http://o/y?z"),
            ("//o/y", "https://o/y"),
            ("u?state=1", "https://h:1/v2/a/b/blobs/uploads/u?state=1"),
            ("../../x?a=../b", "https://h:1/v2/a/b/x?a=../b"),
            ("./y/../z", "https://h:1/v2/a/b/blobs/uploads/z"),
            ("../../../../../../../x/..", "https://h:1/"),
            ("../y/..", "https://h:1/v2/a/b/blobs/"),
            ("?n=2", "https://h:1/v2/a/b/blobs/uploads/?n=2"),
            ("/r?u=http://x", "https://h:1/r?u=http://x"),
        ];
        for (location, url) in table {
            assert_eq!(join(base, location).unwrap(), url);
        }
        assert_eq!(join("http://h", "a").unwrap(), "http://h/a");
        for location in [
            "",
            "ftp://x/",
            "http://",
            "http://u@h/",
            "a b",
            "http://h\\@o/",
            "file:///etc/passwd",
        ] {
            assert!(join(base, location).is_err(), "{location}");
        }
    }

    #[test]
    fn this_machine() {
        for (url, own) in [
            ("http://localhost:5000/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:5000/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1:5000/", false),
        ] {
            assert_eq!(origin(url).unwrap().is_loopback(), own, "{url}");
        }
    }

    #[test]
    fn origins() {
        assert_eq!(
            origin("https://H.x:443/a").unwrap(),
            origin("https://h.x").unwrap()
        );
        assert_ne!(origin("https://h:80").unwrap(), origin("http://h").unwrap());
        assert_ne!(
            origin("http://h:5000").unwrap(),
            origin("http://h:5001").unwrap()
        );
        assert_eq!(
            with_query("http://h/a?b=c", "digest", "sha256:00"),
            "http://h/a?b=c&digest=sha256%3A00"
        );
    }
}
