//! `linux.seccomp`.

use std::os::fd::{AsFd, OwnedFd};
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
    profile_that_forbids_what_init_needs,
    privileged_agent_of_a_container_serves_every_exec,
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

/// Whatever a filter answers to the last calls of init, even to exit_group, it ends and the error names the filter.
fn profile_that_forbids_what_init_needs() {
    let sandbox = Sandbox::new();
    let without = |calls: &[&str], action: &str| {
        let mut names = vec!["read", "execve", "write", "exit_group", "exit"];
        names.retain(|name| !calls.contains(name));
        json!({
            "defaultAction": action,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_RISCV64"],
            "syscalls": if names.is_empty() {
                json!([])
            } else {
                json!([{"names": names, "action": "SCMP_ACT_ALLOW"}])
            },
        })
    };
    let all = ["read", "execve", "write", "exit_group", "exit"];
    // A call that is newer than all that a profile names answers as on a kernel that does not know it, as with other
    // runtimes. On x86-64 execve is older than exit; elsewhere it has a higher number than all of these.
    let no_execve = match cfg!(target_arch = "x86_64") {
        true => "execve: operation not permitted",
        false => "execve: function not implemented",
    };
    for (calls, wanted) in [
        (&all[..], "read: operation not permitted"),
        (&["read"], "read: operation not permitted"),
        (&["execve", "write", "exit_group"], no_execve),
        (&["execve"], no_execve),
    ] {
        let profile = without(calls, "SCMP_ACT_ERRNO");
        let bundle = sandbox.bundle().set("/linux/seccomp", profile);
        let needed = "read, execve and exit_group are always needed";
        let output = sandbox.run(&bundle).exits(1);
        for text in ["linux.seccomp", wanted, needed] {
            assert!(
                output.error().contains(text),
                "{calls:?}: {}",
                output.stderr
            );
        }
    }
    let profile = without(&["read"], "SCMP_ACT_KILL_PROCESS");
    let bundle = sandbox.bundle().set("/linux/seccomp", profile);
    let output = sandbox.run(&bundle);
    output.fails_with(
        1,
        &["linux.seccomp", "SIGSYS", "read, execve and exit_group"],
    );
}

/// The state of a process that an agent at this socket is told of, and the descriptor that comes with it.
fn told(listener: &UnixListener) -> (Value, OwnedFd) {
    let (stream, _) = listener.accept().unwrap();
    let (mut message, mut fds) = (vec![0; 65536], [None, None]);
    let received =
        kernel::socket::receive(stream.as_fd().into(), &mut message, &mut fds, true).unwrap();
    let [Some(questions), None] = fds else {
        panic!("one descriptor")
    };
    let state = serde_json::from_slice(&message[..received.bytes]).unwrap();
    (state, OwnedFd::from(questions))
}

/// Each process of `exec` has a filter of its own, whose listener is fetched from that process.
fn privileged_agent_of_a_container_serves_every_exec() {
    let sandbox = Sandbox::new();
    let path = sandbox.folder("io").join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut wanted = profile(json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]));
    wanted["listenerPath"] = json!(path.to_str().unwrap());
    let bundle = sandbox.bundle().set("/linux/seccomp", wanted);
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    drop(told(&listener));
    for _ in 0..100 {
        container.exec("true").ok();
        let (state, _) = told(&listener);
        assert_eq!(
            state["state"]["pid"],
            json!(container.pid),
            "the container's process"
        );
        assert_eq!(state["state"]["status"], json!("running"));
        assert!(
            state["pid"]
                .as_i64()
                .is_some_and(|pid| pid > 0 && pid != i64::from(container.pid))
        );
    }
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
    let (state, questions) = told(&listener);
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["pid"], json!(container.pid));
    assert_eq!(state["metadata"], json!("some words"));
    assert_eq!(state["state"]["id"], json!(container.id));
    assert_eq!(state["state"]["status"], json!("creating"));
    assert_eq!(state["state"]["annotations"]["key"], json!("value"));
    container.start();
    let question = kernel::seccomp::receive(questions.as_fd().into()).unwrap();
    assert_eq!(question.pid, u32::try_from(container.pid).unwrap());
    let answer = Reply::Error(kernel::Errno::EXDEV);
    kernel::seccomp::reply(questions.as_fd().into(), question.id, answer).unwrap();
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
