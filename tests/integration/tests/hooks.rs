//! `hooks`: order, environment, input, namespaces, failure, time limits.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use harness::{Bundle, Sandbox, cases};
use serde_json::{Value, json};

cases![
    all_kinds_run_in_order,
    hooks_get_the_state,
    hooks_get_exactly_their_environment_and_arguments,
    hooks_see_the_right_namespaces,
    hooks_inherit_no_descriptors,
    failing_hook_ends_create_and_leaves_nothing,
    failing_start_hooks,
    failing_poststop_hook_is_a_warning,
    poststop_runs_when_create_fails_late,
    time_limit_kills_the_hook,
    wrong_hooks_are_refused,
];

const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// A hook that runs commands of the probe. All see the same log: `/mnt` inside is the folder outside.
fn hook(sandbox: &Sandbox, bundle: &Bundle, kind: &str, commands: &str) -> Value {
    let log = log(sandbox);
    let (program, log) = if kind == "startContainer" {
        (PathBuf::from("/bin/probe"), PathBuf::from("/mnt/log"))
    } else {
        (bundle.rootfs().join("bin/probe"), log)
    };
    let commands = commands.replace("LOG", &format!("log {} --", log.display()));
    let arguments: Vec<&str> = std::iter::once("probe")
        .chain(commands.split_whitespace())
        .collect();
    json!({"path": program, "args": arguments})
}

fn log(sandbox: &Sandbox) -> PathBuf {
    sandbox.path.join("shared/log")
}

fn logging_bundle(sandbox: &Sandbox) -> Bundle {
    let shared = sandbox.folder("shared");
    sandbox.bundle().mount("/mnt", "bind", shared, &["bind"])
}

fn with_all_hooks(sandbox: &Sandbox, commands: impl Fn(&str) -> String) -> Bundle {
    let mut bundle = logging_bundle(sandbox);
    for kind in KINDS {
        let hook = hook(sandbox, &bundle, kind, &commands(kind));
        bundle = bundle.push(&format!("/hooks/{kind}"), hook);
    }
    bundle
}

fn all_kinds_run_in_order() {
    let sandbox = Sandbox::new();
    let mut bundle = with_all_hooks(&sandbox, |kind| format!("LOG echo {kind}"));
    let second = hook(
        &sandbox,
        &bundle,
        "createRuntime",
        "LOG echo createRuntime2",
    );
    bundle = bundle
        .push("/hooks/createRuntime", second)
        .probe("log /mnt/log -- echo program -- sleep 1000");
    let container = sandbox.create(&bundle, "a");
    let lines = || {
        fs::read_to_string(log(&sandbox))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines(),
        [
            "prestart",
            "createRuntime",
            "createRuntime2",
            "createContainer"
        ]
    );
    container.start();
    harness::wait_until("the program", || lines().len() == 7);
    assert_eq!(lines()[4], "startContainer");
    let mut rest = lines()[5..].to_vec();
    rest.sort();
    assert_eq!(rest, ["poststart", "program"]);
    container.force_delete();
    assert_eq!(lines().last().unwrap(), "poststop");
}

fn hooks_get_the_state() {
    let sandbox = Sandbox::new();
    let bundle = with_all_hooks(&sandbox, |_| "LOG stdin".to_owned());
    let bundle = bundle
        .set("/annotations", json!({"org.example.key": "value"}))
        .probe("true");
    let container = sandbox.create(&bundle, "a");
    container.start();
    container.wait();
    container.delete().ok();
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    let states: Vec<Value> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(states.len(), KINDS.len(), "{text}");
    let wanted = [
        &["creating"],
        &["creating"],
        &["creating"],
        &["created"],
        &["running"],
        &["stopped"],
    ];
    for ((state, kind), status) in states.iter().zip(KINDS).zip(wanted) {
        assert_eq!(state["id"], json!(container.id), "{kind}");
        assert_eq!(state["bundle"], json!(bundle.path), "{kind}");
        assert_eq!(
            state["annotations"],
            json!({"org.example.key": "value"}),
            "{kind}"
        );
        assert!(
            state["ociVersion"]
                .as_str()
                .is_some_and(|version| version.starts_with("1.")),
            "{kind}"
        );
        let found = state["status"].as_str().unwrap();
        assert!(status.contains(&found), "{kind}: {found}");
        match kind {
            "poststop" => {}
            "startContainer" => assert_eq!(state["pid"], json!(1), "as seen inside"),
            "createContainer" => assert!(state["pid"].as_i64().is_some_and(|pid| pid > 0)),
            _ => assert_eq!(state["pid"], json!(container.pid), "{kind}"),
        }
    }
}

fn hooks_get_exactly_their_environment_and_arguments() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let program = bundle.rootfs().join("bin/probe");
    let path = log(&sandbox);
    let words = [
        "any name",
        "log",
        path.to_str().unwrap(),
        "--",
        "env",
        "--",
        "args",
        "a b",
        "",
    ];
    let with = json!({"path": program, "args": words, "env": ["ONLY=this", "SECOND=1"]});
    let bundle = bundle.push("/hooks/createRuntime", with);
    let run = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"));
    run.env("NOT_FOR_HOOKS", "1").output().ok();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "ONLY=this\nSECOND=1\nany name\na b\n\n");
}

fn hooks_see_the_right_namespaces() {
    let sandbox = Sandbox::new();
    let bundle = with_all_hooks(&sandbox, |kind| {
        format!("LOG echo {kind} -- readlink /proc/self/ns/mnt /proc/self/ns/uts")
    });
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let outside = fs::read_link("/proc/self/ns/mnt").unwrap();
    let inside = fs::read_link(format!("/proc/{}/ns/mnt", container.pid)).unwrap();
    container.force_delete();
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for kind in KINDS {
        let index = lines
            .iter()
            .position(|line| *line == kind)
            .unwrap_or_else(|| panic!("{kind}: {text}"));
        let wanted = if kind.ends_with("Container") {
            &inside
        } else {
            &outside
        };
        assert_eq!(std::path::Path::new(lines[index + 1]), wanted, "{kind}");
    }
}

fn hooks_inherit_no_descriptors() {
    let sandbox = Sandbox::new();
    let mut bundle = logging_bundle(&sandbox);
    for kind in [
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
    ] {
        let hook = hook(&sandbox, &bundle, kind, "LOG fds");
        bundle = bundle.push(&format!("/hooks/{kind}"), hook);
    }
    sandbox.run(&bundle).ok();
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    for line in text.lines() {
        let (number, target) = line.split_once(' ').unwrap();
        // The log itself is 3; the three standard ones are the hook's own.
        assert!(
            number.parse::<u32>().unwrap() < 3 || target.ends_with("/log"),
            "{text}"
        );
    }
}

fn failing_hook_ends_create_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let bundle = logging_bundle(&sandbox);
        let good = hook(&sandbox, &bundle, kind, "true");
        let bad = hook(&sandbox, &bundle, kind, "err the-reason -- exit 3");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), good)
            .push(&format!("/hooks/{kind}"), bad);
        let before = sandbox.host(None);
        let run = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id("a"))
            .output();
        run.fails_with(
            1,
            &[
                &format!("error running {kind} hook #1"),
                "exit status 3",
                "the-reason",
            ],
        );
        sandbox.host(None).same_as(&before);
    }
}

fn failing_start_hooks() {
    let sandbox = Sandbox::new();
    for kind in ["startContainer", "poststart"] {
        let bundle = logging_bundle(&sandbox);
        let bad = hook(&sandbox, &bundle, kind, "false");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), bad)
            .probe("sleep 1000");
        let container = sandbox.create(&bundle, kind);
        let output = container.call("start", &[] as &[&str]).output().exits(1);
        assert!(
            output
                .stderr
                .contains(&format!("error running {kind} hook #0")),
            "{}",
            output.stderr
        );
        harness::wait_until("the end of the container", || {
            container.call("state", &[] as &[&str]).output().code != 0
                || container.status() == "stopped"
        });
        container.force_delete();
    }
}

fn failing_poststop_hook_is_a_warning() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let bad = hook(&sandbox, &bundle, "poststop", "false");
    let good = hook(&sandbox, &bundle, "poststop", "LOG echo second");
    let bundle = bundle
        .push("/hooks/poststop", bad)
        .push("/hooks/poststop", good);
    sandbox.run(&bundle).ok();
    assert_eq!(fs::read_to_string(log(&sandbox)).unwrap(), "second\n");
}

fn poststop_runs_when_create_fails_late() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let bad = hook(&sandbox, &bundle, "createRuntime", "false");
    let stop = hook(&sandbox, &bundle, "poststop", "LOG echo stopped");
    let bundle = bundle
        .push("/hooks/createRuntime", bad)
        .push("/hooks/poststop", stop);
    sandbox.run(&bundle).exits(1);
    assert_eq!(
        fs::read_to_string(log(&sandbox)).unwrap_or_default(),
        "stopped\n"
    );
}

fn time_limit_kills_the_hook() {
    let sandbox = Sandbox::new();
    for kind in ["createRuntime", "createContainer"] {
        let bundle = logging_bundle(&sandbox);
        let mut slow = hook(&sandbox, &bundle, kind, "sleep 100");
        slow["timeout"] = json!(1);
        let bundle = bundle.push(&format!("/hooks/{kind}"), slow);
        let begin = Instant::now();
        let output = sandbox.run(&bundle).exits(1);
        assert!(
            output
                .stderr
                .contains(&format!("error running {kind} hook #0")),
            "{}",
            output.stderr
        );
        assert!(
            begin.elapsed() < harness::slow(20),
            "the hook was waited for"
        );
    }
}

fn wrong_hooks_are_refused() {
    let sandbox = Sandbox::new();
    let program = sandbox.bundle().rootfs().join("bin/probe");
    let wrong = [
        json!({"path": "bin/probe"}),
        json!({"path": "/nowhere/hook"}),
        json!({"path": program, "args": ["probe", "true"], "timeout": 0}),
        json!({"path": program, "args": ["probe", "true"], "timeout": -5}),
    ];
    for hook in wrong {
        let bundle = sandbox.bundle().push("/hooks/createRuntime", hook.clone());
        assert_eq!(sandbox.run(&bundle).code, 1, "{hook}");
    }
}
