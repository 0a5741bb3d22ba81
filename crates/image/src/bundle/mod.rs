//! From an image's configuration to a runtime bundle's `config.json` (image-spec, conversion.md).

mod words;

pub use words::WORDS;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::image::{Config, ImageConfiguration};
use oci_spec::runtime as rt;
use serde::Serialize;
use serde_json::{Value, json};

use crate::accounts::{self, User};
use crate::error::{Doing, Error, Kind, Result};
use crate::identity::Mapping;
use crate::json::to_json;
use crate::limits::Limits;
use crate::manifest::Image;

/// What the caller changes.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// In place of the image's `Cmd`.
    pub command: Vec<String>,
    /// In place of the image's `Entrypoint`; empty for none.
    pub entrypoint: Option<Vec<String>>,
    /// Added to the image's variables, replacing those of the same name.
    pub env: Vec<String>,
    /// In place of the image's `User`.
    pub user: Option<String>,
    /// In place of the image's `WorkingDir`.
    pub cwd: Option<String>,
    /// A terminal.
    pub terminal: bool,
    /// Name of the machine inside.
    pub hostname: Option<String>,
    /// The network of the host instead of an empty one.
    pub host_network: bool,
    /// The root file system cannot be written to.
    pub read_only: bool,
    /// Besides what every container has, and in place of what is at the same destination.
    pub mounts: Vec<Mount>,
    /// Bytes.
    pub memory: Option<i64>,
    /// Bytes, memory included; -1 for any.
    pub memory_swap: Option<i64>,
    /// Microseconds of processor time in each tenth of a second.
    pub cpu_quota: Option<i64>,
    /// Weight.
    pub cpu_shares: Option<u64>,
    /// Numbers of processors, as cpuset(7) has them.
    pub cpuset: Option<String>,
    /// Most processes; -1 for any.
    pub pids: Option<i64>,
    /// Names without `CAP_`, or `ALL`.
    pub cap_add: Vec<String>,
    /// Likewise, which win.
    pub cap_drop: Vec<String>,
    /// Set-id programs and the like have their effect.
    pub may_gain_privileges: bool,
    /// What is usually masked or read-only in /proc and /sys is not.
    pub open_system: bool,
    /// An AppArmor profile.
    pub apparmor: Option<String>,
    /// Adapt to a caller without privilege on the host.
    pub rootless: bool,
    /// The users and groups of a user namespace that the runtime is to make; without them it stays in the caller's.
    pub mappings: Option<[Vec<Mapping>; 2]>,
}

/// A mount, in the words of the runtime specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Inside.
    pub destination: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Options.
    pub options: Vec<String>,
}

impl Mount {
    /// Of a type with this source, and with options between which spaces are.
    fn new(destination: &str, kind: &str, source: &str, options: &str) -> Self {
        Mount {
            destination: destination.into(),
            kind: kind.into(),
            source: source.into(),
            options: options.split_whitespace().map(String::from).collect(),
        }
    }

    fn tmpfs(destination: &str) -> Self {
        Mount::new(destination, "tmpfs", "tmpfs", "noexec nosuid nodev")
    }
}

/// Nothing newer than this is used, and some runtimes refuse what they do not know yet.
const OCI_VERSION: &str = "1.0.2";

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The runtime configuration for `image`, whose files are below `roots`, the uppermost first.
pub fn spec(
    image: &Image,
    roots: &[&Path],
    overrides: &Overrides,
    limits: &Limits,
) -> Result<rt::Spec> {
    let config = image.config.config().clone().unwrap_or_default();
    let text = overrides
        .user
        .as_deref()
        .or(config.user().as_deref())
        .unwrap_or("");
    let user = accounts::resolve(text, roots, limits)?;
    let value = json!({
        "ociVersion": OCI_VERSION,
        "process": process(&config, &user, overrides)?,
        "root": {"path": "rootfs", "readonly": overrides.read_only},
        "hostname": overrides.hostname.as_deref().unwrap_or("tare"),
        "mounts": mounts(&config, overrides)?,
        "annotations": annotations(&image.config, &config),
        "linux": linux(overrides)?,
    });
    serde_json::from_value(value).map_err(|e| failure!(Malformed: "runtime configuration: {e}"))
}

/// Writes `config.json` into `bundle`.
pub fn write(spec: &rt::Spec, bundle: &Path) -> Result<PathBuf> {
    let path = bundle.join("config.json");
    let mut bytes = serde_json::from_slice::<Value>(&to_json(spec)?)
        .and_then(|v| serde_json::to_vec_pretty(&v))
        .map_err(|e| Error::new(Kind::Malformed, e.to_string()))?;
    bytes.push(b'\n');
    std::fs::write(&path, bytes).at("write", &path)?;
    Ok(path)
}

fn process(config: &Config, user: &User, overrides: &Overrides) -> Result<Value> {
    let entrypoint = match &overrides.entrypoint {
        Some(given) => given.clone(),
        None => config.entrypoint().clone().unwrap_or_default(),
    };
    // An entrypoint given by the caller also takes the image's arguments away: they were meant for another program.
    let command = match (&overrides.command[..], &overrides.entrypoint) {
        ([], None) => config.cmd().clone().unwrap_or_default(),
        (given, _) => given.to_vec(),
    };
    let args: Vec<String> = entrypoint.into_iter().chain(command).collect();
    if args.is_empty() {
        fail!(Usage: "the image does not say what to run" => "Give a command");
    }
    let cwd = overrides
        .cwd
        .as_deref()
        .or(config.working_dir().as_deref())
        .filter(|d| !d.is_empty())
        .unwrap_or("/");
    if !cwd.starts_with('/') {
        fail!(Malformed: "the working directory {cwd:?} is not absolute");
    }
    let capabilities = words::granted(words::USUAL, &overrides.cap_add, &overrides.cap_drop);
    let mut process = json!({
        "terminal": overrides.terminal,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.additional},
        "args": args,
        "env": env(config, user, overrides),
        "cwd": cwd,
        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": !overrides.may_gain_privileges,
    });
    if let Some(profile) = &overrides.apparmor {
        process["apparmorProfile"] = json!(profile);
    }
    Ok(process)
}

/// The image's variables as they are; those that every program counts on only when the image is silent.
fn env(config: &Config, user: &User, overrides: &Overrides) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or("").to_string();
    let mut env: Vec<String> = config.env().clone().unwrap_or_default();
    env.retain(|entry| {
        let good = entry.contains('=');
        if !good {
            log::warn!("the image sets the variable {entry:?} to nothing: it is left out");
        }
        good
    });
    for entry in &overrides.env {
        env.retain(|e| name(e) != name(entry));
        env.push(entry.clone());
    }
    let mut default = |entry: String| {
        if !env.iter().any(|e| name(e) == name(&entry)) {
            env.push(entry);
        }
    };
    default(PATH.into());
    default(format!("HOME={}", user.home.as_deref().unwrap_or("/")));
    if overrides.terminal {
        default("TERM=xterm".into());
    }
    env
}

fn mounts(config: &Config, overrides: &Overrides) -> Result<Vec<Mount>> {
    let mount = |to: &str, kind: &str, options: &str| Mount::new(to, kind, kind, options);
    let bind = |path: &str, options: &str| Mount::new(path, "bind", path, options);
    // Without privilege the group "tty" is not mapped.
    let group = match overrides.rootless {
        true => "",
        false => "gid=5",
    };
    let pts = format!("nosuid noexec newinstance ptmxmode=0666 mode=0620 {group}");
    let mut mounts = vec![
        mount("/proc", "proc", ""),
        mount("/dev", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
        mount("/dev/pts", "devpts", &pts),
        mount(
            "/dev/shm",
            "tmpfs",
            "nosuid noexec nodev mode=1777 size=65536k",
        ),
        mount("/dev/mqueue", "mqueue", "nosuid noexec nodev"),
        // A new sysfs needs a network namespace of one's own.
        match overrides.host_network && overrides.rootless {
            true => bind("/sys", "rbind nosuid noexec nodev ro"),
            false => mount("/sys", "sysfs", "nosuid noexec nodev ro"),
        },
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "nosuid noexec nodev relatime ro",
        ),
    ];
    if overrides.host_network {
        mounts.push(bind("/etc/resolv.conf", "bind ro nosuid nodev noexec"));
    }
    let mut volumes = config.volumes().clone().unwrap_or_default();
    volumes.sort();
    for volume in volumes {
        if !words::is_place(&volume) {
            fail!(Unsafe: "the image wants a volume at {volume:?}");
        }
        mounts.push(mount(&volume, "tmpfs", "nosuid nodev mode=0755 tmpcopyup"));
    }
    let place = |to: &str| to.trim_end_matches('/').to_string();
    let own = &overrides.mounts;
    for (n, mount) in own.iter().enumerate() {
        let to = place(&mount.destination);
        if own[..n].iter().any(|other| place(&other.destination) == to) {
            fail!(Usage: "two mounts at {to}");
        }
        // The caller's is the one that is meant.
        mounts.retain(|other| place(&other.destination) != to);
    }
    let mut own = own.clone();
    // A mount would hide one below it that was there before.
    own.sort_by_key(|m| place(&m.destination).matches('/').count());
    mounts.extend(own);
    Ok(mounts)
}

/// Implicit annotations, over which the image's labels win (conversion.md, "Annotation Fields").
fn annotations(image: &ImageConfiguration, config: &Config) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            all.insert(format!("org.opencontainers.image.{key}"), value);
        }
    };
    set("os", Some(image.os().to_string()));
    set("architecture", Some(image.architecture().to_string()));
    set("variant", image.variant().clone());
    set("os.version", image.os_version().clone());
    set(
        "os.features",
        image.os_features().as_ref().map(|f| f.join(",")),
    );
    set("author", image.author().clone());
    set("created", image.created().clone());
    set("stopSignal", config.stop_signal().clone());
    let mut ports = config.exposed_ports().clone().unwrap_or_default();
    ports.sort();
    set("exposedPorts", Some(ports.join(",")));
    all.extend(config.labels().clone().into_iter().flatten());
    all
}

/// Memory and swap together. Engines allow as much swap as memory, which matters only where there is some that is counted.
fn swap(overrides: &Overrides, counted: bool) -> Result<Option<i64>> {
    match (overrides.memory, overrides.memory_swap) {
        (Some(memory), Some(swap)) if (0..memory).contains(&swap) => {
            fail!(Usage: "--memory-swap is memory and swap together, and less than --memory")
        }
        (None, Some(0..)) => fail!(Usage: "--memory-swap is memory and swap together"
            => "Give --memory too"),
        (Some(memory), None) if counted => Ok(memory.checked_mul(2)),
        (_, swap) => Ok(swap),
    }
}

/// True if the system has swap, and counts for each container how much it has of it.
fn counts_swap() -> bool {
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let places = ["cgroup.controllers", "memory/memory.memsw.limit_in_bytes"];
    let counts = |place: &&str| Path::new("/sys/fs/cgroup").join(place).exists();
    swaps.lines().count() > 1 && places.iter().any(counts)
}

fn linux(overrides: &Overrides) -> Result<Value> {
    let mut namespaces = vec!["pid", "ipc", "uts", "mount"];
    if !overrides.host_network {
        namespaces.push("network");
    }
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        namespaces.push("cgroup");
    }
    if overrides.mappings.is_some() {
        namespaces.push("user");
    }
    let namespaces: Vec<Value> = namespaces.into_iter().map(|n| json!({"type": n})).collect();
    let mut linux = json!({
        "namespaces": namespaces,
        "maskedPaths": [
            "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
            "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
            "/sys/devices/virtual/powercap",
        ],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    });
    if let Some([users, groups]) = &overrides.mappings {
        let shown =
            |m: &Mapping| json!({"containerID": m.inside, "hostID": m.outside, "size": m.count});
        linux["uidMappings"] = users.iter().map(shown).collect();
        linux["gidMappings"] = groups.iter().map(shown).collect();
    }
    if overrides.open_system {
        linux["maskedPaths"] = json!([]);
        linux["readonlyPaths"] = json!([]);
    }
    if !overrides.rootless {
        linux["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
    }
    let period = overrides.cpu_quota.map(|_| words::PERIOD);
    for (group, key, value) in [
        ("memory", "limit", json!(overrides.memory)),
        ("memory", "swap", json!(swap(overrides, counts_swap())?)),
        ("cpu", "quota", json!(overrides.cpu_quota)),
        ("cpu", "period", json!(period)),
        ("cpu", "shares", json!(overrides.cpu_shares)),
        ("cpu", "cpus", json!(overrides.cpuset)),
        ("pids", "limit", json!(overrides.pids)),
    ] {
        if !value.is_null() {
            linux["resources"][group][key] = value;
        }
    }
    Ok(linux)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use oci_spec::image::{Descriptor, ImageManifest, MediaType};

    fn image(config: &str) -> Image {
        let config = format!(
            r#"{{"architecture":"arm64","variant":"v8","os":"linux","author":"me","created":"2020-01-01T00:00:00Z",
                "rootfs":{{"type":"layers","diff_ids":[]}},"config":{config}}}"#
        );
        let mut manifest: ImageManifest = crate::json::parse_json(
            br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#,
            "m",
        )
        .unwrap();
        let descriptor = Descriptor::new(
            MediaType::ImageConfig,
            config.len() as u64,
            digest::of(config.as_bytes()),
        );
        manifest.set_config(descriptor.clone());
        Image::assemble(descriptor, manifest, config.as_bytes(), &Limits::default()).unwrap()
    }

    fn convert(config: &str, overrides: &Overrides) -> Result<Value> {
        let root = tempfile::tempdir().unwrap();
        let spec = spec(
            &image(config),
            &[root.path()],
            overrides,
            &Limits::default(),
        )?;
        Ok(serde_json::to_value(spec).unwrap())
    }

    #[test]
    fn the_whole_conversion() {
        let config = r#"{"Entrypoint":["/e","-x"],"Cmd":["c"],"Env":["A=1","PATH=/p"],"User":"5:6","WorkingDir":"/w",
            "Volumes":{"/data":{},"/a":{}},"ExposedPorts":{"80/tcp":{},"443/udp":{}},"StopSignal":"SIGINT",
            "Labels":{"org.opencontainers.image.author":"label","x":"y"}}"#;
        let spec = convert(config, &Overrides::default()).unwrap();
        assert_eq!(spec["process"]["args"], json!(["/e", "-x", "c"]));
        assert_eq!(spec["process"]["env"], json!(["A=1", "PATH=/p", "HOME=/"]));
        assert_eq!(spec["process"]["user"]["uid"], 5);
        assert_eq!(spec["process"]["user"]["gid"], 6);
        assert_eq!(spec["process"]["cwd"], "/w");
        let annotations = &spec["annotations"];
        for (key, value) in [
            ("os", "linux"),
            ("architecture", "arm64"),
            ("variant", "v8"),
            ("author", "label"),
            ("created", "2020-01-01T00:00:00Z"),
            ("stopSignal", "SIGINT"),
            ("exposedPorts", "443/udp,80/tcp"),
        ] {
            assert_eq!(
                annotations[format!("org.opencontainers.image.{key}")],
                value,
                "{key}"
            );
        }
        assert_eq!(annotations["x"], "y");
        let volumes: Vec<_> = spec["mounts"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|m| m["destination"].as_str())
            .skip(7)
            .collect();
        assert_eq!(volumes, ["/a", "/data"]);
    }

    #[test]
    fn overrides() {
        let config = r#"{"Entrypoint":["/e"],"Cmd":["c"],"Env":["A=1","B=2"]}"#;
        let args = |o: &Overrides| convert(config, o).unwrap()["process"]["args"].clone();
        assert_eq!(
            args(&Overrides {
                command: vec!["d".into()],
                ..Overrides::default()
            }),
            json!(["/e", "d"])
        );
        assert_eq!(
            args(&Overrides {
                entrypoint: Some(vec!["/f".into()]),
                ..Overrides::default()
            }),
            json!(["/f"])
        );
        let cleared = Overrides {
            entrypoint: Some(vec![]),
            command: vec!["sh".into()],
            env: vec!["A=3".into()],
            ..Overrides::default()
        };
        assert_eq!(args(&cleared), json!(["sh"]));
        assert_eq!(
            convert(config, &cleared).unwrap()["process"]["env"][1],
            "A=3"
        );
    }

    #[test]
    fn limits_and_mounts_of_the_caller() {
        let mut overrides = Overrides::default();
        for (name, value) in [
            ("--memory", "1m"),
            ("--memory-swap", "-1"),
            ("--cpus", "0.5"),
            ("--cpu-shares", "7"),
            ("--cpuset-cpus", "0-1"),
            ("--pids-limit", "9"),
            ("--tmpfs", "/dev/shm"),
            ("--tmpfs", "/a/b/c"),
            ("--tmpfs", "/vol/"),
            ("--tmpfs", "/a"),
        ] {
            overrides.set(name, value).unwrap();
        }
        let spec = convert(
            r#"{"Cmd":["a"],"Volumes":{"/vol":{},"/other":{}}}"#,
            &overrides,
        )
        .unwrap();
        let resources = &spec["linux"]["resources"];
        assert_eq!(resources["memory"], json!({"limit": 1 << 20, "swap": -1}));
        let cpu = json!({"quota": 50_000, "period": 100_000, "shares": 7, "cpus": "0-1"});
        assert_eq!(resources["cpu"], cpu);
        assert_eq!(resources["pids"]["limit"], 9);
        let mounts = spec["mounts"].as_array().unwrap();
        let places: Vec<_> = mounts
            .iter()
            .map(|m| m["destination"].as_str().unwrap())
            .collect();
        let wanted = ["/other", "/vol/", "/a", "/dev/shm", "/a/b/c"];
        assert_eq!(places[places.len() - 5..], wanted);
        overrides.set("--tmpfs", "/a/").unwrap();
        assert!(
            convert(r#"{"Cmd":["a"]}"#, &overrides).is_err(),
            "two at one place"
        );
    }

    #[test]
    fn as_much_swap_as_memory() {
        let of = |memory, memory_swap, counted| {
            let set = Overrides {
                memory,
                memory_swap,
                ..Overrides::default()
            };
            swap(&set, counted).ok()
        };
        assert_eq!(of(Some(10), None, true), Some(Some(20)));
        assert_eq!(of(Some(10), None, false), Some(None));
        assert_eq!(of(None, None, true), Some(None));
        assert_eq!(of(Some(10), Some(10), true), Some(Some(10)));
        assert_eq!(of(Some(10), Some(-1), true), Some(Some(-1)));
        assert_eq!(of(None, Some(-1), true), Some(Some(-1)));
        assert_eq!(
            (of(None, Some(10), true), of(Some(10), Some(9), true)),
            (None, None)
        );
    }

    #[test]
    fn variables_without_a_value_are_left_out() {
        let spec = convert(
            r#"{"Cmd":["a"],"Env":["A","B=","C=1"]}"#,
            &Overrides::default(),
        );
        let env = spec.unwrap()["process"]["env"].clone();
        assert_eq!(env, json!(["B=", "C=1", PATH, "HOME=/"]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for config in [
            "{}",
            r#"{"Cmd":[]}"#,
            r#"{"Cmd":["a"],"WorkingDir":"w"}"#,
            r#"{"Cmd":["a"],"User":"nobody"}"#,
            r#"{"Cmd":["a"],"Volumes":{"/../etc":{}}}"#,
            r#"{"Cmd":["a"],"Volumes":{"/":{}}}"#,
            r#"{"Cmd":["a"],"Volumes":{"rel":{}}}"#,
        ] {
            assert!(convert(config, &Overrides::default()).is_err(), "{config}");
        }
        assert_eq!(
            convert(r#"{"Cmd":["a"],"WorkingDir":""}"#, &Overrides::default()).unwrap()["process"]
                ["cwd"],
            "/"
        );
    }
}
