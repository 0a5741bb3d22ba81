//! `run`: from a reference to a running container.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use tare_image::container::{self, Record, Rootfs, Runtime};
use tare_image::error::Doing;
use tare_image::{Error, Result};

use super::runtime_log::{self, RuntimeLog};
use super::{Line, Options, place, put};

pub(super) const VERB: &str = "
run LOCATION [COMMAND...]  Run an image: pull if missing, unpack, write config.json, call the runtime
--name ID  of the container
--keep  keep its files afterwards, for commit
--interactive, -i  pass on standard input, which is always done
--detach, -d  print the name and end; what it writes goes to a file in its folder
--rm  remove its files afterwards, which is always done
--pull WHEN  always, missing (only what is not here) or never (missing)
--flat  all layers in one directory instead of an overlay
";

/// The exit status when there is no container whose status could be passed on.
pub(super) const FAILURE: u8 = runtime_log::NO_CONTAINER;

pub(super) fn run(line: &Line, options: &Options) -> Result<u8> {
    let overrides = super::bundle::overrides(line)?;
    let (keep, detach) = (line.has("--keep"), line.has("--detach"));
    let rootfs = match (line.has("--flat"), keep) {
        (true, _) => Rootfs::Flat,
        (false, true) => Rootfs::Overlay,
        (false, false) => Rootfs::Temporary,
    };
    let location = line.arguments[0].parse()?;
    let pull = line.parsed("--pull")?.unwrap_or(place::Pull::Missing);
    let own = || format!("image-{}", std::process::id());
    let id = line.text("--name").map_or_else(own, String::from);
    container::check_id(&id)?;
    if detach && (overrides.terminal || keep) {
        fail!(Usage: "--detach goes with neither --tty nor --keep");
    }
    let program = runtime()?;
    let store = options.store_to_use()?;
    private_mounts(overrides.rootless)?;
    let image = place::local_or(pull, &store, &location, options)?;
    let folder = store.container(&id);
    let how = options.pull();
    container::create(&store, &image, &folder, rootfs, &overrides, &how)?;
    let state = state(&folder, overrides.rootless);
    let runtime = Runtime { program, state, id };
    Record::started(&folder, &runtime)?;
    // Other processes may tidy up the store while the container runs; its record keeps its layers.
    drop(store);
    let status = start(&runtime, &folder, detach);
    if detach && matches!(&status, Ok(0)) {
        // Nobody waits for its end: "gc" removes what is left then.
        put!("{}", runtime.id);
        return Ok(0);
    }
    let tidied = match keep {
        true => kept(&folder),
        false => (options.store_to_use()).and_then(|s| container::discard(&s, &folder)),
    };
    // The container has run: its status is what the caller waits for, whatever became of its files.
    if let (Ok(_), Err(error)) = (&status, tidied) {
        log::warn!("run {location}: {error}");
    }
    status
}

/// Where the runtime is to keep its state, if not where it always does: users without a session have no such place.
fn state(folder: &Path, rootless: bool) -> Option<PathBuf> {
    let session = std::env::var_os("XDG_RUNTIME_DIR").filter(|v| !v.is_empty());
    (rootless && session.is_none()).then(|| folder.join("state"))
}

fn kept(folder: &Path) -> Result<()> {
    tare_image::overlay::unmount(&folder.join("rootfs"))?;
    Record::keep(folder)?;
    eprintln!("{}", folder.display());
    Ok(())
}

/// Mounts made from here on are not seen by others, and vanish with this process.
fn private_mounts(already: bool) -> Result<()> {
    if !already {
        unshare(CloneFlags::CLONE_NEWNS).doing("make a mount namespace")?;
    }
    use rustix::mount::{MountPropagationFlags, mount_change};
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .doing("make mounts private")
}

/// `$TARE`, or `tare` beside this program, or on the path.
fn runtime() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("TARE").filter(|v| !v.is_empty()) {
        return Ok(given.into());
    }
    let beside = std::env::current_exe().ok();
    let beside = beside.and_then(|p| Some(p.parent()?.to_path_buf()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(std::env::split_paths(&path));
    let mut found = folders.map(|d| d.join("tare")).filter(|p| p.exists());
    found.next().ok_or_else(|| {
        failure!(NotFound: "the runtime tare is not installed"
            => "Put it on the path, or name it in $TARE")
    })
}

/// Calls the runtime and passes on signals and the exit code.
fn start(runtime: &Runtime, folder: &Path, detach: bool) -> Result<u8> {
    // Until now they ended this program; from here on they are for the container.
    let signals = SigSet::from_iter([
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ]);
    let error = |e| Error::system("wait for signals", e);
    signals.thread_block().map_err(error)?;
    let arriving = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).map_err(error)?;
    let log = RuntimeLog::new(folder)?;
    let mut arguments = Vec::new();
    if let Some(state) = &runtime.state {
        arguments.extend([OsStr::new("--root"), state.as_os_str()]);
    }
    let (to, format) = (log.path.as_os_str(), ["--log-format", "json", "run"]);
    arguments.extend([OsStr::new("--log"), to]);
    arguments.extend(format.map(OsStr::new));
    arguments.extend(detach.then_some(OsStr::new("--detach")));
    let (bundle, id) = (folder.as_os_str(), OsStr::new(&runtime.id));
    arguments.extend([OsStr::new("--bundle"), bundle, id]);
    let streams = match detach {
        true => detached(folder)?,
        false => Vec::new(),
    };
    let program = &runtime.program;
    let pid = spawn(program, &arguments, &streams).at("start", program)?;
    // Detached on purpose: it ends with the process.
    std::thread::spawn(move || {
        while let Ok(Some(arrived)) = arriving.read_signal() {
            // What a terminal sends (Ctrl-C) has reached the runtime already: it is in the same process group.
            let from_process = arrived.ssi_code <= 0;
            if let (true, Ok(signal)) = (from_process, Signal::try_from(arrived.ssi_signo as i32)) {
                let _ = nix::sys::signal::kill(pid, signal);
            }
        }
    });
    let ended = loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, code)) => break code,
            Ok(WaitStatus::Signaled(_, signal, _)) => break 128 + signal as i32,
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(e) => return Err(Error::file("wait for", program, e.into())),
        }
    };
    // A container may end with the same status, but then there is no error in the log.
    let verdict = log.verdict().filter(|_| ended == runtime_log::FAILED);
    Ok(verdict.unwrap_or(ended as u8))
}

/// Nothing to read, and a file in the container's folder to write to.
fn detached(folder: &Path) -> Result<Vec<File>> {
    let null = Path::new("/dev/null");
    let path = folder.join("output");
    let output = File::create_new(&path).at("make", &path)?;
    let copy = output.try_clone().doing("duplicate descriptor")?;
    Ok(vec![File::open(null).at("open", null)?, output, copy])
}

/// Not by the standard library, whose children inherit the mask: the container would never hear of these signals. The
/// child's standard input and so on are `streams`, where there are some.
fn spawn(program: &Path, arguments: &[&OsStr], streams: &[File]) -> nix::Result<Pid> {
    let text = |s: &OsStr| CString::new(s.as_bytes()).map_err(|_| nix::Error::EINVAL);
    let program = text(program.as_os_str())?;
    let mut all = vec![program.clone()];
    for argument in arguments {
        all.push(text(argument)?);
    }
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        variables.push(text(&[name, value].join(OsStr::new("=")))?);
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigmask(&SigSet::empty())?;
    // Programs in Rust ignore it; others do not expect to.
    attributes.set_sigdefault(&SigSet::from_iter([Signal::SIGPIPE]))?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
    )?;
    let mut actions = PosixSpawnFileActions::init()?;
    for (number, file) in streams.iter().enumerate() {
        actions.add_dup2(file.as_fd().as_raw_fd(), number as i32)?;
    }
    posix_spawnp(&program, &actions, &attributes, &all, &variables)
}
