//! J1 to J5, J9: hooks: when they run, where, and with what.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::case::Case;
use crate::container::namespace;
use crate::row::{Row, must, should};
use crate::verdict::{Setup, Verdict, ensure, fail, same, skip};

const HOOKS: &str = "config.md#posix-platform-hooks";

/// The kinds in the order in which they run.
pub(crate) const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("J1", HOOKS, "hooks of all six kinds run, in the listed order", order),
    must("J1.pivot", "config.md#createcontainer-hooks", "createContainer hooks run before the change of root and after the mounts", |c| {
        let log = Log::new(c)?;
        let bundle = log.hook(c.bundle(), "createContainer", "cat /proc/self/mountinfo");
        let root = bundle.root();
        bundle.see("true")?;
        let text = log.read("createContainer")?;
        let below = crate::tree::mounts(&text).into_iter().any(|mount| mount.at == root.join("proc").display().to_string());
        ensure(below, || format!("no proc below {} in {:?}", root.display(), crate::container::short(&text)))
    }),
    must("J1.before-start", "config.md#startcontainer-hooks", "startContainer hooks run in start, not in create", |c| {
        let log = Log::new(c)?;
        let container = log.hook(c.bundle(), "startContainer", "echo ran").create()?;
        ensure(!log.0.join("startContainer").exists(), || "it ran in create".to_owned())?;
        container.start()?;
        log.read("startContainer").map(drop)
    }),
    must("J1.poststart", "config.md#poststart", "poststart hooks run after the program was started and before start returns", |c| {
        let log = Log::new(c)?;
        let container = log.hook(c.bundle(), "poststart", "echo ran").runs("sleep 60").create()?;
        ensure(!log.0.join("poststart").exists(), || "it ran in create".to_owned())?;
        container.start()?;
        ensure(log.0.join("poststart").exists(), || "start returned before it ran".to_owned())
    }),
    must("J2.runtime", HOOKS, "prestart, createRuntime, poststart and poststop hooks run in the runtime's namespaces", |c| {
        let (own, logs) = (own_namespaces()?, everywhere(c)?.1);
        for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
            same(kind, &logs[kind], &own)?;
        }
        Ok(())
    }),
    must("J2.container", HOOKS, "createContainer and startContainer hooks run in the container's namespaces", |c| {
        let (container, logs) = everywhere(c)?;
        for kind in ["createContainer", "startContainer"] {
            same(kind, &logs[kind], &container)?;
        }
        Ok(())
    }),
    must("J2.path", HOOKS, "the path of a startContainer hook is the container's, that of a createContainer hook the runtime's", |c| {
        let log = Log::new(c)?;
        let file = log.0.join("out");
        // Each program exists on one side only.
        let host = json!({"path": c.probe(), "args": ["probe", "stdin", "--", "log", file, "--", "echo", "host"]});
        let inside = json!({"path": "/bin/probe", "args": ["probe", "stdin", "--", "log", "/log/out", "--", "echo", "inside"]});
        let bundle = c.bundle().bound("/log", &log.0).push("/hooks/createContainer", host).push("/hooks/startContainer", inside);
        bundle.see("true")?;
        same("log", log.read("out")?.as_str(), "host\ninside\n")
    }),
    must("J3", HOOKS, "each hook gets the container's state on standard input", |c| {
        let (id, states) = states(c)?;
        for (kind, state) in &states {
            same(&format!("{kind}: id"), state["id"].as_str(), Some(id.as_str()))?;
            for key in ["ociVersion", "status", "bundle"] {
                ensure(state[key].is_string(), || format!("{kind}: {key} in {state}"))?;
            }
            same(&format!("{kind}: annotations"), &state["annotations"]["a"], &json!("b"))?;
        }
        same("hooks", states.len(), KINDS.len())
    }),
    must("J3.status", "runtime.md#state", "hooks get the status of their moment", |c| {
        let wanted = [("prestart", "creating"), ("createRuntime", "creating"), ("createContainer", "creating"), ("startContainer", "created"),
            ("poststart", "running"), ("poststop", "stopped")];
        let (_, states) = states(c)?;
        for (kind, status) in wanted {
            same(kind, states[kind]["status"].as_str(), Some(status))?;
        }
        Ok(())
    }),
    must("J3.pid", "runtime.md#state", "the pid is the one that the hook's namespace has", |c| {
        let (_, states) = states(c)?;
        for kind in ["createContainer", "startContainer"] {
            same(kind, states[kind]["pid"].as_i64(), Some(1))?;
        }
        let first = states["createRuntime"]["pid"].as_i64();
        ensure(first.is_some_and(|pid| pid > 1), || format!("createRuntime: {first:?}"))?;
        for kind in ["prestart", "poststart"] {
            same(kind, states[kind]["pid"].as_i64(), first)?;
        }
        Ok(())
    }),
    must("J4.env", HOOKS, "a hook has just the variables of its `env`", |c| {
        for env in [json!(["A=b c", "D="]), json!([])] {
            for kind in KINDS {
                let log = Log::new(c)?;
                let mut hook = log.entry(c, kind, "env");
                hook["env"] = env.clone();
                log.bound(c.bundle()).push(&format!("/hooks/{kind}"), hook).see("true")?;
                let wanted: String = env.as_array().into_iter().flatten().filter_map(Value::as_str).map(|line| format!("{line}\n")).collect();
                same(kind, log.read(kind)?, wanted)?;
            }
        }
        Ok(())
    }),
    must("J4.args", HOOKS, "a hook gets its `args` as they are, the first included", |c| {
        let log = Log::new(c)?;
        let mut hook = log.entry(c, "createRuntime", "args");
        let words = ["any name", "log", log.0.join("createRuntime").to_str().unwrap_or_default(), "--", "args", "a b", ""].map(str::to_owned);
        hook["args"] = json!(words);
        c.bundle().push("/hooks/createRuntime", hook).see("true")?;
        same("log", log.read("createRuntime")?.as_str(), "any name\na b\n\n")
    }),
    must("J4.identity", HOOKS, "hooks in the runtime's namespaces run as the runtime's user, with its groups", |c| {
        let log = Log::new(c)?;
        let bundle = log.hook(c.bundle().aid("/process/user", json!({"uid": 1000, "gid": 1000})), "createRuntime", "status Uid Gid");
        bundle.see("true")?;
        same("ids", log.read("createRuntime")?.as_str(), "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n")
    }),
    should("J4.cwd", HOOKS, "a hook's working directory exists in the namespace in which it runs", |c| {
        let log = Log::new(c)?;
        let mut bundle = c.bundle();
        for kind in KINDS {
            bundle = log.hook(bundle, kind, "pwd");
        }
        bundle.see("true")?;
        for kind in KINDS {
            let text = log.read(kind)?;
            ensure(text.starts_with('/'), || format!("{kind}: {text:?}"))?;
        }
        Ok(())
    }),
    must("J3.unread", HOOKS, "a hook need not read the state", |c| {
        for kind in KINDS {
            let program = if kind == "startContainer" { "/bin/probe".to_owned() } else { c.probe() };
            let hook = json!({"path": program, "args": ["probe", "true"]});
            super::general::named(kind, c.bundle().aid(&format!("/hooks/{kind}"), json!([hook])).see("true"))?;
        }
        Ok(())
    }),
    must("J4.descriptors", HOOKS, "a hook has no descriptors besides the standard ones", |c| {
        let log = Log::new(c)?;
        log.hook(c.bundle(), "createRuntime", "fds").see("true")?;
        let text = log.read("createRuntime")?;
        // One more is the log itself.
        let open = text.lines().filter(|line| !line.contains("/createRuntime")).count();
        ensure(open <= 3, || format!("open: {text:?}"))
    }),
    must("J5", HOOKS, "a hook that outlasts its `timeout` is ended and an error", |c| {
        let log = Log::new(c)?;
        let hook = json!({"path": c.probe(), "args": ["probe", "stdin", "--", "log", log.0.join("out"), "--", "echo", "begun", "--", "sleep", "25", "--", "echo", "ended"], "timeout": 1});
        let begin = Instant::now();
        c.bundle().push("/hooks/createRuntime", hook).refused()?;
        ensure(begin.elapsed() < Duration::from_secs(15), || "create waited for it all the same".to_owned())?;
        same("log", log.read("out")?.as_str(), "begun\n")
    }),
    must("J5.range", HOOKS, "a `timeout` of zero or less is an error", |c| {
        for timeout in [0, -1] {
            let hook = json!({"path": c.probe(), "args": ["probe", "true"], "timeout": timeout});
            super::general::named(&timeout.to_string(), c.bundle().push("/hooks/poststop", hook).refused())?;
        }
        Ok(())
    }),
    must("J5.enough", HOOKS, "a hook that ends within its `timeout` is no error", |c| {
        let hook = json!({"path": c.probe(), "args": ["probe", "stdin", "--", "sleep", "0.2"], "timeout": 20});
        c.bundle().aid("/hooks/createRuntime", json!([hook])).see("true").map(drop)
    }),
    must("J9", "runtime.md#errors", "what a failing hook says is in the error, where the runtime tells anything of it", |c| {
        let hook = json!({"path": c.probe(), "args": ["probe", "stdin", "--", "err", "the-reason", "--", "false"]});
        let output = c.bundle().push("/hooks/createRuntime", hook).try_create(&c.id())?;
        ensure(!output.ok(), || "create gave no error".to_owned())?;
        match output.err.contains("the-reason") || output.out.contains("the-reason") {
            true => Ok(()),
            false => skip("optional: errors need not be told"),
        }
    }),
];

/// A folder for what hooks say; inside of containers it is /log.
pub(crate) struct Log(pub(crate) PathBuf);

impl Log {
    pub(crate) fn new(c: &Case) -> Verdict<Log> {
        let name = c.id();
        Ok(Log(c.folder(&name)?))
    }

    pub(crate) fn bound<'a>(&self, bundle: Bundle<'a>) -> Bundle<'a> {
        match bundle.config["mounts"].to_string().contains("\"/log\"") {
            true => bundle,
            false => bundle.bound("/log", &self.0),
        }
    }

    /// A hook that runs commands of the probe and writes what they say to a file of its kind's name.
    pub(crate) fn entry(&self, c: &Case, kind: &str, commands: &str) -> Value {
        let inside = kind == "startContainer";
        let program = if inside {
            "/bin/probe".to_owned()
        } else {
            c.probe()
        };
        let folder = if inside { Path::new("/log") } else { &self.0 };
        let file = folder.join(kind).display().to_string();
        let mut words = vec!["probe"];
        // Whether runtimes bear hooks that leave the state unread is a row of its own.
        if commands != "stdin" {
            words.extend(["stdin", "--"]);
        }
        words.extend(["log", &file, "--"]);
        words.extend(commands.split(' '));
        json!({"path": program, "args": words})
    }

    pub(crate) fn hook<'a>(&self, bundle: Bundle<'a>, kind: &str, commands: &str) -> Bundle<'a> {
        let entry = self.entry(bundle.case, kind, commands);
        self.bound(bundle).push(&format!("/hooks/{kind}"), entry)
    }

    pub(crate) fn read(&self, kind: &str) -> Verdict<String> {
        match fs::read_to_string(self.0.join(kind)) {
            Ok(text) => Ok(text),
            Err(_) => fail(format!("{kind}: the hook did not run")),
        }
    }
}

fn order(c: &Case) -> Verdict {
    let log = Log::new(c)?;
    let mut bundle = log.bound(c.bundle());
    let mut wanted = String::new();
    for kind in KINDS {
        for number in ["1", "2"] {
            let inside = kind == "startContainer";
            let file = if inside {
                PathBuf::from("/log/all")
            } else {
                log.0.join("all")
            };
            let program = if inside {
                "/bin/probe".to_owned()
            } else {
                c.probe()
            };
            let words = json!([
                "probe", "stdin", "--", "log", file, "--", "echo", kind, number
            ]);
            bundle = bundle.push(
                &format!("/hooks/{kind}"),
                json!({"path": program, "args": words}),
            );
            if kind == "poststart" && number == "1" {
                wanted += "program\n";
            }
            wanted += &format!("{kind} {number}\n");
        }
    }
    bundle.see("log /log/all -- echo program")?;
    // The program and the poststart hooks run at the same time: it is only said that they come after it was executed.
    let without = |text: &str| text.replace("program\n", "");
    let text = log.read("all")?;
    ensure(text.contains("program\n"), || {
        format!("the program did not run: {text:?}")
    })?;
    same("order", without(&text), without(&wanted))
}

/// Namespaces of this process, as hooks print them.
fn own_namespaces() -> Verdict<Vec<String>> {
    NAMESPACES
        .iter()
        .map(|kind| namespace("self", kind))
        .collect()
}

const NAMESPACES: [&str; 5] = ["mnt", "uts", "ipc", "net", "pid"];

type Lines = Vec<String>;

/// The container's namespaces, and those that each hook was in.
fn everywhere(c: &Case) -> Verdict<(Lines, BTreeMap<String, Lines>)> {
    let log = Log::new(c)?;
    let links: Vec<String> = NAMESPACES
        .iter()
        .map(|kind| format!("/proc/self/ns/{kind}"))
        .collect();
    let command = format!("readlink {}", links.join(" "));
    let mut bundle = c.bundle();
    for kind in KINDS {
        bundle = log.hook(bundle, kind, &command);
    }
    let seen = bundle.see(&command)?;
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let mut logs = BTreeMap::new();
    for kind in KINDS {
        logs.insert(kind.to_owned(), lines(&log.read(kind)?));
    }
    Ok((lines(&seen.text), logs))
}

/// The states that all kinds of hooks are given.
fn states(c: &Case) -> Verdict<(String, BTreeMap<String, Value>)> {
    let log = Log::new(c)?;
    let mut bundle = c.bundle().set("/annotations", json!({"a": "b"}));
    for kind in KINDS {
        bundle = log.hook(bundle, kind, "stdin");
    }
    let container = bundle.runs("sleep 0.3").start()?;
    container.exit()?;
    container.delete()?;
    let mut states = BTreeMap::new();
    for kind in KINDS {
        let state = serde_json::from_str(&log.read(kind)?)
            .setup("read the state on a hook's standard input")?;
        states.insert(kind.to_owned(), state);
    }
    Ok((container.id.clone(), states))
}
