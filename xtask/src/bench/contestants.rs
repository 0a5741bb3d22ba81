//! Who takes part: the floor, tare, and whatever of runc and crun is installed; and the bundles that they run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{call, probe};

/// A runtime.
#[derive(Clone)]
pub(super) struct Runtime {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// What it is, for the report.
    pub(super) version: String,
}

/// Everything that takes part, and what they run.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) folder: PathBuf,
    /// State directories are in memory, as below `/run` on real hosts.
    pub(super) state: PathBuf,
    pub(super) floor: PathBuf,
    pub(super) floor_built: String,
    pub(super) runtimes: Vec<Runtime>,
    /// A program that does it by the library.
    pub(super) in_process: PathBuf,
    pub(super) payload: String,
    unified: bool,
}

impl Field {
    /// Builds what is missing and finds the rest.
    pub(super) fn prepare(mode: &str) -> Result<Field, String> {
        let folder = super::folder();
        let state = in_memory(&folder)?;
        let unified = fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false);
        let make = |path: PathBuf| {
            fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        for name in [
            "rootfs/bin",
            "rootfs/proc",
            "rootfs/dev",
            "rootfs/sys",
            "rootfs/mnt",
            "state",
            "build",
        ] {
            make(folder.join(name))?;
        }
        let (floor, floor_built) = build_floor(&folder)?;
        let payload = make_root(&folder)?;
        write_bundles(&folder, unified)?;
        let mut field = Field {
            folder,
            state,
            floor,
            floor_built,
            runtimes: Vec::new(),
            in_process: build_in_process()?,
            payload,
            unified,
        };
        field.runtimes.push(build_tare()?);
        for name in ["crun", "runc"] {
            match call::installed(name).map(|path| field.try_out(name, path)) {
                Some(Ok(runtime)) => field.runtimes.push(runtime),
                Some(Err(reason)) => println!("{name} is left out of mode {mode}: {reason}"),
                None => println!("{name} is not installed"),
            }
        }
        Ok(field)
    }

    /// The same without the other runtimes.
    pub(super) fn only(&self, name: &str) -> Field {
        let mut field = self.clone();
        field.runtimes.retain(|runtime| runtime.name == name);
        field
    }

    fn try_out(&self, name: &str, path: PathBuf) -> Result<Runtime, String> {
        let version = call::output(call::program(&path).arg("--version"))?;
        let version = version.lines().next().unwrap_or_default().to_owned();
        let runtime = Runtime {
            name: name.to_owned(),
            path,
            version,
        };
        call::output(&mut self.run(&runtime))?;
        Ok(runtime)
    }

    /// A call of a runtime, with its own state directory.
    pub(super) fn call(&self, runtime: &Runtime, arguments: &[&str]) -> Command {
        call_in(&self.state, runtime, arguments)
    }

    /// `run` of the bundle that exits.
    pub(super) fn run(&self, runtime: &Runtime) -> Command {
        self.run_of(runtime, "exits")
    }

    /// `run` of a bundle.
    pub(super) fn run_of(&self, runtime: &Runtime, bundle: &str) -> Command {
        run_in(&self.state, runtime, &self.bundle(bundle))
    }

    /// `run` of the bundle that exits, with the state directory where the bundle is.
    pub(super) fn run_on_disk(&self, runtime: &Runtime) -> Command {
        run_in(&self.folder.join("state"), runtime, &self.bundle("exits"))
    }

    /// The path of a bundle.
    pub(super) fn bundle(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The floor in this cgroup layout.
    pub(super) fn floor(&self) -> Command {
        let mut command = quiet(&self.floor);
        command.arg(if self.unified { "--v2" } else { "--v1" });
        command
    }

    /// The floor's run.
    pub(super) fn floor_run(&self) -> Command {
        let mut command = self.floor();
        command.arg(self.folder.join("rootfs")).arg("/bin/true");
        command
    }

    /// Removes containers that are left, and the folder.
    pub(super) fn clean(&self) {
        for runtime in &self.runtimes {
            for entry in fs::read_dir(self.state.join(&runtime.name))
                .into_iter()
                .flatten()
                .flatten()
            {
                let id = entry.file_name().to_string_lossy().into_owned();
                let _ = self.call(runtime, &["delete", "--force", &id]).status();
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_dir_all(&self.state);
    }
}

fn call_in(state: &Path, runtime: &Runtime, arguments: &[&str]) -> Command {
    let mut command = quiet(&runtime.path);
    command
        .arg("--root")
        .arg(state.join(&runtime.name))
        .args(arguments);
    command
}

fn run_in(state: &Path, runtime: &Runtime, bundle: &str) -> Command {
    let id = format!("bench-{}-run", runtime.name);
    call_in(state, runtime, &["run", "--bundle", bundle, &id])
}

/// A directory for states on a tmpfs.
fn in_memory(folder: &Path) -> Result<PathBuf, String> {
    use nix::sys::statfs::{TMPFS_MAGIC, statfs};
    let name = folder.file_name().unwrap_or_default();
    let is_tmpfs =
        |path: &&str| statfs(*path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC);
    let path = ["/run", "/dev/shm"].iter().copied().find(is_tmpfs);
    let state = Path::new(path.ok_or("neither /run nor /dev/shm is a tmpfs")?).join(name);
    fs::create_dir_all(&state).map_err(|error| format!("{}: {error}", state.display()))?;
    Ok(state)
}

/// The bundles, which have one root directory and are one template with changes.
fn write_bundles(folder: &Path, unified: bool) -> Result<(), String> {
    let read = |path: &str| -> Result<Value, String> {
        let text = fs::read_to_string(call::workspace().join(path)).map_err(text)?;
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
    };
    let mut template = read("benches/config.json")?;
    template["root"]["path"] = json!(folder.join("rootfs"));
    if unified && let Some(namespaces) = template["linux"]["namespaces"].as_array_mut() {
        namespaces.push(json!({"type": "cgroup"}));
    }
    let profile = read("crates/seccomp/tests/profiles/docker.json")?;
    let exits: &dyn Fn(&mut Value) = &|_| {};
    let sleeps: &dyn Fn(&mut Value) =
        &|config| config["process"]["args"] = json!(["/bin/sleep", "100000"]);
    let filtered: &dyn Fn(&mut Value) = &|config| config["linux"]["seccomp"] = profile.clone();
    let bound: &dyn Fn(&mut Value) = &|config| {
        let source = folder.join("build");
        let bind = |number| json!({"destination": format!("/mnt/{number}"), "source": source, "options": ["bind", "ro"]});
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.extend((0..100).map(bind));
        }
    };
    for (name, change) in [
        ("exits", exits),
        ("sleeps", sleeps),
        ("filtered", filtered),
        ("bound", bound),
    ] {
        let mut config = template.clone();
        change(&mut config);
        let bundle = folder.join(name);
        fs::create_dir_all(&bundle).map_err(text)?;
        fs::write(bundle.join("config.json"), config.to_string()).map_err(text)?;
    }
    Ok(())
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

/// A command without input and output, the same for all.
fn quiet(path: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// With musl when there is a compiler for it: start-up of glibc costs more than all the rest in some virtual machines.
fn build_floor(folder: &Path) -> Result<(PathBuf, String), String> {
    let source = call::workspace().join("benches/floor/floor.c");
    let program = folder.join("floor");
    let compile = |compiler: &str, more: &[&str]| {
        let mut command = call::program(compiler);
        call::output(
            command
                .args(["-O2", "-static", "-o"])
                .arg(&program)
                .arg(&source)
                .args(more),
        )
    };
    let machine = std::env::consts::ARCH;
    let headers = format!("/usr/include/{machine}-linux-gnu");
    if compile(
        "musl-gcc",
        &["-idirafter", "/usr/include", "-idirafter", &headers],
    )
    .is_ok()
    {
        return Ok((program, "C, musl, static".to_owned()));
    }
    compile("cc", &[])?;
    Ok((program, "C, static".to_owned()))
}

/// busybox when there is a static one, as in most measurements of runtimes, else our own small program.
fn make_root(folder: &Path) -> Result<String, String> {
    let bin = folder.join("rootfs/bin");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| is_static(path));
    let (program, name) = match busybox {
        Some(path) => (path, "busybox"),
        None => {
            let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            (
                probe::build_probe(&rustc, &call::workspace(), &folder.join("build"), None)?,
                "probe",
            )
        }
    };
    for command in ["true", "sleep"] {
        fs::copy(&program, bin.join(command)).map_err(text)?;
    }
    Ok(name.to_owned())
}

/// A static program names no interpreter.
fn is_static(path: &Path) -> bool {
    const INTERPRETER: &[u8] = b"/ld-linux";
    let start = fs::read(path).unwrap_or_default();
    !start.is_empty()
        && !start
            .iter()
            .take(4096)
            .collect::<Vec<_>>()
            .windows(INTERPRETER.len())
            .any(|window| {
                window
                    .iter()
                    .map(|byte| **byte)
                    .eq(INTERPRETER.iter().copied())
            })
}

/// The library's example that measures itself.
fn build_in_process() -> Result<PathBuf, String> {
    let flags = [
        "build",
        "--quiet",
        "--release",
        "--package",
        "tare-libcontainer",
    ];
    // As cargo builds it for those who use the library: this workspace's own profile is for programs that live for milliseconds.
    let mut build = call::cargo(flags);
    build.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3");
    call::run(build.args(["--example", "in_process"]))?;
    Ok(call::target().join("release/examples/in_process"))
}

/// tare as it is meant to be measured: a static release build when that target is installed, else the usual one.
fn build_tare() -> Result<Runtime, String> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let installed = call::output(call::program("rustc").args([
        "--print",
        "target-libdir",
        "--target",
        &target,
    ]));
    let is_there = installed.is_ok_and(|path| Path::new(path.trim()).exists());
    let mut build = call::cargo(["build", "--quiet", "--release", "--bin", "tare"]);
    let (path, kind) = if is_there {
        build.args(["--target", &target]);
        (
            call::target().join(&target).join("release/tare"),
            "static, musl",
        )
    } else {
        (call::target().join("release/tare"), "dynamic, glibc")
    };
    call::run(&mut build)?;
    let version = call::output(call::program(&path).arg("--version")).unwrap_or_default();
    let commit = call::output(call::program("git").args(["rev-parse", "--short", "HEAD"]))
        .unwrap_or_default();
    let version = format!(
        "{} ({kind}, commit {})",
        version.lines().next().unwrap_or("tare"),
        commit.trim()
    );
    Ok(Runtime {
        name: "tare".to_owned(),
        path,
        version,
    })
}
