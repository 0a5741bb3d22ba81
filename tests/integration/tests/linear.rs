//! Configs with very long lists: each command's work grows no faster than the lists.

use std::time::Duration;

use harness::{Bundle, Sandbox, cases};
use serde_json::{Value, json};

cases![four_times_as_much_takes_four_times_as_long];

/// Entries of the shorter lists; the longer ones have four times as many.
const SHORT: usize = 5_000;

fn list(length: usize, entry: impl Fn(usize) -> Value) -> Value {
    (0..length).map(entry).collect()
}

/// A bundle in which everything is long that costs no process or file system for each entry.
fn bundle(sandbox: &Sandbox, length: usize) -> Bundle {
    let entry = |index| (format!("a{index}"), json!("b"));
    let annotations = Value::Object((0..length).map(entry).collect());
    sandbox.bundle().edit(|config| {
        config["annotations"] = annotations.clone();
        config["process"]["env"] = list(length, |i| json!(format!("V{i}=x")));
        config["process"]["capabilities"]["bounding"] = list(length, |i| json!(format!("CAP_{i}")));
        config["linux"]["maskedPaths"] = list(length, |i| json!(format!("/m{i}")));
        config["linux"]["readonlyPaths"] = list(length, |i| json!(format!("/r{i}")));
        config["linux"]["devices"] = list(
            length / 5,
            |i| json!({"type": "p", "path": format!("/dev/p{i}")}),
        );
        let names = list(length, |i| json!(format!("call{i}")));
        config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": names, "action": "SCMP_ACT_ERRNO"}]});
    })
}

/// Processor time of one call of the runtime and all that it waited for: the shell's own `times` tells.
fn cost(sandbox: &Sandbox, arguments: &[&str]) -> Duration {
    let script = "\"$@\" >&2 2>/dev/null || exit 1; times";
    let call = sandbox.command("/bin/sh").args(["-c", script, "sh"]);
    let call = call.arg(sandbox.program()).arg("--root").arg(&sandbox.root);
    let times = call.args(arguments).output().ok().stdout;
    // Two lines, of the shell and of what it ran, each with user's and system's time: `0m0.120000s 0m0.030000s`.
    let second = times.lines().nth(1).expect("two lines");
    let seconds = second.split_whitespace().map(|word| {
        let (minutes, seconds) = word.trim_end_matches('s').split_once('m').expect("XmYs");
        let number = |text: &str| text.replace(',', ".").parse::<f64>().expect("a number");
        60.0 * number(minutes) + number(seconds)
    });
    Duration::from_secs_f64(seconds.sum())
}

/// The costs of the commands in the life of one container.
fn life(sandbox: &Sandbox, length: usize) -> Vec<(&'static str, Duration)> {
    let bundle = bundle(sandbox, length);
    let path = bundle.path.to_str().expect("UTF-8");
    let id = sandbox.id(&length.to_string());
    let mut costs = vec![(
        "run",
        cost(sandbox, &["run", "--bundle", path, &format!("{id}-run")]),
    )];
    let bundle = bundle.probe("sleep 1000");
    let path = bundle.path.to_str().expect("UTF-8");
    costs.push(("create", cost(sandbox, &["create", "--bundle", path, &id])));
    costs.push(("start", cost(sandbox, &["start", &id])));
    costs.push(("state", cost(sandbox, &["state", &id])));
    costs.push(("list", cost(sandbox, &["list"])));
    let flags: Vec<String> = (0..length / 10).map(|i| format!("--env=E{i}=x")).collect();
    let mut exec: Vec<&str> = flags.iter().map(String::as_str).collect();
    exec.insert(0, "exec");
    exec.extend([id.as_str(), "/bin/probe", "true"]);
    costs.push(("exec", cost(sandbox, &exec)));
    costs.push(("delete", cost(sandbox, &["delete", "--force", &id])));
    costs
}

fn four_times_as_much_takes_four_times_as_long() {
    let sandbox = Sandbox::new();
    let mut slow = Vec::new();
    for ((command, short), (_, long)) in life(&sandbox, SHORT)
        .into_iter()
        .zip(life(&sandbox, 4 * SHORT))
    {
        // Quadratic time would be sixteen times as much; below some milliseconds it says nothing.
        if long > 9 * short.max(Duration::from_millis(20)) {
            slow.push(format!(
                "{command}: {short:?} for {SHORT}, {long:?} for four times as many"
            ));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
