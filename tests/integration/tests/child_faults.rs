//! One system call fails, or the process is killed at it, in the child or in the runtime: whichever it is, the runtime
//! ends, and nothing is left.

use harness::{Bundle, Harm, Sandbox, Whose, cases, orphans, skip, trace};
use nix::unistd::Pid;

cases![
    child_killed_at_every_call_of_create,
    privileged_child_killed_at_every_call_of_create_with_user_namespace,
    privileged_calls_of_the_child_fail_with_user_namespace,
    child_killed_at_every_call_of_exec,
    calls_of_the_child_fail_in_exec,
    privileged_runtime_killed_or_failing_at_calls_of_create_with_user_namespace,
];

const ENOMEM: i32 = 12;
const EINTR: i32 = 4;

/// Harms one call after the other, or each so-many-th, as many as there are.
fn each_call(step: u64, mut attempt: impl FnMut(u64) -> u64) {
    let mut at = 1;
    while attempt(at) >= at {
        at += step;
    }
    assert!(at > 20, "only {at} calls were made");
}

/// Who is left without a parent is ours.
fn reap(processes: &[Pid]) {
    for pid in processes {
        harness::wait_until("the end of a process", || orphans::has_ended(*pid));
    }
}

fn with_user_namespace(sandbox: &Sandbox) -> Bundle {
    sandbox.bundle().in_user_namespace(65536)
}

fn harm_create(sandbox: &Sandbox, bundle: &Bundle, harm: Harm) {
    harm_create_of(sandbox, bundle, (Whose::Child, 1), harm);
}

fn harm_create_of(sandbox: &Sandbox, bundle: &Bundle, (whose, step): (Whose, u64), harm: Harm) {
    let id = sandbox.id("a");
    let before = sandbox.host(None);
    each_call(step, |at| {
        let call = sandbox
            .stopped(["create", "--bundle"])
            .arg(&bundle.path)
            .arg(&id);
        let traced = trace(call, whose, at, harm);
        let output = traced
            .output
            .unwrap_or_else(|| panic!("create hangs: {harm:?} at call {at}, {:?}", traced.harmed));
        // A failing call need not matter, and at the fence everything is done already.
        assert!(
            output.code == 0 || whose == Whose::Runtime || output.stderr.lines().count() == 1,
            "{harm:?} at call {at}: {}",
            output.stderr
        );
        sandbox
            .runtime(["delete", "--force", &id])
            .limit(20)
            .output()
            .ok();
        reap(&traced.others);
        harness::wait_until("nothing is left", || {
            sandbox.host(None).difference(&before).is_empty()
        });
        traced.calls
    });
}

fn child_killed_at_every_call_of_create() {
    let sandbox = Sandbox::new();
    harm_create(&sandbox, &sandbox.bundle(), Harm::Kill);
}

fn privileged_child_killed_at_every_call_of_create_with_user_namespace() {
    let sandbox = Sandbox::new();
    harm_create(&sandbox, &with_user_namespace(&sandbox), Harm::Kill);
}

fn privileged_calls_of_the_child_fail_with_user_namespace() {
    if !harness::CAN_FAIL {
        skip!("registers of this architecture");
    }
    let sandbox = Sandbox::new();
    for errno in [ENOMEM, EINTR] {
        harm_create(&sandbox, &with_user_namespace(&sandbox), Harm::Fail(errno));
    }
}

fn harm_exec(harm: Harm) {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    each_call(1, |at| {
        let call = sandbox.stopped(["exec", &container.id, "/bin/probe", "true"]);
        let traced = trace(call, Whose::Child, at, harm);
        let output = traced
            .output
            .unwrap_or_else(|| panic!("exec hangs: {harm:?} at call {at}, {:?}", traced.harmed));
        assert!(
            output.code == 0 || !output.stderr.is_empty() || harm == Harm::Kill,
            "{harm:?} at call {at}: {}",
            output.code
        );
        reap(&traced.others);
        assert_eq!(container.status(), "running", "{harm:?} at call {at}");
        traced.calls
    });
    container.force_delete();
}

fn child_killed_at_every_call_of_exec() {
    harm_exec(Harm::Kill);
}

fn calls_of_the_child_fail_in_exec() {
    if !harness::CAN_FAIL {
        skip!("registers of this architecture");
    }
    harm_exec(Harm::Fail(ENOMEM));
}

/// There are many of them, and other tests kill and harm the runtime too: so only some, in each of which the child is at
/// another point.
fn privileged_runtime_killed_or_failing_at_calls_of_create_with_user_namespace() {
    let sandbox = Sandbox::new();
    let bundle = with_user_namespace(&sandbox);
    harm_create_of(&sandbox, &bundle, (Whose::Runtime, 7), Harm::Kill);
    if harness::CAN_FAIL {
        harm_create_of(&sandbox, &bundle, (Whose::Runtime, 11), Harm::Fail(ENOMEM));
    }
}
