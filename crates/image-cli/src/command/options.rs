//! Options that all verbs share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use tare_image::credentials::Credentials;
use tare_image::platform::Wanted;
use tare_image::policy::Policy;
use tare_image::progress::{Bar, Progress};
use tare_image::registry::{self, PlainHttp, Registry};
use tare_image::store::Store;
use tare_image::{Error, Kind, Limits, Result, pull, transfer};

use crate::identity;

/// Shown by `--help` of every verb.
pub(super) const COMMON: &[(&str, &str)] = &[
    ("--root DIR", "the store"),
    (
        "--platform OS/ARCH[/VAR]",
        "which image of an index; this machine's by default",
    ),
    (
        "--plain-http",
        "speak HTTP without encryption to the registries named here",
    ),
    ("--ca-file FILE", "trust these authorities too"),
    ("--client-cert FILE", "certificate to present"),
    ("--client-key FILE", "and its key"),
    ("--auth-file FILE", "where credentials are"),
    (
        "--hosts-dir DIR",
        "folder with HOST/hosts.toml: mirrors and certificates",
    ),
    (
        "--registries-conf FILE",
        "mirrors and more, in the form of podman and its kin",
    ),
    ("--policy FILE", "which images are accepted from where"),
    ("--parallel N", "layers at the same time (3)"),
    ("--connections N", "connections for one large layer (1)"),
    ("--timeout SECONDS", "longest wait for the next byte (30)"),
    (
        "--min-bytes N",
        "bytes that must come within two time-outs (4096)",
    ),
    ("--retries N", "attempts that bring nothing (6)"),
    ("--max-layer-bytes N", "largest uncompressed layer"),
    (
        "--max-ratio N",
        "largest growth of a layer when decompressed",
    ),
    ("--max-entries N", "most entries of a layer"),
    (
        "--max-LIMIT N",
        "of manifest-bytes, config-bytes, layers, path-bytes, depth, header-bytes, xattr-bytes, sparse-segments, \
         account-file-bytes or archive-files",
    ),
    (
        "--foreign-urls",
        "fetch layers from addresses that the image names",
    ),
    ("--quiet, -q", "no progress, no warnings"),
    ("--verbose, -v", "say what is being done"),
];

/// Why a verb does not go on.
pub(super) enum Stop {
    /// `--help`, with nothing wrong before it.
    Help,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

/// What a verb ends with.
pub(super) type Outcome<T> = std::result::Result<T, Stop>;

/// What they were set to.
pub(super) struct Options {
    root: PathBuf,
    registry: registry::Options,
    pull: pull::Options,
    /// Said explicitly.
    pub(super) platform: Option<Wanted>,
    quiet: bool,
    policy: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            root: Store::default_root(),
            registry: registry::Options::default(),
            pull: pull::Options::default(),
            platform: None,
            quiet: false,
            policy: Policy::default_file(),
        }
    }
}

impl Options {
    /// Takes one option; what it does not know is an error, like an argument too many.
    pub(super) fn take(&mut self, argument: Arg<'_>, parser: &mut Parser) -> Outcome<()> {
        let name = match &argument {
            Arg::Long(name) => (*name).to_string(),
            Arg::Short('q') => "quiet".into(),
            Arg::Short('v') => "verbose".into(),
            _ => return Err(usage(&argument.unexpected()).into()),
        };
        let tls = &mut self.registry.tls;
        match name.as_str() {
            "root" => self.root = path(parser)?,
            "platform" => self.platform = Some(text(parser)?.parse()?),
            "help" => return Err(Stop::Help),
            "plain-http" => self.registry.plain_http = PlainHttp::Always,
            "ca-file" => tls.authorities.push(path(parser)?),
            "client-cert" => {
                let key = tls.client.take().map(|c| c.1).unwrap_or_default();
                tls.client = Some((path(parser)?, key));
            }
            "client-key" => {
                let certificate = tls.client.take().map(|c| c.0).unwrap_or_default();
                tls.client = Some((certificate, path(parser)?));
            }
            "auth-file" => self.registry.credentials = Credentials::from_file(&path(parser)?),
            "hosts-dir" => self.registry.hosts_folders.insert(0, path(parser)?),
            "policy" => self.policy = Some(path(parser)?),
            "registries-conf" => self.registry.registries = vec![path(parser)?],
            "parallel" => self.pull.parallel = number(parser)?.max(1) as usize,
            "connections" => self.pull.transfer.connections = number(parser)? as usize,
            "timeout" => {
                self.registry.stall_timeout = Duration::from_secs(number(parser)?.max(1));
                self.registry.pace.window = self.registry.stall_timeout * 2;
            }
            "min-bytes" => self.registry.pace.bytes = number(parser)?,
            "retries" => self.registry.patience.attempts = number(parser)?.clamp(1, 1000) as u32,
            "push-chunk" => self.registry.push_chunk = number(parser)?.max(1),
            "foreign-urls" => self.registry.foreign_urls = true,
            "quiet" => {
                self.quiet = true;
                log::set_max_level(log::LevelFilter::Error);
            }
            "verbose" => log::set_max_level(log::LevelFilter::Debug),
            other => {
                let limit = other.strip_prefix("max-").unwrap_or_default();
                if !Limits::NAMES.contains(&limit) {
                    return Err(usage(&argument.unexpected()).into());
                }
                self.pull.limits.set(limit, number(parser)?);
            }
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.pull.limits
    }

    /// Which images are accepted; none when everything is.
    pub(super) fn policy(&self) -> Result<Option<Policy>> {
        self.policy.as_deref().map(Policy::read).transpose()
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.registry.credentials
    }

    pub(super) fn platform(&self) -> Wanted {
        self.platform.clone().unwrap_or_else(Wanted::host)
    }

    /// How to pull, counted by `progress`.
    pub(super) fn pull(&self, progress: Option<Arc<Progress>>) -> pull::Options {
        let mut options = self.pull.clone();
        options.platform = self.platform();
        options.transfer = transfer::Options {
            progress,
            ..self.transfer()
        };
        // The caller may have become root of a user namespace since.
        options.owner = tare_image::unpack::Owner::for_caller();
        options
    }

    /// How to fetch blobs.
    pub(super) fn transfer(&self) -> transfer::Options {
        transfer::Options {
            patience: self.registry.patience,
            ..self.pull.transfer.clone()
        }
    }

    pub(super) fn registry(&self) -> Result<Registry> {
        if let Some((certificate, key)) = &self.registry.tls.client
            && (certificate.as_os_str().is_empty() || key.as_os_str().is_empty())
        {
            fail!(Usage: "--client-cert and --client-key belong together");
        }
        let mut options = self.registry.clone();
        options.limits = self.pull.limits.clone();
        Ok(Registry::new(options))
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

    pub(super) fn bar(&self, title: &str) -> (Option<Bar>, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        (
            (!self.quiet).then(|| Bar::start(title, progress.clone())),
            progress,
        )
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

pub(super) fn usage(error: &lexopt::Error) -> Error {
    Error::new(Kind::Usage, error.to_string())
}

/// The value of an option, as text.
pub(super) fn text(parser: &mut Parser) -> Result<String> {
    parser
        .value()
        .and_then(|v| v.string())
        .map_err(|e| usage(&e))
}

/// The value of an option, as a path.
pub(super) fn path(parser: &mut Parser) -> Result<PathBuf> {
    parser.value().map(PathBuf::from).map_err(|e| usage(&e))
}

/// The value of an option, as a number.
pub(super) fn number(parser: &mut Parser) -> Result<u64> {
    let text = text(parser)?;
    text.parse()
        .map_err(|_| failure!(Usage: "{text:?} is not a number"))
}

/// The next option or argument.
pub(super) fn next<'a>(parser: &'a mut Parser) -> Result<Option<Arg<'a>>> {
    parser.next().map_err(|e| usage(&e))
}

/// Reads a command line of shared options and exactly the arguments that `names` lists.
pub(super) fn rest<const N: usize>(
    parser: Parser,
    options: &mut Options,
    names: [&str; N],
) -> Outcome<[String; N]> {
    Ok(exactly(parse(parser, options, |_, _| Ok(false))?, names)?)
}

/// "1 layer", "2 layers".
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Checks the number of arguments.
pub(super) fn exactly<const N: usize>(
    values: Vec<String>,
    names: [&str; N],
) -> Result<[String; N]> {
    let count = values.len();
    values.try_into().map_err(|_| {
        let expected = match N {
            0 => "none is expected".to_string(),
            1 => format!("1 is expected: {}", names.join(" ")),
            _ => format!("{N} are expected: {}", names.join(" ")),
        };
        failure!(Usage: "{} where {expected}", counted(count, "argument"))
    })
}

/// An option that does not borrow the parser, so that its value can be read.
pub(super) enum Owned {
    Long(String),
    Short(char),
}

impl Owned {
    pub(super) fn borrow(&self) -> Arg<'_> {
        match self {
            Owned::Long(name) => Arg::Long(name),
            Owned::Short(c) => Arg::Short(*c),
        }
    }

    /// Its name, for matching.
    pub(super) fn name(&self) -> String {
        match self {
            Owned::Long(name) => name.clone(),
            Owned::Short(c) => c.to_string(),
        }
    }
}

pub(super) fn own(argument: &Arg<'_>) -> Owned {
    match argument {
        Arg::Long(name) => Owned::Long((*name).to_string()),
        Arg::Short(c) => Owned::Short(*c),
        Arg::Value(_) => Owned::Long(String::new()),
    }
}

/// Reads a command line: `special` takes the verb's own options and says whether it did; returns the arguments.
pub(super) fn parse(
    mut parser: Parser,
    options: &mut Options,
    mut special: impl FnMut(&str, &mut Parser) -> Result<bool>,
) -> Outcome<Vec<String>> {
    let mut values = Vec::new();
    while let Some(argument) = next(&mut parser)? {
        match argument {
            Arg::Value(value) => values.push(value.string().map_err(|e| usage(&e))?),
            other => {
                let owned = own(&other);
                if !special(&owned.name(), &mut parser)? {
                    options.take(owned.borrow(), &mut parser)?;
                }
            }
        }
    }
    Ok(values)
}
