//! `kill`: send a signal.

use libcontainer::Container;

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::signal;

// Engines pass it for containers that share a pid namespace.
static ALL: Flag = Flag::switch("all", "signal all processes of the container")
    .short("a")
    .hidden();

pub(crate) static COMMAND: Command = Command {
    name: "kill",
    summary: "send a signal to a container's first process",
    synopsis: "ID [SIGNAL]",
    about: "\
SIGNAL is a number or a name such as KILL, SIGKILL or RTMIN+1; when left out,
what the annotation org.opencontainers.image.stopSignal says, else TERM. KILL ends all processes of a container that has no pid namespace of its
own.",
    examples: &[
        ("kill web", "ask the container web to end"),
        ("kill web KILL", "end it"),
        (
            "kill web RTMIN+3",
            "what systemd in a container takes for shutdown",
        ),
    ],
    flags: &[&ALL],
    order: Order::Anywhere,
    arguments: Arguments::Between(1, 2),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let container = Container::open(global.store(), invocation.id()?)?;
    let signal = match invocation.argument(1)? {
        "" => stop_signal(&container),
        text => {
            signal::parse(text).ok_or_else(|| Failure::new(format!("unknown signal \"{text}\"")))?
        }
    };
    container.kill(signal, invocation.switch(&ALL))?;
    Ok(0)
}

/// How the image wants to be stopped (config.md, "Annotations"; image-spec, conversion.md).
fn stop_signal(container: &Container) -> i32 {
    const KEY: &str = "org.opencontainers.image.stopSignal";
    let annotations = &container.record().annotations;
    match annotations.iter().find(|(key, _)| key == KEY) {
        None => signal::TERM,
        Some((_, value)) => signal::parse(value)
            .filter(|signal| *signal != 0)
            .unwrap_or_else(|| {
                log::warn!("annotations[{KEY:?}]: unknown signal {value:?}: TERM is sent");
                signal::TERM
            }),
    }
}
