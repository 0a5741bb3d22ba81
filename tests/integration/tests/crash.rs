//! The runtime is killed at any moment; `delete --force` must remove whatever it had begun.

use std::time::Duration;

use harness::{Running, Sandbox, cases, wait_until};

cases![
    killed_during_create,
    killed_during_delete,
    killed_run_leaves_a_container_that_can_be_deleted,
    first_process_dies_when_its_creator_does,
];

/// Moments spread over the time that a call takes: dense at the beginning, where the side effects are.
fn moments() -> impl Iterator<Item = Duration> {
    (0..40_u64).map(|step| Duration::from_micros(step * step * 25))
}

/// Kills a `create` at each moment, has `remove` remove what is left of that id, and looks for what is left then.
pub(crate) fn killed_creates(every: usize, remove: impl Fn(&Sandbox, &str)) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    for (number, moment) in moments().enumerate().step_by(every) {
        let id = sandbox.id(&format!("c{number}"));
        let before = sandbox.host(None);
        let mut call = sandbox
            .runtime(["create", "--bundle"])
            .arg(&bundle.path)
            .arg(&id)
            .spawn();
        std::thread::sleep(moment);
        call.child.kill().unwrap();
        call.finish();
        remove(&sandbox, &id);
        wait_until(&format!("nothing left after {moment:?}"), || {
            sandbox.host(None).difference(&before).is_empty()
        });
        // And the id is free again.
        let container = sandbox.create(&bundle, &format!("c{number}"));
        container.force_delete();
        container.wait();
    }
}

fn killed_during_create() {
    killed_creates(1, |sandbox, id| {
        // Whatever state it is in, these must not hang.
        sandbox.runtime(["state", id]).limit(20).output();
        let delete = sandbox.runtime(["delete", "--force", id]);
        delete.limit(20).output().ok();
    });
}

/// A hook that never ends.
pub(crate) const HOOK: &str = "probe sleep 30";

/// A `create` that such a hook holds at a known place.
pub(crate) fn held_create(sandbox: &Sandbox, id: &str) -> Running {
    let bundle = sandbox.bundle().probe("sleep 1000");
    let words: Vec<&str> = HOOK.split(' ').collect();
    let hook = serde_json::json!({"path": bundle.rootfs().join("bin/probe"), "args": words});
    let bundle = bundle.push("/hooks/createRuntime", hook);
    let create = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
    let before = sandbox.host(None);
    let call = create.arg(id).spawn();
    wait_until("the hook", || {
        let now = sandbox.host(None).difference(&before);
        now.iter().any(|line| line.contains(HOOK))
    });
    call
}

fn killed_during_delete() {
    let sandbox = Sandbox::new();
    for moment in moments().step_by(4) {
        let before = sandbox.host(None);
        let container = sandbox.create(&sandbox.bundle().probe("sleep 1000"), "a");
        let mut call = container.call("delete", &["--force"]).spawn();
        std::thread::sleep(moment);
        call.child.kill().unwrap();
        call.finish();
        container.force_delete();
        container.wait();
        let left = sandbox.host(None).difference(&before);
        assert!(left.is_empty(), "{moment:?}: {left:#?}");
    }
}

fn killed_run_leaves_a_container_that_can_be_deleted() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo up -- sleep 1000");
    let before = sandbox.host(None);
    let id = sandbox.id("a");
    let mut call = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(&id)
        .spawn();
    wait_until("the program", || call.stdout().contains("up"));
    call.child.kill().unwrap();
    call.finish();
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    wait_until("nothing left", || {
        sandbox.host(None).difference(&before).is_empty()
    });
}

fn first_process_dies_when_its_creator_does() {
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let id = sandbox.id("a");
    let mut call = held_create(&sandbox, &id);
    call.child.kill().unwrap();
    call.finish();
    wait_until("of the processes only the hook is left", || {
        let left = sandbox.host(None).difference(&before);
        let mut processes = left.iter().filter(|line| line.contains("/proc/"));
        processes.all(|line| line.contains(HOOK))
    });
    let delete = sandbox.runtime(["delete", "--force", &id]);
    delete.limit(20).output().ok();
    wait_until("nothing left", || {
        sandbox.host(None).difference(&before).is_empty()
    });
}
