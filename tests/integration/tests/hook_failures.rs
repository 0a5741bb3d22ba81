//! Hooks that fail, hang, or are ended: what becomes of the container and of what they have started.

use std::fs;
use std::time::Instant;

use harness::{Sandbox, cases};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::hooks::{hook, log, logging_bundle};

cases![
    failing_hook_ends_create_and_leaves_nothing,
    failing_start_hooks,
    hanging_hooks_do_not_hold_up_delete,
    hanging_poststop_hooks_have_some_time_from_their_start,
    signals_end_hooks_of_a_foreground_run,
    signals_end_hooks_of_other_commands,
    what_a_hook_has_started_ends_with_it,
    what_a_hook_leaves_behind_lives_on,
    failing_poststop_hook_is_a_warning,
    poststop_runs_when_create_fails_late,
    time_limit_kills_the_hook,
];

/// Whether a process is there and is no zombie.
fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
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

/// The container is gone then, as after `delete`, and its `poststop` hooks have run (runtime.md, "Lifecycle", 7, 9, 12, 13).
fn failing_start_hooks() {
    let sandbox = Sandbox::new();
    for kind in ["startContainer", "poststart"] {
        let bundle = logging_bundle(&sandbox);
        let good = hook(&sandbox, &bundle, kind, "LOG echo first");
        let bad = hook(&sandbox, &bundle, kind, "false");
        let stop = hook(&sandbox, &bundle, "poststop", "LOG stdin");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), good)
            .push(&format!("/hooks/{kind}"), bad)
            .push("/hooks/poststop", stop)
            .probe("log /mnt/log -- echo program -- sleep 1000");
        let before = sandbox.host(Some(&bundle));
        let container = sandbox.create(&bundle, kind);
        container
            .call("start", &[] as &[&str])
            .output()
            .fails_with(1, &[&format!("error running {kind} hook #1")]);
        container
            .call("state", &[] as &[&str])
            .output()
            .fails_with(1, &["does not exist"]);
        container.wait();
        sandbox.host(Some(&bundle)).same_as(&before);
        let text = fs::read_to_string(log(&sandbox)).unwrap();
        let ran = text.contains("program");
        assert!(kind == "poststart" || !ran, "{text}");
        assert!(text.starts_with("first") || ran, "{text}");
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["status"], json!("stopped"));
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// `delete --force` ends the hook for which `create`, `start` or another `delete` waits.
fn hanging_hooks_do_not_hold_up_delete() {
    let sandbox = Sandbox::new();
    for (kind, command) in [
        ("createRuntime", "create"),
        ("createContainer", "create"),
        ("startContainer", "start"),
        ("poststart", "start"),
        ("poststop", "delete"),
    ] {
        let bundle = logging_bundle(&sandbox);
        let slow = hook(
            &sandbox,
            &bundle,
            kind,
            &format!("LOG echo {kind} -- sleep 1000"),
        );
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), slow)
            .probe("sleep 1000");
        let before = sandbox.host(Some(&bundle));
        let id = sandbox.id(kind);
        let mut container = None;
        let call = if command == "create" {
            sandbox
                .runtime(["create", "--bundle"])
                .arg(&bundle.path)
                .arg(&id)
        } else {
            let created = container.insert(sandbox.create(&bundle, kind));
            created.call(command, &[] as &[&str])
        };
        let waiting = call.limit(40).spawn();
        harness::wait_until("the hook", || {
            fs::read_to_string(log(&sandbox)).is_ok_and(|text| text.contains(kind))
        });
        let begin = Instant::now();
        let delete = sandbox
            .runtime(["delete", "--force", &id])
            .limit(40)
            .output();
        delete.ok();
        assert!(
            begin.elapsed() < harness::slow(15),
            "{kind}: {:?}",
            begin.elapsed()
        );
        let output = waiting.finish();
        if kind == "poststop" {
            assert!(output.error().contains("signal 9"), "{}", output.stderr);
        } else {
            let text = format!("error running {kind} hook #0: ");
            output.fails_with(1, &[&text, ": signal 9, "]);
        }
        if let Some(container) = &container {
            container.wait();
        }
        harness::wait_until("nothing is left", || {
            sandbox.host(Some(&bundle)).difference(&before).is_empty()
        });
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// A second `delete --force` leaves a `poststop` hook that has just begun some time, and none to one that hangs.
fn hanging_poststop_hooks_have_some_time_from_their_start() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let stop = hook(&sandbox, &bundle, "poststop", "LOG echo stop -- sleep 1000");
    let bundle = bundle.push("/hooks/poststop", stop);
    let before = sandbox.host(Some(&bundle));
    let container = sandbox.detach(&bundle, "a");
    let id = sandbox.id("a");
    let delete = || sandbox.runtime(["delete", "--force", &id]).limit(40);
    let first = delete().spawn();
    harness::wait_until("the hook", || log(&sandbox).exists());
    std::thread::sleep(harness::slow(6));
    let begin = Instant::now();
    delete().output().ok();
    assert!(begin.elapsed() < harness::slow(3), "{:?}", begin.elapsed());
    let output = first.finish().ok();
    assert!(output.error().contains("signal 9"), "{}", output.stderr);
    container.wait();
    sandbox.host(Some(&bundle)).same_as(&before);
}

fn signals_end_hooks_of_a_foreground_run() {
    let sandbox = Sandbox::new();
    for (kind, signal) in [
        ("createRuntime", Signal::SIGTERM),
        ("startContainer", Signal::SIGINT),
        ("poststart", Signal::SIGHUP),
    ] {
        let bundle = logging_bundle(&sandbox);
        let slow = hook(&sandbox, &bundle, kind, "LOG echo waits -- sleep 1000");
        let stop = hook(&sandbox, &bundle, "poststop", "LOG echo stopped");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), slow)
            .push("/hooks/poststop", stop)
            .probe("sleep 1000");
        let before = sandbox.host(Some(&bundle));
        let run = sandbox.runtime(["run", "--bundle"]).arg(&bundle.path);
        let run = run.arg(sandbox.id("a")).limit(40).spawn();
        harness::wait_until("the hook", || {
            fs::read_to_string(log(&sandbox)).is_ok_and(|text| text == "waits\n")
        });
        kill(run.pid(), signal).unwrap();
        let text = format!("error running {kind} hook #0: ");
        let why = format!(": interrupted by signal {}", signal as i32);
        run.finish().fails_with(1, &[&text, &why]);
        assert_eq!(
            fs::read_to_string(log(&sandbox)).unwrap(),
            "waits\nstopped\n"
        );
        sandbox.host(Some(&bundle)).same_as(&before);
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// As of a foreground `run`: `create` and `start` fail and leave nothing, `delete` finishes.
fn signals_end_hooks_of_other_commands() {
    let sandbox = Sandbox::new();
    for (kind, command, signal) in [
        ("createRuntime", &["create"][..], Signal::SIGINT),
        ("startContainer", &["start"], Signal::SIGHUP),
        ("poststart", &["start"], Signal::SIGTERM),
        ("poststop", &["delete"], Signal::SIGQUIT),
        ("poststop", &["delete", "--force"], Signal::SIGTERM),
        ("poststop", &["run"], Signal::SIGTERM),
    ] {
        let bundle = logging_bundle(&sandbox);
        let slow = hook(&sandbox, &bundle, kind, "LOG echo waits -- sleep 1000");
        let stop = hook(&sandbox, &bundle, "poststop", "LOG echo stopped");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), slow)
            .push("/hooks/poststop", stop);
        let before = sandbox.host(Some(&bundle));
        let created = match command {
            ["create" | "run"] => None,
            _ => Some(sandbox.create(&bundle, "a")),
        };
        let call = sandbox.runtime(command);
        let call = match created {
            None => call.arg("--bundle").arg(&bundle.path),
            Some(_) => call,
        };
        let call = call.arg(sandbox.id("a")).limit(40).spawn();
        harness::wait_until("the hook", || {
            fs::read_to_string(log(&sandbox)).is_ok_and(|text| text == "waits\n")
        });
        kill(call.pid(), signal).unwrap();
        let output = call.finish();
        let words = format!(
            "error running {kind} hook #0: {}: interrupted by signal {}",
            bundle.rootfs().join("bin/probe").display(),
            signal as i32
        );
        let words = match kind {
            "startContainer" => words.replace(bundle.rootfs().to_str().unwrap(), ""),
            _ => words,
        };
        match kind {
            "poststop" => {
                let output = output.ok();
                assert!(output.error().contains(&words), "{}", output.stderr);
            }
            _ => drop(output.fails_with(1, &[&words])),
        }
        if let Some(container) = &created {
            container.wait();
        }
        assert_eq!(
            fs::read_to_string(log(&sandbox)).unwrap(),
            "waits\nstopped\n"
        );
        sandbox.host(Some(&bundle)).same_as(&before);
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// When its time is up, when a signal ends it, and when `delete --force` does, also after its runtime was killed.
fn what_a_hook_has_started_ends_with_it() {
    let sandbox = Sandbox::new();
    for (kind, end) in [
        ("createRuntime", "time"),
        ("createRuntime", "signal"),
        ("createRuntime", "delete"),
        ("createContainer", "delete"),
        ("createRuntime", "orphaned"),
        ("createRuntime", "collected"),
    ] {
        let bundle = logging_bundle(&sandbox);
        let mut slow = hook(
            &sandbox,
            &bundle,
            kind,
            "LOG spawn sleep 1000 -- echo waits -- sleep 1000",
        );
        if end == "time" {
            slow["timeout"] = json!(2);
        }
        let bundle = bundle.push(&format!("/hooks/{kind}"), slow);
        let before = sandbox.host(Some(&bundle));
        let id = sandbox.id("a");
        let mut create = sandbox
            .runtime(["create", "--bundle"])
            .arg(&bundle.path)
            .arg(&id)
            .limit(40)
            .spawn();
        let seen = || fs::read_to_string(log(&sandbox)).unwrap_or_default();
        harness::wait_until("the hook", || seen().lines().count() == 2);
        let text = seen();
        let (own, waits) = text.split_once('\n').unwrap();
        assert_eq!(waits, "waits\n");
        // One in a pid namespace goes with that.
        let number_is_ours = kind == "createRuntime";
        assert!(!number_is_ours || lives(own), "{text}");
        match end {
            "time" => {}
            "signal" => kill(create.pid(), Signal::SIGTERM).unwrap(),
            _ => {
                if end != "delete" {
                    create.child.kill().unwrap();
                    create.child.wait().unwrap();
                }
                match end {
                    "collected" => sandbox.runtime(["gc"]).output().ok(),
                    _ => sandbox.runtime(["delete", "--force", &id]).output().ok(),
                };
            }
        }
        match end {
            "orphaned" | "collected" => {}
            _ => drop(create.finish().exits(1)),
        }
        harness::wait_until("all of the hook is gone", || !number_is_ours || !lives(own));
        harness::wait_until("nothing is left", || {
            sandbox.host(Some(&bundle)).difference(&before).is_empty()
        });
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// Hooks of vendors start daemons.
fn what_a_hook_leaves_behind_lives_on() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let daemon = hook(&sandbox, &bundle, "createRuntime", "LOG spawn sleep 1000");
    let bundle = bundle.push("/hooks/createRuntime", daemon);
    sandbox.run(&bundle).ok();
    let container = sandbox.detach(&bundle, "a");
    container.wait();
    sandbox
        .runtime(["delete", "--force"])
        .arg(&container.id)
        .output()
        .ok();
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    let daemons: Vec<&str> = text.lines().collect();
    assert_eq!(daemons.len(), 2, "{text}");
    for pid in daemons {
        assert!(lives(pid), "{text}");
        kill(
            nix::unistd::Pid::from_raw(pid.parse().unwrap()),
            Signal::SIGKILL,
        )
        .unwrap();
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
