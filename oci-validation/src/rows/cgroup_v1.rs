//! F9 to F12, F16, F19, F21, F23, F25: what only one version of control groups has. It is applied there, and an error elsewhere.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::cgroup_limits::limit;
use crate::case::Case;
use crate::cgroup;
use crate::row::{Row, must};
use crate::verdict::{Stop, Verdict, ensure, fail, skip};

const MEMORY: &str = "config-linux.md#memory";
const CPU: &str = "config-linux.md#cpu";
const IO: &str = "config-linux.md#block-io";
const NETWORK: &str = "config-linux.md#network";
const RDMA: &str = "config-linux.md#rdma";
const UNIFIED: &str = "config-linux.md#unified";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("F9", MEMORY, "`memory.kernel` is applied or an error", |c| applied(c, "memory", json!({"memory": {"limit": 67_108_864, "kernel": 33_554_432}}), "memory.kmem.limit_in_bytes", "33554432")),
    must("F9.tcp", MEMORY, "`memory.kernelTCP` is applied or an error", |c| applied(c, "memory", json!({"memory": {"kernelTCP": 33_554_432}}), "memory.kmem.tcp.limit_in_bytes", "33554432")),
    must("F10", MEMORY, "`memory.swappiness` is applied or an error", |c| limit(c, "memory", json!({"memory": {"swappiness": 33}}), &[("memory.swappiness", "33")], &[])),
    must("F10.range", MEMORY, "a swappiness above 100 is an error", |c| c.bundle().aid("/linux/resources/memory/swappiness", 101).refused().map(drop)),
    must("F11", MEMORY, "`memory.disableOOMKiller` is applied or an error", |c| {
        match cgroup::hierarchy("memory")? {
            (_, true) => c.bundle().set("/linux/resources/memory/disableOOMKiller", true).refused().map(drop),
            (_, false) => {
                let container = c.bundle().set("/linux/resources/memory", json!({"limit": 67_108_864, "disableOOMKiller": true})).create()?;
                let text = cgroup::of(&container, "memory")?.read("memory.oom_control")?;
                ensure(text.contains("oom_kill_disable 1"), || format!("memory.oom_control: {text:?}"))
            }
        }
    }),
    must("F12", MEMORY, "`memory.useHierarchy` is applied or an error", |c| {
        match cgroup::hierarchy("memory")? {
            (_, true) => c.bundle().set("/linux/resources/memory/useHierarchy", false).refused().map(drop),
            (_, false) => {
                applied(c, "memory", json!({"memory": {"useHierarchy": true}}), "memory.use_hierarchy", "1")?;
                applied(c, "memory", json!({"memory": {"useHierarchy": false}}), "memory.use_hierarchy", "0")
            }
        }
    }),
    must("F16", CPU, "`cpu.realtimeRuntime` is applied or an error", |c| {
        applied(c, "cpu", json!({"cpu": {"realtimeRuntime": 5000}}), "cpu.rt_runtime_us", "5000")
    }),
    must("F16.period", CPU, "`cpu.realtimePeriod` is applied or an error", |c| {
        applied(c, "cpu", json!({"cpu": {"realtimePeriod": 900_000}}), "cpu.rt_period_us", "900000")
    }),
    must("F19", IO, "`blockIO.leafWeight` is applied or an error", |c| {
        let controller = if cgroup::hierarchy("blkio").is_ok() { "blkio" } else { "io" };
        applied(c, controller, json!({"blockIO": {"leafWeight": 300}}), "blkio.leaf_weight", "300")
    }),
    must("F21", NETWORK, "`network.classID` is applied or an error", |c| network(c, "net_cls", json!({"network": {"classID": 1_048_577}}), "net_cls.classid", "1048577")),
    must("F21.priorities", NETWORK, "`network.priorities` are applied or an error", |c| {
        network(c, "net_prio", json!({"network": {"priorities": [{"name": "lo", "priority": 5}]}}), "net_prio.ifpriomap", "lo 5")
    }),
    must("F23", RDMA, "`rdma` is applied, or an error where there is no such controller or device", |c| {
        c.bundle().whole("/linux/resources/rdma", json!({"nosuchdevice0": {"hcaHandles": 3, "hcaObjects": 100}})).refused().map(drop)
    }),
    must("F23.empty", RDMA, "an entry of `rdma` without a limit is an error", |c| {
        c.bundle().aid("/linux/resources/rdma", json!({"mlx5_1": {}})).refused().map(drop)
    }),
    must("F25", UNIFIED, "what version 2 cannot do is an error there, each property by itself", |c| {
        if !cgroup::pure_v2() {
            return skip("kernel: control groups of version 1 are in use");
        }
        for (name, resources) in [
            ("swappiness", json!({"memory": {"swappiness": 10}})), ("disableOOMKiller", json!({"memory": {"disableOOMKiller": true}})),
            ("kernel", json!({"memory": {"kernel": 33_554_432}})), ("kernelTCP", json!({"memory": {"kernelTCP": 33_554_432}})),
            ("realtimeRuntime", json!({"cpu": {"realtimeRuntime": 5000}})), ("realtimePeriod", json!({"cpu": {"realtimePeriod": 5000}})),
            ("leafWeight", json!({"blockIO": {"leafWeight": 300}})), ("classID", json!({"network": {"classID": 1}})),
            ("priorities", json!({"network": {"priorities": [{"name": "lo", "priority": 1}]}})),
        ] {
            super::general::named(name, c.bundle().set("/linux/resources", resources).refused())?;
        }
        Ok(())
    }),
    must("F25.missing", "runtime.md#create", "a limit of a controller that this machine lacks is an error", |c| {
        let all = [
            ("memory", json!({"memory": {"limit": 67_108_864}})), ("pids", json!({"pids": {"limit": 10}})),
            ("cpuset", json!({"cpu": {"cpus": "0"}})), ("hugetlb", json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]})),
        ];
        let missing: Vec<_> = all.into_iter().filter(|(controller, _)| cgroup::hierarchy(controller).is_err()).collect();
        if missing.is_empty() {
            return skip("kernel: it lacks none of memory, pids, cpuset and hugetlb");
        }
        for (controller, resources) in missing {
            super::general::named(controller, c.bundle().set("/linux/resources", resources).refused())?;
        }
        Ok(())
    }),
];

/// Not possible in version 2; in version 1 it depends on the kernel: what it shows must be what was asked for.
fn applied(c: &Case, controller: &str, resources: Value, file: &str, text: &str) -> Verdict {
    let (top, unified) = cgroup::hierarchy(controller)?;
    if !unified && !keeps(&top.join(format!("example-{}", c.id())), file, text) {
        return skip(format!(
            "kernel: it takes writes of {file} and does not keep them"
        ));
    }
    let container = match c.bundle().set("/linux/resources", resources).create() {
        Err(Stop::Refused(_)) => return Ok(()),
        other => other?,
    };
    let group = cgroup::of(&container, controller)?;
    match !unified && group.has(file) {
        true => ensure(group.read(file)? == text, || {
            format!(
                "{file} is {:?}, and create gave no error",
                group.read(file).ok()
            )
        }),
        false => fail(format!("there is no {file}, and create gave no error")),
    }
}

fn network(c: &Case, controller: &str, resources: Value, file: &str, text: &str) -> Verdict {
    let bundle = c.bundle().set("/linux/resources", resources);
    if cgroup::hierarchy(controller).is_err() {
        return bundle.refused().map(drop);
    }
    let container = bundle.create()?;
    let path = cgroup::of(&container, controller)?.path.join(file);
    let found = fs::read_to_string(&path).unwrap_or_default();
    ensure(found.contains(text), || format!("{file} is {found:?}"))
}

/// Whether the kernel keeps what it accepts in a file of a control group. What it refuses is the runtime's to tell.
fn keeps(group: &Path, file: &str, text: &str) -> bool {
    let _ = fs::create_dir(group);
    let taken = fs::write(group.join(file), text).is_ok();
    let kept = fs::read_to_string(group.join(file)).unwrap_or_default();
    let _ = fs::remove_dir(group);
    !taken || kept.trim() == text
}
