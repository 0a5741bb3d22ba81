//! `run`: from a reference to a running container.

use std::path::PathBuf;
use std::process::{Child, Command as Process, ExitCode};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;
use tare_image::bundle::Overrides;
use tare_image::container::{self, Record, Rootfs};
use tare_image::error::During;
use tare_image::reference::Location;
use tare_image::{Error, Kind, Result};

use super::bundle;
use super::options::{self, Options, text};
use super::place;

pub(super) const COMMAND: super::Command = super::Command {
    name: "run",
    usage: "LOCATION [COMMAND...]",
    about: "Run an image: pull if missing, unpack, write config.json, call the runtime",
    options: &[
        ("--name ID", "of the container"),
        ("--keep", "keep its files afterwards, for commit"),
        bundle::OVERRIDES[0],
        bundle::OVERRIDES[1],
        bundle::OVERRIDES[2],
        bundle::OVERRIDES[3],
        bundle::OVERRIDES[4],
        bundle::OVERRIDES[5],
        bundle::OVERRIDES[6],
        bundle::OVERRIDES[7],
        bundle::OVERRIDES[8],
    ],
    run,
};

fn run(mut parser: lexopt::Parser) -> Result<ExitCode> {
    let mut options = Options::default();
    let mut overrides = Overrides::default();
    let (mut name, mut keep, mut rootfs) = (None, false, Rootfs::Overlay);
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
            "flat" => rootfs = Rootfs::Flat,
            other => {
                if !bundle::change(&mut overrides, other, &mut parser)? {
                    options.take(owned.borrow(), &mut parser)?;
                }
            }
        }
    }
    let location: Location = location
        .ok_or_else(|| Error::new(Kind::Usage, "run takes an image"))?
        .parse()?;
    let id = name.unwrap_or_else(|| format!("image-{}", std::process::id()));
    if id.is_empty() || id.contains('/') || id.starts_with('.') {
        return Err(Error::new(
            Kind::Usage,
            format!("{id:?} cannot be the name of a container"),
        ));
    }
    // From here on signals are for the container; this thread waits for them.
    let signals = SigSet::from_iter([
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ]);
    signals
        .thread_block()
        .map_err(|e| Error::system("block signals", e))?;
    overrides.rootless = !rustix::process::getuid().is_root();
    let runtime = runtime()?;
    let store = options.store_as_root()?;
    private_mounts(overrides.rootless)?;
    let (image, reference) = place::local_or_pulled(&store, &location, &options)?;
    let folder = container::folder(&store, &id);
    container::create(
        &store,
        &image,
        &folder,
        rootfs,
        &overrides,
        &options.pull(None),
    )
    .during(|| format!("run {reference}"))?;
    // Other processes may tidy up the store while the container runs; its record keeps its layers.
    drop(store);
    let status = start(&runtime, &folder, &id, signals);
    if keep {
        tare_image::overlay::unmount(&folder.join("rootfs"))?;
        Record::keep(&folder)?;
        eprintln!("{}", folder.display());
    } else {
        container::discard(&options.store()?, &folder)?;
    }
    status.during(|| format!("run {reference}"))
}

/// Mounts made from here on are not seen by others, and vanish with this process.
fn private_mounts(already: bool) -> Result<()> {
    if !already {
        unshare(CloneFlags::CLONE_NEWNS).map_err(|e| Error::system("make a mount namespace", e))?;
    }
    use rustix::mount::{MountPropagationFlags, mount_change};
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .map_err(|e| Error::system("make mounts private", e))
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
            Error::new(Kind::NotFound, "the runtime tare is not installed")
                .hint("Put it on the path, or name it in $TARE")
        })
}

fn start(
    runtime: &PathBuf,
    folder: &std::path::Path,
    id: &str,
    signals: SigSet,
) -> Result<ExitCode> {
    let mut child: Child = Process::new(runtime)
        .arg("run")
        .arg("--bundle")
        .arg(folder)
        .arg(id)
        .spawn()
        .map_err(|e| Error::file("start", runtime, e))?;
    let pid = Pid::from_raw(child.id() as i32);
    // Detached on purpose: it ends with the process.
    std::thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            let _ = nix::sys::signal::kill(pid, signal);
        }
    });
    let status = child
        .wait()
        .map_err(|e| Error::file("wait for", runtime, e))?;
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .or_else(|| status.signal().map(|s| 128 + s))
        .unwrap_or(1);
    Ok(ExitCode::from(code as u8))
}
