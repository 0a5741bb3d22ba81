//! `events`: statistics and out-of-memory events as they come.

use std::time::Duration;

use libcontainer::{Container, Event};

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::output;

static INTERVAL: Flag = Flag::duration("interval", "time between statistics (default: 5s)");
static STATS: Flag = Flag::switch("stats", "print statistics once and end");

const USUAL_INTERVAL: Duration = Duration::from_secs(5);

pub(crate) static COMMAND: Command = Command {
    name: "events",
    summary: "print statistics and events of a container",
    synopsis: "ID",
    about: "Prints one JSON document a line until the container ends.",
    examples: &[
        ("events --stats web", "statistics, once"),
        (
            "events --interval 1s web",
            "statistics every second, and out-of-memory events",
        ),
    ],
    flags: &[&INTERVAL, &STATS],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let interval = invocation.duration(&INTERVAL);
    if interval == Some(Duration::ZERO) {
        return Err(Failure::new("duration interval must be greater than 0"));
    }
    let container = Container::open(global.store(), invocation.id()?)?;
    if invocation.switch(&STATS) {
        print(&container, &Event::Stats(Box::new(container.stats()?)))?;
        return Ok(0);
    }
    let mut printed = Ok(());
    container.watch(interval.unwrap_or(USUAL_INTERVAL), &mut |event| {
        printed = print(&container, &event);
        printed.is_ok()
    })?;
    printed.map(|()| 0)
}

/// Prints one document.
fn print(container: &Container, event: &Event) -> Result<(), Failure> {
    #[derive(serde::Serialize)]
    struct Document<'a> {
        r#type: &'static str,
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a libcontainer::cgroups::Stats>,
    }
    let (kind, data) = match event {
        Event::Stats(stats) => ("stats", Some(&**stats)),
        Event::Oom => ("oom", None),
    };
    let document = Document {
        r#type: kind,
        id: container.id(),
        data,
    };
    output::print(&output::line(&document)?)
}
