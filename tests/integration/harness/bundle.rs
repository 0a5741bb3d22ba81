//! Bundles: a config.json and a root file system that holds the probe and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A bundle on disk, whose config.json is written anew with each change.
#[derive(Debug)]
pub struct Bundle {
    /// The bundle's folder.
    pub path: PathBuf,
    config: Value,
}

impl Bundle {
    /// A bundle like those that `spec` describes, which runs the probe's command `true`.
    pub(crate) fn new(path: PathBuf, rootless: Option<(u32, u32)>) -> Bundle {
        let root = path.join("rootfs");
        for folder in [
            "bin", "dev", "etc", "mnt", "proc", "run", "sys", "tmp", "root",
        ] {
            fs::create_dir_all(root.join(folder)).expect("folder of the root file system");
        }
        // A copy for each bundle: its inode number tells which processes belong to it.
        fs::copy(probe(), root.join("bin/probe")).expect("copy of the probe");
        fs::set_permissions(root.join("bin/probe"), fs::Permissions::from_mode(0o755))
            .expect("chmod");
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("chmod");
        let bundle = Bundle {
            path,
            config: config(rootless),
        };
        bundle.write();
        bundle
    }

    /// The folder with the root file system.
    pub fn rootfs(&self) -> PathBuf {
        self.path.join("rootfs")
    }

    /// The configuration.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Changes the configuration.
    pub fn edit(mut self, change: impl FnOnce(&mut Value)) -> Bundle {
        change(&mut self.config);
        self.write();
        self
    }

    /// Sets one value, at a JSON pointer such as `/process/cwd`; objects on the way are made.
    #[track_caller]
    pub fn set(self, pointer: &str, value: Value) -> Bundle {
        self.edit(|config| {
            let mut place = config;
            for key in pointer.split('/').skip(1) {
                place = match key.parse::<usize>() {
                    Ok(index) if place.is_array() => &mut place[index],
                    _ => &mut place[key],
                };
            }
            *place = value;
        })
    }

    /// Appends to an array, which is made when it is missing.
    #[track_caller]
    pub fn push(self, pointer: &str, value: Value) -> Bundle {
        self.edit(|config| {
            let mut place = config;
            for key in pointer.split('/').skip(1) {
                place = &mut place[key];
            }
            if place.is_null() {
                *place = json!([]);
            }
            place.as_array_mut().expect("an array").push(value);
        })
    }

    /// In a user namespace of its own, with so many ids as engines map them.
    #[track_caller]
    pub fn in_user_namespace(self, ids: u32) -> Bundle {
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": ids}]);
        self.push("/linux/namespaces", json!({"type": "user"}))
            .set("/linux/uidMappings", map.clone())
            .set("/linux/gidMappings", map)
    }

    /// Makes the container run these commands of the probe; words are separated by spaces.
    pub fn probe(self, commands: &str) -> Bundle {
        let words: Vec<&str> = std::iter::once("/bin/probe")
            .chain(commands.split_whitespace())
            .collect();
        self.argv(&words)
    }

    /// Sets the arguments of the container's program.
    pub fn argv(self, words: &[&str]) -> Bundle {
        self.set("/process/args", json!(words))
    }

    /// Adds a mount.
    pub fn mount(
        self,
        destination: &str,
        kind: &str,
        source: impl AsRef<Path>,
        options: &[&str],
    ) -> Bundle {
        let source = source.as_ref();
        self.push(
            "/mounts",
            json!({"destination": destination, "type": kind, "source": source, "options": options}),
        )
    }

    /// Removes the mount on a destination.
    pub fn without_mount(self, destination: &str) -> Bundle {
        self.edit(|config| {
            let mounts = config["mounts"].as_array_mut().expect("mounts");
            mounts.retain(|mount| mount["destination"] != destination);
        })
    }

    /// Removes a namespace.
    pub fn without_namespace(self, kind: &str) -> Bundle {
        self.edit(|config| {
            let all = config["linux"]["namespaces"]
                .as_array_mut()
                .expect("namespaces");
            all.retain(|namespace| namespace["type"] != kind);
        })
    }

    /// Adds a namespace to be joined.
    pub fn join_namespace(self, kind: &str, path: &str) -> Bundle {
        self.without_namespace(kind)
            .push("/linux/namespaces", json!({"type": kind, "path": path}))
    }

    /// Lets the root file system be written.
    pub fn writable(self) -> Bundle {
        self.set("/root/readonly", json!(false))
    }

    /// Replaces config.json by any text.
    pub fn raw(self, text: impl AsRef<[u8]>) -> Bundle {
        fs::write(self.path.join("config.json"), text).expect("config.json");
        self
    }

    fn write(&self) {
        fs::write(self.path.join("config.json"), self.config.to_string()).expect("config.json");
    }
}

fn config(rootless: Option<(u32, u32)>) -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mut namespaces = vec!["pid", "ipc", "uts", "mount"];
    let devpts = json!([
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620"
    ]);
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/probe", "true"],
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "inside",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": devpts},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
        ],
        "linux": {
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        }
    });
    match rootless {
        None => {
            namespaces.push("network");
            config["mounts"]
                .as_array_mut()
                .expect("mounts")
                .push(json!({
                    "destination": "/sys", "type": "sysfs", "source": "sysfs",
                    "options": ["nosuid", "noexec", "nodev", "ro"]
                }));
            config["linux"]["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
        }
        Some((uid, gid)) => {
            namespaces.push("user");
            config["mounts"]
                .as_array_mut()
                .expect("mounts")
                .push(json!({
                    "destination": "/sys", "type": "none", "source": "/sys",
                    "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]
                }));
            config["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": uid, "size": 1}]);
            config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": gid, "size": 1}]);
        }
    }
    config["linux"]["namespaces"] = namespaces
        .iter()
        .map(|kind| json!({"type": kind}))
        .collect();
    config
}

/// The probe that the build script has made, or (where the build folder cannot be read) a copy of it.
fn probe() -> PathBuf {
    std::env::var_os("TARE_PROBE").map_or_else(|| PathBuf::from(env!("PROBE")), PathBuf::from)
}
