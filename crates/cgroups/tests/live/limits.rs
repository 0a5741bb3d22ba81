//! Each property ends in its file, on whichever version the host has its controller.

use crate::sandbox::{Process, Sandbox, read, skip};

/// A property, and where and as what it is found again.
struct Case {
    resources: &'static str,
    controllers: (&'static str, &'static str),
    v1: &'static [(&'static str, &'static str)],
    v2: &'static [(&'static str, &'static str)],
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { resources: r#"{"pids": {"limit": 17}}"#, controllers: ("pids", "pids"), v1: &[("pids.max", "17")], v2: &[("pids.max", "17")] },
    Case { resources: r#"{"pids": {"limit": 0}}"#, controllers: ("pids", "pids"), v1: &[("pids.max", "0")], v2: &[("pids.max", "0")] },
    Case { resources: r#"{"pids": {"limit": -1}}"#, controllers: ("pids", "pids"), v1: &[("pids.max", "max")], v2: &[("pids.max", "max")] },
    Case { resources: r#"{"memory": {"limit": 8388608, "reservation": 4194304}}"#, controllers: ("memory", "memory"),
        v1: &[("memory.limit_in_bytes", "8388608"), ("memory.soft_limit_in_bytes", "4194304")],
        v2: &[("memory.max", "8388608"), ("memory.low", "4194304")] },
    Case { resources: r#"{"memory": {"limit": -1}}"#, controllers: ("memory", "memory"),
        v1: &[("memory.limit_in_bytes", "9223372036854771712")], v2: &[("memory.max", "max")] },
    Case { resources: r#"{"memory": {"limit": 0, "swap": 0, "reservation": 0, "kernel": 0, "kernelTCP": 0, "disableOOMKiller": false}}"#,
        controllers: ("memory", "memory"), v1: &[("memory.limit_in_bytes", "9223372036854771712")], v2: &[("memory.max", "max")] },
    Case { resources: r#"{"cpu": {"shares": 512}}"#, controllers: ("cpu", "cpu"), v1: &[("cpu.shares", "512")], v2: &[("cpu.weight", "59")] },
    Case { resources: r#"{"cpu": {"quota": 40000, "period": 50000}}"#, controllers: ("cpu", "cpu"),
        v1: &[("cpu.cfs_quota_us", "40000"), ("cpu.cfs_period_us", "50000")], v2: &[("cpu.max", "40000 50000")] },
    Case { resources: r#"{"cpu": {"quota": 40000, "burst": 20000}}"#, controllers: ("cpu", "cpu"),
        v1: &[("cpu.cfs_quota_us", "40000"), ("cpu.cfs_burst_us", "20000")], v2: &[("cpu.max", "40000 100000"), ("cpu.max.burst", "20000")] },
    Case { resources: r#"{"cpu": {"quota": -1}}"#, controllers: ("cpu", "cpu"), v1: &[("cpu.cfs_quota_us", "-1")], v2: &[("cpu.max", "max 100000")] },
    Case { resources: r#"{"cpu": {"period": 50000}}"#, controllers: ("cpu", "cpu"), v1: &[("cpu.cfs_period_us", "50000")], v2: &[("cpu.max", "max 50000")] },
    Case { resources: r#"{"cpu": {"shares": 512, "idle": 1}}"#, controllers: ("cpu", "cpu"), v1: &[("cpu.idle", "1")], v2: &[("cpu.idle", "1")] },
    Case { resources: r#"{"cpu": {"cpus": "0", "mems": "0"}}"#, controllers: ("cpuset", "cpuset"),
        v1: &[("cpuset.cpus", "0"), ("cpuset.mems", "0")], v2: &[("cpuset.cpus", "0"), ("cpuset.mems", "0")] },
    Case { resources: r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}"#, controllers: ("hugetlb", "hugetlb"),
        v1: &[("hugetlb.2MB.limit_in_bytes", "4194304"), ("hugetlb.2MB.rsvd.limit_in_bytes", "4194304")],
        v2: &[("hugetlb.2MB.max", "4194304"), ("hugetlb.2MB.rsvd.max", "4194304")] },
    Case { resources: r#"{"memory": {"swappiness": 10}}"#, controllers: ("memory", "-"), v1: &[("memory.swappiness", "10")], v2: &[] },
    Case { resources: r#"{"network": {"classID": 1048577}}"#, controllers: ("net_cls", "-"), v1: &[("net_cls.classid", "1048577")], v2: &[] },
];

#[test]
fn every_property_is_in_its_file() {
    let (mut checked, mut left_out) = (0, Vec::new());
    for case in CASES {
        let Some(sandbox) = Sandbox::new() else {
            return;
        };
        let (v1, v2) = case.controllers;
        let Some(dir) = sandbox.dir(v1, v2) else {
            left_out.push(case.resources);
            continue;
        };
        let settings = sandbox.settings(case.resources);
        let mut group = sandbox.create(&settings);
        let process = Process::sleeping();
        group
            .place(process.id())
            .unwrap_or_else(|error| panic!("{}: {error}", case.resources));
        if !sandbox.is_v2(v1) && case.v1.iter().any(|(file, _)| !dir.join(file).exists()) {
            left_out.push(case.resources);
            continue;
        }
        if let Err(error) = group.restrict(&settings) {
            panic!("{}: {error}", case.resources);
        }
        for (file, value) in if sandbox.is_v2(v1) { case.v2 } else { case.v1 } {
            assert_eq!(read(&dir, file), *value, "{file} for {}", case.resources);
        }
        checked += 1;
    }
    if checked == 0 {
        skip!("no controller of this table is here: {left_out:?}");
    }
    for resources in left_out {
        println!("skipped a part: no such controller or file here for {resources}");
    }
}
