//! A config made in code instead of a file.

use std::path::{Path, PathBuf};

use spec::{
    Capabilities, IdMapping, Linux, LinuxResources, Mount, Namespace, Process, Rlimit, Root, Spec,
    Text,
};

use crate::resources::Resources;
use crate::{Error, argument};

/// A config (the content of `config.json`) made in code. Each method changes one thing and hands the config back; what has no
/// method is changed in [`Config::spec_mut`]. Values are judged when a container is made of it.
///
/// ```no_run
/// use tare_libcontainer::{Bundle, Config, Container, CreateOptions, Resources, Store};
///
/// # fn main() -> Result<(), tare_libcontainer::Error> {
/// let config = Config::default_for("/var/lib/roots/web", ["/bin/server", "--port", "80"])
///     .env("LANG", "C.UTF-8")
///     .user(1000, 1000)
///     .bind("/srv/web", "/srv", &["ro", "nodev", "nosuid"])
///     .resources(Resources::new().memory_bytes(256 << 20).pids(100));
/// let store = Store::open("/run/example")?;
/// let created = Container::create(&store, "web", &Bundle::of(&config)?, CreateOptions::default())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    rootfs: PathBuf,
    spec: Spec<'static>,
}

/// What most programs need, and no more: as `tare spec` writes it, and as other runtimes do.
const NAMESPACES: [&str; 5] = ["pid", "network", "ipc", "uts", "mount"];
const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
    "/sys/devices/virtual/tpm",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
const MOUNTS: [(&str, &str, &str, &str); 6] = [
    ("/proc", "proc", "proc", ""),
    (
        "/dev",
        "tmpfs",
        "tmpfs",
        "nosuid,strictatime,mode=755,size=65536k",
    ),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620",
    ),
    (
        "/dev/shm",
        "tmpfs",
        "shm",
        "nosuid,noexec,nodev,mode=1777,size=65536k",
    ),
    ("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
    ("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
];

fn text(text: impl Into<String>) -> Text<'static> {
    Text::from(text.into())
}

fn texts<T: Into<String>>(list: impl IntoIterator<Item = T>) -> Vec<Text<'static>> {
    list.into_iter().map(text).collect()
}

impl Config {
    /// A program in a root file system, with namespaces of its own (all but those of users and cgroups; the network is only a
    /// loopback device), the usual mounts, the usual masks over `/proc` and `/sys`, three capabilities, no new privileges,
    /// and no access to devices but the usual ones. It runs as root of the caller's user namespace, in `/`.
    pub fn default_for<T: Into<String>>(
        rootfs: impl AsRef<Path>,
        args: impl IntoIterator<Item = T>,
    ) -> Config {
        let capabilities = || texts(CAPABILITIES);
        let namespace = |kind: &str| Namespace {
            kind: text(kind),
            path: None,
        };
        let devices = LinuxResources {
            devices: vec![spec::DeviceRule {
                access: Some(text("rwm")),
                ..spec::DeviceRule::default()
            }],
            ..LinuxResources::default()
        };
        let config = Config {
            rootfs: rootfs.as_ref().to_owned(),
            spec: Spec {
                oci_version: Some(text(spec::VERSION)),
                process: Some(Process {
                    args: texts(args),
                    env: texts([PATH]),
                    cwd: Some(text("/")),
                    capabilities: Some(Capabilities {
                        bounding: capabilities(),
                        effective: capabilities(),
                        permitted: capabilities(),
                        ..Capabilities::default()
                    }),
                    no_new_privileges: true,
                    ..Process::default()
                }),
                root: Some(Root::default()),
                linux: Some(Linux {
                    namespaces: NAMESPACES.into_iter().map(namespace).collect(),
                    masked_paths: texts(MASKED),
                    readonly_paths: texts(READ_ONLY),
                    resources: Some(devices),
                    ..Linux::default()
                }),
                ..Spec::default()
            },
        };
        MOUNTS.iter().fold(config, |config, mount| {
            let (destination, kind, source, options) = *mount;
            let options: Vec<&str> = options.split(',').filter(|o| !o.is_empty()).collect();
            config.mount(kind, source, destination, &options)
        })
    }

    /// The whole document, for whatever has no method here. Its `root.path` is the caller's `rootfs`.
    pub fn spec_mut(&mut self) -> &mut Spec<'static> {
        &mut self.spec
    }

    fn process(mut self, change: impl FnOnce(&mut Process<'static>)) -> Config {
        change(self.spec.process.get_or_insert_default());
        self
    }

    fn linux(mut self, change: impl FnOnce(&mut Linux<'static>)) -> Config {
        change(self.spec.linux.get_or_insert_default());
        self
    }

    /// Adds a variable to the program's environment, or changes it.
    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Config {
        let prefix = format!("{name}=");
        self.process(|process| {
            process.env.retain(|entry| !entry.starts_with(&prefix));
            process.env.push(text(prefix + value));
        })
    }

    /// The program's working directory.
    #[must_use]
    pub fn cwd(self, directory: impl Into<String>) -> Config {
        self.process(|process| process.cwd = Some(text(directory)))
    }

    /// The program's user and group, by number.
    #[must_use]
    pub fn user(self, uid: u32, gid: u32) -> Config {
        self.process(|process| (process.user.uid, process.user.gid) = (uid, gid))
    }

    /// The program's supplementary groups.
    #[must_use]
    pub fn groups(self, gids: impl IntoIterator<Item = u32>) -> Config {
        self.process(|process| process.user.additional_gids = gids.into_iter().collect())
    }

    /// Whether the program gets a terminal: see [`CreateOptions::console`].
    ///
    /// [`CreateOptions::console`]: crate::CreateOptions::console
    #[must_use]
    pub fn terminal(self, terminal: bool) -> Config {
        self.process(|process| process.terminal = terminal)
    }

    /// What the program may do beyond an ordinary user, by names such as `CAP_CHOWN`. They are its effective set.
    #[must_use]
    pub fn capabilities<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Config {
        let names = texts(names);
        self.process(|process| {
            process.capabilities = Some(Capabilities {
                bounding: names.clone(),
                effective: names.clone(),
                permitted: names,
                ..Capabilities::default()
            });
        })
    }

    /// Whether execve(2) may give the program privileges that it has not.
    #[must_use]
    pub fn no_new_privileges(self, on: bool) -> Config {
        self.process(|process| process.no_new_privileges = on)
    }

    /// A limit of the process, by a name such as `RLIMIT_NOFILE` (getrlimit(2)).
    #[must_use]
    pub fn rlimit(self, kind: &str, soft: u64, hard: u64) -> Config {
        self.process(|process| {
            process.rlimits.retain(|limit| limit.kind != kind);
            process.rlimits.push(Rlimit {
                kind: text(kind),
                soft,
                hard,
            });
        })
    }

    /// The host name inside.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<String>) -> Config {
        self.spec.hostname = Some(text(name));
        self
    }

    /// Something that programs which look at the container may want to know.
    #[must_use]
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Config {
        let key = text(key);
        self.spec.annotations.0.retain(|(known, _)| *known != key);
        self.spec.annotations.0.push((key, text(value)));
        self
    }

    /// Whether the root file system is read-only inside.
    #[must_use]
    pub fn readonly_root(mut self, on: bool) -> Config {
        self.spec.root.get_or_insert_default().readonly = on;
        self
    }

    /// Mounts a file system, in the place of one that was to be mounted there.
    #[must_use]
    pub fn mount(
        mut self,
        kind: &str,
        source: &str,
        destination: &str,
        options: &[&str],
    ) -> Config {
        let mount = Mount {
            destination: text(destination),
            source: Some(text(source)),
            kind: Some(text(kind)),
            options: texts(options.iter().copied()),
            ..Mount::default()
        };
        let mut mounts = self.spec.mounts.iter_mut();
        match mounts.find(|known| known.destination == destination) {
            Some(known) => *known = mount,
            None => self.spec.mounts.push(mount),
        }
        self
    }

    /// Shows a file or directory of the caller's inside, with what is mounted below it.
    #[must_use]
    pub fn bind(self, source: &str, destination: &str, options: &[&str]) -> Config {
        let options: Vec<&str> = ["rbind"].iter().chain(options).copied().collect();
        self.mount("bind", source, destination, &options)
    }

    /// Leaves out what was to be mounted here.
    #[must_use]
    pub fn without_mount(mut self, destination: &str) -> Config {
        let keep = |mount: &Mount<'_>| mount.destination != destination;
        self.spec.mounts.retain(keep);
        self
    }

    /// A new namespace: `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup` or `time`.
    #[must_use]
    pub fn new_namespace(self, kind: &str) -> Config {
        self.namespace(kind, Some(None))
    }

    /// The namespace at this path, such as `/proc/123/ns/net`.
    #[must_use]
    pub fn join_namespace(self, kind: &str, path: impl Into<String>) -> Config {
        let path = text(path);
        self.namespace(kind, Some(Some(path)))
    }

    /// The caller's namespace.
    #[must_use]
    pub fn share_namespace(self, kind: &str) -> Config {
        self.namespace(kind, None)
    }

    fn namespace(self, kind: &str, which: Option<Option<Text<'static>>>) -> Config {
        self.linux(|linux| {
            linux.namespaces.retain(|known| known.kind != kind);
            linux.namespaces.extend(which.map(|path| Namespace {
                kind: text(kind),
                path,
            }));
        })
    }

    /// A new user namespace with these mappings.
    #[must_use]
    pub fn id_mappings(
        self,
        uids: impl IntoIterator<Item = IdMapping>,
        gids: impl IntoIterator<Item = IdMapping>,
    ) -> Config {
        self.new_namespace("user").linux(|linux| {
            linux.uid_mappings = uids.into_iter().collect();
            linux.gid_mappings = gids.into_iter().collect();
        })
    }

    /// Where its cgroup is (`linux.cgroupsPath`). Else it is named after the container.
    #[must_use]
    pub fn cgroups_path(self, path: impl Into<String>) -> Config {
        self.linux(|linux| linux.cgroups_path = Some(text(path)))
    }

    /// Its limits, besides the rules for devices, which stay unless these have some.
    #[must_use]
    pub fn resources(self, resources: Resources<'static>) -> Config {
        self.linux(|linux| {
            let mut resources = resources.into_spec();
            if resources.devices.is_empty()
                && let Some(before) = linux.resources.take()
            {
                resources.devices = before.devices;
            }
            linux.resources = Some(resources);
        })
    }

    /// The root file system, absolute.
    pub(crate) fn rootfs(&self) -> Result<PathBuf, Error> {
        argument::path("rootfs", &self.rootfs)?;
        std::path::absolute(&self.rootfs).map_err(|error| Error::argument("rootfs", error))
    }

    /// As `config.json` has it.
    ///
    /// # Errors
    /// A root file system whose path is empty or not UTF-8.
    pub fn to_json(&self) -> Result<String, Error> {
        let rootfs = self.rootfs()?;
        let path = rootfs
            .to_str()
            .ok_or_else(|| Error::argument("rootfs", "is not UTF-8"))?;
        let mut spec = self.spec.clone();
        spec.root.get_or_insert_default().path = text(path);
        serde_json::to_string(&spec).map_err(|error| Error::argument("config", error))
    }
}
