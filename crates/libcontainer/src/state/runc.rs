//! runc's containers below the same directory, and ours as runc sees them: while containers run, an operator may put one
//! program in the other's place, and take it back.
//!
//! runc 1.1 to 1.5 keep what they know in a file of the same name, with properties of the same names for what is the same.
//! They have no report and no copy of the config: a container has been started when its FIFO is gone, and what `exec` takes
//! from the config stands in the bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kernel::file::{self, open};
use kernel::namespace::flags::{
    NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS,
};
use kernel::process::{self, PollFd};
use kernel::{Errno, Fault};
use serde::{Deserialize, Serialize};

use super::folder::Held;
use super::observe::{held, identity_of, start_time};
use super::record::Record;
use crate::Error;
use crate::resctrl::Group;

/// runc's names of the types of namespaces.
const NAMESPACES: [(&str, u64); 8] = [
    ("NEWNS", NEWNS),
    ("NEWUTS", NEWUTS),
    ("NEWIPC", NEWIPC),
    ("NEWUSER", NEWUSER),
    ("NEWPID", NEWPID),
    ("NEWNET", NEWNET),
    ("NEWCGROUP", NEWCGROUP),
    ("NEWTIME", NEWTIME),
];

/// What runc has recorded, as far as it matters here. Empty lists and maps of Go are null.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    id: String,
    init_process_pid: i32,
    init_process_start: u64,
    created: String,
    #[serde(default)]
    rootless: bool,
    cgroup_paths: Option<BTreeMap<String, PathBuf>>,
    #[serde(default)]
    intel_rdt_path: String,
    config: Config,
}

#[derive(Debug, Deserialize)]
struct Config {
    rootfs: String,
    #[serde(default)]
    version: String,
    labels: Option<Vec<String>>,
    namespaces: Option<Vec<FoundNamespace>>,
    cgroups: Option<FoundCgroups>,
    intel_rdt: Option<FoundResctrl>,
    #[serde(rename = "Hooks")]
    hooks: Option<FoundHooks>,
}

#[derive(Debug, Deserialize)]
struct FoundNamespace {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

#[derive(Debug, Deserialize)]
struct FoundCgroups {
    #[serde(default)]
    systemd: bool,
}

#[derive(Debug, Deserialize)]
struct FoundResctrl {
    #[serde(rename = "closID", default)]
    class: String,
}

#[derive(Debug, Deserialize)]
struct FoundHooks {
    poststop: Option<Vec<serde::de::IgnoredAny>>,
}

/// runc's record from its file's content, if it is one.
pub(super) fn read(bytes: &[u8]) -> Option<Found> {
    match serde_json::from_slice(bytes) {
        Ok(found) => Some(found),
        Err(error) => {
            log::debug!("nor is it a record of runc's: {error}");
            None
        }
    }
}

impl Found {
    /// The same as a record of ours.
    pub(super) fn record(self, owner: u32) -> Result<Record, Error> {
        let label = |name: &str| {
            let mut pairs = self.config.labels.iter().flatten();
            pairs.find_map(|label| label.strip_prefix(name)?.strip_prefix('='))
        };
        let annotations = self.config.labels.iter().flatten();
        let annotations = annotations
            .filter_map(|label| label.split_once('='))
            .filter(|(key, _)| *key != "bundle");
        let namespaces = || self.config.namespaces.iter().flatten();
        let mut record = Record {
            id: self.id.clone(),
            pid: self.init_process_pid,
            created: self.created.clone(),
            oci_version: self.config.version.clone(),
            bundle: label("bundle").unwrap_or_default().to_owned(),
            rootfs: self.config.rootfs.clone(),
            owner,
            annotations: annotations
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            cgroup: self.place()?,
            resctrl: self.resctrl()?,
            namespaces: NAMESPACES
                .iter()
                .filter(|(kind, _)| namespaces().any(|namespace| namespace.kind == *kind))
                .fold(0, |set, (_, flag)| set | flag),
            owns_pids: namespaces().any(|n| n.kind == "NEWPID" && n.path.is_empty()),
            has_process: true,
            has_hooks: self
                .config
                .hooks
                .is_some_and(|hooks| hooks.poststop.is_some()),
            is_runcs: true,
            ..Record::default()
        };
        record.identity = identity(self.init_process_pid, self.init_process_start)?;
        if record.identity != 0 && held(&record)?.is_some() {
            record.set_groups = sets_groups(record.pid)?;
            if shares_user_namespace(record.pid)? {
                record.namespaces &= !NEWUSER;
            }
        }
        Ok(record)
    }

    /// The group that it is in; as with runc, one that has a name of its own stays when the container goes.
    fn resctrl(&self) -> Result<Option<Group>, Error> {
        match &self.config.intel_rdt {
            Some(given) if !self.intel_rdt_path.is_empty() => {
                Group::recorded(&self.intel_rdt_path, given.class.is_empty())
            }
            _ => Ok(None),
        }
    }

    fn place(&self) -> Result<Option<cgroups::Place>, Error> {
        let Some(paths) = &self.cgroup_paths else {
            return Ok(None);
        };
        let host = match cgroups::Host::probe() {
            Ok(host) => host,
            Err(error) if self.rootless => {
                log::debug!("no cgroups: {error}");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let mut names = paths.values().filter_map(|path| path.file_name()?.to_str());
        // The last directory bears the unit's name.
        let unit = names.find(|name| name.ends_with(".scope") || name.ends_with(".slice"));
        let unit = unit.filter(|_| self.config.cgroups.as_ref().is_some_and(|c| c.systemd));
        Ok(cgroups::Place::recorded(&host, paths, unit, self.rootless))
    }
}

/// What the process is known by here, if it is the one that runc knew by its start time; 0 when it is gone, which no process
/// has. The pidfd is opened first: as long as it is held, its process has the number.
fn identity(pid: i32, start: u64) -> Result<u64, Error> {
    let failed = |fault: Fault| Error::call("look at the container's process", fault);
    if pid <= 0 {
        return Ok(0);
    }
    let pidfd = match process::open(pid) {
        Ok(pidfd) => pidfd,
        Err(fault)
            if [Errno::ESRCH, Errno::EINVAL, Errno::ENOENT]
                .iter()
                .any(|e| fault.is(*e)) =>
        {
            return Ok(0);
        }
        Err(fault) => return Err(failed(fault)),
    };
    if start_time(pid).map_err(failed)? != Some(start) {
        return Ok(0);
    }
    Ok(identity_of(pid, &pidfd).map_err(failed)?.unwrap_or(0))
}

/// Whether setgroups(2) works in the process's user namespace (user_namespaces(7)).
fn sets_groups(pid: i32) -> Result<bool, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/setgroups"));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim() == "allow"),
        Err(error) => Err(Error::file("read", &path, error)),
    }
}

fn shares_user_namespace(pid: i32) -> Result<bool, Error> {
    let namespace = |process: &str| {
        let path = PathBuf::from(format!("/proc/{process}/ns/user"));
        std::fs::read_link(&path).map_err(|error| Error::file("look at", &path, error))
    };
    Ok(namespace(&pid.to_string())? == namespace("self")?)
}

/// Lets a container go that runc has made: its process waits until somebody reads from the FIFO.
pub(crate) fn release(folder: &Held, record: &Record) -> Result<(), Error> {
    let failed = |fault: Fault| Error::call("let the container go", fault);
    let stopped = || Error::wrong_status(&record.id, "cannot start a container that has stopped");
    let process = held(record)?.ok_or_else(stopped)?;
    let running = || Error::wrong_status(&record.id, "cannot start an already running container");
    let fence = folder.open_fence_to(open::RDONLY)?.ok_or_else(running)?;
    let mut watches = [&fence, &process].map(|fd| PollFd::new(fd.borrow(), PollFd::IN));
    loop {
        match process::poll(&mut watches, None) {
            Err(fault) if fault.is(Errno::EINTR) => {}
            answer => {
                answer.map_err(failed)?;
                break;
            }
        }
    }
    match file::read(fence.borrow(), &mut [0]) {
        Ok(1) => folder.remove_fence(),
        Ok(_) => Err(stopped()),
        Err(fault) if fault.is(Errno::EAGAIN) => Err(stopped()),
        Err(fault) => Err(failed(fault)),
    }
}

/// What runc reads of our record beside what bears the same name: enough to show, signal, pause, update and delete the
/// container.
#[derive(Serialize)]
pub(super) struct ForRunc<'a> {
    intel_rdt_path: &'a Path,
    config: OurConfig<'a>,
}

#[derive(Serialize)]
struct OurConfig<'a> {
    rootfs: &'a str,
    version: &'a str,
    labels: Vec<String>,
    namespaces: Vec<OurNamespace>,
    cgroups: OurCgroups<'a>,
    rootless_cgroups: bool,
    seccomp: NoFilter,
    #[serde(skip_serializing_if = "Option::is_none")]
    intel_rdt: Option<OurResctrl<'a>>,
    #[serde(rename = "Hooks")]
    hooks: OurHooks<'a>,
}

#[derive(Serialize)]
struct OurNamespace {
    #[serde(rename = "type")]
    kind: &'static str,
    path: &'static str,
}

#[derive(Default, Serialize)]
struct OurCgroups<'a> {
    systemd: bool,
    scope_prefix: &'a str,
    name: &'a str,
    #[serde(rename = "Rootless")]
    rootless: bool,
    /// No limit. runc takes a missing object of limits for a broken record, and this makes it one.
    memory: i64,
}

/// A filter that runc refuses: its own form of filters is another, and without one its `exec` would run programs in the
/// container unfiltered.
#[derive(Serialize)]
struct NoFilter {
    default_action: u8,
}

/// runc removes the group of a container that has asked for none by its name.
#[derive(Serialize)]
struct OurResctrl<'a> {
    #[serde(rename = "closID", skip_serializing_if = "str::is_empty")]
    class: &'a str,
}

#[derive(Serialize)]
struct OurHooks<'a> {
    poststop: &'a [PoststopHook],
}

/// A hook in runc's form.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PoststopHook {
    path: String,
    args: Vec<String>,
    env: Option<Vec<String>>,
    /// In nanoseconds.
    timeout: Option<i64>,
}

impl PoststopHook {
    pub(crate) fn of(hook: &spec::Hook<'_>) -> PoststopHook {
        let owned =
            |texts: &Vec<spec::Text<'_>>| texts.iter().map(|t| t.as_str().to_owned()).collect();
        PoststopHook {
            path: hook.path.as_str().to_owned(),
            args: owned(&hook.args),
            env: hook.env.as_ref().map(owned),
            timeout: hook
                .timeout
                .map(|seconds| seconds.saturating_mul(1_000_000_000)),
        }
    }
}

impl<'a> ForRunc<'a> {
    pub(super) fn of(record: &'a Record) -> ForRunc<'a> {
        let labels = record
            .annotations
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let bundle = format!("bundle={}", record.bundle);
        let namespaces = NAMESPACES
            .iter()
            .filter(|(_, flag)| record.namespaces & flag != 0);
        let place = record.cgroup.as_ref();
        let rootless = place.is_some_and(cgroups::Place::is_rootless);
        let unit = place.and_then(cgroups::Place::unit);
        // runc names a scope by a prefix and a name; one without a prefix it has to take for a plain directory.
        let unit = unit.and_then(|unit| unit.strip_suffix(".scope")?.split_once('-'));
        let resctrl = record.resctrl.as_ref();
        ForRunc {
            intel_rdt_path: resctrl.map_or(Path::new(""), Group::path),
            config: OurConfig {
                rootfs: &record.rootfs,
                version: &record.oci_version,
                labels: std::iter::once(bundle).chain(labels).collect(),
                namespaces: namespaces
                    .map(|&(kind, flag)| OurNamespace {
                        kind,
                        // Only whether there is a path matters: then more than the first process has to be ended.
                        path: match flag == NEWPID && !record.owns_pids {
                            true => "joined",
                            false => "",
                        },
                    })
                    .collect(),
                cgroups: OurCgroups {
                    systemd: unit.is_some(),
                    scope_prefix: unit.map_or("", |(prefix, _)| prefix),
                    name: unit.map_or("", |(_, name)| name),
                    rootless,
                    memory: 0,
                },
                rootless_cgroups: rootless,
                seccomp: NoFilter { default_action: 0 },
                intel_rdt: resctrl.map(|group| OurResctrl {
                    class: group.class(),
                }),
                hooks: OurHooks {
                    poststop: &record.poststop,
                },
            },
        }
    }
}
