//! `mounts` and `root`: file systems, order, targets.

use std::fs;

use harness::{Bundle, Sandbox, cases, need};
use serde_json::json;

cases![
    root_path_may_be_absolute,
    usual_file_systems,
    privileged_remount_changes_the_mount_that_is_there,
    a_mount_onto_the_root_becomes_the_root,
    destination_may_begin_with_the_root_s_path,
    cgroup_mount_covers_the_hosts,
    cgroup_mount_shows_the_containers_group,
];

/// The mountinfo line of a target as seen inside.
pub(crate) fn line(sandbox: &Sandbox, bundle: Bundle, target: &str) -> String {
    let seen = sandbox.see(bundle, "cat /proc/self/mountinfo").ok();
    let found = seen
        .stdout
        .lines()
        .rfind(|line| line.split(' ').nth(4) == Some(target));
    found
        .unwrap_or_else(|| panic!("{target} is not mounted: {}", seen.stdout))
        .to_owned()
}

/// The options of the mount (not of the file system) on a target.
pub(crate) fn options(sandbox: &Sandbox, bundle: Bundle, target: &str) -> Vec<String> {
    let line = line(sandbox, bundle, target);
    line.split(' ')
        .nth(5)
        .unwrap()
        .split(',')
        .map(str::to_owned)
        .collect()
}

fn root_path_may_be_absolute() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let path = bundle.rootfs();
    sandbox
        .see(bundle.set("/root/path", json!(path)), "ls /")
        .ok()
        .prints("bin\n");
    let bundle = sandbox.bundle().set("/root/path", json!("nowhere"));
    sandbox
        .run(&bundle)
        .fails_with(1, &["nowhere", "no such file or directory"]);
}

fn usual_file_systems() {
    let sandbox = Sandbox::new();
    let seen = sandbox.see(sandbox.bundle(), "cat /proc/self/mounts").ok();
    for wanted in [
        "/proc proc ",
        "/dev tmpfs ",
        "/dev/pts devpts ",
        "/dev/shm tmpfs ",
        "/dev/mqueue mqueue ",
        "/sys sysfs ",
    ] {
        assert!(seen.stdout.contains(wanted), "{wanted}: {}", seen.stdout);
    }
}

fn privileged_remount_changes_the_mount_that_is_there() {
    let sandbox = Sandbox::new();
    let volume = sandbox.folder("volume");
    let bundle = || {
        let bundle = sandbox
            .bundle()
            .mount("/mnt", "bind", &volume, &["rbind", "nosuid"]);
        bundle.mount("/mnt", "bind", "none", &["bind", "remount", "ro", "nodev"])
    };
    let seen = sandbox.see(bundle(), "cat /proc/self/mountinfo").ok();
    let lines: Vec<_> = seen
        .stdout
        .lines()
        .filter(|line| line.contains(" /mnt "))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(" /mnt ro,nodev,relatime "), "{lines:?}");
    // The root, and a mount that came with the root file system.
    let bundle = sandbox
        .bundle()
        .writable()
        .mount("/", "bind", "none", &["bind", "remount", "ro"]);
    assert!(options(&sandbox, bundle, "/").contains(&"ro".to_owned()));
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", "none", &["bind", "remount", "ro"]);
    sandbox
        .run(&bundle)
        .fails_with(1, &["mounts[", "/mnt", "nothing is mounted there"]);
    // A new size for a file system.
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["size=64k"]);
    let bundle = bundle.mount("/mnt", "tmpfs", "tmpfs", &["remount", "size=128k"]);
    assert!(line(&sandbox, bundle, "/mnt").contains("size=128k"));
}

fn a_mount_onto_the_root_becomes_the_root() {
    let sandbox = Sandbox::new();
    let other = sandbox.bundle().rootfs();
    fs::write(other.join("other"), "").unwrap();
    let bundle = sandbox.bundle().edit(|config| {
        let entry =
            json!({"destination": "/", "type": "bind", "source": other, "options": ["rbind"]});
        config["mounts"].as_array_mut().unwrap().insert(0, entry);
    });
    let seen = sandbox
        .see(bundle, "ls / -- stat /dev/null -- cat /proc/self/mountinfo")
        .ok();
    let seen = seen.prints("other\n").prints("/dev/null char");
    let roots = seen
        .stdout
        .lines()
        .filter(|line| line.split(' ').nth(4) == Some("/"));
    assert_eq!(roots.count(), 1, "{}", seen.stdout);
    // An image cannot choose that by a link.
    let volume = sandbox.folder("volume");
    let bundle = sandbox.bundle().mount("/link", "bind", &volume, &["rbind"]);
    std::os::unix::fs::symlink("/", bundle.rootfs().join("link")).unwrap();
    sandbox.run(&bundle).fails_with(1, &["mounts[", "/link"]);
}

fn destination_may_begin_with_the_root_s_path() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let target = bundle.rootfs().join("mnt");
    let bundle = bundle.mount(target.to_str().unwrap(), "tmpfs", "tmpfs", &["mode=711"]);
    sandbox
        .see(bundle, "stat /mnt")
        .ok()
        .prints("/mnt dir 0711");
}

fn cgroup_mount_covers_the_hosts() {
    if !need::is_unified() {
        harness::skip!("the control groups here are not version 2 alone");
    }
    need::cgroups();
    let sandbox = Sandbox::new();
    let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
    let bundle = sandbox
        .bundle()
        .mount("/sys", "bind", "/sys", &["rbind", "ro"])
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &options)
        .push("/linux/namespaces", json!({"type": "cgroup"}));
    let files = "ls /sys/fs/cgroup -- cat /sys/fs/cgroup/cgroup.procs /proc/self/mounts";
    let seen = sandbox.see(bundle, files).ok();
    // Only a group below the root has this file.
    let seen = seen.prints("cgroup.events");
    let procs = seen
        .stdout
        .lines()
        .find(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(procs, Some("1"), "{}", seen.stdout);
    let mut mounts = seen
        .stdout
        .lines()
        .filter(|line| line.contains(" /sys/fs/cgroup "));
    let top = mounts.next_back().unwrap();
    assert!(
        top.contains("cgroup2 ro,nosuid,nodev,noexec"),
        "{}",
        seen.stdout
    );
}

fn cgroup_mount_shows_the_containers_group() {
    let sandbox = Sandbox::new();
    if sandbox.rootless().is_some() && !need::is_unified() {
        harness::skip!("an ordinary user cannot mount version 1");
    }
    need::cgroups();
    let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
    let bundle = sandbox
        .bundle()
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &options);
    let bundle = bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
    let seen = sandbox
        .see(bundle, "cat /proc/self/mounts -- ls /sys/fs/cgroup")
        .ok();
    if need::is_unified() {
        seen.prints("/sys/fs/cgroup cgroup2 ro,nosuid,nodev,noexec")
            .prints("cgroup.procs");
    } else {
        seen.prints("/sys/fs/cgroup tmpfs ")
            .prints("/sys/fs/cgroup/pids cgroup ro,nosuid,nodev,noexec")
            .prints("pids\n");
    }
}
