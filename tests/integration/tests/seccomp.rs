//! `linux.seccomp`.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use harness::{Sandbox, cases};
use kernel::seccomp::Reply;
use serde_json::{Value, json};

cases![
    denied_calls_answer_with_their_error,
    conditions_look_at_arguments,
    exec_gets_the_same_filter,
    without_no_new_privileges_the_filter_holds_too,
    strict_profile_of_read_and_execve,
    privileged_agent_answers_for_the_kernel,
    agent_that_is_not_there,
    wrong_profiles_are_refused,
];

/// Everything is allowed but what the rules say.
fn profile(rules: Value) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_RISCV64"],
        "syscalls": rules,
    })
}

fn no_directories() -> Value {
    profile(json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]))
}

fn denied_calls_answer_with_their_error() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .writable()
        .set("/linux/seccomp", no_directories());
    let seen = sandbox
        .see(bundle, "mkdir /tmp/x -- touch /tmp/y -- ls /tmp")
        .exits(1);
    seen.prints("ENOSPC").prints("y");
}

fn conditions_look_at_arguments() {
    let sandbox = Sandbox::new();
    // kill(2) with signal 0 only.
    let rule = json!([{"names": ["kill"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}]);
    let bundle = sandbox.bundle().set("/linux/seccomp", profile(rule));
    sandbox
        .see(bundle, "kill-self 10 -- echo survived")
        .exits(1)
        .prints("EPERM")
        .prints("survived");
}

fn exec_gets_the_same_filter() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .writable()
        .set("/linux/seccomp", no_directories())
        .probe("sleep 60");
    let container = sandbox.detach(&bundle, "a");
    container.exec("mkdir /tmp/x").exits(1).prints("ENOSPC");
    container.force_delete();
}

fn without_no_new_privileges_the_filter_holds_too() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .writable()
        .set("/process/noNewPrivileges", json!(false))
        .set("/linux/seccomp", no_directories());
    sandbox
        .see(bundle, "mkdir /tmp/x")
        .exits(1)
        .prints("ENOSPC");
}

/// After the filter is loaded, init needs nothing but read(2) and execve(2).
fn strict_profile_of_read_and_execve() {
    let sandbox = Sandbox::new();
    let strict = json!({
        "defaultAction": "SCMP_ACT_KILL_PROCESS",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_RISCV64"],
        "syscalls": [{"names": ["read", "execve", "write", "exit_group", "exit"], "action": "SCMP_ACT_ALLOW"}],
    });
    let bundle = sandbox
        .bundle()
        .set("/process/noNewPrivileges", json!(true))
        .set("/linux/seccomp", strict);
    sandbox.see(bundle, "echo strict").ok().lines(&["strict"]);
}

/// The agent gets the container's state and a descriptor at which the filter's questions come (config-linux.md, "The
/// Container Process State").
fn privileged_agent_answers_for_the_kernel() {
    let sandbox = Sandbox::new();
    let path = sandbox.folder("io").join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut wanted = profile(json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]));
    wanted["listenerPath"] = json!(path.to_str().unwrap());
    wanted["listenerMetadata"] = json!("some words");
    let bundle = sandbox
        .bundle()
        .writable()
        .set("/linux/seccomp", wanted)
        .set("/annotations", json!({"key": "value"}))
        .probe("mkdir /tmp/x -- sleep 60");
    let container = sandbox.create(&bundle, "a");
    let (stream, _) = listener.accept().unwrap();
    let (mut message, mut fds) = (vec![0; 65536], [None, None]);
    let received =
        kernel::socket::receive(stream.as_raw_fd(), &mut message, &mut fds, true).unwrap();
    let state: Value = serde_json::from_slice(&message[..received.bytes]).unwrap();
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["pid"], json!(container.pid));
    assert_eq!(state["metadata"], json!("some words"));
    assert_eq!(state["state"]["id"], json!(container.id));
    assert_eq!(state["state"]["status"], json!("creating"));
    assert_eq!(state["state"]["annotations"]["key"], json!("value"));
    let [Some(questions), None] = fds else {
        panic!("one descriptor")
    };
    let questions = OwnedFd::from(questions);
    container.start();
    let question = kernel::seccomp::receive(questions.as_raw_fd()).unwrap();
    assert_eq!(question.pid, u32::try_from(container.pid).unwrap());
    let answer = Reply::Error(kernel::Errno::EXDEV);
    kernel::seccomp::reply(questions.as_raw_fd(), question.id, answer).unwrap();
    container.wait_for("EXDEV");
}

fn agent_that_is_not_there() {
    let sandbox = Sandbox::new();
    let mut wanted = profile(json!([{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]));
    wanted["listenerPath"] = json!("/nonexistent/agent.sock");
    let bundle = sandbox.bundle().set("/linux/seccomp", wanted);
    let seen = sandbox.see(bundle, "true");
    if sandbox.rootless().is_some() && seen.stderr.contains("fetch the filter's listener") {
        harness::skip!("an ordinary user cannot fetch another process's descriptor");
    }
    seen.fails_with(1, &["failed to connect with seccomp agent"]);
}

fn wrong_profiles_are_refused() {
    let sandbox = Sandbox::new();
    for (rules, wanted) in [
        (
            json!([{"names": ["mkdir"], "action": "SCMP_ACT_DANCE"}]),
            "unknown action",
        ),
        (
            json!([{"names": [], "action": "SCMP_ACT_ERRNO"}]),
            "at least one system call",
        ),
        (
            json!([{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]),
            "SCMP_ACT_NOTIFY",
        ),
    ] {
        let bundle = sandbox.bundle().set("/linux/seccomp", profile(rules));
        sandbox
            .see(bundle, "true")
            .fails_with(1, &["linux.seccomp", wanted]);
    }
}
