//! J6 to J8: what becomes of a container when a hook fails.

use std::time::Duration;

use serde_json::json;

use super::hooks::Log;
use crate::bundle::Bundle;
use crate::case::Case;
use crate::container::Container;
use crate::row::{Row, must};
use crate::verdict::{Stop, Verdict, ensure, fail};

const LIFE: &str = "runtime.md#lifecycle";

macro_rules! at_create {
    ($kind:literal) => {
        must(
            concat!("J6.", $kind),
            LIFE,
            concat!(
                "when a ",
                $kind,
                " hook fails, create gives an error, the container is gone, and poststop hooks run"
            ),
            |c| create(c, $kind),
        )
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    at_create!("prestart"), at_create!("createRuntime"), at_create!("createContainer"),
    must("J6.startContainer", LIFE, "when a startContainer hook fails, start gives an error and the container is stopped", |c| at_start(c, "startContainer").map(drop)),
    must("J6.startContainer-destroyed", LIFE, "when a startContainer hook fails, the container is destroyed: it has no state any more", |c| {
        let (_, container) = at_start(c, "startContainer")?;
        container.refuses(&["state"], &[]).map(drop)
    }),
    must("J6.startContainer-poststop", LIFE, "when a startContainer hook fails, poststop hooks run", |c| at_start(c, "startContainer")?.0.read("poststop").map(drop)),
    must("J6.program", LIFE, "when a startContainer hook fails, the program does not run", |c| {
        let log = Log::new(c)?;
        let bundle = failing(&log, log.bound(c.bundle()), "startContainer");
        let container = bundle.runs("log /log/program -- echo ran").create()?;
        ensure(container.start().is_err(), || "start gave no error".to_owned())?;
        std::thread::sleep(Duration::from_millis(100));
        ensure(!log.0.join("program").exists(), || "the program ran".to_owned())
    }),
    must("J6.later", LIFE, "after a hook that fails no later one of create runs", |c| {
        let log = Log::new(c)?;
        let bundle = failing(&log, c.bundle(), "createRuntime");
        let bundle = log.hook(log.hook(bundle, "createRuntime", "echo ran"), "createContainer", "echo ran");
        bundle.refused()?;
        ensure(!log.0.join("createRuntime").exists() && !log.0.join("createContainer").exists(), || "a later hook ran".to_owned())
    }),
    must("J6.missing", LIFE, "a hook that does not exist is an error of create", |c| {
        c.bundle().push("/hooks/createRuntime", json!({"path": "/no/such/hook"})).refused().map(drop)
    }),
    must("J6.signal", LIFE, "a hook that dies by a signal has failed", |c| {
        let hook = json!({"path": c.probe(), "args": ["probe", "stdin", "--", "kill-self", "15"]});
        c.bundle().push("/hooks/createContainer", hook).refused().map(drop)
    }),
    must("J7", LIFE, "when a poststart hook fails, start gives an error and the container is stopped", |c| at_start(c, "poststart").map(drop)),
    must("J7.destroyed", LIFE, "when a poststart hook fails, the container is destroyed: it has no state any more", |c| {
        let (_, container) = at_start(c, "poststart")?;
        container.refuses(&["state"], &[]).map(drop)
    }),
    must("J7.poststop", LIFE, "when a poststart hook fails, poststop hooks run", |c| at_start(c, "poststart")?.0.read("poststop").map(drop)),
    must("J8", LIFE, "when a poststop hook fails, delete goes on: the others run and the container is gone", |c| {
        let log = Log::new(c)?;
        let bundle = log.hook(failing(&log, c.bundle(), "poststop"), "poststop", "echo ran");
        let container = bundle.start()?;
        container.exit()?;
        container.delete()?;
        log.read("poststop")?;
        container.refuses(&["state"], &[]).map(drop)
    }),
];

fn failing<'a>(_: &Log, bundle: Bundle<'a>, kind: &str) -> Bundle<'a> {
    let path = if kind == "startContainer" {
        "/bin/probe".to_owned()
    } else {
        bundle.case.probe()
    };
    bundle.push(
        &format!("/hooks/{kind}"),
        json!({"path": path, "args": ["probe", "stdin", "--", "false"]}),
    )
}

fn create(c: &Case, kind: &str) -> Verdict {
    let log = Log::new(c)?;
    let bundle = log.hook(failing(&log, c.bundle(), kind), "poststop", "echo ran");
    bundle.refused()?;
    log.read("poststop").map(drop)
}

fn at_start<'a>(c: &'a Case, kind: &str) -> Verdict<(Log, Container<'a>)> {
    let log = Log::new(c)?;
    let bundle = log.hook(
        failing(&log, log.bound(c.bundle()), kind),
        "poststop",
        "echo ran",
    );
    let container = bundle.runs("sleep 60").create()?;
    match container.start() {
        Err(Stop::Refused(_)) => {}
        Err(other) => return Err(other),
        Ok(()) => return fail("start gave no error"),
    }
    container.exit()?;
    Ok((log, container))
}
