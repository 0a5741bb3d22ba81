//! `plan`: the steps that `create` would take, without taking them.

use std::path::Path;

use libcontainer::{Bundle, Console};

use super::{Arguments, Command, create};
use crate::failure::Failure;
use crate::flag::{BUNDLE, Flag, NO_NEW_KEYRING, NO_PIVOT};
use crate::global::Global;
use crate::invocation::{Invocation, Order, absolute};
use crate::output;

static JSON: Flag = Flag::switch("json", "print JSON");

pub(crate) static COMMAND: Command = Command {
    name: "plan",
    summary: "print the steps that create would take",
    synopsis: "[BUNDLE]",
    about: "\
Lists, in order, every step from `create` to the start of the container's
program: who performs it, and which field of config.json asks for it. Nothing
on the system changes.",
    examples: &[
        ("plan /srv/web", "what create would do with this bundle"),
        ("plan --json /srv/web", "the same for programs"),
    ],
    flags: &[&JSON, &BUNDLE, &NO_PIVOT, &NO_NEW_KEYRING],
    order: Order::Anywhere,
    arguments: Arguments::Between(0, 1),
    run,
};

/// The id of a container that is never made; the default cgroup is named after it.
const NO_ID: &str = "plan";

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let mut options = create::options(global, invocation)?;
    // As `run` in the foreground would do it.
    options.console = Some(Console::Relay { size: None });
    let bundle = match invocation.arguments.first() {
        Some(dir) => Bundle::load(&absolute(Path::new(dir))?)?,
        None => create::bundle(invocation)?,
    };
    let plan = libcontainer::plan_of(global.store(), &bundle, NO_ID, &options)?;
    let mut text = if invocation.switch(&JSON) {
        plan.to_json()
    } else {
        plan.to_string()
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    output::print(&text).map(|()| 0)
}
