//! Mirrors and per-host settings, in the format of `hosts.toml` that containerd uses: `<folder>/<host>/hosts.toml`, or loose
//! `ca.crt`, `client.cert` and `client.key` beside it, as docker has them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use super::tls::Tls;
use crate::error::{Doing, During, Error, Kind, Result};
use crate::json::read_limited;

/// What an address may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Pull,
    Resolve,
    Push,
}

/// One address to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// With scheme, without `/v2`.
    pub(super) url: String,
    pub(super) purposes: Vec<Purpose>,
    pub(super) tls: Tls,
    /// Sent with every request.
    pub(super) headers: Vec<(String, String)>,
    /// The address already has the path of the API.
    pub(super) override_path: bool,
    /// Not the registry itself: gets `ns=`.
    pub(super) mirror: bool,
    /// The repository's name there, when it is another.
    pub(super) repository: Option<String>,
}

impl Host {
    /// The registry itself.
    pub(super) fn own(url: &str, tls: Tls) -> Self {
        Host {
            url: url.trim_end_matches('/').into(),
            purposes: vec![Purpose::Pull, Purpose::Resolve, Purpose::Push],
            tls,
            headers: Vec::new(),
            override_path: false,
            mirror: false,
            repository: None,
        }
    }
}

#[derive(Deserialize, Default)]
struct File {
    server: Option<String>,
    #[serde(rename = "host")]
    _hosts: Option<IgnoredAny>,
    #[serde(flatten)]
    own: Section,
}

/// Apart, since positions in the text are lost where fields are flattened.
#[derive(Deserialize)]
struct Mirrors {
    #[serde(default)]
    host: BTreeMap<Spanned<String>, Section>,
}

#[derive(Deserialize, Default)]
struct Section {
    capabilities: Option<Vec<String>>,
    ca: Option<Several<PathBuf>>,
    client: Option<Client>,
    #[serde(default)]
    skip_verify: bool,
    #[serde(default)]
    override_path: bool,
    #[serde(default)]
    header: BTreeMap<String, Several<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Several<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Several<T> {
    fn all(self) -> Vec<T> {
        match self {
            Several::One(one) => vec![one],
            Several::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Client {
    Both(PathBuf),
    Pair(PathBuf, PathBuf),
    Pairs(Vec<(PathBuf, PathBuf)>),
}

/// All addresses for `host`, mirrors first, in the order of the file; none when no folder speaks of it.
pub(super) fn load(
    folders: &[PathBuf],
    host: &str,
    default_url: &str,
    base: &Tls,
) -> Result<Option<Vec<Host>>> {
    // Colons are not welcome in names everywhere: containerd writes "host_port_", others "host_port".
    let mut names = vec![host.to_string(), host.replace(':', "_")];
    if let Some((name, port)) = host.rsplit_once(':') {
        names.insert(0, format!("{name}_{port}_"));
    }
    names.push("_default".into());
    for folder in folders {
        for name in &names {
            let folder = folder.join(name);
            let path = folder.join("hosts.toml");
            if path.exists() {
                let text = read_limited(&path, 1 << 20)?;
                return parse(&text, &folder, default_url, base)
                    .map(Some)
                    .during(|| path.display().to_string());
            }
            if folder.is_dir() {
                return Ok(Some(vec![Host::own(default_url, loose(&folder, base)?)]));
            }
        }
    }
    Ok(None)
}

/// Understands the text of a `hosts.toml` in `folder`.
pub(super) fn parse(
    text: &[u8],
    folder: &Path,
    default_url: &str,
    base: &Tls,
) -> Result<Vec<Host>> {
    let file: File = parse_toml(text)?;
    let mut mirrors: Vec<_> = parse_toml::<Mirrors>(text)?.host.into_iter().collect();
    // The map is sorted by name; the file's own order is what counts.
    mirrors.sort_by_key(|(url, _)| url.span().start);
    let mut hosts = Vec::new();
    for (url, section) in mirrors {
        let url = match url.get_ref() {
            url if url.contains("://") => url.clone(),
            host => format!("https://{host}"),
        };
        hosts.push(section.host(&url, true, folder, base));
    }
    let server = file.server.as_deref().unwrap_or(default_url);
    hosts.push(file.own.host(server, false, folder, base));
    Ok(hosts)
}

/// Reads TOML, and says on one line what is wrong.
pub(super) fn parse_toml<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T> {
    let bad = |why: String| Error::new(Kind::Usage, why);
    let text = std::str::from_utf8(text).map_err(|e| bad(e.to_string()))?;
    toml::from_str(text).map_err(|e| {
        // The error's own text is a picture of several lines.
        let before = e.span().and_then(|s| text.get(..s.start));
        let line = before.map_or(1, |b| b.matches('\n').count() + 1);
        bad(format!("line {line}: {}", e.message())).hint("See the example in docs/images.md")
    })
}

impl Section {
    fn host(self, url: &str, mirror: bool, folder: &Path, base: &Tls) -> Host {
        let mut host = Host {
            override_path: self.override_path,
            mirror,
            ..Host::own(url, base.clone())
        };
        if let Some(named) = self.capabilities {
            let may = |purpose: &Purpose| {
                let name = format!("{purpose:?}").to_lowercase();
                named.contains(&name)
            };
            host.purposes.retain(may);
        }
        let authorities = self.ca.into_iter().flat_map(Several::all);
        let authorities = authorities.map(|path| folder.join(path));
        host.tls.authorities.extend(authorities);
        let client = match self.client {
            Some(Client::Both(path)) => Some((path.clone(), path)),
            Some(Client::Pair(certificate, key)) => Some((certificate, key)),
            Some(Client::Pairs(pairs)) => pairs.into_iter().next(),
            None => None,
        };
        if let Some((certificate, key)) = client {
            host.tls.client = Some((folder.join(certificate), folder.join(key)));
        }
        host.tls.skip_verify |= self.skip_verify;
        for (name, values) in self.header {
            host.headers
                .extend(values.all().into_iter().map(|v| (name.clone(), v)));
        }
        host
    }
}

fn loose(folder: &Path, base: &Tls) -> Result<Tls> {
    let mut tls = base.clone();
    let entries = std::fs::read_dir(folder).at("read directory", folder)?;
    let mut names: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    names.sort();
    for path in names {
        match path.extension().and_then(|e| e.to_str()) {
            Some("crt") => tls.authorities.push(path),
            Some("cert") => {
                let key = path.with_extension("key");
                if !key.exists() {
                    fail!(Usage: "{} has no key beside it", path.display());
                }
                tls.client = Some((path, key));
            }
            _ => {}
        }
    }
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_first_and_in_order() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("h_1");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(
            folder.join("hosts.toml"),
            "server = \"https://h:1\"\n[host.\"https://z.test\"]\n capabilities = [\"pull\"]\n ca = \"z.crt\"\n\
             [host.\"http://a.test/x/v2\"]\n override_path = true\n client = [[\"c\", \"k\"]]\n",
        )
        .unwrap();
        let hosts = load(
            &[temporary.path().into()],
            "h:1",
            "https://h:1",
            &Tls::default(),
        )
        .unwrap()
        .unwrap();
        let urls: Vec<_> = hosts.iter().map(|h| h.url.as_str()).collect();
        assert_eq!(
            urls,
            ["https://z.test", "http://a.test/x/v2", "https://h:1"]
        );
        assert_eq!(hosts[0].purposes, [Purpose::Pull]);
        assert_eq!(hosts[0].tls.authorities, [folder.join("z.crt")]);
        assert_eq!(
            hosts[1].tls.client,
            Some((folder.join("c"), folder.join("k")))
        );
        assert!(hosts[1].mirror && hosts[1].override_path && !hosts[2].mirror);
    }

    #[test]
    fn the_order_is_that_of_the_tables_whatever_else_the_text_has() {
        let text = "# not before \"https://b.test\"\n[host.'https://z.test']\n[host.\"https://a.test\"]\n\
             [host.\"https://b.test\".header]\nx-one = \"1\"\nx-two = [\"2\", \"3\"]\n";
        let hosts = parse(
            text.as_bytes(),
            Path::new("/f"),
            "https://r",
            &Tls::default(),
        )
        .unwrap();
        let urls: Vec<_> = hosts.iter().map(|h| h.url.as_str()).collect();
        let wanted = [
            "https://z.test",
            "https://a.test",
            "https://b.test",
            "https://r",
        ];
        assert_eq!(urls, wanted);
        let headers = [("x-one", "1"), ("x-two", "2"), ("x-two", "3")];
        assert_eq!(
            hosts[2].headers,
            headers.map(|(n, v)| (n.to_string(), v.to_string()))
        );
    }

    #[test]
    fn every_spelling_of_a_folder_is_found_and_then_the_default() {
        let temporary = tempfile::tempdir().unwrap();
        let first = |host: &str| {
            let folders = [temporary.path().into()];
            let hosts = load(&folders, host, "https://r", &Tls::default()).unwrap();
            hosts.unwrap()[0].url.clone()
        };
        for name in ["_default", "h_1", "h:1", "h_1_", "docker.io"] {
            let folder = temporary.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let mirror = format!("[host.\"https://{name}\"]");
            std::fs::write(folder.join("hosts.toml"), mirror).unwrap();
            let asked = if name == "docker.io" { name } else { "h:1" };
            assert_eq!(first(asked), format!("https://{name}"));
        }
        assert_eq!(first("h"), "https://_default");
    }

    #[test]
    fn no_file_means_nothing() {
        let hosts = load(&["/nonexistent".into()], "h", "https://h", &Tls::default());
        assert_eq!(hosts.unwrap(), None);
    }

    #[test]
    fn broken_files_are_reported() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::create_dir(temporary.path().join("h")).unwrap();
        std::fs::write(temporary.path().join("h/hosts.toml"), "\nserver = ").unwrap();
        let folders = [temporary.path().into()];
        let error = load(&folders, "h", "https://h", &Tls::default());
        let said = error.map(drop).unwrap_err().to_string();
        assert!(
            said.contains("hosts.toml: line 2: ") && !said.contains('\n'),
            "{said}"
        );
        std::fs::remove_file(temporary.path().join("h/hosts.toml")).unwrap();
        std::fs::write(temporary.path().join("h/client.cert"), "").unwrap();
        assert!(
            load(
                &[temporary.path().into()],
                "h",
                "https://h",
                &Tls::default()
            )
            .is_err()
        );
    }
}
