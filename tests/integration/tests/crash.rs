//! The runtime is killed; `delete --force` must remove whatever it had begun. Each system call as the moment: `points.rs`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{Running, Sandbox, cases, need, skip, wait_until};
use serde_json::json;

cases![
    killed_run_leaves_a_container_that_can_be_deleted,
    first_process_dies_when_its_creator_does,
    another_containers_cgroup_survives_a_refused_create,
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

/// A container whose `create` is refused because something runs in its cgroup has no part in that cgroup, however it ends.
fn another_containers_cgroup_survives_a_refused_create() {
    need::cgroups();
    let sandbox = Sandbox::new();
    if sandbox.rootless().is_some() {
        skip!("an ordinary user's container may have no cgroup");
    }
    let bundle = sandbox.bundle().probe("sleep 1000");
    let path = format!("/{}-groups/shared", sandbox.tag);
    let bundle = bundle.set("/linux/cgroupsPath", json!(path));
    let first = sandbox.detach(&bundle, "first");
    let below: Vec<PathBuf> = sandbox
        .host(None)
        .groups()
        .iter()
        .filter(|group| group.ends_with("shared"))
        .map(|group| group.join("empty"))
        .collect();
    for group in &below {
        fs::create_dir(group).unwrap();
    }
    let id = sandbox.id("second");
    let create = || {
        let call = sandbox.runtime(["create", "--bundle"]);
        call.arg(&bundle.path).arg(&id)
    };
    let begin = Instant::now();
    create()
        .output()
        .fails_with(1, &["container's cgroup is not empty"]);
    let longest = begin.elapsed();
    assert!(
        longest < Duration::from_secs(2),
        "waited for another container"
    );
    for step in 0..20 {
        let mut call = create().spawn();
        std::thread::sleep(longest * step / 20);
        call.child.kill().unwrap();
        call.finish();
        let kill_all = sandbox.runtime(["kill", "--all", &id, "9"]).limit(20);
        kill_all.output();
        let delete = sandbox.runtime(["delete", "--force", &id]).limit(20);
        delete.output().ok();
        assert_eq!(first.status(), "running", "step {step}");
        for group in &below {
            assert!(group.exists(), "step {step}: {}", group.display());
        }
    }
    first.force_delete();
    first.wait();
    sandbox.remove_groups();
}
