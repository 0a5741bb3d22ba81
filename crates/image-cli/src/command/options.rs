//! Options that all verbs share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tare_image::credentials::Credentials;
use tare_image::platform::Wanted;
use tare_image::policy::Policy;
use tare_image::registry::{self, PlainHttp, Registry};
use tare_image::store::Store;
use tare_image::{Limits, Result, pull, transfer};

use super::line::Line;
use super::progress::{Form, Shown};
use crate::identity;

/// Shown by `--help` of every verb.
pub(super) const COMMON: &str = "
--root DIR  the store
--platform OS/ARCH[/VAR]  which image of an index; this machine's by default
--plain-http  speak HTTP without encryption to the registries named here
--ca-file FILE  trust these authorities too
--client-cert FILE  certificate to present
--client-key FILE  and its key
--auth-file FILE  where credentials are
--hosts-dir DIR  folder with HOST/hosts.toml: mirrors and certificates
--registries-conf FILE  mirrors and more, in the form of podman and its kin
--policy FILE  which images are accepted from where
--parallel N  layers at the same time (3)
--connections N  connections for one large layer (1)
--timeout SECONDS  longest wait for the next byte (30)
--min-bytes N  bytes that must come within two time-outs (4096)
--retries N  attempts that bring nothing (6)
--max-layer-bytes N  largest uncompressed layer
--max-ratio N  largest growth of a layer when decompressed
--max-entries N  most entries of a layer
--max-LIMIT N  of manifest-bytes, config-bytes, layers, path-bytes, depth, header-bytes, xattr-bytes, sparse-segments, account-file-bytes or archive-files
--foreign-urls  fetch layers from addresses that the image names
--progress FORM  bar, plain (a line for each layer), json (for programs) or none
--quiet, -q  no progress, no warnings
--verbose, -v  say what is being done
";

/// What they were set to.
pub(super) struct Options {
    root: PathBuf,
    pub(super) registry: Registry,
    pull: pull::Options,
    policy: Option<PathBuf>,
}

impl Options {
    /// Reads them from a command line.
    pub(super) fn new(line: &Line) -> Result<Self> {
        if line.has("--verbose") {
            log::set_max_level(log::LevelFilter::Debug);
        } else if line.has("--quiet") {
            log::set_max_level(log::LevelFilter::Error);
        }
        let number =
            |name: &str, default: u64| -> Result<u64> { Ok(line.number(name)?.unwrap_or(default)) };
        let mut own = pull::Options::default();
        own.platform = line.parsed("--platform")?.unwrap_or_else(Wanted::host);
        own.parallel = number("--parallel", own.parallel as u64)?.max(1) as usize;
        for name in Limits::NAMES {
            let option = format!("--max-{}", name.replace('_', "-"));
            if let Some(value) = line.number(&option)? {
                own.limits.set(name, value);
            }
        }
        let mut registry = registry::Options {
            foreign_urls: line.has("--foreign-urls"),
            limits: own.limits.clone(),
            ..registry::Options::default()
        };
        if line.has("--plain-http") {
            registry.plain_http = PlainHttp::Always;
        }
        registry.tls.authorities = line.paths("--ca-file");
        registry.tls.client = match (line.path("--client-cert"), line.path("--client-key")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => fail!(Usage: "--client-cert and --client-key belong together"),
        };
        if let Some(file) = line.path("--auth-file") {
            registry.credentials = Credentials::from_file(&file);
        }
        for folder in line.paths("--hosts-dir") {
            registry.hosts_folders.insert(0, folder);
        }
        if let Some(file) = line.path("--registries-conf") {
            registry.registries = vec![file];
        }
        let seconds: Option<u64> = line.number("--timeout")?;
        if let Some(seconds) = seconds {
            registry.stall_timeout = Duration::from_secs(seconds.max(1));
            registry.pace.window = registry.stall_timeout * 2;
        }
        registry.pace.bytes = number("--min-bytes", registry.pace.bytes)?;
        registry.push_chunk = number("--push-chunk", registry.push_chunk)?.max(1);
        let attempts = number("--retries", registry.patience.attempts.into())?;
        registry.patience.attempts = attempts.clamp(1, 1000) as u32;
        own.transfer.patience = registry.patience;
        let form: Option<Form> = line.parsed("--progress")?;
        let form = match line.has("--quiet") {
            true => Form::None,
            false => form.unwrap_or_default(),
        };
        own.transfer.watch = Some(Arc::new(Shown::new(form)));
        own.transfer.connections = number("--connections", 0)? as usize;
        Ok(Options {
            root: line.path("--root").unwrap_or_else(Store::default_root),
            registry: Registry::new(registry),
            pull: own,
            policy: line.path("--policy").or_else(Policy::default_file),
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.pull.limits
    }

    /// Which images are accepted; none when everything is.
    pub(super) fn policy(&self) -> Result<Option<Policy>> {
        self.policy.as_deref().map(Policy::read).transpose()
    }

    pub(super) fn platform(&self) -> Wanted {
        self.pull.platform.clone()
    }

    /// Layers at the same time.
    pub(super) fn parallel(&self) -> usize {
        self.pull.parallel
    }

    /// How to pull.
    pub(super) fn pull(&self) -> pull::Options {
        let mut options = self.pull.clone();
        // The caller may have become root of a user namespace since.
        options.owner = tare_image::unpack::Owner::for_caller();
        options
    }

    /// How to fetch blobs.
    pub(super) fn transfer(&self) -> transfer::Options {
        self.pull.transfer.clone()
    }

    pub(super) fn store(&self) -> Result<Store> {
        Store::open(&self.root)
    }

    /// For verbs that only look at it.
    pub(super) fn store_to_read(&self) -> Result<Store> {
        Store::open_to_read(&self.root)
    }

    /// For verbs that make files: without privilege, first becomes root of a user namespace.
    pub(super) fn store_as_root(&self) -> Result<Store> {
        become_root()?;
        self.store()
    }

    /// The same for verbs that can do without writing into the store.
    pub(super) fn store_to_use(&self) -> Result<Store> {
        become_root()?;
        Store::open_to_use(&self.root)
    }
}

fn become_root() -> Result<()> {
    if !identity::become_root()? {
        log::warn!("no subordinate ids for this user: all files will belong to you");
    }
    raise_limits();
    Ok(())
}

/// Deep trees and many layers need many descriptors.
fn raise_limits() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum.map(|m| m.min(65_536)).or(Some(65_536));
    let _ = setrlimit(Resource::Nofile, limit);
}
