//! `registries.conf` of the podman family (containers-registries.conf(5)): mirrors, other locations, blocked registries, and
//! what short names may mean.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::hosts::{Host, Purpose, parse_toml};
use super::tls::Tls;
use crate::error::{During, Error, Kind, Result};
use crate::json::read_limited;
use crate::reference::{self, Reference};

/// What all files together say.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Registries {
    unqualified_search_registries: Vec<String>,
    registry: Vec<Entry>,
    aliases: BTreeMap<String, String>,
}

/// Settings for all names that begin with a prefix.
#[derive(Deserialize, Default, Clone)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Entry {
    prefix: Option<String>,
    location: Option<String>,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(rename_all = "kebab-case", default)]
struct Mirror {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

/// The files that are there, the user's own in place of the system's, and then what is dropped in beside them.
pub(super) fn default_files() -> Vec<PathBuf> {
    let variable = crate::env::path;
    if let Some(file) = variable("CONTAINERS_REGISTRIES_CONF") {
        return vec![file];
    }
    let user = crate::env::config().map(|c| c.join("containers"));
    let places: Vec<PathBuf> = user.into_iter().chain(["/etc/containers".into()]).collect();
    let name = "registries.conf";
    let mut files: Vec<PathBuf> = (places.iter().map(|p| p.join(name)))
        .find(|p| p.exists())
        .into_iter()
        .collect();
    for place in places.iter().rev() {
        let entries = std::fs::read_dir(place.join("registries.conf.d"));
        let dropped = entries.into_iter().flatten().flatten().map(|e| e.path());
        let mut dropped: Vec<_> = dropped
            .filter(|p| p.extension().is_some_and(|e| e == "conf"))
            .collect();
        dropped.sort();
        files.extend(dropped);
    }
    files
}

impl Registries {
    /// Reads `files`, of which later ones win.
    pub(super) fn load(files: &[PathBuf]) -> Result<Self> {
        let mut all = Registries::default();
        for file in files {
            let read = || parse_toml::<Registries>(&read_limited(file, 4 << 20)?);
            let more = read().during(|| file.display().to_string())?;
            if !more.unqualified_search_registries.is_empty() {
                all.unqualified_search_registries = more.unqualified_search_registries;
            }
            for entry in more.registry {
                all.registry.retain(|old| old.prefix() != entry.prefix());
                all.registry.push(entry);
            }
            all.aliases.extend(more.aliases);
        }
        Ok(all)
    }

    /// The entry with the longest prefix of `reference`.
    pub(super) fn find(&self, reference: &Reference) -> Option<&Entry> {
        let fits = |e: &&Entry| e.rest(reference).is_some();
        let entries = self.registry.iter().filter(fits);
        entries.max_by_key(|e| e.prefix().len())
    }

    /// Refuses a name without a registry where these files give it another meaning than ours, or more than one.
    pub(super) fn check_short(&self, reference: &Reference) -> Result<()> {
        let Some(short) = reference.short() else {
            return Ok(());
        };
        let ours = reference.name();
        let mut meant: Vec<String> = match self.aliases.get(short).filter(|a| !a.is_empty()) {
            Some(alias) => vec![alias.clone()],
            None => (self.unqualified_search_registries.iter())
                .map(|host| match host.as_str() {
                    reference::DEFAULT_HOST => ours.clone(),
                    host => format!("{host}/{short}"),
                })
                .collect(),
        };
        if meant.is_empty() || meant == [ours] {
            return Ok(());
        }
        let tag = reference.tag().map_or(String::new(), |t| format!(":{t}"));
        meant.iter_mut().for_each(|m| m.push_str(&tag));
        Err(
            failure!(Usage: "{short} does not say in which registry, for which registries.conf has an own answer"
            => "Write {}", meant.join(" or ")),
        )
    }
}

impl Entry {
    fn prefix(&self) -> &str {
        self.prefix
            .as_deref()
            .or(self.location.as_deref())
            .unwrap_or_default()
    }

    /// What follows the prefix in a name that it fits.
    fn rest(&self, reference: &Reference) -> Option<String> {
        let (name, prefix) = (reference.name(), self.prefix());
        if let Some(domain) = prefix.strip_prefix('*') {
            let sub = reference.host().ends_with(domain) && domain.starts_with('.');
            return sub.then(|| format!("/{}", reference.repository()));
        }
        let rest = name.strip_prefix(prefix).filter(|_| !prefix.is_empty())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_string())
    }

    /// The addresses for `reference`: mirrors, then the place itself, which is for writing only where reading is led elsewhere.
    pub(super) fn hosts(
        &self,
        reference: &Reference,
        base: &Tls,
        insecure: impl Fn(&str) -> bool,
    ) -> Result<Vec<Host>> {
        if self.blocked {
            let what = format!("{} is blocked in registries.conf", self.prefix());
            return Err(Error::new(Kind::Denied, what));
        }
        let rest = self.rest(reference).unwrap_or_default();
        let place = |location: &str, allowed: bool| -> Result<Host> {
            let name: Reference = format!("{location}{rest}").parse()?;
            let mut tls = base.clone();
            tls.skip_verify |= allowed;
            let scheme = match allowed && insecure(name.api_host()) {
                true => "http",
                false => "https",
            };
            Ok(Host {
                repository: Some(name.repository().to_string()),
                mirror: name.host() != reference.host(),
                ..Host::own(&format!("{scheme}://{}", name.api_host()), tls)
            })
        };
        let mut hosts = Vec::new();
        for mirror in &self.mirror {
            let by_tag = match mirror.pull_from_mirror.as_str() {
                "digest-only" => false,
                _ => !self.mirror_by_digest_only,
            };
            let mut host = place(&mirror.location, mirror.insecure)?;
            host.mirror = true;
            host.purposes = match by_tag {
                true => vec![Purpose::Pull, Purpose::Resolve],
                false => vec![Purpose::Pull],
            };
            hosts.push(host);
        }
        let own = reference.name();
        let own = own.strip_suffix(&rest).unwrap_or(&own);
        let target = self.location.as_deref().unwrap_or(own);
        hosts.push(place(target, self.insecure)?);
        if let (Some(read), true) = (hosts.last_mut(), target != own) {
            read.purposes.retain(|p| *p != Purpose::Push);
            let mut write = place(own, self.insecure)?;
            write.purposes = vec![Purpose::Push];
            hosts.push(write);
        }
        Ok(hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registries(texts: &[&str]) -> Registries {
        let temporary = tempfile::tempdir().unwrap();
        let file = |(n, text): (usize, &&str)| {
            let path = temporary.path().join(n.to_string());
            std::fs::write(&path, text).unwrap();
            path
        };
        let files: Vec<_> = texts.iter().enumerate().map(file).collect();
        Registries::load(&files).unwrap()
    }

    fn places(registries: &Registries, name: &str) -> Vec<String> {
        let reference: Reference = name.parse().unwrap();
        let entry = registries.find(&reference).unwrap();
        let hosts = entry.hosts(&reference, &Tls::default(), |host| host.contains("plain"));
        let shown = |h: Host| {
            let may = [
                (Purpose::Pull, 'p'),
                (Purpose::Resolve, 'r'),
                (Purpose::Push, 'w'),
            ];
            let may = may
                .iter()
                .filter(|m| h.purposes.contains(&m.0))
                .map(|m| m.1);
            let may: String = may.collect();
            format!("{} {} {may}", h.url, h.repository.unwrap_or_default())
        };
        hosts.unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn names_lead_to_places() {
        let all = registries(&[
            "[[registry]]\nprefix = 'r.test'\nlocation = 'r.test'\n[[registry.mirror]]\nlocation = 'plain.test/m'\n\
             insecure = true\n[[registry.mirror]]\nlocation = 'm.test'\npull-from-mirror = 'digest-only'\n\
             [[registry]]\nprefix = 'r.test/team'\nlocation = 'other.test/x'\n\
             [[registry]]\nprefix = '*.wild.test'\ninsecure = true\n",
            "[[registry]]\nlocation = 'bad.test'\nblocked = true\n",
        ]);
        assert_eq!(
            places(&all, "r.test/a/b:1"),
            [
                "http://plain.test m/a/b pr",
                "https://m.test a/b p",
                "https://r.test a/b prw"
            ]
        );
        assert_eq!(
            places(&all, "r.test/team/b"),
            ["https://other.test x/b pr", "https://r.test team/b w"]
        );
        assert_eq!(places(&all, "a.wild.test/b"), ["https://a.wild.test b prw"]);
        let blocked: Reference = "bad.test/a".parse().unwrap();
        let hosts = all.find(&blocked).unwrap();
        let error = hosts.hosts(&blocked, &Tls::default(), |_| false);
        assert_eq!(error.unwrap_err().kind(), Kind::Denied);
        for name in ["r.testing/a", "wild.test/a", "bad.test.x/a"] {
            assert!(all.find(&name.parse().unwrap()).is_none(), "{name}");
        }
    }

    #[test]
    fn short_names_mean_one_thing_or_nothing() {
        let check = |text: &str, name: &str| {
            let said = registries(&[text]).check_short(&name.parse().unwrap());
            said.map_err(|e| e.to_string()).err().unwrap_or_default()
        };
        let search = "unqualified-search-registries = ['docker.io', 'q.test']";
        assert!(check(search, "a:1").ends_with("Write docker.io/library/a:1 or q.test/a:1"));
        for (text, name) in [
            (search, "docker.io/library/a"),
            (search, "localhost/a"),
            ("unqualified-search-registries = ['docker.io']", "a"),
            ("", "a"),
            ("[aliases]\na = 'docker.io/library/a'", "a"),
        ] {
            assert_eq!(check(text, name), "", "{text} {name}");
        }
        let alias = "[aliases]\n'a/b' = 'q.test/x'";
        assert!(check(alias, "a/b").ends_with("Write q.test/x:latest"));
    }
}
