//! `--log` and `--log-format`.

use std::fs;

use harness::{Sandbox, cases};
use serde_json::{Value, json};

cases![log_that_cannot_be_used, json_log, text_log_and_bare_message,];

fn log_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    let call = sandbox.command(sandbox.program());
    let output = call
        .args(["--log", "/nosuch/log", "--log-format", "json", "list"])
        .output()
        .exits(1);
    let line: Value = serde_json::from_str(output.stderr.trim()).expect("JSON");
    assert_eq!(line["level"], "error");
    assert!(
        line["msg"]
            .as_str()
            .unwrap()
            .contains("open /nosuch/log: no such file or directory (--log)"),
        "{line}"
    );
    let call = sandbox
        .command(sandbox.program())
        .args(["--log", "/dev/full", "--root"]);
    let output = call
        .arg(&sandbox.root)
        .args(["state", &sandbox.id("x")])
        .output()
        .exits(1);
    let texts = [
        "write the log (--log): no space left on device: ",
        "container does not exist",
    ];
    for text in texts {
        assert!(output.stderr.contains(text), "{output:?}");
    }
}

fn json_log() {
    let sandbox = Sandbox::new();
    let log = sandbox.path.join("io/log.json");
    let bundle = sandbox.bundle().set("/process/cwd", json!("relative"));
    let call = sandbox
        .command(sandbox.program())
        .arg("--root")
        .arg(&sandbox.root)
        .arg("--log")
        .arg(&log);
    let call = call
        .args(["--log-format", "json", "create", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"));
    let output = call.output().exits(1);
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let error = lines
        .iter()
        .rfind(|line| line["level"] == "error")
        .expect("an error");
    let message = error["msg"].as_str().unwrap();
    assert!(
        message.contains("cwd") || message.contains("Cwd"),
        "{message}"
    );
    let time = error["time"].as_str().unwrap();
    assert!(time.len() >= 20 && time.as_bytes()[10] == b'T', "{time}");
    assert_eq!(
        output.stderr.trim_end(),
        message,
        "the bare message is on standard error too"
    );
}

fn text_log_and_bare_message() {
    let sandbox = Sandbox::new();
    let log = sandbox.path.join("io/log");
    fs::write(&log, "kept\n").unwrap();
    let call = sandbox
        .command(sandbox.program())
        .arg("--log")
        .arg(&log)
        .arg("--root")
        .arg(&sandbox.root);
    let output = call.args(["state", &sandbox.id("x")]).output().exits(1);
    assert!(
        output.stderr.contains("container does not exist"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("level="), "{}", output.stderr);
    let text = fs::read_to_string(&log).unwrap();
    assert!(
        text.starts_with("kept\n") && text.contains("level=error msg="),
        "{text}"
    );
    let output = sandbox
        .runtime(["state", &sandbox.id("x")])
        .output()
        .exits(1);
    assert!(output.stderr.starts_with("time=\""), "{}", output.stderr);
    assert!(
        output.stderr.contains("\" level=error msg=\""),
        "{}",
        output.stderr
    );
    let output = sandbox
        .command(sandbox.program())
        .args(["--log-format", "xml", "list"])
        .output();
    assert!(
        output.code == 1 && output.stderr.contains("invalid log-format"),
        "{output:?}"
    );
}
