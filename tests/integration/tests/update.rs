//! `update`: each flag, and documents.

use std::fs;
use std::path::PathBuf;

use harness::{Container, Sandbox, cases, need, skip};
use serde_json::{Value, json};

cases![
    privileged_each_flag_changes_its_file,
    privileged_no_tasks_mean_what_the_version_says,
    privileged_document_comes_from_a_file_or_standard_input,
    privileged_what_is_not_given_stays,
    privileged_wrong_values_change_nothing,
    privileged_keys_that_are_not_the_specification_s_are_named,
    privileged_limit_below_the_use_is_refused_when_asked,
    privileged_huge_pages_change_on_any_version,
    privileged_unified_values_are_written_line_by_line,
    privileged_values_of_v1_are_refused_on_v2,
    privileged_values_that_do_not_go_are_refused_by_create,
    privileged_update_needs_a_living_container,
];

/// The container's file of this name, in whichever hierarchy.
fn file(sandbox: &Sandbox, name: &str) -> Option<PathBuf> {
    let groups = sandbox.host(None).groups().to_vec();
    let mut files = groups.iter().map(|group| group.join(name));
    files.find(|file| file.exists())
}

fn read(sandbox: &Sandbox, name: &str) -> Option<String> {
    let text = fs::read_to_string(file(sandbox, name)?).ok()?;
    Some(text.trim().to_owned())
}

fn running(sandbox: &Sandbox) -> Container<'_> {
    sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a")
}

fn update(container: &Container<'_>, flags: &[&str]) -> harness::Output {
    container.call("update", flags).output()
}

/// Controller; flags; file and value on v1; file and value on v2.
type Row = (
    &'static str,
    &'static [&'static str],
    (&'static str, &'static str),
    (&'static str, &'static str),
);

#[rustfmt::skip]
const FLAGS: &[Row] = &[
    ("memory", &["--memory", "64M"], ("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864")),
    ("memory", &["--memory-reservation", "32m"], ("memory.soft_limit_in_bytes", "33554432"), ("memory.low", "33554432")),
    ("memory", &["--memory", "64M", "--memory-swap", "96M"], ("memory.memsw.limit_in_bytes", "100663296"), ("memory.swap.max", "33554432")),
    // Either of both leaves the other as it is.
    ("memory", &["--memory-swap", "128M"], ("memory.memsw.limit_in_bytes", "134217728"), ("memory.swap.max", "67108864")),
    ("memory", &["--memory", "96M"], ("memory.limit_in_bytes", "100663296"), ("memory.swap.max", "33554432")),
    ("memory", &["--memory", "-1", "--memory-swap", "-1"], ("memory.limit_in_bytes", "9223372036854771712"), ("memory.max", "max")),
    ("cpu", &["--cpu-share", "512"], ("cpu.shares", "512"), ("cpu.weight", "59")),
    ("cpu", &["--cpu-period", "50000"], ("cpu.cfs_period_us", "50000"), ("cpu.max", "max 50000")),
    ("cpu", &["--cpu-quota", "20000"], ("cpu.cfs_quota_us", "20000"), ("cpu.max", "20000 50000")),
    ("cpu", &["--cpu-burst", "10000"], ("cpu.cfs_burst_us", "10000"), ("cpu.max.burst", "10000")),
    ("cpu", &["--cpu-burst", "0", "--cpu-quota", "-1"], ("cpu.cfs_quota_us", "-1"), ("cpu.max", "max 50000")),
    ("cpu", &["--cpu-idle", "1"], ("cpu.idle", "1"), ("cpu.idle", "1")),
    ("cpu", &["--cpu-idle", "0"], ("cpu.idle", "0"), ("cpu.idle", "0")),
    ("cpuset", &["--cpuset-cpus", "0", "--cpuset-mems", "0"], ("cpuset.cpus", "0"), ("cpuset.cpus", "0")),
    ("pids", &["--pids-limit", "33"], ("pids.max", "33"), ("pids.max", "33")),
    ("pids", &["--pids-limit", "0"], ("pids.max", "max"), ("pids.max", "max")),
    ("pids", &["--pids-limit", "33"], ("pids.max", "33"), ("pids.max", "33")),
    ("pids", &["--pids-limit", "-1"], ("pids.max", "max"), ("pids.max", "max")),
];

/// Engines of the time before version 1.3 of the specification mean no limit by 0; from then on it is one.
fn privileged_no_tasks_mean_what_the_version_says() {
    need::cgroups();
    if !need::has_controller("pids") {
        skip!("no pids controller here");
    }
    for (version, wanted) in [
        ("1.0.2-dev", "max"),
        ("1.2.1", "max"),
        ("1.3.0", "1"),
        ("1.3.0-rc.1", "1"),
    ] {
        let sandbox = Sandbox::new();
        let bundle = sandbox
            .bundle()
            .set("/ociVersion", json!(version))
            .set("/linux/cgroupsPath", json!(format!("/{}-box", sandbox.tag)))
            .set("/linux/resources", json!({"pids": {"limit": 0}}));
        let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
        let limit = || read(&sandbox, "pids.max").unwrap();
        assert_eq!(limit(), wanted, "{version}");
        update(&container, &["--pids-limit", "33"]).ok();
        update(&container, &["--pids-limit", "0"]).ok();
        assert_eq!(limit(), wanted, "{version}");
    }
}

fn privileged_each_flag_changes_its_file() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let mut checked = 0;
    for (controller, flags, v1, v2) in FLAGS {
        let (name, value) = if need::is_unified() { v2 } else { v1 };
        if !need::has_controller(controller) {
            // What is so anyway can be asked for everywhere.
            let wish = *flags != ["--cpu-idle", "0"];
            update(&container, flags).exits(i32::from(wish));
            continue;
        }
        let output = update(&container, flags);
        if file(&sandbox, name).is_none() {
            // Swap may not be accounted, bursts and idle groups not be known.
            continue;
        }
        let output = output.ok();
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
        assert_eq!(read(&sandbox, name).as_deref(), Some(*value), "{flags:?}");
        checked += 1;
    }
    let ignored = update(
        &container,
        &["--kernel-memory", "1m", "--kernel-memory-tcp", "1m"],
    );
    assert!(ignored.ok().stderr.contains("ignored"));
    if checked == 0 {
        skip!("no controller of these flags is here");
    }
}

fn privileged_document_comes_from_a_file_or_standard_input() {
    need::cgroups();
    if !need::has_controller("pids") {
        skip!("no pids controller here");
    }
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let limit = || read(&sandbox, "pids.max").unwrap();
    let path = sandbox.path.join("update.json");
    fs::write(&path, json!({"pids": {"limit": 41}}).to_string()).unwrap();
    // Other flags are ignored then.
    let words = [
        "update",
        "--pids-limit",
        "5",
        "--resources",
        path.to_str().unwrap(),
    ];
    sandbox.runtime(words).arg(&container.id).output().ok();
    assert_eq!(limit(), "41");
    for (flags, value) in [
        (&["--resources=-"][..], "42"),
        (&["--resources", "-"], "43"),
        (&["-r", "-"], "44"),
    ] {
        let text = format!(
            r#"{{"pids": {{"limit": {value}}}, "memory": {{"kernel": 0}}, "blockIO": {{"weight": 0}}}}"#
        );
        container.call("update", flags).input(text).output().ok();
        assert_eq!(limit(), value);
    }
    // As engines call it, the id last or first.
    let call = sandbox.runtime(["update", &container.id, "--resources", "-"]);
    call.input(r#"{"pids": {"limit": 45}}"#).output().ok();
    assert_eq!(limit(), "45");
    for text in ["", "no JSON", "7", r#"{"pids": {"limit": "many"}}"#] {
        let call = container.call("update", &["--resources", "-"]);
        call.input(text).output().exits(1);
    }
    assert_eq!(limit(), "45");
}

fn privileged_what_is_not_given_stays() {
    need::cgroups();
    if need::is_unified() || !need::has_controller("cpu") || !need::has_controller("memory") {
        skip!("these are the files of v1");
    }
    let sandbox = Sandbox::new();
    let limits = json!({"cpu": {"shares": 300, "quota": 30000}, "memory": {"limit": 64 << 20}, "pids": {"limit": 9}});
    let bundle = sandbox.bundle().set("/linux/resources", limits);
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let values = || {
        let files = [
            "cpu.shares",
            "cpu.cfs_quota_us",
            "memory.limit_in_bytes",
            "pids.max",
        ];
        files.map(|name| read(&sandbox, name).unwrap())
    };
    assert_eq!(values(), ["300", "30000", "67108864", "9"]);
    update(&container, &["--cpu-share", "400"]).ok();
    assert_eq!(values(), ["400", "30000", "67108864", "9"]);
    // One that is refused by the kernel: no such memory node. The processors had been set by then.
    let cpus = read(&sandbox, "cpuset.cpus").unwrap();
    let refused = update(
        &container,
        &[
            "--cpu-share",
            "500",
            "--cpuset-cpus",
            "0",
            "--cpuset-mems",
            "63",
        ],
    );
    refused.fails_with(1, &["linux.resources.cpu.mems"]);
    assert_eq!(values(), ["400", "30000", "67108864", "9"]);
    assert_eq!(read(&sandbox, "cpuset.cpus").unwrap(), cpus);
}

fn privileged_wrong_values_change_nothing() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let before = read(&sandbox, "pids.max");
    for (flags, text) in [
        (
            &["--pids-limit", "7", "--memory", "much"][..],
            "invalid value for --memory: \"much\"",
        ),
        (
            &["--pids-limit", "7", "--memory", "2M", "--memory-swap", "1M"],
            "memory+swap limit should be >= memory limit",
        ),
        (
            &["--pids-limit", "7", "--cpu-quota", "5", "--cpu-burst", "6"],
            "linux.resources.cpu.burst",
        ),
        (
            &["--pids-limit", "7", "--cpu-idle", "2"],
            "linux.resources.cpu.idle",
        ),
        (
            &["--pids-limit", "7", "--cpuset-cpus", "3-1"],
            "linux.resources.cpu.cpus",
        ),
        (
            &["--pids-limit", "7", "--blkio-weight", "5"],
            "linux.resources.blockIO.weight",
        ),
        (
            &["--pids-limit", "7", "--l3-cache-schema", "L3:0=f"],
            "the container has no resctrl group",
        ),
    ] {
        let error = update(&container, flags).exits(1).error();
        // Without the controller that is the reason, and it comes first.
        assert!(
            error.contains(text) || error.contains("controller"),
            "{error}"
        );
        assert_eq!(read(&sandbox, "pids.max"), before, "{flags:?}");
    }
}

fn privileged_limit_below_the_use_is_refused_when_asked() {
    need::cgroups();
    if !need::has_controller("memory") {
        skip!("no memory controller here");
    }
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/tmp", "tmpfs", "tmpfs", &["size=64m"]);
    let container = sandbox.detach(
        &bundle.probe("fill /tmp/big 16 -- echo full -- sleep 1000"),
        "a",
    );
    container.wait_for("full");
    let call = |check: bool| {
        let text = json!({"memory": {"limit": 8 << 20, "checkBeforeUpdate": check}});
        let call = container.call("update", &["--resources", "-"]);
        call.input(text.to_string()).output()
    };
    call(true).fails_with(1, &["rejecting memory limit 8388608 < usage "]);
    assert_eq!(container.status(), "running");
}

/// The controller that is on v2 here, even where v1 has all others.
fn privileged_huge_pages_change_on_any_version() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let Some(name) = ["hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes"]
        .into_iter()
        .find(|name| file(&sandbox, name).is_some())
    else {
        skip!("no huge pages of 2 MB here");
    };
    let change = |size: &str, limit: u64| {
        let text = json!({"hugepageLimits": [{"pageSize": size, "limit": limit}]});
        let call = container.call("update", &["--resources", "-"]);
        call.input(text.to_string()).output()
    };
    change("2MB", 4 << 20).ok();
    assert_eq!(read(&sandbox, name).unwrap(), "4194304");
    // Reservations, which is what stops a program in time, where the kernel counts them.
    let reserved = name.replace("2MB.", "2MB.rsvd.");
    if file(&sandbox, &reserved).is_some() {
        assert_eq!(read(&sandbox, &reserved).unwrap(), "4194304");
    }
    change("2M", 1).fails_with(1, &["linux.resources.hugepageLimits[0].pageSize"]);
    let unknown = change("4GB", 1).exits(1);
    assert!(
        unknown.error().contains("hugetlb.4GB"),
        "{}",
        unknown.stderr
    );
    assert_eq!(read(&sandbox, name).unwrap(), "4194304");
}

fn privileged_unified_values_are_written_line_by_line() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let change = |unified: Value| {
        let call = container.call("update", &["--resources", "-"]);
        call.input(json!({ "unified": unified }).to_string())
            .output()
    };
    if file(&sandbox, "cgroup.freeze").is_none() {
        change(json!({"memory.high": "max"})).fails_with(1, &["cannot use unified on cgroup v1"]);
        skip!("no cgroup v2 here");
    }
    // No property of the config has this file.
    change(json!({"cgroup.max.depth": "3"})).ok();
    assert_eq!(read(&sandbox, "cgroup.max.depth").unwrap(), "3");
    if file(&sandbox, "hugetlb.2MB.max").is_some() {
        change(json!({"hugetlb.2MB.max": "2097152\n6291456\n"})).ok();
        assert_eq!(read(&sandbox, "hugetlb.2MB.max").unwrap(), "6291456");
    }
    for (file, text) in [
        ("nosuch.knob", "nosuch controller is not available"),
        ("cgroup.nosuch", "cgroup.nosuch"),
        ("../cgroup.procs", "no slashes"),
        ("plain", "CONTROLLER.PARAMETER"),
    ] {
        let refused = change(json!({"cgroup.max.depth": "4", file: "1"})).exits(1);
        assert!(refused.error().contains(text), "{file}: {}", refused.stderr);
        assert_eq!(read(&sandbox, "cgroup.max.depth").unwrap(), "3", "{file}");
    }
}

/// What engines send as a zero is no wish; a wish that cannot be is refused with its name.
fn privileged_values_of_v1_are_refused_on_v2() {
    need::unified_cgroups();
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    for (resources, name) in [
        (
            json!({"memory": {"swappiness": 10}}),
            "linux.resources.memory.swappiness",
        ),
        (
            json!({"memory": {"disableOOMKiller": true}}),
            "linux.resources.memory.disableOOMKiller",
        ),
        (
            json!({"memory": {"kernel": 4096}}),
            "linux.resources.memory.kernel",
        ),
        (
            json!({"memory": {"kernelTCP": 4096}}),
            "linux.resources.memory.kernelTCP",
        ),
        (
            json!({"cpu": {"realtimeRuntime": 5}}),
            "linux.resources.cpu.realtimeRuntime",
        ),
        (
            json!({"cpu": {"realtimePeriod": 5}}),
            "linux.resources.cpu.realtimePeriod",
        ),
        (
            json!({"blockIO": {"leafWeight": 10}}),
            "linux.resources.blockIO.leafWeight",
        ),
        (
            json!({"network": {"classID": 7}}),
            "linux.resources.network.classID",
        ),
        (
            json!({"network": {"priorities": [{"name": "lo", "priority": 1}]}}),
            "linux.resources.network.priorities",
        ),
    ] {
        let call = container.call("update", &["--resources", "-"]);
        call.input(resources.to_string())
            .output()
            .fails_with(1, &[name]);
        let bundle = sandbox.bundle().set("/linux/resources", resources);
        sandbox.run(&bundle).fails_with(1, &[name]);
    }
    let zeros = json!({"memory": {"kernel": 0, "kernelTCP": 0, "disableOOMKiller": false, "swappiness": 60},
        "cpu": {"realtimeRuntime": 0}, "blockIO": {"weight": 0, "leafWeight": 0}, "network": {"classID": 0}});
    sandbox
        .run(&sandbox.bundle().set("/linux/resources", zeros))
        .ok();
}

fn privileged_values_that_do_not_go_are_refused_by_create() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    for (pointer, value, text) in [
        (
            "/linux/cgroupsPath",
            json!("/"),
            "is the root of the hierarchy",
        ),
        (
            "/linux/cgroupsPath",
            json!("/a/../.."),
            "is the root of the hierarchy",
        ),
        ("/linux/cgroupsPath", json!("/a\u{0}b"), "NUL"),
        (
            "/linux/resources/rdma",
            json!({"mlx4_0": {}}),
            "needs hcaHandles or hcaObjects",
        ),
        (
            "/linux/resources/rdma",
            json!({"nosuch0": {"hcaHandles": 1}}),
            "linux.resources.rdma",
        ),
        (
            "/linux/resources/unified",
            json!({"nosuch.knob": "1"}),
            "linux.resources.unified",
        ),
        (
            "/linux/resources/cpu",
            json!({"quota": 1000, "burst": 2000}),
            "linux.resources.cpu.burst",
        ),
        (
            "/linux/resources/hugepageLimits",
            json!([{"pageSize": "3MB", "limit": 1}]),
            "linux.resources.hugepageLimits",
        ),
    ] {
        let call = sandbox.run(&sandbox.bundle().set(pointer, value));
        call.fails_with(1, &[text]);
        sandbox.host(None).same_as(&before);
    }
}

fn privileged_update_needs_a_living_container() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let rule = json!({"devices": [{"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rw"}]});
    let container = sandbox.create(&sandbox.bundle().probe("sleep 1000"), "a");
    let call = |container: &Container<'_>| {
        let call = container.call("update", &["--resources", "-"]);
        call.input(rule.to_string()).output()
    };
    call(&container).ok();
    container.start();
    call(&container).ok();
    container.kill("KILL").ok();
    container.wait();
    call(&container).fails_with(1, &["container not running"]);
    let call = sandbox.runtime(["update", "--pids-limit", "5", &sandbox.id("nosuch")]);
    call.output().fails_with(1, &["container does not exist"]);
}

fn privileged_keys_that_are_not_the_specification_s_are_named() {
    need::cgroups();
    if !need::has_controller("pids") {
        skip!("no pids controller here");
    }
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let change = |document: Value| {
        let call = container.call("update", &["--resources", "-"]);
        call.input(document.to_string()).output()
    };
    change(json!({"memroy": {"limit": 1 << 30}, "pids": {"limit": 77}})).fails_with(
        1,
        &["linux.resources.memroy: unknown property: is `memory` meant?"],
    );
    if let Some(now) = read(&sandbox, "pids.max") {
        assert_ne!(now, "77");
    }
    let output = change(json!({"pids": {"Limit": 78}, "zebra": {}})).ok();
    for warning in [
        "linux.resources.pids.Limit: taken as `limit`",
        "linux.resources.zebra: unknown property, ignored",
    ] {
        assert!(output.error().contains(warning), "{output:?}");
    }
    if let Some(now) = read(&sandbox, "pids.max") {
        assert_eq!(now, "78");
    }
}
