//! The command `list`.

use harness::{Sandbox, cases};
use serde_json::json;

cases![
    empty,
    table,
    json_format,
    only_ids,
    missing_root_is_an_error,
    foreign_folders_do_no_harm,
    fifos_are_not_waited_for
];

fn empty() {
    let sandbox = Sandbox::new();
    let output = sandbox.runtime(["list"]).output().ok();
    let words: Vec<&str> = output.stdout.split_whitespace().collect();
    assert_eq!(words, ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    assert_eq!(
        sandbox
            .runtime(["list", "--format", "json"])
            .output()
            .ok()
            .stdout
            .trim(),
        "null"
    );
    assert_eq!(sandbox.runtime(["list", "-q"]).output().ok().stdout, "");
    sandbox
        .runtime(["list", "--format", "yaml"])
        .output()
        .fails_with(1, &["invalid format option"]);
}

fn table() {
    let sandbox = Sandbox::new();
    let first = sandbox.create(&sandbox.bundle(), "a");
    let second = sandbox.detach(&sandbox.bundle(), "b");
    second.wait();
    let output = sandbox.runtime(["list"]).output().ok();
    let rows: Vec<Vec<&str>> = output
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{}", output.stdout);
    let pid = first.pid.to_string();
    assert_eq!(rows[1][..3], [first.id.as_str(), &pid, "created"]);
    assert_eq!(rows[2][..3], [second.id.as_str(), "0", "stopped"]);
    assert_eq!(rows[1].len(), 6, "{}", output.stdout);
    // Columns are at least twelve wide and three apart.
    let header = output.stdout.lines().next().unwrap();
    assert!(header.find("PID").unwrap() >= 12);
    assert_eq!(
        header.find("PID"),
        output
            .stdout
            .lines()
            .nth(1)
            .unwrap()
            .find(&format!(" {pid} "))
            .map(|at| at + 1)
    );
}

fn json_format() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(
        &sandbox.bundle().set("/annotations", json!({"k": "v"})),
        "a",
    );
    let output = sandbox.runtime(["list", "--format=json"]).output().ok();
    assert_eq!(output.stdout.trim_end().lines().count(), 1);
    let list = output.json();
    let entry = &list[0];
    assert_eq!(entry["id"], json!(container.id));
    assert_eq!(entry["pid"], json!(container.pid));
    assert_eq!(entry["status"], "created");
    assert_eq!(entry["annotations"], json!({"k": "v"}));
    assert!(
        entry["owner"]
            .as_str()
            .is_some_and(|owner| !owner.is_empty()),
        "{entry}"
    );
    let state = container.state();
    for field in ["ociVersion", "bundle", "rootfs", "created"] {
        assert_eq!(entry[field], state[field], "{field}");
    }
}

fn only_ids() {
    let sandbox = Sandbox::new();
    let first = sandbox.create(&sandbox.bundle(), "a");
    let second = sandbox.create(&sandbox.bundle(), "b");
    sandbox
        .runtime(["list", "--quiet"])
        .output()
        .ok()
        .lines(&[&first.id, &second.id]);
}

fn missing_root_is_an_error() {
    let sandbox = Sandbox::new();
    let missing = sandbox.path.join("missing");
    let output = sandbox
        .command(sandbox.program())
        .arg("--root")
        .arg(&missing)
        .arg("list")
        .output();
    output.exits(1);
    assert!(!missing.exists(), "looking must not make it");
}

fn foreign_folders_do_no_harm() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.root.join("not-a-container")).unwrap();
    std::fs::write(sandbox.root.join("a-file"), "").unwrap();
    let container = sandbox.create(&sandbox.bundle(), "a");
    let output = sandbox.runtime(["list", "-q"]).output();
    std::fs::remove_file(sandbox.root.join("a-file")).unwrap();
    std::fs::remove_dir(sandbox.root.join("not-a-container")).unwrap();
    assert!(
        output.stdout.lines().any(|line| line == container.id),
        "{output:?}"
    );
}

fn fifos_are_not_waited_for() {
    let sandbox = Sandbox::new();
    let folder = sandbox.root.join(sandbox.id("odd"));
    std::fs::create_dir_all(&folder).unwrap();
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    nix::unistd::mkfifo(&folder.join("state.json"), mode).unwrap();
    let call = |words: &[&str]| sandbox.runtime(words).limit(20).output();
    let id = sandbox.id("odd");
    call(&["list"]).ok();
    call(&["state", &id]).fails_with(1, &["container does not exist"]);
    call(&["gc"]).ok();
    call(&["delete", "--force", &id]).ok();
    assert!(!folder.exists());
}
