//! `linux.cgroupsPath` and the life of control groups, without limits.

use std::fs;

use harness::{Bundle, Sandbox, cases, need, wait_until};
use serde_json::json;

cases![
    privileged_path_is_used,
    privileged_path_is_made_and_removed,
    privileged_parent_that_existed_stays,
    privileged_group_with_processes_is_refused,
    privileged_group_that_is_used_again_has_the_new_rules,
    privileged_default_path_names_the_container,
    privileged_limits_far_outside_are_refused,
    path_that_leaves_is_refused,
    privileged_group_can_be_entered_by_exec,
    privileged_group_that_is_gone_is_missed_by_all_but_exec,
    privileged_group_belongs_to_the_programs_user,
    privileged_group_belongs_to_a_user_of_the_user_namespace,
    privileged_group_is_given_away_inside_a_user_namespace,
    privileged_group_is_not_given_away_for_nothing,
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
    if need::is_unified() {
        // Hierarchies of version 1 may exist without being mounted here.
        return;
    }
    // All hierarchies that can hold it do, that of v2 among them where it is mounted.
    let hybrid = std::path::Path::new("/sys/fs/cgroup/unified").join("cgroup.procs");
    let unmounted: &[&str] = match hybrid.exists() {
        true => &["name=systemd", "rdma", "misc", "debug"],
        false => &["", "name=systemd", "rdma", "misc", "debug"],
    };
    for line in groups.lines().filter(|line| !line.ends_with(&wanted)) {
        let names = line.split(':').nth(1).unwrap();
        assert!(unmounted.contains(&names), "not in {names}: {groups}");
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
    // One that fails before it has come to its cgroup has none to remove either.
    let namespaces = json!([{"type": "mount"}, {"type": "uts", "path": "/etc/passwd"}]);
    let bundle = bundle.set("/linux/namespaces", namespaces);
    let call = sandbox
        .runtime(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("c"))
        .output();
    let call = call.fails_with(1, &["/etc/passwd is not a namespace"]);
    assert!(!call.stderr.contains("cannot remove"), "{call:?}");
    let call = sandbox.runtime(["state", &sandbox.id("c")]).output();
    call.fails_with(1, &["does not exist"]);
    assert_eq!(
        first.status(),
        "created",
        "the other container is left alone"
    );
    first.force_delete();
    first.wait();
    sandbox.remove_groups();
}

fn privileged_group_that_is_used_again_has_the_new_rules() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let bundle = |allow: bool, commands: &str| {
        let kmsg =
            json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
        let bundle = sandbox.bundle().set("/linux/devices", kmsg);
        let bundle = bundle.set("/linux/cgroupsPath", json!(path(&sandbox, "a")));
        bundle
            .set(
                "/linux/resources/devices",
                json!([{"allow": allow, "access": "rwm"}]),
            )
            .probe(commands)
    };
    // With hooks the rules are applied before the child is started.
    let hook = json!({"createRuntime": [{"path": "/bin/true"}]});
    for (first, hooks) in [
        (false, json!({})),
        (true, json!({})),
        (false, hook.clone()),
        (true, hook),
    ] {
        let before = sandbox.create(&bundle(first, "sleep 1000"), "before");
        before.kill("KILL").ok();
        before.wait();
        // Nobody has deleted that one yet; its group is empty.
        let bundle = bundle(!first, "open /dev/kmsg w -- sleep 1000").set("/hooks", hooks);
        let second = sandbox.detach(&bundle, "second");
        let (now, then) = match first {
            true => ("EPERM", "ok"),
            false => ("ok", "EPERM"),
        };
        second.wait_for(&format!("open /dev/kmsg: {now}"));
        let rules = json!({"devices": [{"allow": first, "access": "rwm"}]});
        let call = second.call("update", &["--resources", "-"]);
        call.input(rules.to_string()).output().ok();
        let seen = second.exec("open /dev/kmsg w");
        let text = format!("open /dev/kmsg: {then}");
        assert!(seen.stdout.contains(&text), "{seen:?}");
        second.force_delete();
        second.wait();
        before.delete().ok();
    }
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

/// Somebody has moved everything away and removed the group: what is added goes to the rest, as builders in privileged
/// containers rely on; there is nothing to freeze, count or limit.
fn privileged_group_that_is_gone_is_missed_by_all_but_exec() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/linux/cgroupsPath", json!(path(&sandbox, "a")));
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    for group in sandbox.host(None).groups() {
        if !group.ends_with("a") {
            continue;
        }
        let above = group.parent().and_then(std::path::Path::parent).unwrap();
        fs::write(above.join("cgroup.procs"), container.pid.to_string()).unwrap();
        wait_until("the group is removed", || fs::remove_dir(group).is_ok());
    }
    container.exec("echo ran").ok().lines(&["ran"]);
    for command in ["pause", "events", "update"] {
        let call = container.call(command, &[] as &[&str]);
        call.output()
            .fails_with(1, &["the container has no cgroup"]);
    }
    container.kill("KILL").ok();
    container.wait();
    container.delete().ok();
    sandbox.remove_groups();
}

/// A container that sees its own group, writable, and runs as this user.
fn delegated(bundle: Bundle, user: u32) -> Bundle {
    fs::create_dir_all(bundle.rootfs().join("sys/fs/cgroup")).unwrap();
    bundle
        .without_mount("/sys")
        .without_namespace("cgroup")
        .push("/linux/namespaces", json!({"type": "cgroup"}))
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["rw", "nosuid"])
        .set("/process/user", json!({"uid": user, "gid": user}))
}

/// What only the owner of a group can do: make one below it and move into it. The limits stay the runtime's.
const USE_GROUP: &str = "mkdir /sys/fs/cgroup/below -- write /sys/fs/cgroup/below/cgroup.procs 0 \
    -- cat /proc/self/cgroup -- open /sys/fs/cgroup/cgroup.max.descendants w";

fn privileged_group_belongs_to_the_programs_user() {
    need::unified_cgroups();
    let sandbox = Sandbox::new();
    for user in [0, 1234] {
        let seen = sandbox.see(delegated(sandbox.bundle(), user), USE_GROUP);
        let limits = if user == 0 { "ok" } else { "EACCES" };
        seen.prints("0::/below\n")
            .prints(&format!("cgroup.max.descendants: {limits}"));
    }
}

fn privileged_group_belongs_to_a_user_of_the_user_namespace() {
    need::unified_cgroups();
    let sandbox = Sandbox::new();
    let mapped = |bundle: Bundle| bundle.in_user_namespace(1000);
    for user in [0, 7] {
        let bundle = delegated(mapped(sandbox.bundle()), user);
        let seen = sandbox.see(bundle, USE_GROUP);
        seen.prints("0::/below\n")
            .prints("cgroup.max.descendants: EACCES");
    }
    // The same for a container that joins the user namespace of another.
    let first = sandbox.detach(&mapped(sandbox.bundle()).probe("sleep 1000"), "first");
    let path = format!("/proc/{}/ns/user", first.pid);
    let bundle = delegated(sandbox.bundle().join_namespace("user", &path), 7);
    let seen = sandbox.see(bundle, USE_GROUP);
    seen.prints("0::/below\n");
    first.force_delete();
}

/// The runtime itself is in a user namespace, as below engines of ordinary users.
fn privileged_group_is_given_away_inside_a_user_namespace() {
    need::unified_cgroups();
    let unshare = need::program("unshare");
    let sandbox = Sandbox::new();
    let bundle = delegated(sandbox.bundle(), 7).probe(USE_GROUP);
    let (go, id) = (sandbox.path.join("go"), sandbox.id("a"));
    let script = r#"until [ -e "$3" ]; do sleep 0.02; done
        exec "$1" --root "$2" run --bundle "$4" "$5""#;
    let call = sandbox
        .command(unshare)
        .args(["--user", "--mount", "sh", "-ec", script, "sh"]);
    let call = call.arg(sandbox.program()).arg(&sandbox.root).arg(&go);
    let running = call.arg(&bundle.path).arg(id).spawn();
    let pid = running.pid();
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    wait_until("the user namespace", || {
        fs::read_link(format!("/proc/{pid}/ns/user")).is_ok_and(|link| link != own)
    });
    // The same ids, and not all of them: what matters is that they are no longer the machine's.
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{pid}/{map}"), "0 0 1000").unwrap();
    }
    fs::write(go, "").unwrap();
    let seen = running.finish();
    seen.prints("0::/below\n")
        .prints("cgroup.max.descendants: EACCES");
}

fn privileged_group_is_not_given_away_for_nothing() {
    need::unified_cgroups();
    let sandbox = Sandbox::new();
    let stat = "stat /sys/fs/cgroup/cgroup.procs";
    let read_only = delegated(sandbox.bundle(), 1234).edit(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        let last = mounts.last_mut().unwrap();
        last["options"] = json!(["ro"]);
    });
    let shared = delegated(sandbox.bundle(), 1234).without_namespace("cgroup");
    for bundle in [read_only, shared] {
        sandbox.see(bundle, stat).ok().prints("uid=0 gid=0");
    }
}
