//! One test's folder, state directory and containers, removed and checked at the end.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::runtime;
use crate::{Bundle, Container, HostState, Invocation, Output, need};

/// How a sandbox calls the runtime: what can be sent to other threads.
#[derive(Debug, Clone)]
pub struct Caller {
    /// A short word that is part of every name in this sandbox.
    pub tag: String,
    /// The sandbox's folder.
    pub path: PathBuf,
    /// The runtime's `--root`.
    pub root: PathBuf,
    /// Who the runtime runs as, when it is not the caller.
    user: Option<(u32, u32)>,
    program: PathBuf,
}

impl Caller {
    /// A container id that no other test uses.
    pub fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.tag)
    }

    /// The runtime's path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A call of any program, as the runtime's user.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Invocation {
        let invocation = Invocation::new(program, &self.path.join("io"))
            .env("HOME", &self.path)
            .env("XDG_RUNTIME_DIR", &self.path)
            .directory(&self.path);
        match self.user {
            Some((uid, gid)) => invocation.user(uid, gid),
            None => invocation,
        }
    }

    /// A call of the runtime that stops before it begins, for [`crate::trace`].
    pub fn stopped<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Invocation {
        self.command(need::program("sh"))
            .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
            .arg(&self.program)
            .arg("--root")
            .arg(&self.root)
            .args(arguments)
    }

    /// A call of the runtime with `--root`.
    pub fn runtime<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Invocation {
        self.command(&self.program)
            .arg("--root")
            .arg(&self.root)
            .args(arguments)
    }
}

/// Everything that one test makes. Dropping it deletes the containers and fails the test when something stays behind:
/// a control group, a mount, a process, a file in the state directory.
#[derive(Debug)]
pub struct Sandbox {
    caller: Caller,
    bundles: Cell<usize>,
    pub(crate) reap: RefCell<Vec<i32>>,
    adopted: RefCell<Vec<i32>>,
    before: HostState,
}

impl Sandbox {
    /// A sandbox for the caller: containers are rootless exactly when the tests do not run as root.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Sandbox {
        Sandbox::make(None)
    }

    /// A sandbox whose runtime runs as an ordinary user: the caller, or for root a user made for it or `nobody`.
    pub fn ordinary() -> Sandbox {
        if nix::unistd::geteuid().is_root() {
            Sandbox::make(Some(need::ordinary_user()))
        } else {
            Sandbox::make(None)
        }
    }

    fn make(user: Option<(u32, u32)>) -> Sandbox {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // As long as all others, so that none is the beginning of another: what is a sandbox's is found by it.
        let tag = format!("it{}x{number:03}", std::process::id());
        let path = std::env::temp_dir().join(&tag);
        for folder in ["", "state", "io", "bin"] {
            fs::create_dir_all(path.join(folder)).expect("folder of the sandbox");
        }
        let mut program = runtime::program();
        if let Some((uid, gid)) = user {
            // The user may be unable to reach the build directory.
            let copy = path
                .join("bin")
                .join(program.file_name().expect("a file name"));
            fs::copy(&program, &copy).expect("copy of the runtime");
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("chmod");
            program = copy;
            for folder in ["", "state", "io"] {
                chown(path.join(folder), Some(uid), Some(gid)).expect("chown");
            }
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        let root = path.join("state");
        let before = HostState::of(&tag, &root, None);
        Sandbox {
            caller: Caller {
                tag,
                path,
                root,
                user,
                program,
            },
            bundles: Cell::new(0),
            reap: RefCell::new(Vec::new()),
            adopted: RefCell::new(Vec::new()),
            before,
        }
    }

    /// Ids for a rootless container's mapping, `None` for root.
    pub fn rootless(&self) -> Option<(u32, u32)> {
        let caller = || {
            (
                nix::unistd::geteuid().as_raw(),
                nix::unistd::getegid().as_raw(),
            )
        };
        self.user
            .or_else(|| Some(caller()))
            .filter(|(uid, _)| *uid != 0)
    }

    /// A new bundle.
    pub fn bundle(&self) -> Bundle {
        let number = self.bundles.replace(self.bundles.get() + 1);
        let bundle = Bundle::new(self.path.join(format!("bundle{number}")), self.rootless());
        if let Some((uid, gid)) = self.user {
            own(&bundle.path, uid, gid);
        }
        bundle
    }

    /// A folder for files, owned by the runtime's user.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).expect("folder");
        if let Some((uid, gid)) = self.user {
            own(&path, uid, gid);
        }
        path
    }

    /// `run` in the foreground.
    #[track_caller]
    pub fn run(&self, bundle: &Bundle) -> Output {
        let id = self.id(&format!("run{}", self.bundles.get()));
        self.runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(id)
            .output()
    }

    /// What the probe prints when it runs these commands in the bundle's container.
    #[track_caller]
    pub fn see(&self, bundle: Bundle, commands: &str) -> Output {
        self.run(&bundle.probe(commands))
    }

    /// The same for a bundle that is used again.
    #[track_caller]
    pub fn see_same(&self, bundle: &Bundle, commands: &str) -> Output {
        let words = std::iter::once("/bin/probe").chain(commands.split_whitespace());
        let mut config = bundle.config().clone();
        config["process"]["args"] = words.collect();
        fs::write(bundle.path.join("config.json"), config.to_string()).expect("config.json");
        self.run(bundle)
    }

    /// What threads need to call the runtime.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// `create`, which must succeed.
    #[track_caller]
    pub fn create(&self, bundle: &Bundle, name: &str) -> Container<'_> {
        self.create_with(bundle, name, &[] as &[&str])
    }

    /// `create` with more flags, which must succeed.
    #[track_caller]
    pub fn create_with(
        &self,
        bundle: &Bundle,
        name: &str,
        flags: &[impl AsRef<OsStr>],
    ) -> Container<'_> {
        let id = self.id(name);
        let pid_file = self.path.join(format!("io/{id}.pid"));
        let created = self
            .runtime(["create", "--bundle"])
            .arg(&bundle.path)
            .arg("--pid-file")
            .arg(&pid_file);
        let output = created.args(flags).arg(&id).output().ok();
        Container::new(self, id, &pid_file, output)
    }

    /// `run --detach`, which must succeed.
    #[track_caller]
    pub fn detach(&self, bundle: &Bundle, name: &str) -> Container<'_> {
        let container = self.create(bundle, name);
        container.start();
        container
    }

    /// What the host shows of this sandbox and of these containers' bundle.
    pub fn host(&self, bundle: Option<&Bundle>) -> HostState {
        HostState::of(
            &self.tag,
            &self.root,
            bundle.map(|bundle| bundle.path.as_path()),
        )
    }

    /// Takes over a process that was started in the background: it is killed and reaped at the end. The kernel does not
    /// let a container's first process go before its parent has reaped such a process.
    #[track_caller]
    pub fn adopt(&self, pid_file: &Path) -> i32 {
        let pid = fs::read_to_string(pid_file)
            .expect("the pid file")
            .parse()
            .expect("a pid");
        self.adopted.borrow_mut().push(pid);
        pid
    }

    /// Removes control groups that nobody uses any more, such as parents of those that the runtime was told to use.
    pub fn remove_groups(&self) {
        self.host(None).remove_groups();
    }

    fn delete_all(&self) {
        for pid in self.adopted.take() {
            let pid = nix::unistd::Pid::from_raw(pid);
            if nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).is_ok() {
                let _ = nix::sys::wait::waitpid(pid, None);
            }
        }
        let ids = fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        for id in ids.filter(|id| !id.to_string_lossy().starts_with('.')) {
            let _ = self.runtime(["delete", "--force"]).arg(id).output();
        }
        for pid in self.reap.take() {
            // Not all of them are our children: containers in the foreground are the runtime's.
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        }
    }
}

fn own(path: &Path, uid: u32, gid: u32) {
    chown(path, Some(uid), Some(gid)).expect("chown");
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let kind = entry.file_type().expect("file type");
        if kind.is_dir() {
            own(&entry.path(), uid, gid);
        } else if kind.is_file() {
            chown(entry.path(), Some(uid), Some(gid)).expect("chown");
        }
    }
}

impl std::ops::Deref for Sandbox {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A second panic while a failed test unwinds would end the whole program.
        let deleted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.delete_all()));
        let mut after = HostState::of(&self.tag, &self.root, None);
        for _ in 0..200 {
            if after.difference(&self.before).is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            after = HostState::of(&self.tag, &self.root, None);
        }
        let left = after.difference(&self.before);
        after.remove_groups();
        let _ = fs::remove_dir_all(&self.path);
        if !std::thread::panicking() {
            assert!(deleted.is_ok(), "delete --force did not end");
            assert!(
                left.is_empty(),
                "left behind after delete --force: {left:#?}"
            );
        }
    }
}
