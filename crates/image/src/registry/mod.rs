//! A client for registries (distribution-spec 1.1).
//!
//! [`Registry`] holds what all repositories share: connections, tokens, certificates, credentials. [`Repository`] has one
//! method for each thing that the specification lets a client do.

mod challenge;
mod conf;
mod destination;
mod exchange;
mod hosts;
mod pull;
mod push;
mod referrers;
mod tags;
mod tls;
mod url;

pub use destination::{Elsewhere, RegistryDestination};
pub use exchange::network_error;
pub use pull::RegistrySource;
pub use tls::Tls;

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ureq::Body;
use ureq::http::Response;

use challenge::{Challenge, Token};
use conf::{Entry, Registries};
use hosts::{Host, Purpose};

use crate::credentials::{Credential, Credentials};
use crate::env;
use crate::error::{During, Kind, Result};
use crate::limits::Limits;
use crate::pace::{Pace, Paced};
use crate::parallel::lock;
use crate::reference::Reference;
use crate::retry::Patience;

/// How to talk to registries.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hosts that may be spoken to without encryption. Nothing else ever is.
    pub plain_http: PlainHttp,
    /// Certificates for all registries; per-host ones come from `hosts_folders`.
    pub tls: Tls,
    /// Folders with `<host>/hosts.toml`. They come before `registries`.
    pub hosts_folders: Vec<PathBuf>,
    /// Files in the form of containers-registries.conf(5), of which later ones win.
    pub registries: Vec<PathBuf>,
    /// Where credentials are looked up.
    pub credentials: Credentials,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the next byte.
    pub stall_timeout: Duration,
    /// What counts as too slow, of content, documents and tokens alike.
    pub pace: Pace,
    /// When to give up.
    pub patience: Patience,
    /// What documents may cost.
    pub limits: Limits,
    /// Layers with addresses of their own may be fetched from there when the registry does not have them.
    pub foreign_urls: bool,
    /// Bytes of one request when content is pushed in pieces.
    pub push_chunk: u64,
}

/// Which hosts may be spoken to without encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainHttp {
    /// None.
    Never,
    /// These, as `host:port`.
    For(Vec<String>),
    /// Every host that is named on the command line.
    Always,
}

impl Default for Options {
    fn default() -> Self {
        let mut folders = Vec::new();
        folders.extend(env::config().map(|d| d.join("tare/certs.d")));
        let system = ["tare", "containerd", "docker"].map(|p| format!("/etc/{p}/certs.d"));
        folders.extend(system.map(PathBuf::from));
        Options {
            plain_http: PlainHttp::Never,
            tls: Tls::default(),
            hosts_folders: folders,
            registries: conf::default_files(),
            credentials: Credentials::default(),
            connect_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(30),
            pace: Pace::default(),
            patience: Patience::default(),
            limits: Limits::default(),
            foreign_urls: false,
            push_chunk: 64 << 20,
        }
    }
}

/// Connections to any number of registries. Share it: tokens and connections are reused.
pub struct Registry {
    options: Options,
    /// By host, or by host and repository where there are settings for that.
    endpoints: Mutex<HashMap<String, Arc<Vec<Endpoint>>>>,
    registries: Mutex<Option<Arc<Registries>>>,
    warned: Mutex<HashSet<String>>,
}

/// One address of a registry.
struct Endpoint {
    /// `https://host/v2`.
    base: String,
    host: String,
    plain_allowed: bool,
    settings: Host,
    agent: ureq::Agent,
    /// Bytes of the largest piece of an upload that it may take, as far as is known.
    largest_piece: AtomicU64,
    auth: Mutex<Auth>,
}

impl Endpoint {
    fn may(&self, purpose: Purpose) -> bool {
        self.settings.purposes.contains(&purpose)
    }
}

#[derive(Default)]
struct Auth {
    challenge: Option<Challenge>,
    tokens: HashMap<String, Token>,
    credentials: HashMap<String, Option<Credential>>,
}

/// Where some content came from.
#[derive(Default)]
struct Given {
    by: HashSet<usize>,
    /// What each was found guilty of.
    refused: HashMap<usize, String>,
}

/// One repository of a registry.
pub struct Repository<'a> {
    registry: &'a Registry,
    endpoints: Arc<Vec<Endpoint>>,
    reference: Reference,
    /// By digest: which addresses gave content, and which of them are not asked for it any more.
    given: Mutex<HashMap<String, Given>>,
}

impl Registry {
    /// A client; nothing is connected yet.
    pub fn new(options: Options) -> Self {
        Registry {
            options,
            endpoints: Mutex::default(),
            registries: Mutex::default(),
            warned: Mutex::default(),
        }
    }

    /// How it talks.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The repository that `reference` is in.
    pub fn repository(&self, reference: &Reference) -> Result<Repository<'_>> {
        let host = reference.host();
        let registries = self.registries()?;
        registries.check_short(reference)?;
        let entry = registries.find(reference);
        let key = match entry {
            Some(_) => reference.name(),
            None => host.to_string(),
        };
        let known = lock(&self.endpoints).get(&key).cloned();
        let endpoints = match known {
            Some(endpoints) => endpoints,
            None => {
                let endpoints = self.connect(reference, entry);
                let endpoints = Arc::new(endpoints.during(|| format!("settings for {host}"))?);
                lock(&self.endpoints).insert(key, endpoints.clone());
                endpoints
            }
        };
        Ok(Repository {
            registry: self,
            endpoints,
            reference: reference.clone(),
            given: Mutex::default(),
        })
    }

    /// Asks the registry whether it takes these credentials.
    pub fn try_credentials(&self, reference: &Reference, user: &str, password: &str) -> Result<()> {
        let repository = self.repository(reference)?;
        let endpoint = repository.main()?;
        let credential = Credential::Basic {
            user: user.into(),
            password: password.into(),
        };
        lock(&endpoint.auth)
            .credentials
            .insert(reference.repository().to_string(), Some(credential));
        let address = format!("{}/", endpoint.base);
        let mut call = repository.call_at(endpoint, "GET", address, "", &[200]);
        call.scopes.clear();
        repository
            .send(endpoint, &call)
            .map(drop)
            .map_err(|e| match e.kind() {
                Kind::Denied => e.hint("The registry does not know this name and password"),
                _ => e,
            })
            .during(|| format!("login {}", reference.host()))
    }

    fn registries(&self) -> Result<Arc<Registries>> {
        let mut known = lock(&self.registries);
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let read = Arc::new(Registries::load(&self.options.registries)?);
        Ok(known.insert(read).clone())
    }

    fn connect(&self, reference: &Reference, entry: Option<&Entry>) -> Result<Vec<Endpoint>> {
        let options = &self.options;
        let (host, api_host) = (reference.host(), reference.api_host());
        let plain = match &options.plain_http {
            PlainHttp::Never => false,
            PlainHttp::For(hosts) => hosts.iter().any(|h| h == host),
            PlainHttp::Always => true,
        };
        let default_url = format!("{}://{api_host}", if plain { "http" } else { "https" });
        let load = |name| hosts::load(&options.hosts_folders, name, &default_url, &options.tls);
        let mut found = load(host)?;
        if found.is_none() && api_host != host {
            found = load(api_host)?;
        }
        let found = match (found, entry) {
            (Some(found), _) => found,
            (None, Some(entry)) => {
                entry.hosts(reference, &options.tls, |host| self.is_plain(host))?
            }
            (None, None) => vec![Host::own(&default_url, options.tls.clone())],
        };
        found.into_iter().map(|h| self.endpoint(h)).collect()
    }

    fn endpoint(&self, found: Host) -> Result<Endpoint> {
        let origin = url::origin(&found.url)?;
        Ok(Endpoint {
            agent: self.agent(&found.tls, &origin)?,
            base: match found.override_path {
                true => found.url.clone(),
                false => format!("{}/v2", found.url),
            },
            host: origin.authority,
            // An address with http:// in a settings file is asking for it.
            plain_allowed: !origin.secure,
            settings: found,
            largest_piece: AtomicU64::new(u64::MAX),
            auth: Mutex::default(),
        })
    }

    fn agent(&self, tls: &Tls, origin: &url::Origin) -> Result<ureq::Agent> {
        let Options {
            connect_timeout,
            stall_timeout,
            ..
        } = self.options;
        tls::agent(tls, origin, connect_timeout, stall_timeout)
    }

    /// Asks a host that may be spoken to without encryption whether it has to be.
    fn is_plain(&self, host: &str) -> bool {
        let tls = Tls {
            skip_verify: true,
            ..self.options.tls.clone()
        };
        let address = format!("https://{host}/v2/");
        let answer = url::origin(&address)
            .and_then(|origin| self.agent(&tls, &origin))
            .map(|agent| agent.get(&address).call().is_ok());
        !answer.unwrap_or(false)
    }

    /// Shows a `Warning` header to the user, each text once (distribution-spec, "Warnings").
    fn warn(&self, host: &str, text: &str) {
        if lock(&self.warned).insert(format!("{host} {text}")) {
            log::warn!("{host}: {text}");
        }
    }
}

impl Repository<'_> {
    /// The reference it was made for.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! Ways in for [`crate::fuzzing`].

    /// Headers that a registry fills: `WWW-Authenticate`, `Location`, `Retry-After`.
    pub fn headers(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        let _ = super::Challenge::parse(std::iter::once(text));
        let base = "https://a.example/v2/x?y=z";
        if let Ok(joined) = super::url::join(base, text) {
            assert!(super::url::origin(&joined).is_ok());
        }
        let escaped = super::url::escape(text);
        assert!(escaped.bytes().all(|b| b.is_ascii_graphic()));
        let _ = crate::retry::retry_after(text, std::time::SystemTime::UNIX_EPOCH);
    }

    /// `hosts.toml`.
    pub fn hosts(data: &[u8]) {
        let (folder, base) = (std::path::Path::new("/f"), super::Tls::default());
        if let Ok(hosts) = super::hosts::parse(data, folder, "https://a", &base) {
            assert!(hosts.last().is_some_and(|h| !h.mirror));
        }
    }

    /// `registries.conf`.
    pub(crate) fn registries(file: &std::path::Path) {
        let Ok(registries) = super::conf::Registries::load(&[file.to_path_buf()]) else {
            return;
        };
        for name in ["a.example/b/c:1", "b", "localhost:5000/a"] {
            let Ok(reference) = name.parse() else {
                continue;
            };
            let _ = registries.check_short(&reference);
            if let Some(entry) = registries.find(&reference) {
                let _ = entry.hosts(&reference, &super::Tls::default(), |_| false);
            }
        }
    }
}

/// All of an answer's body, or its beginning where that is longer than `limit`, which shows by one byte more.
fn read_body(response: &mut Response<Body>, limit: u64, pace: Pace) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = response.body_mut().as_reader();
    Paced::new(reader.take(limit.saturating_add(1)), pace).read_to_end(&mut bytes)?;
    Ok(bytes)
}
