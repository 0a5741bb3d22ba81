//! `create`: everything up to the start of the container's program.

use std::path::{Path, PathBuf};

use libcontainer::{Bundle, Container, CreateOptions};

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::{
    BUNDLE, CONSOLE_SOCKET, NO_NEW_KEYRING, NO_PIVOT, PID_FILE, PIDFD_SOCKET, PRESERVE_FDS,
};
use crate::foreground;
use crate::global::Global;
use crate::invocation::{Invocation, Order, absolute};
use crate::timings::TIMINGS;

pub(crate) static COMMAND: Command = Command {
    name: "create",
    summary: "create a container",
    synopsis: "ID",
    about: "\
Sets up a container from a bundle: a directory with a config.json and a root
file system. The container's own program waits until `{name} start ID`.

Nothing is printed on success: standard input, output and error are the
container's.",
    examples: &[
        (
            "create --bundle /srv/web web",
            "make the container web; its program waits",
        ),
        (
            "create --console-socket tty.sock --pid-file web.pid web",
            "with a terminal, whose descriptor is sent to a socket",
        ),
    ],
    flags: &[
        &BUNDLE,
        &CONSOLE_SOCKET,
        &PIDFD_SOCKET,
        &PID_FILE,
        &NO_PIVOT,
        &NO_NEW_KEYRING,
        &PRESERVE_FDS,
        &TIMINGS,
    ],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    create(global, invocation).map_err(|failure| {
        let prefix = format!("{} create failed: ", global.program.name);
        failure.prefix(&prefix)
    })
}

fn create(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let id = invocation.id()?;
    let mut options = options(global, invocation)?;
    let socket = invocation.path(&CONSOLE_SOCKET)?;
    let has_socket = socket.is_some();
    options.console = foreground::console(true, socket)?;
    let bundle = bundle(invocation)?;
    global.prepare_root()?;
    let created = Container::create(global.store(), id, &bundle, options);
    let created = created.map_err(|error| foreground::in_words_of_runc(error, has_socket))?;
    created.process.release();
    Ok(0)
}

/// The bundle that `--bundle` names, or the one in the current directory.
pub(super) fn bundle(invocation: &Invocation) -> Result<Bundle, Failure> {
    let dir = match invocation.path(&BUNDLE)? {
        Some(dir) => dir,
        None => absolute(Path::new("."))?,
    };
    Ok(Bundle::load(&dir)?)
}

/// What the flags say that `create`, `run`, `check` and `plan` share.
pub(super) fn options(global: &Global, invocation: &Invocation) -> Result<CreateOptions, Failure> {
    let listen_fds = listen_fds();
    let mut options = CreateOptions::default();
    options.pidfd_socket = invocation.path(&PIDFD_SOCKET)?;
    options.pid_file = invocation.path(&PID_FILE)?;
    options.notify_socket = notify_socket();
    options.preserve_fds = preserve_fds(invocation)?.saturating_add(listen_fds);
    options.listen_fds = listen_fds;
    options.no_pivot = invocation.switch(&NO_PIVOT);
    options.no_new_keyring = invocation.switch(&NO_NEW_KEYRING);
    options.systemd_cgroup = global.systemd_cgroup;
    options.rootless = global.rootless;
    Ok(options)
}

/// `--preserve-fds`, as a number of descriptors.
pub(super) fn preserve_fds(invocation: &Invocation) -> Result<u32, Failure> {
    let number = invocation.number(&PRESERVE_FDS).unwrap_or(0);
    u32::try_from(number)
        .map_err(|_| Failure::new(format!("invalid value {number} for --preserve-fds")))
}

/// Where a service manager waits to be told that the container is ready (sd_notify(3)).
pub(super) fn notify_socket() -> Option<PathBuf> {
    let path = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

/// How many descriptors a service manager passed for the container to listen on (sd_listen_fds(3)).
///
/// Only when they are meant for this process: the variables survive in the environment of children.
fn listen_fds() -> u32 {
    let read = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    match read("LISTEN_FDS") {
        Some(count) if read("LISTEN_PID") == Some(std::process::id()) => count,
        _ => 0,
    }
}
