//! A client for registries (distribution-spec 1.1).
//!
//! [`Registry`] holds what all repositories share: connections, tokens, certificates, credentials. [`Repository`] has one
//! method for each thing that the specification lets a client do.

mod challenge;
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
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use challenge::{Challenge, Token};
use hosts::Abilities;

use crate::credentials::{Credential, Credentials};
use crate::error::{During, Kind, Result};
use crate::limits::Limits;
use crate::reference::Reference;
use crate::retry::Patience;

/// How to talk to registries.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hosts that may be spoken to without encryption. Nothing else ever is.
    pub plain_http: PlainHttp,
    /// Certificates for all registries; per-host ones come from `hosts_folders`.
    pub tls: Tls,
    /// Folders with `<host>/hosts.toml`.
    pub hosts_folders: Vec<PathBuf>,
    /// Where credentials are looked up.
    pub credentials: Credentials,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the next byte.
    pub stall_timeout: Duration,
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
        let variable = |name| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        folders.extend(
            variable("XDG_CONFIG_HOME")
                .or(variable("HOME").map(|h| h.join(".config")))
                .map(|d| d.join("tare/certs.d")),
        );
        folders.extend(
            [
                "/etc/tare/certs.d",
                "/etc/containerd/certs.d",
                "/etc/docker/certs.d",
            ]
            .map(PathBuf::from),
        );
        Options {
            plain_http: PlainHttp::Never,
            tls: Tls::default(),
            hosts_folders: folders,
            credentials: Credentials::default(),
            connect_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(30),
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
    endpoints: Mutex<HashMap<String, Arc<Vec<Endpoint>>>>,
    warned: Mutex<HashSet<String>>,
}

/// One address of a registry.
struct Endpoint {
    /// `https://host/v2`.
    base: String,
    host: String,
    abilities: Abilities,
    mirror: bool,
    plain_allowed: bool,
    agent: ureq::Agent,
    auth: Mutex<Auth>,
}

#[derive(Default)]
struct Auth {
    challenge: Option<Challenge>,
    tokens: HashMap<String, Token>,
    credentials: HashMap<String, Option<Credential>>,
}

/// One repository of a registry.
pub struct Repository<'a> {
    registry: &'a Registry,
    endpoints: Arc<Vec<Endpoint>>,
    reference: Reference,
}

impl Registry {
    /// A client; nothing is connected yet.
    pub fn new(options: Options) -> Self {
        Registry {
            options,
            endpoints: Mutex::default(),
            warned: Mutex::default(),
        }
    }

    /// How it talks.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The repository that `reference` is in.
    ///
    /// # Errors
    /// Settings for the host that cannot be read.
    pub fn repository(&self, reference: &Reference) -> Result<Repository<'_>> {
        let host = reference.api_host();
        let known = lock(&self.endpoints).get(host).cloned();
        let endpoints = match known {
            Some(endpoints) => endpoints,
            None => {
                let endpoints = Arc::new(
                    self.connect(host)
                        .during(|| format!("settings for {host}"))?,
                );
                lock(&self.endpoints).insert(host.to_string(), endpoints.clone());
                endpoints
            }
        };
        Ok(Repository {
            registry: self,
            endpoints,
            reference: reference.clone(),
        })
    }

    /// Asks the registry whether it takes these credentials.
    ///
    /// # Errors
    /// [`crate::Kind::Denied`] when it does not; [`crate::Kind::Network`].
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
        let call = exchange::Call {
            method: "GET",
            url: format!("{}/", endpoint.base),
            headers: Vec::new(),
            payload: exchange::Payload::None,
            scopes: Vec::new(),
            accept: &[200],
        };
        repository
            .send(endpoint, &call)
            .map(drop)
            .map_err(|e| match e.kind() {
                Kind::Denied => e.hint("The registry does not know this name and password"),
                _ => e,
            })
            .during(|| format!("login {}", reference.host()))
    }

    fn connect(&self, host: &str) -> Result<Vec<Endpoint>> {
        let options = &self.options;
        let plain = match &options.plain_http {
            PlainHttp::Never => false,
            PlainHttp::For(hosts) => hosts.iter().any(|h| h == host),
            PlainHttp::Always => true,
        };
        let default_url = format!("{}://{host}", if plain { "http" } else { "https" });
        hosts::load(&options.hosts_folders, host, &default_url, &options.tls)?
            .into_iter()
            .map(|found| {
                let origin = url::origin(&found.url)?;
                Ok(Endpoint {
                    agent: tls::agent(
                        &found.tls,
                        origin.secure,
                        options.connect_timeout,
                        options.stall_timeout,
                    )?,
                    base: if found.override_path {
                        found.url
                    } else {
                        format!("{}/v2", found.url)
                    },
                    host: origin.authority,
                    abilities: found.abilities,
                    mirror: found.mirror,
                    // An address with http:// in a settings file is asking for it.
                    plain_allowed: !origin.secure,
                    auth: Mutex::default(),
                })
            })
            .collect()
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

/// Ways in for the fuzzer, to what is private otherwise.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Headers that a registry fills.
    pub fn headers(text: &str) {
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
    pub fn hosts(text: &str) {
        let (folder, base) = (std::path::Path::new("/f"), super::Tls::default());
        if let Ok(hosts) = super::hosts::parse(text.as_bytes(), folder, "https://a", &base) {
            assert!(hosts.last().is_some_and(|h| !h.mirror));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
