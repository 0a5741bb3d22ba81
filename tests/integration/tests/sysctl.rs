//! `linux.sysctl`.

use std::fs;

use harness::{Sandbox, cases};
use serde_json::json;

cases![
    values_are_written_inside,
    keys_of_the_host_are_refused,
    keys_need_their_namespace,
];

fn values_are_written_inside() {
    let sandbox = Sandbox::new();
    let host = fs::read_to_string("/proc/sys/kernel/msgmax").unwrap();
    let rootless = sandbox.rootless().is_some();
    let mut keys = json!({"kernel.msgmax": "4321"});
    let mut wanted = vec!["4321"];
    if !rootless {
        // The names of the uts namespace stay the host's root's.
        keys["kernel.domainname"] = json!("d.x");
        wanted.push("d.x");
    }
    let bundle = sandbox.bundle().set("/linux/sysctl", keys);
    let files = ["/proc/sys/kernel/msgmax", "/proc/sys/kernel/domainname"];
    let seen = sandbox.see(bundle, &format!("cat {}", files[..wanted.len()].join(" ")));
    if rootless && seen.stderr.contains("permission denied") {
        harness::skip!("this kernel lets only the host's root change it");
    }
    seen.ok().lines(&wanted);
    assert_eq!(fs::read_to_string("/proc/sys/kernel/msgmax").unwrap(), host);
}

fn keys_of_the_host_are_refused() {
    let sandbox = Sandbox::new();
    for key in [
        "kernel.panic",
        "vm.swappiness",
        "fs.file-max",
        "kernel.core_pattern",
        "../kernel.panic",
    ] {
        let bundle = sandbox.bundle().set("/linux/sysctl", json!({key: "1"}));
        sandbox.run(&bundle).fails_with(1, &[key]);
    }
}

fn keys_need_their_namespace() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .without_namespace("ipc")
        .without_mount("/dev/mqueue");
    let bundle = bundle.set("/linux/sysctl", json!({"kernel.msgmax": "4321"}));
    sandbox.run(&bundle).fails_with(1, &["kernel.msgmax"]);
    let bundle = sandbox
        .bundle()
        .without_namespace("network")
        .set("/linux/sysctl", json!({"net.core.somaxconn": "9"}));
    sandbox.run(&bundle).fails_with(1, &["net.core.somaxconn"]);
}
