//! `linux.cgroupsPath` and the life of control groups, without limits.

use std::fs;

use harness::{Sandbox, cases, need};
use serde_json::json;

cases![
    privileged_path_is_used,
    privileged_path_is_made_and_removed,
    privileged_parent_that_existed_stays,
    privileged_group_with_processes_is_refused,
    privileged_default_path_names_the_container,
    privileged_limits_far_outside_are_refused,
    path_that_leaves_is_refused,
    privileged_group_can_be_entered_by_exec,
];

fn path(sandbox: &Sandbox, name: &str) -> String {
    format!("/{}-groups/{name}", sandbox.tag)
}

fn privileged_path_is_used() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let wanted = path(&sandbox, "a");
    let container = sandbox.create(
        &sandbox.bundle().set("/linux/cgroupsPath", json!(wanted)),
        "a",
    );
    let groups = container.proc("cgroup");
    let placed = groups
        .lines()
        .filter(|line| line.ends_with(&wanted))
        .count();
    assert!(placed > 0, "{groups}");
    container.force_delete();
    sandbox.remove_groups();
    // All hierarchies that can hold it do.
    for line in groups.lines().filter(|line| !line.ends_with(&wanted)) {
        let names = line.split(':').nth(1).unwrap();
        assert!(
            ["", "name=systemd", "rdma", "misc", "debug"].contains(&names),
            "not in {names}: {groups}"
        );
    }
}

fn privileged_path_is_made_and_removed() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let deep = path(&sandbox, "b/c/d");
    let bundle = sandbox.bundle().set("/linux/cgroupsPath", json!(deep));
    let container = sandbox.create(&bundle, "a");
    let groups = sandbox.host(None).groups().to_vec();
    assert!(
        groups
            .iter()
            .any(|group| group.to_string_lossy().ends_with(&deep)),
        "{groups:?}"
    );
    container.force_delete();
    let left = sandbox
        .host(None)
        .groups()
        .iter()
        .filter(|group| group.ends_with("d"))
        .count();
    assert_eq!(left, 0, "the container's own group is removed");
    // Parents that the runtime made on the way are nobody's any more; the kernel's own tools leave them too.
    sandbox.remove_groups();
    sandbox.host(None).same_as(&before);
}

fn privileged_parent_that_existed_stays() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let wanted = path(&sandbox, "a");
    let first = sandbox.create(
        &sandbox.bundle().set("/linux/cgroupsPath", json!(wanted)),
        "a",
    );
    let parents: Vec<_> = sandbox
        .host(None)
        .groups()
        .iter()
        .filter_map(|group| {
            let parent = group.parent()?;
            parent
                .to_string_lossy()
                .ends_with("-groups")
                .then(|| parent.to_owned())
        })
        .collect();
    first.force_delete();
    first.wait();
    for parent in &parents {
        fs::create_dir_all(parent).unwrap();
    }
    let second = sandbox.create(
        &sandbox.bundle().set("/linux/cgroupsPath", json!(wanted)),
        "b",
    );
    second.force_delete();
    second.wait();
    for parent in &parents {
        assert!(parent.exists(), "{}", parent.display());
        fs::remove_dir(parent).unwrap();
    }
}

fn privileged_group_with_processes_is_refused() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let wanted = path(&sandbox, "a");
    let first = sandbox.create(
        &sandbox.bundle().set("/linux/cgroupsPath", json!(wanted)),
        "a",
    );
    let bundle = sandbox.bundle().set("/linux/cgroupsPath", json!(wanted));
    let call = sandbox
        .runtime(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("b"))
        .output();
    call.fails_with(1, &["container's cgroup is not empty: 1 process(es) found"]);
    assert_eq!(
        first.status(),
        "created",
        "the other container is left alone"
    );
    first.force_delete();
    first.wait();
    sandbox.remove_groups();
}

fn privileged_default_path_names_the_container() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle(), "a");
    assert!(
        container
            .proc("cgroup")
            .lines()
            .any(|line| line.ends_with(&format!("/{}", container.id)))
    );
}

fn privileged_limits_far_outside_are_refused() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let bundle = sandbox
        .bundle()
        .set("/linux/resources/pids", json!({"limit": "many"}));
    assert_eq!(sandbox.run(&bundle).code, 1);
    sandbox.host(None).same_as(&before);
}

fn path_that_leaves_is_refused() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let tag = &sandbox.tag;
    let bundle = sandbox.bundle().set(
        "/linux/cgroupsPath",
        json!(format!("../../../../tmp/{tag}/escaped")),
    );
    let call = sandbox.run(&bundle);
    // Cleaned up to a path below the mount point, or refused; in no case anything outside.
    assert!(call.code == 0 || !call.stderr.is_empty());
    assert!(!sandbox.path.join("escaped").exists());
    sandbox.remove_groups();
}

fn privileged_group_can_be_entered_by_exec() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    container
        .exec_with(&["--cgroup", "/no/such"], "true")
        .exits(255);
    if need::is_unified() {
        let group = sandbox.host(None).groups()[0].join("sub");
        fs::create_dir(&group).unwrap();
        let seen = container
            .exec_with(&["--cgroup", "/sub"], "cat /proc/self/cgroup")
            .ok();
        assert!(seen.stdout.trim_end().ends_with("/sub"), "{}", seen.stdout);
    }
}
