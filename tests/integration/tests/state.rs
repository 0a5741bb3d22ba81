//! The command `state`, and the life cycle that it shows.

use std::fs;

use harness::{Sandbox, cases};
use serde_json::json;

cases![
    fields,
    statuses_along_the_life,
    a_zombie_is_stopped,
    optional_fields_are_left_out,
    unknown_container_does_not_exist,
    start_works_once,
    config_is_read_once,
    wrong_number_of_arguments,
];

fn fields() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/annotations", json!({"org.example.a": "1", "b": ""}));
    let container = sandbox.create(&bundle, "a");
    let output = container.call("state", &[] as &[&str]).output().ok();
    assert!(!output.stdout.ends_with('\n'), "no newline at the end");
    let state = output.json();
    assert_eq!(state["id"], json!(container.id));
    assert_eq!(state["pid"], json!(container.pid));
    assert_eq!(state["status"], "created");
    assert_eq!(state["bundle"], json!(bundle.path));
    assert_eq!(state["rootfs"], json!(bundle.rootfs()));
    assert_eq!(state["annotations"], json!({"org.example.a": "1", "b": ""}));
    assert_eq!(state["owner"], "");
    assert!(
        state["ociVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("1."))
    );
    let created = state["created"].as_str().unwrap();
    let shape: String = created
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert!(
        shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z'),
        "{created}"
    );
}

fn statuses_along_the_life() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle().probe("wait-signal"), "a");
    assert_eq!(container.status(), "created");
    container.start();
    container.wait_for("ready");
    assert_eq!(container.status(), "running");
    container.kill("TERM").ok();
    container.wait();
    let state = container.state();
    assert_eq!(
        (state["status"].as_str(), &state["pid"]),
        (Some("stopped"), &json!(0))
    );
}

fn a_zombie_is_stopped() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle(), "a");
    container.wait_zombie();
    let state = container.state();
    assert_eq!(
        (state["status"].as_str(), &state["pid"]),
        (Some("stopped"), &json!(0))
    );
}

fn optional_fields_are_left_out() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle(), "a");
    assert!(container.state().get("annotations").is_none());
}

fn unknown_container_does_not_exist() {
    let sandbox = Sandbox::new();
    sandbox
        .runtime(["state", &sandbox.id("x")])
        .output()
        .fails_with(1, &["container does not exist"]);
}

fn start_works_once() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("wait-signal"), "a");
    container.wait_for("ready");
    let start = || container.call("start", &[] as &[&str]).output();
    start().fails_with(1, &["cannot start an already running container"]);
    container.kill("TERM").ok();
    container.wait();
    start().fails_with(1, &["cannot start a container that has stopped"]);
    sandbox
        .runtime(["start", &sandbox.id("x")])
        .output()
        .fails_with(1, &["container does not exist"]);
}

fn config_is_read_once() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo old");
    let container = sandbox.create(&bundle, "a");
    fs::write(bundle.path.join("config.json"), "{}").unwrap();
    container.start();
    container.wait();
    assert_eq!(container.printed(), "old\n");
    container.delete().ok();
}

fn wrong_number_of_arguments() {
    let sandbox = Sandbox::new();
    for arguments in [vec!["state"], vec!["state", "a", "b"]] {
        let output = sandbox.runtime(&arguments).output().exits(1);
        assert!(
            output
                .error()
                .contains("\"state\" requires exactly 1 argument(s)"),
            "{}",
            output.stderr
        );
        assert!(
            output.stdout.contains("Incorrect Usage."),
            "{}",
            output.stdout
        );
    }
    for command in ["create", "start", "delete", "run", "kill"] {
        assert_eq!(sandbox.runtime([command]).output().code, 1, "{command}");
    }
}
