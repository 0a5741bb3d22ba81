//! Bundles: the plainest valid configuration with a root file system that holds the probe, changed by each test.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::case::{Case, USER};
use crate::container::{Container, Seen};
use crate::mutant;
use crate::runtime::{self, Output};
use crate::verdict::{Setup, Stop, Verdict, fail};

/// Where maps of user namespaces begin on the host, and how long they are.
pub const BASE: u32 = 100_000;
/// Length of those maps.
pub const LENGTH: u32 = 65_536;

/// A bundle; written when its container is created.
#[derive(Debug, Clone)]
pub struct Bundle<'a> {
    /// The test that it is made for.
    pub case: &'a Case,
    /// Its folder.
    pub path: PathBuf,
    /// Its configuration.
    pub config: Value,
    /// Text that is written instead of the configuration.
    raw: Option<String>,
    /// What `launch` changes before each call of the runtime.
    before: Vec<String>,
    /// More flags of `create`.
    flags: Vec<String>,
}

impl<'a> Bundle<'a> {
    /// The plainest bundle, in this folder.
    pub fn new(case: &'a Case, path: PathBuf) -> Bundle<'a> {
        let root = path.join("rootfs");
        for name in [
            "bin", "dev", "etc", "mnt", "proc", "run", "sys", "tmp", "log",
        ] {
            let _ = fs::create_dir_all(root.join(name));
        }
        for name in ["tmp", "mnt", "log"] {
            let _ = fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o1777));
        }
        let _ = fs::hard_link(case.probe(), root.join("bin/probe"));
        let mut config = plain();
        config["ociVersion"] = json!(case.runtime.spec);
        config["linux"]["cgroupsPath"] = json!(case.group());
        Bundle {
            case,
            path,
            config,
            raw: None,
            before: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// The folder with the root file system.
    pub fn root(&self) -> PathBuf {
        self.path.join("rootfs")
    }

    /// Sets what the test is about: its mutants must make the test fail.
    pub fn set(self, pointer: &str, value: impl Into<Value>) -> Bundle<'a> {
        let value = value.into();
        self.note(pointer, &value);
        self.aid(pointer, value)
    }

    /// Sets what the test is about where only the whole counts, as a value that is refused whatever else it holds.
    pub fn whole(self, pointer: &str, value: impl Into<Value>) -> Bundle<'a> {
        self.case.set.borrow_mut().insert(pointer.to_owned());
        self.aid(pointer, value)
    }

    /// Appends what the test is about.
    pub fn push(self, pointer: &str, value: impl Into<Value>) -> Bundle<'a> {
        let value = value.into();
        let list = self.config.pointer(pointer).and_then(Value::as_array);
        let index = list.map_or(0, Vec::len);
        self.note(&format!("{pointer}/{index}"), &value);
        self.add(pointer, value)
    }

    /// Sets what the test only needs.
    pub fn aid(mut self, pointer: &str, value: impl Into<Value>) -> Bundle<'a> {
        *place(&mut self.config, pointer) = value.into();
        self
    }

    /// Appends what the test only needs.
    pub fn add(mut self, pointer: &str, value: impl Into<Value>) -> Bundle<'a> {
        let list = place(&mut self.config, pointer);
        match list.as_array_mut() {
            Some(list) => list.push(value.into()),
            None => *list = json!([value.into()]),
        }
        self
    }

    /// Notes a value for the negative controls: as a whole, and each part of it.
    fn note(&self, pointer: &str, value: &Value) {
        let leaves = mutant::leaves(value).into_iter();
        let pointers = leaves.map(|rest| format!("{pointer}{rest}"));
        let mut set = self.case.set.borrow_mut();
        set.insert(pointer.to_owned());
        set.extend(pointers);
    }

    /// Removes a property.
    pub fn without(mut self, pointer: &str) -> Bundle<'a> {
        mutant::Mutant::Drop(pointer.to_owned()).config(&mut self.config);
        self
    }

    /// Replaces the configuration by any text.
    pub fn raw(mut self, text: impl Into<String>) -> Bundle<'a> {
        self.raw = Some(text.into());
        self
    }

    /// Adds a mount that the test is about.
    pub fn mount(self, at: &str, kind: &str, from: &str, options: &[&str]) -> Bundle<'a> {
        self.push(
            "/mounts",
            json!({"destination": at, "type": kind, "source": from, "options": options}),
        )
    }

    /// Adds a bind mount that the test only needs.
    pub fn bound(self, at: &str, from: &Path) -> Bundle<'a> {
        self.add(
            "/mounts",
            json!({"destination": at, "type": "none", "source": from, "options": ["rbind"]}),
        )
    }

    /// Removes the mount on a destination.
    pub fn without_mount(mut self, at: &str) -> Bundle<'a> {
        if let Some(mounts) = self.config["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["destination"] != at);
        }
        self
    }

    /// Removes a namespace.
    pub fn without_namespace(mut self, kind: &str) -> Bundle<'a> {
        if let Some(all) = self.config["linux"]["namespaces"].as_array_mut() {
            all.retain(|namespace| namespace["type"] != kind);
        }
        self
    }

    /// Adds a namespace that the test is about: new, or joined by a path.
    pub fn namespace(self, kind: &str, path: Option<&str>) -> Bundle<'a> {
        let entry = match path {
            Some(path) => json!({"type": kind, "path": path}),
            None => json!({"type": kind}),
        };
        self.without_namespace(kind)
            .push("/linux/namespaces", entry)
    }

    /// Adds a new user namespace whose root is the user [`BASE`], and gives it the root file system.
    pub fn user_namespace(self) -> Bundle<'a> {
        let map = json!([{"containerID": 0, "hostID": BASE, "size": LENGTH}]);
        let bundle = self
            .aid("/linux/uidMappings", map.clone())
            .aid("/linux/gidMappings", map)
            .add("/linux/namespaces", json!({"type": "user"}));
        own(&bundle.root(), BASE);
        bundle
    }

    /// Makes the runtime run as an ordinary user, with a user namespace in which that user is root.
    pub fn rootless(self) -> Bundle<'a> {
        let map = json!([{"containerID": 0, "hostID": USER, "size": 1}]);
        let sys = json!({"destination": "/sys", "type": "none", "source": "/sys",
            "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]});
        let bundle = self
            .without_mount("/sys")
            .add("/mounts", sys)
            .without_namespace("network")
            .without("/linux/cgroupsPath")
            .without("/linux/resources")
            .aid("/linux/uidMappings", map.clone())
            .aid("/linux/gidMappings", map)
            .add("/linux/namespaces", json!({"type": "user"}))
            .by(&["--groups", "", "--user", &USER.to_string()]);
        own(&bundle.path, USER);
        bundle
    }

    /// Changes what the runtime inherits: words for `launch`.
    pub fn by(mut self, words: &[&str]) -> Bundle<'a> {
        self.before
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Adds flags of `create`.
    pub fn flags(mut self, words: &[&str]) -> Bundle<'a> {
        self.flags
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// What the container runs: commands of the probe, words separated by spaces, commands by `--`.
    pub fn runs(self, commands: &str) -> Bundle<'a> {
        let words: Vec<&str> = std::iter::once("/bin/probe")
            .chain(commands.split_whitespace())
            .collect();
        self.aid("/process/args", json!(words))
    }

    /// Writes config.json, as the mutant has it.
    pub fn write(&self) -> Verdict {
        let mut config = self.config.clone();
        if let Some(mutant) = &self.case.mutant {
            mutant.config(&mut config);
        }
        let text = self.raw.clone().unwrap_or_else(|| config.to_string());
        fs::write(self.path.join("config.json"), text).setup("write config.json")
    }

    /// Calls `create` and returns what came of it.
    pub fn try_create(&self, id: &str) -> Verdict<Output> {
        self.write()?;
        let path = self.path.display().to_string();
        let mut arguments = vec!["create", "--bundle", &path];
        arguments.extend(self.flags.iter().map(String::as_str));
        arguments.push(id);
        let entry = (id.to_owned(), self.before.clone(), 0);
        self.case.open.borrow_mut().push(entry);
        runtime::call(self.case, &self.before, &arguments)
    }

    /// Creates the container.
    pub fn create(&self) -> Verdict<Container<'a>> {
        let id = self.case.id();
        let output = self.try_create(&id)?;
        if !output.ok() {
            return Err(Stop::Refused(format!("create: {}", output.said())));
        }
        Container::new(self.case, id, self.before.clone(), output)
    }

    /// Creates and starts the container.
    pub fn start(&self) -> Verdict<Container<'a>> {
        let container = self.create()?;
        container.start()?;
        Ok(container)
    }

    /// Runs the container to its end; what its process said.
    pub fn run(&self) -> Verdict<Seen> {
        let container = self.start()?;
        let seen = container.finish()?;
        container.delete()?;
        Ok(seen)
    }

    /// Runs commands of the probe in the container; what they said.
    pub fn see(self, commands: &str) -> Verdict<Seen> {
        self.runs(commands).run()
    }

    /// Fails unless `create` gives an error and makes no container.
    pub fn refused(&self) -> Verdict<String> {
        let id = self.case.id();
        let output = self.try_create(&id)?;
        if output.ok() {
            return fail("create gave no error");
        }
        let state = runtime::call(self.case, &self.before, &["state", &id])?;
        match state.ok() {
            true => fail("create gave an error, and there is a container all the same"),
            false => Ok(output.said()),
        }
    }

    /// Fails unless `create` or `start` gives an error: what is about the process may be applied by either.
    pub fn refused_in_the_end(&self) -> Verdict<String> {
        match self.start() {
            Err(Stop::Refused(message)) => Ok(message),
            Err(other) => Err(other),
            Ok(_) => fail("neither create nor start gave an error"),
        }
    }
}

fn place<'v>(config: &'v mut Value, pointer: &str) -> &'v mut Value {
    let mut place = config;
    for key in pointer.split('/').skip(1) {
        let key = key.replace("~1", "/").replace("~0", "~");
        place = match key.parse::<usize>() {
            Ok(index) if place.is_array() => &mut place[index],
            _ => &mut place[key.as_str()],
        };
    }
    place
}

/// Gives a folder with all in it to a user; links are not followed, and the shared probe keeps its owner.
pub fn own(path: &Path, user: u32) {
    let _ = chown(path, Some(user), Some(user));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            own(&entry.path(), user);
        }
    }
}

fn plain() -> Value {
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SYS_CHROOT"
    ]);
    json!({
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/probe", "true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities
            },
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
                {"type": "network"},
            ],
        }
    })
}
