//! The runtime of an ordinary user. When the tests run as root, they become one for these.

use std::fs;

use harness::{Sandbox, cases, need, skip};
use serde_json::json;

cases![
    container_runs_and_sees_itself_as_root,
    life_cycle,
    exec_keeps_the_mapping,
    default_root_is_in_the_runtime_directory,
    files_belong_to_the_user,
    groups_cannot_be_set,
    other_ids_cannot_be_mapped,
    subordinate_ids_are_mapped_by_the_helpers,
    devices_are_bound_from_the_host,
    a_bound_device_must_be_as_its_entry_says,
    cannot_touch_other_users_containers,
    control_groups_of_others_cannot_be_written,
];

fn container_runs_and_sees_itself_as_root() {
    let sandbox = Sandbox::ordinary();
    let (uid, _) = sandbox.rootless().unwrap();
    let bundle = sandbox
        .bundle()
        .probe("status Uid -- cat /proc/self/uid_map -- sleep 1000");
    let container = sandbox.detach(&bundle, "a");
    container.wait_for("4294967295\n".trim_start_matches("4294967295"));
    harness::wait_until("both lines", || container.printed().lines().count() == 2);
    let words: Vec<String> = container
        .printed()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        words,
        ["Uid:", "0", "0", "0", "0", "0", &uid.to_string(), "1"]
    );
    let status = container.proc("status");
    assert!(
        status.contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}")),
        "{status}"
    );
}

fn life_cycle() {
    let sandbox = Sandbox::ordinary();
    let before = sandbox.host(None);
    let container = sandbox.create(&sandbox.bundle().probe("wait-signal"), "a");
    assert_eq!(container.status(), "created");
    container.start();
    container.wait_for("ready");
    container.kill("TERM").ok();
    assert_eq!(container.wait(), 42);
    container.delete().ok();
    sandbox.host(None).same_as(&before);
}

fn exec_keeps_the_mapping() {
    let sandbox = Sandbox::ordinary();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let wanted = fs::read_link(format!("/proc/{}/ns/user", container.pid)).unwrap();
    let seen = container
        .exec("readlink /proc/self/ns/user -- status Uid -- exit 5")
        .exits(5);
    seen.lines(&[&wanted.to_string_lossy(), "Uid:\t0\t0\t0\t0"]);
}

fn default_root_is_in_the_runtime_directory() {
    let sandbox = Sandbox::ordinary();
    let folder = sandbox.folder("xdg");
    let bundle = sandbox.bundle().probe("echo ran");
    let call = sandbox
        .command(sandbox.program())
        .env("XDG_RUNTIME_DIR", &folder)
        .args(["run", "--bundle"]);
    call.arg(&bundle.path)
        .arg(sandbox.id("a"))
        .output()
        .ok()
        .lines(&["ran"]);
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        1,
        "one folder, named like the runtime"
    );
}

fn files_belong_to_the_user() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::ordinary();
    let (uid, _) = sandbox.rootless().unwrap();
    let bundle = sandbox.bundle().writable();
    let made = bundle.rootfs().join("tmp/new");
    sandbox
        .see(bundle, "touch /tmp/new -- stat /tmp/new")
        .ok()
        .prints("uid=0 gid=0");
    assert_eq!(fs::metadata(made).unwrap().uid(), uid);
}

fn groups_cannot_be_set() {
    let sandbox = Sandbox::ordinary();
    let bundle = sandbox
        .bundle()
        .set("/process/user/additionalGids", json!([5]));
    sandbox.run(&bundle).exits(1);
}

fn other_ids_cannot_be_mapped() {
    let sandbox = Sandbox::ordinary();
    let bundle = sandbox.bundle().set(
        "/linux/uidMappings",
        json!([{"containerID": 0, "hostID": 0, "size": 1}]),
    );
    let before = sandbox.host(None);
    sandbox.run(&bundle).exits(1);
    sandbox.host(None).same_as(&before);
}

/// The user's range in /etc/subuid or /etc/subgid.
fn range(file: &str, uid: u32) -> Option<(u32, u32)> {
    let name = nix::unistd::User::from_uid(uid.into()).ok()??.name;
    let text = fs::read_to_string(file).ok()?;
    let mut fields = text
        .lines()
        .find(|line| line.split(':').next() == Some(&name))?
        .split(':')
        .skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn subordinate_ids_are_mapped_by_the_helpers() {
    need::program("newuidmap");
    let sandbox = Sandbox::ordinary();
    let (uid, gid) = sandbox.rootless().unwrap();
    let (Some((uids, _)), Some((gids, _))) = (range("/etc/subuid", uid), range("/etc/subgid", uid))
    else {
        skip!("user {uid} has no subordinate ids");
    };
    let map = |own: u32, first: u32| json!([{"containerID": 0, "hostID": own, "size": 1}, {"containerID": 1, "hostID": first, "size": 1000}]);
    let bundle = sandbox
        .bundle()
        .set("/linux/uidMappings", map(uid, uids))
        .set("/linux/gidMappings", map(gid, gids));
    let bundle = bundle.set(
        "/process/user",
        json!({"uid": 7, "gid": 8, "additionalGids": [9]}),
    );
    let container = sandbox.detach(&bundle.probe("status Uid -- sleep 1000"), "a");
    container.wait_for("Uid:\t7\t7\t7\t7");
    let status = container.proc("status");
    assert!(
        status.contains(&format!("Uid:\t{}\t", uids + 6)),
        "{status}"
    );
    assert!(
        status.contains(&format!("Groups:\t{}", gids + 8)),
        "{status}"
    );
}

fn devices_are_bound_from_the_host() {
    let sandbox = Sandbox::ordinary();
    let seen = sandbox
        .see(
            sandbox.bundle(),
            "stat /dev/null /dev/tty -- write /dev/null x -- open /dev/urandom r",
        )
        .ok();
    seen.prints("/dev/null char 0666")
        .prints("open /dev/urandom: ok");
}

fn a_bound_device_must_be_as_its_entry_says() {
    let sandbox = Sandbox::ordinary();
    let entry =
        json!({"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666});
    let with = |field: &str, value: u32| {
        let mut entry = entry.clone();
        entry[field] = json!(value);
        sandbox.run(&sandbox.bundle().push("/linux/devices", entry))
    };
    // As the container sees the host's: its root is not mapped.
    with("uid", 65534).ok();
    for (field, value) in [("fileMode", 0o640), ("uid", 0), ("gid", 7)] {
        let field = format!("linux.devices[0].{field}");
        with(&field["linux.devices[0].".len()..], value).fails_with(1, &[&field, "/dev/null"]);
    }
}

fn cannot_touch_other_users_containers() {
    if !nix::unistd::geteuid().is_root() {
        skip!("needs root for the other user's container");
    }
    let owner = Sandbox::new();
    let container = owner.detach(&owner.bundle().probe("sleep 1000"), "a");
    let other = Sandbox::ordinary();
    for command in ["state", "kill", "delete"] {
        let call = other
            .command(other.program())
            .arg("--root")
            .arg(&owner.root)
            .args([command, &container.id]);
        assert_ne!(call.output().code, 0, "{command}");
    }
    assert_eq!(container.status(), "running");
}

/// CVE-2023-25809: without a cgroup namespace the host's groups are visible; they must not be writable.
fn control_groups_of_others_cannot_be_written() {
    let sandbox = Sandbox::ordinary();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let groups: Vec<&str> = mounts
        .lines()
        .filter(|line| {
            line.split(' ')
                .nth(2)
                .is_some_and(|kind| kind.starts_with("cgroup"))
        })
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    for group in groups {
        let seen = sandbox.see(sandbox.bundle(), &format!("write {group}/cgroup.procs 0"));
        assert_ne!(seen.code, 0, "{group}: {}", seen.stdout);
    }
}
