//! Limits of `linux.resources` on whole containers.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Sandbox, cases, need, skip};
use serde_json::json;

cases![
    privileged_limit_of_half_a_megabyte_lets_the_container_start,
    privileged_limits_of_kernel_memory_do_not_keep_it_from_starting,
];

/// The sandbox's group in which memory is limited, and the file of the limit.
fn memory(sandbox: &Sandbox) -> (PathBuf, &'static str) {
    let file = match need::is_unified() {
        true => "memory.max",
        false => "memory.limit_in_bytes",
    };
    let host = sandbox.host(None);
    let group = host.groups().iter().find(|group| group.join(file).exists());
    (group.expect("a group with the controller").clone(), file)
}

fn need_memory() {
    let there = match need::is_unified() {
        true => fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")
            .is_ok_and(|list| list.split_whitespace().any(|name| name == "memory")),
        false => Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists(),
    };
    if !there {
        skip!("the control groups here have no memory controller");
    }
}

/// What the start itself takes is not the container's.
fn privileged_limit_of_half_a_megabyte_lets_the_container_start() {
    need_memory();
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/linux/resources/memory", json!({"limit": 524_288}))
        .probe("echo up -- sleep 1000");
    let container = sandbox.create(&bundle, "a");
    let (group, file) = memory(&sandbox);
    container.start();
    container.wait_for("up");
    assert_eq!(container.status(), "running");
    let limit = fs::read_to_string(group.join(file)).unwrap();
    assert_eq!(limit.trim(), "524288");
    container.force_delete();
    container.wait();
}

/// The specification does not recommend them, and newer kernels know them no more.
fn privileged_limits_of_kernel_memory_do_not_keep_it_from_starting() {
    need_memory();
    if need::is_unified() {
        skip!("control groups of version 2 have no such limits");
    }
    let sandbox = Sandbox::new();
    let limits = json!({"kernel": 67_108_864, "kernelTCP": 67_108_864});
    let bundle = sandbox.bundle().set("/linux/resources/memory", limits);
    let run = sandbox.run(&bundle).ok();
    let said = "linux.resources.memory.kernel: limits of kernel memory are ignored";
    assert!(run.stderr.contains(said), "{run:?}");
}
