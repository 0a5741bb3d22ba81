//! `linux.devices`, the default devices and links, `linux.resources.devices`.

use std::fs;

use harness::{ConsoleSocket, Sandbox, cases, need};
use serde_json::json;

cases![
    default_devices,
    default_links,
    privileged_devices_of_the_config,
    privileged_fifo_and_unbuffered,
    privileged_device_outside_of_dev,
    privileged_existing_other_file_is_refused,
    privileged_only_allowed_devices_can_be_opened,
    privileged_rules_are_applied_in_order,
    unknown_device_type_is_refused,
    a_default_device_cannot_become_another,
    privileged_existing_node_gets_the_mode_of_its_entry,
    privileged_a_parent_may_deny_what_nobody_asked_for,
    console_in_a_read_only_dev,
];

fn a_default_device_cannot_become_another() {
    let sandbox = Sandbox::new();
    let null = |kind: &str, major, minor| {
        let entry = json!({"path": "/dev/null", "type": kind, "major": major, "minor": minor});
        sandbox.bundle().push("/linux/devices", entry)
    };
    for (kind, major, minor) in [("c", 1, 5), ("b", 1, 3), ("p", 0, 0)] {
        let what = ["linux.devices[0].path", "/dev/null", "1:3"];
        sandbox.run(&null(kind, major, minor)).fails_with(1, &what);
    }
    sandbox
        .see(null("c", 1, 3), "stat /dev/null")
        .ok()
        .prints("rdev=1:3");
}

fn privileged_existing_node_gets_the_mode_of_its_entry() {
    let sandbox = Sandbox::new();
    let bundle = || {
        let mut bundle = sandbox.bundle().writable();
        for mount in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            bundle = bundle.without_mount(mount);
        }
        let node = |name: &str, number, mode| {
            let path = bundle.rootfs().join("dev").join(name);
            let bits = nix::sys::stat::Mode::from_bits_truncate(mode);
            let kind = nix::sys::stat::SFlag::S_IFCHR;
            nix::sys::stat::mknod(&path, kind, bits, number).unwrap();
        };
        node("fuse", nix::sys::stat::makedev(10, 229), 0o600);
        node("null", nix::sys::stat::makedev(1, 3), 0o600);
        bundle
    };
    let entry = json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "gid": 7});
    let bundle = bundle().push("/linux/devices", entry);
    let seen = sandbox.see(bundle, "stat /dev/fuse /dev/null").ok();
    let seen = seen.prints("/dev/fuse char 0640 uid=0 gid=7");
    seen.prints("/dev/null char 0666");
}

/// Only on v1, where a parent's list bounds those below.
fn privileged_a_parent_may_deny_what_nobody_asked_for() {
    let sandbox = Sandbox::new();
    let devices = std::path::Path::new("/sys/fs/cgroup/devices");
    if !devices.join("devices.allow").exists() && !devices.join("devices.list").exists() {
        harness::skip!("no hierarchy of version 1 with the controller devices");
    }
    need::cgroups();
    let parent = devices.join(format!("{}-parent", sandbox.tag));
    fs::create_dir(&parent).unwrap();
    fs::write(parent.join("devices.deny"), "a").unwrap();
    for number in ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"] {
        fs::write(parent.join("devices.allow"), format!("c {number} rwm")).unwrap();
    }
    let bundle = sandbox.bundle().set(
        "/linux/cgroupsPath",
        json!(format!("/{0}-parent/{0}", sandbox.tag)),
    );
    let seen = sandbox.see(bundle, "write /dev/null x");
    // What the config does ask for is still refused.
    let rule = json!({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"});
    let bundle = sandbox.bundle().push("/linux/resources/devices", rule).set(
        "/linux/cgroupsPath",
        json!(format!("/{0}-parent/{0}", sandbox.tag)),
    );
    let asked = sandbox.run(&bundle);
    sandbox.remove_groups();
    seen.ok();
    asked.fails_with(1, &["devices.allow", "operation not permitted"]);
}

fn console_in_a_read_only_dev() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/terminal", json!(true))
        .edit(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            let dev = mounts
                .iter_mut()
                .find(|mount| mount["destination"] == "/dev")
                .unwrap();
            dev["options"].as_array_mut().unwrap().push(json!("ro"));
        })
        .probe("stat /dev/console -- touch /dev/x");
    let socket = ConsoleSocket::listen(sandbox.path.join("console"));
    let flags = ["--console-socket".as_ref(), socket.path().as_os_str()];
    let container = sandbox.create_with(&bundle, "a", &flags);
    let mut console = socket.receive();
    container.start();
    console.wait_for("/dev/console char");
    console.wait_for("open /dev/x: EROFS");
    container.wait();
}

fn default_devices() {
    let sandbox = Sandbox::new();
    let names = ["null", "zero", "full", "random", "urandom", "tty"];
    let numbers = ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"];
    let paths: Vec<String> = names.iter().map(|name| format!("/dev/{name}")).collect();
    let seen = sandbox
        .see(sandbox.bundle(), &format!("stat {}", paths.join(" ")))
        .ok();
    for (line, (path, number)) in seen.stdout.lines().zip(paths.iter().zip(numbers)) {
        assert!(line.starts_with(&format!("{path} char 0666")), "{line}");
        assert!(line.contains(&format!("rdev={number} ")), "{line}");
    }
    sandbox
        .see(
            sandbox.bundle(),
            "write /dev/null x -- open /dev/zero r -- open /dev/urandom rw",
        )
        .ok();
}

fn default_links() {
    let sandbox = Sandbox::new();
    let seen = sandbox
        .see(
            sandbox.bundle(),
            "readlink /dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx",
        )
        .ok();
    let wanted = [
        "/proc/self/fd",
        "/proc/self/fd/0",
        "/proc/self/fd/1",
        "/proc/self/fd/2",
    ];
    let found: Vec<&str> = seen.stdout.lines().collect();
    assert_eq!(found[..4], wanted);
    assert!(
        matches!(found[4], "pts/ptmx" | "/dev/pts/ptmx"),
        "{}",
        found[4]
    );
    sandbox.see(sandbox.bundle(), "open /dev/ptmx rw").ok();
}

fn privileged_devices_of_the_config() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set(
        "/linux/devices",
        json!([
            {"path": "/dev/nothing", "type": "c", "major": 1, "minor": 3, "fileMode": 0o6640, "uid": 7, "gid": 8},
            {"path": "/dev/deep/er", "type": "c", "major": 1, "minor": 5},
            {"path": "/dev/disk", "type": "b", "major": 7, "minor": 99, "fileMode": 0o60660},
        ]),
    );
    let seen = sandbox
        .see(bundle, "stat /dev/nothing /dev/deep/er /dev/disk")
        .ok();
    let seen = seen.prints("/dev/nothing char 0640 uid=7 gid=8 rdev=1:3 ");
    seen.prints("/dev/deep/er char 0666 uid=0 gid=0 rdev=1:5 ")
        .prints("/dev/disk block 0660 uid=0 gid=0 rdev=7:99 ");
}

fn privileged_fifo_and_unbuffered() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set(
        "/linux/devices",
        json!([
            {"path": "/dev/pipe", "type": "p", "fileMode": 0o600},
            {"path": "/dev/raw", "type": "u", "major": 1, "minor": 3},
        ]),
    );
    sandbox
        .see(bundle, "stat /dev/pipe /dev/raw")
        .ok()
        .prints("/dev/pipe fifo 0600")
        .prints("/dev/raw char 0666");
}

fn privileged_device_outside_of_dev() {
    let sandbox = Sandbox::new();
    let device = json!([{"path": "/mnt/null", "type": "c", "major": 1, "minor": 3}]);
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["mode=755"])
        .set("/linux/devices", device);
    sandbox
        .see(bundle, "stat /mnt/null")
        .ok()
        .prints("/mnt/null char 0666");
}

fn privileged_existing_other_file_is_refused() {
    let sandbox = Sandbox::new();
    let device = json!([{"path": "/mnt/null", "type": "c", "major": 1, "minor": 3}]);
    let bundle = sandbox.bundle().set("/linux/devices", device);
    fs::write(bundle.rootfs().join("mnt/null"), "a file").unwrap();
    sandbox.run(&bundle).fails_with(1, &["/mnt/null"]);
}

fn privileged_only_allowed_devices_can_be_opened() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let kmsg =
        json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
    let bundle = sandbox.bundle().set("/linux/devices", kmsg);
    let bundle = bundle.set(
        "/linux/resources/devices",
        json!([{"allow": false, "access": "rwm"}]),
    );
    // Opening it for writing needs no capability, so only the rules can be in the way.
    let seen = sandbox
        .see(bundle, "open /dev/kmsg w -- open /dev/null rw")
        .exits(1);
    seen.lines(&["open /dev/kmsg: EPERM", "open /dev/null: ok"]);
}

fn privileged_rules_are_applied_in_order() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let bundle = |rules: serde_json::Value| {
        let kmsg =
            json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
        sandbox
            .bundle()
            .set("/linux/devices", kmsg)
            .set("/linux/resources/devices", rules)
    };
    let deny = json!({"allow": false, "access": "rwm"});
    let write = json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": "w"});
    let seen = sandbox
        .see(
            bundle(json!([deny, write])),
            "open /dev/kmsg w -- open /dev/kmsg rw",
        )
        .exits(1);
    seen.lines(&["open /dev/kmsg: ok", "open /dev/kmsg: EPERM"]);
    let seen = sandbox
        .see(bundle(json!([write, deny])), "open /dev/kmsg w")
        .exits(1);
    seen.lines(&["open /dev/kmsg: EPERM"]);
    sandbox
        .see(
            bundle(json!([{"allow": true, "access": "rwm"}])),
            "open /dev/kmsg w",
        )
        .ok();
}

fn unknown_device_type_is_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set(
        "/linux/devices",
        json!([{"path": "/dev/x", "type": "z", "major": 1, "minor": 1}]),
    );
    assert_eq!(sandbox.run(&bundle).code, 1);
}
