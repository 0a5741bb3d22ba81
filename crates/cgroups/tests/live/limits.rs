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
    Case { resources: r#"{"pids": {"limit": 0}}"#, controllers: ("pids", "pids"), v1: &[("pids.max", "1")], v2: &[("pids.max", "1")] },
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

#[test]
fn throttles_are_set_for_a_disk() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(dir) = sandbox.dir("blkio", "io") else {
        skip!("no blkio or io controller here");
    };
    let disks = std::fs::read_dir("/sys/block").into_iter().flatten();
    let numbers = disks.filter_map(|disk| {
        let path = disk.ok()?.path();
        // Empty loop devices are not throttled.
        let size = std::fs::read_to_string(path.join("size")).ok()?;
        let number = std::fs::read_to_string(path.join("dev")).ok()?;
        (size.trim() != "0").then(|| number.trim().to_owned())
    });
    let Some(number) = numbers.last() else {
        skip!("no disk here");
    };
    let (major, minor) = number.split_once(':').unwrap();
    let device = |rate: u64| format!(r#"[{{"major": {major}, "minor": {minor}, "rate": {rate}}}]"#);
    let all = format!(
        r#"{{"blockIO": {{"throttleReadBpsDevice": {}, "throttleWriteBpsDevice": {},
            "throttleReadIOPSDevice": {}, "throttleWriteIOPSDevice": {}}}}}"#,
        device(1 << 20),
        device(2 << 20),
        device(30),
        device(40)
    );
    let settings = sandbox.settings(&all);
    let mut group = sandbox.create(&settings);
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    group.restrict(&settings).unwrap();
    if sandbox.is_v2("blkio") {
        let wanted = format!("{number} rbps=1048576 wbps=2097152 riops=30 wiops=40");
        assert_eq!(read(&dir, "io.max"), wanted);
        return;
    }
    for (file, rate) in [
        ("read_bps", "1048576"),
        ("write_bps", "2097152"),
        ("read_iops", "30"),
        ("write_iops", "40"),
    ] {
        let text = read(&dir, &format!("blkio.throttle.{file}_device"));
        assert_eq!(text, format!("{number} {rate}"), "{file}");
    }
    // A rate of zero takes the limit away.
    let none = format!(
        r#"{{"blockIO": {{"throttleReadBpsDevice": {}}}}}"#,
        device(0)
    );
    group.update(&sandbox.settings(&none)).unwrap();
    assert_eq!(read(&dir, "blkio.throttle.read_bps_device"), "");
}

#[test]
fn unified_values_go_to_files_that_no_property_has() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(dir) = sandbox
        .place
        .paths()
        .find(|(name, _)| name.is_empty())
        .map(|(_, path)| path.to_owned())
    else {
        skip!("no cgroup v2 here");
    };
    let settings = sandbox.settings(r#"{"unified": {"cgroup.max.depth": "4\n5\n"}}"#);
    let mut group = sandbox.create(&settings);
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    group.restrict(&settings).unwrap();
    assert_eq!(read(&dir, "cgroup.max.depth"), "5");
    let refused = |unified: &str| {
        let settings = sandbox.settings(unified);
        group.update(&settings).unwrap_err().to_string()
    };
    let missing = refused(r#"{"unified": {"nosuch.knob": "1"}}"#);
    assert!(
        missing.starts_with(
            "linux.resources.unified[\"nosuch.knob\"]: the nosuch controller is not available in "
        ) && missing.ends_with("the host does not have it"),
        "{missing}"
    );
    let unknown = refused(r#"{"unified": {"cgroup.nosuch": "1"}}"#);
    assert!(unknown.contains("cgroup.nosuch"), "{unknown}");
    let wrong = refused(r#"{"unified": {"cgroup.max.depth": "deep"}}"#);
    assert!(wrong.contains("invalid argument"), "{wrong}");
    assert_eq!(read(&dir, "cgroup.max.depth"), "5");
}
