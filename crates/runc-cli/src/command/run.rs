//! `run`: create and start; without `--detach` also wait, and pass the exit code on.

use libcontainer::Container;

use super::{Arguments, Command, create};
use crate::failure::Failure;
use crate::flag::{
    BUNDLE, CONSOLE_SOCKET, DETACH, Flag, NO_NEW_KEYRING, NO_PIVOT, NO_SUBREAPER, PID_FILE,
    PIDFD_SOCKET, PRESERVE_FDS,
};
use crate::foreground::{self, Waiting};
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::timings::TIMINGS;

static KEEP: Flag = Flag::switch(
    "keep",
    "do not delete the container when its process has ended",
);

pub(crate) static COMMAND: Command = Command {
    name: "run",
    summary: "create and run a container",
    synopsis: "ID",
    about: "\
Creates a container from a bundle and starts it. In the foreground, signals
are passed to the container's process, and its exit code becomes {name}'s (128
and the signal's number when a signal ended it).",
    examples: &[
        ("run --bundle /srv/web web", "run a bundle on this terminal"),
        ("run --detach --pid-file web.pid web", "start it and return"),
    ],
    flags: &[
        &BUNDLE,
        &CONSOLE_SOCKET,
        &PIDFD_SOCKET,
        &PID_FILE,
        &DETACH,
        &KEEP,
        &NO_SUBREAPER,
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
    create_and_run(global, invocation).map_err(|failure| {
        let prefix = format!("{} run failed: ", global.program.name);
        failure.prefix(&prefix)
    })
}

fn create_and_run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let id = invocation.id()?;
    let (detach, keep) = (invocation.switch(&DETACH), invocation.switch(&KEEP));
    let mut options = create::options(global, invocation)?;
    let bundle = create::bundle(invocation)?;
    global.prepare_root()?;
    let socket = invocation.path(&CONSOLE_SOCKET)?;
    let has_socket = socket.is_some();
    options.console = match foreground::console(detach, socket) {
        // That comes first.
        Err(_) if bundle.spec()?.process.is_none() => None,
        console => console?,
    };
    // Before there is a child whose end could be missed.
    let waiting = match detach {
        true => None,
        false => Some(Waiting::begin()?),
    };
    if waiting.is_some() {
        options.attended = !keep;
        if !invocation.switch(&NO_SUBREAPER) {
            kernel::identity::set_child_subreaper(true)
                .map_err(|fault| Failure::io("become a subreaper", &fault.into()))?;
        }
    }
    let running = Container::run(global.store(), id, &bundle, options)
        .map_err(|error| foreground::in_words_of_runc(error, has_socket))?;
    let Some(waiting) = waiting else {
        if let Some(readiness) = &running.readiness {
            readiness.wait(&running.process)?;
        }
        running.process.release();
        return Ok(0);
    };
    let status = waiting.wait(running.process, running.readiness.as_ref());
    if !keep {
        foreground::remove(&running.container, &status);
    }
    status
}
