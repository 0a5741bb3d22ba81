//! K1, K2, K9: what `state` says, at every moment.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::hooks::Log;
use crate::case::Case;
use crate::row::{Row, must};
use crate::runtime;
use crate::verdict::{Setup, Verdict, ensure, fail, same};

const STATE: &str = "runtime.md#state";
const QUERY: &str = "runtime.md#query-state";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("K1", STATE, "the state has `ociVersion`, `id`, `status`, `pid` and `bundle`, of the right types", |c| {
        let bundle = c.bundle();
        let container = bundle.runs("sleep 60").create()?;
        for status in ["created", "running"] {
            let state = container.state()?;
            shape(&state)?;
            same("status", state["status"].as_str(), Some(status))?;
            same("id", state["id"].as_str(), Some(container.id.as_str()))?;
            if status == "created" {
                container.start()?;
            }
        }
        container.end()?;
        shape(&container.state()?)
    }),
    must("K1.pid", STATE, "`pid` is the container's process", |c| {
        let container = c.bundle().runs("sleep 60").start()?;
        crate::container::wait_for("the container's program in the process of this pid", || {
            let name = std::fs::read(container.proc_path("cmdline")).unwrap_or_default();
            name.starts_with(b"/bin/probe\0sleep\0").then_some(())
        })
    }),
    must("K1.bundle", STATE, "`bundle` is the absolute path of the bundle, also when create was given a relative one", |c| {
        let bundle = c.bundle();
        bundle.write()?;
        let id = c.id();
        let name = bundle.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        c.open.borrow_mut().push((id.clone(), Vec::new(), 0));
        let output = c.call(&["create", "--bundle", &name, &id])?;
        ensure(output.ok(), || output.said())?;
        let output = c.call(&["state", &id])?;
        let state: Value = serde_json::from_str(&output.out).setup("read the state")?;
        same("bundle", state["bundle"].as_str(), bundle.path.to_str())
    }),
    must("K1.annotations", STATE, "`annotations` are those of the configuration, at every moment", |c| {
        let all = json!({"a": "b", "c": ""});
        let container = c.bundle().set("/annotations", all.clone()).create()?;
        same("created", &container.state()?["annotations"], &all)?;
        container.start()?;
        container.exit()?;
        same("stopped", &container.state()?["annotations"], &all)
    }),
    must("K2", STATE, "the status is created, running, stopped, as the container's process is", |c| {
        let container = c.bundle().runs("wait-signal").create()?;
        same("after create", container.status()?.as_str(), "created")?;
        container.start()?;
        same("after start", container.status()?.as_str(), "running")?;
        container.says("ready")?;
        container.kill("TERM")?;
        container.exit()?;
        same("after the end", container.status()?.as_str(), "stopped")
    }),
    must("K2.died", STATE, "a created container whose process died is stopped", |c| {
        let container = c.bundle().create()?;
        container.kill("KILL")?;
        container.exit()?;
        same("status", container.status()?.as_str(), "stopped")
    }),
    must("K2.creating", STATE, "while create runs, the state as another process sees it is `creating` or an error", creating),
    must("K2.starting", STATE, "while start runs its hooks, the state is created or running", |c| {
        let log = Log::new(c)?;
        let hook = json!({"path": "/bin/probe", "args": ["probe", "stdin", "--", "sleep", "0.7"]});
        let container = log.bound(c.bundle()).push("/hooks/startContainer", hook).runs("sleep 60").create()?;
        let (start, seen) = watched(c, &container.id, || container.start())?;
        start?;
        for status in &seen {
            ensure(["created", "running"].contains(&status.as_str()), || format!("seen: {seen:?}"))?;
        }
        same("status", container.status()?.as_str(), "running")
    }),
    must("K9", QUERY, "the state of a container that does not exist is an error", |c| {
        ensure(!c.call(&["state", &c.id()])?.ok(), || "state gave no error".to_owned())
    }),
    must("K9.deleted", QUERY, "the state of a deleted container is an error", |c| {
        let container = c.bundle().start()?;
        container.exit()?;
        container.delete()?;
        container.refuses(&["state"], &[]).map(drop)
    }),
];

/// As schema/state-schema.json has it.
fn shape(state: &Value) -> Verdict {
    for key in ["ociVersion", "id", "status", "bundle"] {
        ensure(state[key].is_string(), || format!("{key} in {state}"))?;
    }
    let version = state["ociVersion"].as_str().unwrap_or_default();
    ensure(version.split('.').count() >= 3, || {
        format!("ociVersion: {version:?}")
    })?;
    ensure(
        state["bundle"]
            .as_str()
            .is_some_and(|path| path.starts_with('/')),
        || format!("bundle in {state}"),
    )?;
    let status = state["status"].as_str().unwrap_or_default();
    if ["created", "running"].contains(&status) {
        ensure(state["pid"].as_i64().is_some_and(|pid| pid > 0), || {
            format!("pid in {state}")
        })?;
    }
    match &state["annotations"] {
        Value::Null => Ok(()),
        Value::Object(map) if map.values().all(Value::is_string) => Ok(()),
        other => fail(format!("annotations: {other}")),
    }
}

/// Does something while another thread asks for the status of a container; the different answers in their order.
fn watched<T: Send>(c: &Case, id: &str, act: impl FnOnce() -> T) -> Verdict<(T, Vec<String>)> {
    let over = AtomicBool::new(false);
    // A case belongs to one thread: the watcher has one of its own, with the same state folder.
    let (program, state, folder) = (c.program().to_owned(), c.state(), c.folder.clone());
    let watch = || {
        let mut seen: Vec<String> = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let mut command = std::process::Command::new(&program);
            command
                .arg("--root")
                .arg(&state)
                .args(["state", id])
                .current_dir(&folder);
            if let Ok(output) = command.stdin(std::process::Stdio::null()).output()
                && let Ok(state) = serde_json::from_slice::<Value>(&output.stdout)
                && output.status.success()
            {
                let status = state["status"].as_str().unwrap_or_default().to_owned();
                if seen.last() != Some(&status) {
                    seen.push(status);
                }
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        seen
    };
    std::thread::scope(|scope| {
        let watcher = scope.spawn(watch);
        let result = act();
        over.store(true, Ordering::Relaxed);
        match watcher.join() {
            Ok(seen) => Ok((result, seen)),
            Err(_) => fail("the watcher panicked"),
        }
    })
}

fn creating(c: &Case) -> Verdict {
    let hook = json!({"path": c.probe(), "args": ["probe", "stdin", "--", "sleep", "0.7"]});
    let bundle = c
        .bundle()
        .push("/hooks/createRuntime", hook.clone())
        .push("/hooks/createContainer", hook);
    let id = c.id();
    let (output, seen) = watched(c, &id, || bundle.try_create(&id))?;
    let output = output?;
    ensure(output.ok(), || output.said())?;
    // The last look may have been after create's end.
    let before: Vec<&String> = seen.iter().filter(|status| *status != "creating").collect();
    ensure(
        before.is_empty()
            || (before.len() == 1 && seen.last() == Some(&"created".to_owned()) && seen.len() == 2),
        || format!("seen while create ran: {seen:?}"),
    )?;
    runtime::call(c, &[], &["state", &id]).map(drop)
}
