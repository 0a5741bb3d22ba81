//! The command `ps`.

use harness::{Sandbox, cases, need, skip, wait_until};
use serde_json::json;

cases![
    table,
    json_format,
    arguments_go_to_ps,
    privileged_processes_of_exec_are_listed
];

fn group_needed(sandbox: &Sandbox) {
    need::cgroups();
    if sandbox.rootless().is_some() {
        skip!("an ordinary user's container has no control group here");
    }
}

fn table() {
    let sandbox = Sandbox::new();
    group_needed(&sandbox);
    let ps = need::whole_program("ps");
    if !std::process::Command::new(ps)
        .arg("-ef")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        skip!("ps -ef does not work here");
    }
    let container = sandbox.detach(&sandbox.bundle().probe("spawn sleep 777 -- sleep 888"), "a");
    wait_until("the child", || !container.printed().is_empty());
    let output = container.call("ps", &[] as &[&str]).output().ok();
    let header: Vec<&str> = output
        .stdout
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(
        header,
        ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    );
    assert_eq!(output.stdout.lines().count(), 3, "{}", output.stdout);
    assert!(output.stdout.contains("sleep 777") && output.stdout.contains("sleep 888"));
}

fn json_format() {
    let sandbox = Sandbox::new();
    group_needed(&sandbox);
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let output = container.call("ps", &["--format", "json"]).output().ok();
    assert_eq!(output.json(), json!([container.pid]));
}

fn arguments_go_to_ps() {
    let sandbox = Sandbox::new();
    group_needed(&sandbox);
    need::program("ps");
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let output = sandbox
        .runtime(["ps", &container.id, "-e", "-o", "pid,comm"])
        .output()
        .ok();
    let words: Vec<&str> = output.stdout.split_whitespace().collect();
    assert_eq!(
        words,
        ["PID", "COMMAND", &container.pid.to_string(), "probe"]
    );
    // Columns to the left of the number may hold spaces.
    let output = sandbox
        .runtime(["ps", &container.id, "-e", "-o", "args,ppid,pid"])
        .output()
        .ok();
    let lines: Vec<&str> = output.stdout.lines().collect();
    let [_, line] = lines[..] else {
        panic!("{}", output.stdout);
    };
    assert!(line.ends_with(&format!(" {}", container.pid)), "{line}");
    assert!(line.contains("sleep 1000"), "{line}");
}

fn privileged_processes_of_exec_are_listed() {
    let sandbox = Sandbox::new();
    group_needed(&sandbox);
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    container.exec_detached("sleep 1000");
    let output = container.call("ps", &["--format", "json"]).output().ok();
    assert_eq!(output.json().as_array().unwrap().len(), 2, "{output:?}");
}
