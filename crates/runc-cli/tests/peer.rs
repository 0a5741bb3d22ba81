//! Where callers know runc's answers by heart, tare's must be the same: compared with the runc of this machine, if any.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Lines that mean the same in all versions of runc, none of which needs a container.
const LINES: &[&str] = &[
    "state",
    "state a b",
    "state --foo a",
    "state a -h",
    "list a",
    "list -f json",
    "list -q",
    "list",
    "list -f xml",
    "-- list",
    "kill none",
    "kill none 9 9",
    "start none",
    "state -- none",
    "delete none",
    "delete none -f",
    "delete -f=false none",
    "delete --force=maybe none",
    "pause none",
    "resume none",
    "ps",
    "ps none -e -x",
    "events none",
    "update none --memory -1",
    "exec",
    "exec none true",
    "exec -e A=1 --env B=2 none true",
    "exec -foo none true",
    "exec none true --foo",
    "create",
    "create --preserve-fds abc none",
    "create ---x none",
    "run --bundle",
    "foo",
    "foo -h",
    "help foo",
    "h list",
    "--foo list",
    "--log-format xml list",
    "--systemd-cgroup=maybe list",
    "--log /no/where list",
    "spec x y --bundle none",
];

/// Exit code, whether the first line is runc's, and the messages on standard error without their times.
fn answer(program: &str, dir: &Path, line: &str) -> (Option<i32>, String, Vec<String>) {
    let output = Command::new(program)
        .arg0("runc")
        .args(["--root", "store"])
        .args(line.split(' '))
        .current_dir(dir)
        .env_remove("XDG_RUNTIME_DIR")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let messages = err.lines().map(|line| {
        let message = line
            .split_once(" level=")
            .map_or(line, |(_, message)| message);
        // runc ends one of its messages with a line break, and does not say which flag names a file, which container there
        // is not, nor where.
        let message = message.replace("\\n\"", "\"");
        let message = message.replace("\"--log: open", "\"open");
        match message.split_once("container does not exist: ") {
            Some((before, what)) => {
                assert!(what.contains("none") && what.contains("store"), "{what}");
                format!("{before}container does not exist\"")
            }
            None => message,
        }
    });
    let first = out.lines().next().unwrap_or_default().to_owned();
    (output.status.code(), first, messages.collect())
}

#[test]
fn runc_gives_the_same_answers() {
    if Command::new("runc").arg("--version").output().is_err() {
        eprintln!("skipped: no runc to compare with");
        return;
    }
    let dir = std::env::temp_dir().join(format!("tare-peer-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("store")).unwrap();
    let mut differences = Vec::new();
    for line in LINES {
        let mut ours = answer(env!("CARGO_BIN_EXE_tare"), &dir, line);
        for message in &mut ours.2 {
            // Callers look for runc's text in the message; behind it ours says which container, and where, or which flag.
            let which = format!(": \\\"none\\\" in {}/store", dir.display());
            *message = message.replace(&which, "").replace(" (--log)", "");
        }
        let theirs = answer("runc", &dir, line);
        if ours != theirs {
            differences.push(format!("{line}\n  tare {ours:?}\n  runc {theirs:?}"));
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
