//! `run`: from a reference to a running container.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use tare_image::bundle::Overrides;
use tare_image::container::{self, Record, Rootfs, Runtime};
use tare_image::error::Doing;
use tare_image::error::During;
use tare_image::location::Location;
use tare_image::{Error, Result};

use super::options::{self, Options, Outcome, text};
use super::output::put;
use super::place;
use super::runtime_log::{self, RuntimeLog};

pub(super) const COMMAND: super::Command = super::Command {
    name: "run",
    usage: "LOCATION [COMMAND...]",
    about: "Run an image: pull if missing, unpack, write config.json, call the runtime",
    options: &[
        ("--name ID", "of the container"),
        ("--keep", "keep its files afterwards, for commit"),
        (
            "--interactive, -i",
            "pass on standard input, which is always done",
        ),
        (
            "--detach, -d",
            "print the name and end; what it writes goes to a file in its folder",
        ),
        ("--rm", "remove its files afterwards, which is always done"),
        (
            "--pull WHEN",
            "always, missing (only what is not here) or never (missing)",
        ),
        (
            "--flat",
            "all layers in one directory instead of an overlay",
        ),
    ],
    run,
};

/// The exit status when there is no container whose status could be passed on.
pub(super) const FAILURE: u8 = runtime_log::NO_CONTAINER;

fn run(mut parser: lexopt::Parser) -> Outcome<ExitCode> {
    let mut options = Options::default();
    let mut overrides = Overrides::default();
    let (mut name, mut keep, mut rootfs) = (None, false, Rootfs::Overlay);
    let (mut detach, mut pull) = (false, place::Pull::Missing);
    let mut location = None;
    // The command's own options are not ours: everything after the image belongs to it.
    while let Some(argument) = options::next(&mut parser)? {
        if let lexopt::Arg::Value(value) = argument {
            location = Some(value.to_string_lossy().into_owned());
            let rest = parser.raw_args().map_err(|e| options::usage(&e))?;
            overrides.command = rest.map(|a| a.to_string_lossy().into_owned()).collect();
            break;
        }
        let owned = options::own(&argument);
        match owned.name().as_str() {
            "name" => name = Some(text(&mut parser)?),
            "keep" => keep = true,
            // It always is; people are used to writing it.
            "interactive" | "i" | "rm" => {}
            "detach" | "d" => detach = true,
            "pull" => pull = text(&mut parser)?.parse()?,
            "flat" => rootfs = Rootfs::Flat,
            other => {
                if !overrides.set(other, &mut || text(&mut parser))? {
                    options.take(owned.borrow(), &mut parser)?;
                }
            }
        }
    }
    let location: Location = location
        .ok_or_else(|| failure!(Usage: "run takes an image"))?
        .parse()?;
    let id = name.unwrap_or_else(|| format!("image-{}", std::process::id()));
    container::check_id(&id)?;
    if detach && (overrides.terminal || keep) {
        fail!(Usage: "--detach goes with neither --tty nor --keep");
    }
    overrides.rootless = !rustix::process::getuid().is_root();
    let runtime = runtime()?;
    let store = options.store_to_use()?;
    private_mounts(overrides.rootless)?;
    let (image, reference) = place::local_or(pull, &store, &location, &options)?;
    let folder = store.container(&id);
    container::create(
        &store,
        &image,
        &folder,
        rootfs,
        &overrides,
        &options.pull(None),
    )
    .during(|| format!("run {reference}"))?;
    let state = state(&folder, overrides.rootless);
    Record::started(
        &folder,
        Runtime {
            program: runtime.clone(),
            state: state.clone(),
            id: id.clone(),
        },
    )?;
    // Other processes may tidy up the store while the container runs; its record keeps its layers.
    drop(store);
    let status = start(&runtime, state.as_deref(), &folder, &id, detach);
    if detach && matches!(&status, Ok(code) if *code == 0) {
        // Nobody waits for its end: "gc" removes what is left then.
        put!("{id}");
        return Ok(ExitCode::SUCCESS);
    }
    let status = status.map(ExitCode::from);
    let tidied = if keep {
        kept(&folder)
    } else {
        (options.store_to_use()).and_then(|store| container::discard(&store, &folder))
    };
    // The container has run: its status is what the caller waits for, whatever became of its files.
    if let (Ok(_), Err(error)) = (&status, tidied) {
        log::warn!("run {reference}: {error}");
    }
    Ok(status.during(|| format!("run {reference}"))?)
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
    let beside = std::env::current_exe()
        .ok()
        .and_then(|p| Some(p.parent()?.join("tare")))
        .filter(|p| p.exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .or_else(|| {
            std::env::split_paths(&path)
                .map(|d| d.join("tare"))
                .find(|p| p.exists())
        })
        .ok_or_else(|| {
            failure!(NotFound: "the runtime tare is not installed" => "Put it on the path, or name it in $TARE")
        })
}

/// Calls the runtime and passes on signals and the exit code.
fn start(
    runtime: &Path,
    state: Option<&Path>,
    folder: &Path,
    id: &str,
    detach: bool,
) -> Result<u8> {
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
    if let Some(state) = state {
        arguments.extend([OsStr::new("--root"), state.as_os_str()]);
    }
    arguments.extend([
        OsStr::new("--log"),
        log.path.as_os_str(),
        OsStr::new("--log-format"),
        OsStr::new("json"),
        OsStr::new("run"),
    ]);
    arguments.extend(detach.then_some(OsStr::new("--detach")));
    arguments.extend([OsStr::new("--bundle"), folder.as_os_str(), OsStr::new(id)]);
    let streams = match detach {
        true => detached(folder)?,
        false => Vec::new(),
    };
    let pid = spawn(runtime, &arguments, &streams).at("start", runtime)?;
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
            Err(e) => return Err(Error::file("wait for", runtime, e.into())),
        }
    };
    // A container may end with the same status, but then there is no error in the log.
    let verdict = log.verdict().filter(|_| ended == runtime_log::FAILED);
    Ok(verdict.unwrap_or(ended as u8))
}

/// Not by the standard library, whose children inherit the mask: the container would never hear of these signals.
/// Nothing to read, and a file in the container's folder to write to.
fn detached(folder: &Path) -> Result<Vec<File>> {
    let null = Path::new("/dev/null");
    let path = folder.join("output");
    let output = File::create_new(&path).at("make", &path)?;
    let copy = output.try_clone().doing("duplicate descriptor")?;
    Ok(vec![File::open(null).at("open", null)?, output, copy])
}

/// The child's standard input and so on are `streams`, where there are some.
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
