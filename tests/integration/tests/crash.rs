//! The runtime is killed at any moment; `delete --force` must remove whatever it had begun.

use std::time::Duration;

use harness::{Sandbox, cases, wait_until};

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

fn killed_during_create() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    for (number, moment) in moments().enumerate() {
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
        // Whatever state it is in, these must not hang.
        sandbox.runtime(["state", &id]).limit(20).output();
        sandbox
            .runtime(["delete", "--force", &id])
            .limit(20)
            .output()
            .ok();
        wait_until(&format!("nothing left after {moment:?}"), || {
            reap();
            sandbox.host(None).difference(&before).is_empty()
        });
        // And the id is free again.
        let container = sandbox.create(&bundle, &format!("c{number}"));
        container.force_delete();
        container.wait();
    }
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
        reap();
        sandbox.host(None).difference(&before).is_empty()
    });
}

fn first_process_dies_when_its_creator_does() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let before = sandbox.host(None);
    // A hook that never ends holds `create` at a known place.
    let sleeper = bundle.rootfs().join("bin/probe");
    let hook = serde_json::json!({"path": sleeper, "args": ["probe", "sleep", "30"]});
    let bundle = bundle.push("/hooks/createRuntime", hook);
    let id = sandbox.id("a");
    let mut call = sandbox
        .runtime(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(&id)
        .spawn();
    wait_until("the hook", || {
        sandbox
            .host(None)
            .difference(&before)
            .iter()
            .any(|line| line.contains("probe sleep 30"))
    });
    call.child.kill().unwrap();
    call.finish();
    sandbox
        .runtime(["delete", "--force", &id])
        .limit(20)
        .output()
        .ok();
    wait_until("only the hook is left", || {
        reap();
        let left = sandbox.host(None).difference(&before);
        left.iter().all(|line| line.contains("probe sleep 30"))
    });
    for line in sandbox.host(None).difference(&before) {
        let pid: i32 = line.split(' ').nth(2).unwrap().parse().unwrap();
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
    }
    wait_until("nothing left", || {
        reap();
        sandbox.host(None).difference(&before).is_empty()
    });
}

/// Processes whose parent was killed are ours now; their zombies are left out of comparisons, so nothing is to do for
/// them, but a pause lets the kernel end them.
fn reap() {
    std::thread::sleep(Duration::from_millis(1));
}
