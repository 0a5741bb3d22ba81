//! The command `gc`: what crashes leave goes, everything else stays.

use std::fs;
use std::time::Duration;

use harness::{Output, Sandbox, cases, wait_until};
use serde_json::{Value, json};

use crate::crash::{held_create, killed_creates};

cases![
    nothing_is_left_over,
    create_that_was_killed,
    create_that_was_killed_at_any_moment,
    run_that_was_killed,
    delete_that_was_killed,
    what_runs_or_waits_is_left_alone,
    stopped_containers_are_for_those_who_ask,
    an_earlier_boot,
    what_is_not_ours_stays,
    missing_root_is_an_error
];

/// What `gc` says about a container, as `found outcome`.
fn said(output: &Output, id: &str) -> String {
    let list = output.json();
    let entry = list
        .as_array()
        .and_then(|list| list.iter().find(|one| one["id"] == json!(id)));
    let word = |value: &Value| match value {
        Value::String(word) => word.clone(),
        other => other.to_string(),
    };
    entry.map_or_else(String::new, |one| {
        format!("{} {}", word(&one["found"]), word(&one["outcome"]))
    })
}

fn gc(sandbox: &Sandbox, flags: &[&str]) -> Output {
    sandbox
        .runtime(["gc", "--format", "json"])
        .args(flags)
        .limit(30)
        .output()
}

fn nothing_is_left_over() {
    let sandbox = Sandbox::new();
    sandbox
        .runtime(["gc"])
        .output()
        .ok()
        .lines(&["nothing is left over"]);
    gc(&sandbox, &[]).ok().lines(&["[]"]);
    sandbox
        .runtime(["gc", "--format", "yaml"])
        .output()
        .fails_with(1, &["invalid format option"]);
}

fn create_that_was_killed() {
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let id = sandbox.id("a");
    let mut call = held_create(&sandbox, &id);
    // Somebody is at work.
    gc(&sandbox, &[]).ok().lines(&["[]"]);
    call.child.kill().unwrap();
    call.finish();
    let mut found = Value::Null;
    wait_until("the lock to be free", || {
        let output = gc(&sandbox, &["--dry-run"]).ok();
        found = output.json()[0].clone();
        !found.is_null()
    });
    assert_eq!(
        (&found["found"], &found["outcome"]),
        (&json!("unfinished"), &json!("to-be-removed"))
    );
    let kinds: Vec<_> = found["parts"].as_array().unwrap().clone();
    let folder = json!({"kind": "state", "what": sandbox.root.join(&id)});
    assert!(kinds.contains(&folder), "{kinds:?}");
    assert!(sandbox.root.join(&id).exists(), "it was only to look");
    let mut words = String::new();
    wait_until("the end", || {
        words = said(&gc(&sandbox, &[]).ok(), &id);
        !words.is_empty()
    });
    assert_eq!(words, "unfinished removed");
    wait_until("nothing left", || {
        sandbox.host(None).difference(&before).is_empty()
    });
    gc(&sandbox, &[]).ok().lines(&["[]"]);
}

fn create_that_was_killed_at_any_moment() {
    killed_creates(2, |sandbox, id| {
        // The child still has the lock until it has taken notice of its creator's end.
        let mut state = Value::Null;
        wait_until("an end of the creation", || {
            gc(sandbox, &[]).ok();
            let output = sandbox.runtime(["state", id]).limit(20).output();
            state = match output.code {
                0 => output.json(),
                _ => Value::Null,
            };
            state["status"] != "creating"
        });
        if !state.is_null() {
            // It had come to wait for `start`. Whether it died with its creator or was killed later, nobody can tell.
            let status = &state["status"];
            assert!(status == "created" || status == "stopped", "{status}");
            sandbox.runtime(["delete", "--force", id]).output().ok();
        }
    });
}

fn run_that_was_killed() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo up -- sleep 1000");
    let before = sandbox.host(None);
    let id = sandbox.id("a");
    let mut call = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(&id)
        .spawn();
    wait_until("the program", || call.stdout().contains("up"));
    call.child.kill().unwrap();
    call.finish();
    // It runs, and may be wanted.
    gc(&sandbox, &[]).ok().lines(&["[]"]);
    sandbox.runtime(["kill", &id, "KILL"]).output().ok();
    let mut words = String::new();
    wait_until("the end", || {
        words = said(&gc(&sandbox, &[]).ok(), &id);
        !words.is_empty()
    });
    assert_eq!(words, "abandoned removed");
    wait_until("nothing left", || {
        sandbox.host(None).difference(&before).is_empty()
    });
}

fn delete_that_was_killed() {
    let sandbox = Sandbox::new();
    for step in (0..40_u64).step_by(5) {
        let before = sandbox.host(None);
        let container = sandbox.create(&sandbox.bundle().probe("sleep 1000"), &format!("d{step}"));
        let mut call = container.call("delete", &["--force"]).spawn();
        std::thread::sleep(Duration::from_micros(step * step * 20));
        call.child.kill().unwrap();
        call.finish();
        gc(&sandbox, &[]).ok();
        container.force_delete();
        container.wait();
        let left = sandbox.host(None).difference(&before);
        assert!(left.is_empty(), "{step}: {left:#?}");
    }
    // The cgroup goes first, the record last.
    let container = sandbox.detach(&sandbox.bundle().probe("echo"), "a");
    container.wait();
    fs::remove_file(sandbox.root.join(&container.id).join("report")).unwrap();
    let words = said(&gc(&sandbox, &[]).ok(), &container.id);
    assert_eq!(words, "half-deleted removed");
}

fn what_runs_or_waits_is_left_alone() {
    let sandbox = Sandbox::new();
    let waiting = sandbox.create(&sandbox.bundle(), "a");
    let running = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "b");
    let before = sandbox.host(None);
    for flags in [&[][..], &["--stopped"]] {
        gc(&sandbox, flags).ok().lines(&["[]"]);
        sandbox.host(None).same_as(&before);
    }
    assert_eq!(
        (waiting.status(), running.status()),
        ("created".into(), "running".into())
    );
    running.force_delete();
    running.wait();
}

fn stopped_containers_are_for_those_who_ask() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("echo"), "a");
    container.wait();
    assert_eq!(said(&gc(&sandbox, &[]).ok(), &container.id), "stopped kept");
    assert_eq!(container.status(), "stopped");
    let output = sandbox.runtime(["gc"]).output().ok();
    let line = format!(
        "{}: has stopped, and waits to be deleted: kept",
        container.id
    );
    assert!(
        output.stdout.lines().any(|found| found == line),
        "{}",
        output.stdout
    );
    let words = said(&gc(&sandbox, &["--stopped"]).ok(), &container.id);
    assert_eq!(words, "stopped removed");
    gc(&sandbox, &["--stopped"]).ok().lines(&["[]"]);
}

/// Of a container of an earlier boot there is only the folder: its process's number and its cgroup's name are somebody else's.
fn an_earlier_boot() {
    for command in ["gc", "delete"] {
        let sandbox = Sandbox::new();
        // Where the pid namespace is shared, all of a cgroup is killed. (An ordinary user may not mount the proc of others.)
        let bundle = match nix::unistd::geteuid().is_root() {
            true => sandbox.bundle().without_namespace("pid"),
            false => sandbox.bundle(),
        };
        let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
        let record = sandbox.root.join(&container.id).join("state.json");
        let text = fs::read_to_string(&record).unwrap();
        let state: Value = serde_json::from_str(&text).unwrap();
        let boot = state["boot"].as_str().unwrap();
        let earlier = if boot.starts_with('1') { "2" } else { "1" }.to_owned() + &boot[1..];
        // The same number, with an identity that the process of this number may have had in that boot.
        let folded = |boot: &str| {
            let number = u128::from_str_radix(&boot.replace('-', ""), 16).unwrap();
            (number >> 64) as u64 ^ number as u64
        };
        let number = |key: &str| state[key].as_u64().unwrap();
        let (pid, own) = (number("init_process_pid"), number("init_process_identity"));
        let check = number("init_process_check");
        let other = own ^ folded(boot) ^ folded(&earlier);
        let forged = text
            .replacen(&own.to_string(), &other.to_string(), 1)
            .replacen(&check.to_string(), &(check ^ own ^ other).to_string(), 1)
            .replace(boot, &earlier);
        fs::write(&record, forged).unwrap();
        assert_eq!(container.status(), "stopped");
        for (arguments, code) in [
            (&["kill", "KILL"][..], 1),
            (&["kill", "--all", "KILL"], 0),
            (&["exec", "true"], 255),
            (&["pause"], 1),
            (&["update", "--pids-limit", "5"], 1),
        ] {
            let call = sandbox.runtime(&arguments[..arguments.len().min(1)]);
            let (flags, rest): (Vec<&str>, Vec<&str>) =
                arguments[1..].iter().partition(|word| **word == "--all");
            call.args(flags)
                .arg(&container.id)
                .args(rest)
                .output()
                .exits(code);
        }
        if command == "gc" {
            let words = said(&gc(&sandbox, &[]).ok(), &container.id);
            assert_eq!(words, "earlier-boot removed");
        } else {
            container.delete().ok();
        }
        assert!(!record.exists());
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        assert!(!stat.contains(") Z"), "{stat}");
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid as i32),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        container.wait();
        sandbox.remove_groups();
    }
}

fn what_is_not_ours_stays() {
    let sandbox = Sandbox::new();
    let folder = |name: &str| sandbox.root.join(name);
    fs::create_dir_all(folder("notes")).unwrap();
    fs::write(folder("notes").join("a"), "").unwrap();
    fs::write(folder("file"), "").unwrap();
    fs::create_dir_all(folder("other")).unwrap();
    fs::write(
        folder("other/state.json"),
        r#"{"id": "other", "init_process_pid": 1}"#,
    )
    .unwrap();
    let elsewhere = sandbox.path.join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder("link")).unwrap();
    // An empty one is what a `create` that was killed at once leaves.
    fs::create_dir_all(folder("bare")).unwrap();
    let output = gc(&sandbox, &["--stopped"]).exits(1);
    assert_eq!(said(&output, "bare"), "unrecorded removed");
    assert!(
        said(&output, "other").starts_with("unreadable "),
        "{}",
        output.stdout
    );
    assert_eq!(output.json().as_array().unwrap().len(), 2);
    assert!(!folder("bare").exists() && elsewhere.exists());
    for name in ["notes/a", "file", "other/state.json", "link"] {
        let path = folder(name);
        assert!(fs::symlink_metadata(&path).is_ok(), "{name}");
        fs::remove_file(path).unwrap();
    }
    for name in ["notes", "other"] {
        fs::remove_dir(folder(name)).unwrap();
    }
}

fn missing_root_is_an_error() {
    let sandbox = Sandbox::new();
    let missing = sandbox.path.join("missing");
    let call = sandbox
        .command(sandbox.program())
        .arg("--root")
        .arg(&missing);
    call.arg("gc")
        .output()
        .fails_with(1, &["missing: no such file or directory"]);
    assert!(!missing.exists(), "looking must not make it");
}
