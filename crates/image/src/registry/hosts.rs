//! Mirrors and per-host settings, in the format of `hosts.toml` that other engines use:
//! `<folder>/<host>/hosts.toml`, or loose `ca.crt`, `client.cert` and `client.key` beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::tls::Tls;
use crate::error::{During, Error, Kind, Result};
use crate::json::read_limited;

/// What a host may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) pull: bool,
    pub(super) resolve: bool,
    pub(super) push: bool,
}

/// One address to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// With scheme, without `/v2`.
    pub(super) url: String,
    pub(super) abilities: Abilities,
    pub(super) tls: Tls,
    /// The address already has the path of the API.
    pub(super) override_path: bool,
    /// Not the registry itself: gets `ns=`.
    pub(super) mirror: bool,
}

#[derive(Deserialize, Default)]
struct File {
    server: Option<String>,
    #[serde(default)]
    host: BTreeMap<String, Section>,
    #[serde(flatten)]
    own: Section,
}

#[derive(Deserialize, Default)]
struct Section {
    capabilities: Option<Vec<String>>,
    ca: Option<OneOrMany>,
    client: Option<Client>,
    #[serde(default)]
    skip_verify: bool,
    #[serde(default)]
    override_path: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Client {
    Both(PathBuf),
    Pair(PathBuf, PathBuf),
    Pairs(Vec<(PathBuf, PathBuf)>),
}

/// All addresses for `host`, mirrors first, in the order of the file.
pub(super) fn load(
    folders: &[PathBuf],
    host: &str,
    default_url: &str,
    base: &Tls,
) -> Result<Vec<Host>> {
    for folder in folders {
        // Colons are not welcome in names everywhere; both spellings are in use.
        for name in [host.to_string(), host.replace(':', "_")] {
            let folder = folder.join(name);
            let path = folder.join("hosts.toml");
            if path.exists() {
                let text = read_limited(&path, 1 << 20)?;
                return parse(&text, &folder, default_url, base)
                    .during(|| path.display().to_string());
            }
            if folder.is_dir() {
                let tls = loose(&folder, base)?;
                return Ok(vec![own(default_url.to_string(), tls)]);
            }
        }
    }
    Ok(vec![own(default_url.to_string(), base.clone())])
}

/// The registry itself.
fn own(url: String, tls: Tls) -> Host {
    Host {
        url,
        abilities: Abilities {
            pull: true,
            resolve: true,
            push: true,
        },
        tls,
        override_path: false,
        mirror: false,
    }
}

/// Understands the text of a `hosts.toml` in `folder`.
pub(super) fn parse(
    text: &[u8],
    folder: &Path,
    default_url: &str,
    base: &Tls,
) -> Result<Vec<Host>> {
    let bad = |why: String| Error::new(Kind::Usage, why);
    let text = std::str::from_utf8(text).map_err(|e| bad(e.to_string()))?;
    let file: File = toml::from_str(text).map_err(|e| {
        // The error's own text is a picture of several lines.
        let before = e.span().and_then(|s| text.get(..s.start));
        let line = before.map_or(1, |b| b.matches('\n').count() + 1);
        bad(format!("line {line}: {}", e.message())).hint("See the example in docs/images.md")
    })?;
    // The map is sorted by name; the file's own order is what counts.
    let mut sections: Vec<_> = file.host.into_iter().collect();
    sections.sort_by_key(|(url, _)| text.find(&format!("\"{url}\"")).unwrap_or(usize::MAX));
    let mut hosts = Vec::new();
    for (url, section) in sections {
        let abilities = match &section.capabilities {
            None => Abilities {
                pull: true,
                resolve: true,
                push: true,
            },
            Some(list) => Abilities {
                pull: list.iter().any(|c| c == "pull"),
                resolve: list.iter().any(|c| c == "resolve"),
                push: list.iter().any(|c| c == "push"),
            },
        };
        let override_path = section.override_path;
        let url = if url.contains("://") {
            url
        } else {
            format!("https://{url}")
        };
        let tls = section.tls(folder, base);
        hosts.push(Host {
            url: url.trim_end_matches('/').into(),
            abilities,
            tls,
            override_path,
            mirror: true,
        });
    }
    let server = file.server.unwrap_or_else(|| default_url.to_string());
    hosts.push(own(
        server.trim_end_matches('/').into(),
        file.own.tls(folder, base),
    ));
    Ok(hosts)
}

impl Section {
    fn tls(self, folder: &Path, base: &Tls) -> Tls {
        let mut tls = base.clone();
        match self.ca {
            Some(OneOrMany::One(path)) => tls.authorities.push(folder.join(path)),
            Some(OneOrMany::Many(paths)) => tls
                .authorities
                .extend(paths.into_iter().map(|p| folder.join(p))),
            None => {}
        }
        let client = match self.client {
            Some(Client::Both(path)) => Some((path.clone(), path)),
            Some(Client::Pair(certificate, key)) => Some((certificate, key)),
            Some(Client::Pairs(pairs)) => pairs.into_iter().next(),
            None => None,
        };
        if let Some((certificate, key)) = client {
            tls.client = Some((folder.join(certificate), folder.join(key)));
        }
        tls.skip_verify |= self.skip_verify;
        tls
    }
}

fn loose(folder: &Path, base: &Tls) -> Result<Tls> {
    let mut tls = base.clone();
    let entries =
        std::fs::read_dir(folder).map_err(|e| Error::file("read directory", folder, e))?;
    let mut names: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    names.sort();
    for path in names {
        match path.extension().and_then(|e| e.to_str()) {
            Some("crt") => tls.authorities.push(path),
            Some("cert") => {
                let key = path.with_extension("key");
                if !key.exists() {
                    return Err(Error::new(
                        Kind::Usage,
                        format!("{} has no key beside it", path.display()),
                    ));
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
        .unwrap();
        let urls: Vec<_> = hosts.iter().map(|h| h.url.as_str()).collect();
        assert_eq!(
            urls,
            ["https://z.test", "http://a.test/x/v2", "https://h:1"]
        );
        assert_eq!(
            hosts[0].abilities,
            Abilities {
                pull: true,
                resolve: false,
                push: false
            }
        );
        assert_eq!(hosts[0].tls.authorities, [folder.join("z.crt")]);
        assert_eq!(
            hosts[1].tls.client,
            Some((folder.join("c"), folder.join("k")))
        );
        assert!(hosts[1].mirror && hosts[1].override_path && !hosts[2].mirror);
    }

    #[test]
    fn no_file_means_the_registry_itself() {
        let hosts = load(&["/nonexistent".into()], "h", "https://h", &Tls::default()).unwrap();
        assert_eq!(hosts.len(), 1);
        assert!(!hosts[0].mirror);
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
