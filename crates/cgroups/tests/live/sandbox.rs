//! A cgroup of the test's own, and what is left of it at the end: nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tare_cgroups::{Driver, Error, Group, Host, Place, SettingError, Settings, settings};

/// Says why a test does nothing here.
macro_rules! skip {
    ($($why:tt)*) => {{
        println!("SKIPPED: {}", format_args!($($why)*));
        return;
    }};
}
pub(crate) use skip;

pub(crate) struct Sandbox {
    pub(crate) host: Host,
    pub(crate) place: Place,
    pub(crate) name: String,
}

impl Sandbox {
    /// A place that nobody else uses; `None` where the caller may not make cgroups.
    pub(crate) fn new() -> Option<Sandbox> {
        let host = Host::probe().expect("a cgroup file system");
        let name = unique();
        let place = match try_resolve(&host, &name) {
            Ok(place) => place,
            Err(error @ Error::UserManagerOnV1) => {
                assert!(host.version() != tare_cgroups::Version::V2);
                println!("SKIPPED: {error}");
                return None;
            }
            Err(error) => panic!("no place: {error}"),
        };
        let sandbox = Sandbox { host, place, name };
        match Group::create(&sandbox.place, &Settings::default()) {
            Ok(group) => group.remove().expect("removed"),
            Err(error) => {
                println!("SKIPPED: no cgroups can be made here: {error}");
                return None;
            }
        }
        Some(sandbox)
    }

    pub(crate) fn settings(&self, resources: &str) -> Settings {
        self.try_settings(resources).expect("settings")
    }

    pub(crate) fn try_settings(&self, resources: &str) -> Result<Settings, SettingError> {
        let resources = serde_json::from_str(resources).expect("resources");
        settings(&resources, &self.host, &self.place)
    }

    pub(crate) fn create(&self, settings: &Settings) -> Group {
        Group::create(&self.place, settings).expect("created")
    }

    /// Why the cgroup cannot be used for another container. systemd's part comes when the process does.
    pub(crate) fn refusal(&self) -> String {
        let process = Process::sleeping();
        let made = Group::create(&self.place, &Settings::default());
        let used = made.and_then(|mut group| match self.is_systemd() {
            true => group.place(process.id()),
            false => Ok(()),
        });
        used.expect_err("refused").to_string()
    }

    /// The argument of `exec --cgroup` for a path below, in every hierarchy.
    pub(crate) fn below(&self, path: &str) -> Vec<String> {
        let names: Vec<&str> = self
            .place
            .paths()
            .map(|(name, _)| name)
            .filter(|name| !name.is_empty())
            .collect();
        match names.is_empty() {
            true => vec![path.to_owned()],
            false => vec![format!("{}:{path}", names.join(","))],
        }
    }

    pub(crate) fn is_systemd(&self) -> bool {
        self.place.driver() != Driver::Direct
    }

    pub(crate) fn open(&self) -> Group {
        Group::open(&self.place).expect("opened")
    }

    /// Each once, also where several controllers share a hierarchy.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self
            .place
            .paths()
            .map(|(_, path)| path.to_owned())
            .collect();
        paths.dedup();
        paths
    }

    /// The directory of a controller by its v1 and its v2 name; `None` when the host has neither.
    pub(crate) fn dir(&self, v1: &str, v2: &str) -> Option<PathBuf> {
        let of = |wanted: &str| {
            self.place
                .paths()
                .find(|(name, _)| *name == wanted)
                .map(|(_, path)| path.to_owned())
        };
        of(v1).or_else(|| {
            let unified = of("")?;
            let mount = Host::probe().ok()?.hierarchies().last()?.mount.clone();
            let available = std::fs::read_to_string(mount.join("cgroup.controllers")).ok()?;
            // What systemd delegates to users.
            let delegated = self.place.driver() != Driver::Systemd { user: true }
                || matches!(v2, "cpu" | "memory" | "pids");
            let has = available.split_whitespace().any(|name| name == v2);
            (delegated && has).then_some(unified)
        })
    }

    /// True when a controller is on v2.
    pub(crate) fn is_v2(&self, v1: &str) -> bool {
        !self.place.paths().any(|(name, _)| name == v1)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let group = Group::open(&self.place).expect("opened");
        let _ = group.kill(9);
        group.remove().expect("removed");
        for path in self.paths() {
            assert!(!path.exists(), "left behind: {}", path.display());
        }
    }
}

/// A place of this name, by the driver that is tested.
pub(crate) fn resolve(host: &Host, name: &str) -> Place {
    try_resolve(host, name).expect("a place")
}

fn try_resolve(host: &Host, name: &str) -> Result<Place, Error> {
    // Set in the guest that runs systemd: the same body of tests with the other driver.
    let (driver, path) = match std::env::var("TARE_TEST_DRIVER").as_deref() {
        Err(_) | Ok("direct") => (Driver::Direct, format!("/{name}")),
        Ok("systemd") => (
            Driver::Systemd { user: false },
            format!("system.slice:tare:{name}"),
        ),
        Ok("systemd-user") => (
            Driver::Systemd { user: true },
            format!("user.slice:tare:{name}"),
        ),
        Ok(other) => panic!("TARE_TEST_DRIVER={other} is none of direct, systemd, systemd-user"),
    };
    let rootless = driver == Driver::Systemd { user: true };
    Place::resolve(host, driver, Some(&path), name, rootless)
}

pub(crate) fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "tare-test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Whether this machine is thrown away afterwards: modules may be loaded, hierarchies mounted.
pub(crate) fn is_guest() -> bool {
    std::env::var_os("TARE_TEST_GUEST").is_some() && kernel::identity::user() == 0
}

/// Runs a program; what it says on its standard error if it fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "{program} {}: {}",
                arguments.join(" "),
                said.trim()
            ))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// A process that is killed when the test ends.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(shell: &str) -> Process {
        let mut command = Command::new("sh");
        command
            .args(["-c", shell])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Process(command.spawn().expect("sh"))
    }

    /// Does nothing, and ends with whoever started it, however that ends.
    pub(crate) fn sleeping() -> Process {
        Process::start("read line")
    }

    /// Waits, as long as it takes, until it ends by itself; whether it ended well.
    pub(crate) fn finish(mut self) -> bool {
        drop(self.0.stdin.take());
        self.0.wait().expect("wait").success()
    }

    pub(crate) fn id(&self) -> i32 {
        self.0.id() as i32
    }

    pub(crate) fn is_dead_soon(&mut self) -> bool {
        eventually(|| self.0.try_wait().expect("wait").is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn eventually(mut what: impl FnMut() -> bool) -> bool {
    for _ in 0..1000 {
        if what() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}

pub(crate) fn read(dir: &Path, file: &str) -> String {
    let text = std::fs::read_to_string(dir.join(file));
    text.unwrap_or_else(|e| panic!("{}/{file}: {e}", dir.display()))
        .trim()
        .to_owned()
}
