//! `events`: statistics and what happens, one JSON document a line.

use std::time::Duration;

use harness::{Sandbox, cases, need, skip, wait_until};
use serde_json::{Value, json};

cases![
    privileged_statistics_have_the_usual_shape,
    privileged_events_come_in_the_interval_until_the_end,
    privileged_running_out_of_memory_is_told,
    privileged_events_end_at_any_interval,
    privileged_events_need_a_running_container,
    privileged_events_that_cannot_be_printed_end_in_an_error,
];

fn privileged_statistics_have_the_usual_shape() {
    need::cgroups();
    let sandbox = Sandbox::new();
    // Some kernels count time by ticks, of which a container that only sleeps may have had none.
    let program = "spawn sleep 1000 -- fill /dev/null 2000 -- sleep 1000";
    let container = sandbox.detach(&sandbox.bundle().probe(program), "a");
    wait_until("the second process, and time that was used", || {
        let data = &container.call("events", &["--stats"]).output().ok().json()["data"];
        let time = data["cpu"]["usage"]["total"].as_u64();
        data["pids"]["current"] == 2 && time.is_some_and(|time| time > 0)
    });
    let output = container.call("events", &["--stats"]).output().ok();
    assert_eq!(output.stdout.lines().count(), 1);
    let document = output.json();
    assert_eq!(document["type"], "stats");
    assert_eq!(document["id"], container.id.as_str());
    let data = document["data"].as_object().unwrap();
    let names: Vec<&str> = data.keys().map(String::as_str).collect();
    let mut wanted = [
        "cpu",
        "cpuset",
        "memory",
        "pids",
        "blkio",
        "hugetlb",
        "intel_rdt",
        "network_interfaces",
    ];
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    let number = |pointer: &str| document.pointer(pointer).and_then(Value::as_u64);
    assert!(number("/data/cpu/usage/total").is_some_and(|total| total > 0));
    for pointer in [
        "/data/cpu/usage/kernel",
        "/data/cpu/usage/user",
        "/data/memory/usage/limit",
        "/data/memory/usage/failcnt",
        "/data/memory/swap/limit",
        "/data/memory/kernel/failcnt",
    ] {
        assert!(number(pointer).is_some(), "{pointer}: {document}");
    }
    assert!(document["data"]["cpu"]["throttling"].is_object());
}

fn privileged_events_come_in_the_interval_until_the_end() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let call = container.call("events", &["--interval", "50ms"]).spawn();
    wait_until("a few lines", || call.stdout().lines().count() > 3);
    container.kill("KILL").ok();
    container.wait();
    for line in call.finish().ok().stdout.lines() {
        let document: Value = serde_json::from_str(line).unwrap();
        assert_eq!(document["type"], "stats", "{line}");
    }
    // Without an interval they come every five seconds.
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "b");
    let call = container.call("events", &[] as &[&str]).spawn();
    wait_until("the first line", || call.stdout().lines().count() == 1);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(call.stdout().lines().count(), 1);
    container.kill("KILL").ok();
    container.wait();
    call.finish().ok();
}

/// Also where reading takes longer than the interval, and where the next time is after the end of all clocks.
fn privileged_events_end_at_any_interval() {
    need::cgroups();
    let sandbox = Sandbox::new();
    for (name, interval) in [("short", "1ns"), ("long", "4000000000000000h")] {
        let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), name);
        let flags = ["--interval", interval];
        let call = container.call("events", &flags).limit(20).spawn();
        wait_until("the first line", || call.stdout().lines().count() > 0);
        container.kill("KILL").ok();
        container.wait();
        call.finish().ok();
    }
}

fn privileged_running_out_of_memory_is_told() {
    need::cgroups();
    if !need::has_controller("memory") {
        skip!("no memory controller here");
    }
    let sandbox = Sandbox::new();
    // A tmpfs counts for whoever writes to it.
    let bundle = sandbox
        .bundle()
        .mount("/tmp", "tmpfs", "tmpfs", &["size=256m"])
        .set(
            "/linux/resources/memory",
            json!({"limit": 16 << 20, "swap": 16 << 20}),
        )
        .probe("sleep 1000");
    let container = sandbox.detach(&bundle, "a");
    let call = container.call("events", &["--interval", "1h"]).spawn();
    wait_until("the first line", || call.stdout().lines().count() == 1);
    container.exec("fill /tmp/big 64");
    let oom = json!({"type": "oom", "id": container.id});
    wait_until("the event", || {
        let parse = |line| serde_json::from_str::<Value>(line).ok();
        call.stdout()
            .lines()
            .filter_map(parse)
            .any(|line| line == oom)
    });
    container.force_delete();
    container.wait();
    call.finish().ok();
}

fn privileged_events_need_a_running_container() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle(), "a");
    container.wait();
    for flags in [&[][..], &["--stats"]] {
        let call = container.call("events", flags);
        let text = format!("container with id {} is not running", container.id);
        call.output().fails_with(1, &[&text]);
    }
    let call = container.call("events", &["--interval", "0s"]);
    call.output()
        .fails_with(1, &["duration interval must be greater than 0"]);
    let call = sandbox.runtime(["events", &sandbox.id("nosuch")]);
    call.output().fails_with(1, &["container does not exist"]);
}

fn privileged_events_that_cannot_be_printed_end_in_an_error() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    for flags in [&["--stats"][..], &["--interval", "10ms"]] {
        let call = sandbox
            .command("/bin/sh")
            .args(["-c", "exec \"$@\" >/dev/full", "sh"]);
        let call = call.arg(sandbox.program()).arg("--root").arg(&sandbox.root);
        let call = call.arg("events").args(flags).arg(&container.id).limit(20);
        call.output()
            .fails_with(1, &["write to standard output: no space left on device"]);
    }
}
