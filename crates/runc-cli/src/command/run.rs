//! `run`: create and start; without `--detach` also wait, and pass the exit code on.

use libcontainer::RunOptions;

use super::{Arguments, Command, create};
use crate::failure::Failure;
use crate::flag::{
    BUNDLE, CONSOLE_SOCKET, DETACH, Flag, NO_NEW_KEYRING, NO_PIVOT, NO_SUBREAPER, PID_FILE,
    PIDFD_SOCKET, PRESERVE_FDS,
};
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
    let options = RunOptions {
        create: create::options(global, invocation)?,
        detach: invocation.switch(&DETACH),
        keep: invocation.switch(&KEEP),
        no_subreaper: invocation.switch(&NO_SUBREAPER),
    };
    let bundle = create::bundle(invocation)?;
    global.prepare_root()?;
    Ok(libcontainer::run(&global.store(), id, &bundle, &options)?)
}
