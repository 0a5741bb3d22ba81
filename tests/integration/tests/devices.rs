//! `linux.devices`, the default devices and links, `linux.resources.devices`.

use std::fs;

use harness::{ConsoleSocket, Sandbox, cases, need};
use serde_json::json;

cases![
    privileged_only_allowed_devices_can_be_opened,
    privileged_rules_are_applied_in_order,
    a_default_device_cannot_become_another,
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
