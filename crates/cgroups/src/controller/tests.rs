//! The table of properties: what each becomes on v1 and on v2, and what is refused.

use spec::LinuxResources;

use crate::{Driver, Host, Place, Settings, Version, settings};

const V1: &[(&[&str], &str)] = &[
    (&["cpu", "cpuacct"], "/"),
    (&["cpuset"], "/"),
    (&["memory"], "/"),
    (&["pids"], "/"),
    (&["blkio"], "/"),
    (&["devices"], "/"),
    (&["net_cls", "net_prio"], "/"),
    (&["hugetlb"], "/"),
    (&["rdma"], "/"),
    (&["freezer"], "/"),
];

fn compile(version: Version, resources: &str) -> Result<Settings, String> {
    let host = match version {
        Version::V1 => Host::made_up(version, V1),
        Version::V2 => Host::made_up(version, &[(&[], "/")]),
        Version::Hybrid => Host::made_up(version, &[(&["memory"], "/"), (&[], "/")]),
    };
    let place = Place::resolve(&host, Driver::Direct, Some("/x"), "x", false).unwrap();
    let resources: LinuxResources<'_> = serde_json::from_str(resources).unwrap();
    settings(&resources, &host, &place).map_err(|error| error.to_string())
}

fn lines(version: Version, resources: &str) -> Vec<String> {
    let settings =
        compile(version, resources).unwrap_or_else(|error| panic!("{resources}: {error}"));
    settings.iter().map(ToString::to_string).collect()
}

#[test]
#[rustfmt::skip]
fn every_property_has_its_files() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (r#"{"cpu": {"shares": 1024}}"#, &["cpu.shares = 1024"], &["cpu.weight = 100"]),
        (r#"{"cpu": {"shares": 2}}"#, &["cpu.shares = 2"], &["cpu.weight = 1"]),
        (r#"{"cpu": {"quota": 10, "period": 20, "burst": 5}}"#,
            &["cpu.cfs_burst_us = 5", "cpu.cfs_period_us = 20", "cpu.cfs_quota_us = 10"], &["cpu.max.burst = 5", "cpu.max = 10 20"]),
        (r#"{"cpu": {"quota": -1}}"#, &["cpu.cfs_quota_us = -1"], &["cpu.max = max"]),
        (r#"{"cpu": {"idle": 0, "shares": 2}}"#, &["cpu.idle = 0", "cpu.shares = 2"], &["cpu.idle = 0", "cpu.weight = 1"]),
        (r#"{"cpu": {"cpus": "0-3", "mems": "0"}}"#, &["cpuset.cpus = 0-3", "cpuset.mems = 0"], &["cpuset.cpus = 0-3", "cpuset.mems = 0"]),
        (r#"{"memory": {"limit": 100, "swap": 300, "reservation": 50}}"#,
            &["memory.limit_in_bytes = 100", "memory.memsw.limit_in_bytes = 300", "memory.soft_limit_in_bytes = 50"],
            &["memory.swap.max = 200", "memory.low = 50", "memory.max = 100"]),
        (r#"{"memory": {"limit": 100, "swap": -1}}"#,
            &["memory.limit_in_bytes = 100", "memory.memsw.limit_in_bytes = -1"], &["memory.swap.max = max", "memory.max = 100"]),
        (r#"{"memory": {"limit": 100, "swap": 100}}"#,
            &["memory.limit_in_bytes = 100", "memory.memsw.limit_in_bytes = 100"], &["memory.swap.max = 0", "memory.max = 100"]),
        (r#"{"memory": {"limit": -1}}"#, &["memory.limit_in_bytes = -1", "memory.memsw.limit_in_bytes = -1"], &["memory.swap.max = max", "memory.max = max"]),
        (r#"{"memory": {"kernel": 0, "kernelTCP": 0, "limit": 0, "swap": 0}}"#, &[], &[]),
        (r#"{"memory": {"useHierarchy": true}}"#, &["memory.use_hierarchy = 1"], &[]),
        (r#"{"pids": {"limit": 0}}"#, &["pids.max = 1"], &["pids.max = 1"]),
        (r#"{"pids": {"limit": -5}}"#, &["pids.max = max"], &["pids.max = max"]),
        (r#"{"blockIO": {"weight": 500, "weightDevice": [{"major": 8, "minor": 0, "weight": 10}], "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 7}]}}"#,
            &["blkio.weight = 500", "blkio.weight_device = 8:0 10", "blkio.throttle.write_iops_device = 8:16 7"],
            &["io.bfq.weight = 500", "io.bfq.weight = 8:0 10", "io.max = 8:16 wiops=7"]),
        (r#"{"blockIO": {"weight": 0, "leafWeight": 0}}"#, &[], &[]),
        (r#"{"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 0}]}}"#, &["blkio.throttle.read_bps_device = 8:0 0"], &["io.max = 8:0 rbps=max"]),
        (r#"{"hugepageLimits": [{"pageSize": "1GB", "limit": 0}]}"#,
            &["hugetlb.1GB.limit_in_bytes = 0", "hugetlb.1GB.rsvd.limit_in_bytes = 0"], &["hugetlb.1GB.max = 0", "hugetlb.1GB.rsvd.max = 0"]),
        (r#"{"rdma": {"mlx5_1": {"hcaHandles": 3}, "mlx4_0": {"hcaHandles": 1, "hcaObjects": 2}}}"#,
            &["rdma.max = mlx5_1 hca_handle=3", "rdma.max = mlx4_0 hca_handle=1 hca_object=2"], &["rdma.max = mlx5_1 hca_handle=3", "rdma.max = mlx4_0 hca_handle=1 hca_object=2"]),
        (r#"{"network": {"classID": 0, "priorities": []}}"#, &[], &[]),
    ];
    for (resources, v1, v2) in table {
        assert_eq!(lines(Version::V1, resources), *v1, "{resources}");
        assert_eq!(lines(Version::V2, resources), *v2, "{resources}");
    }
}

#[test]
fn only_v1_has_these() {
    for (resources, v1, refused) in [
        (
            r#"{"memory": {"swappiness": 0}}"#,
            "memory.swappiness = 0",
            "linux.resources.memory.swappiness: ",
        ),
        (
            r#"{"memory": {"disableOOMKiller": true}}"#,
            "memory.oom_control = 1",
            "linux.resources.memory.disableOOMKiller: ",
        ),
        (
            r#"{"memory": {"useHierarchy": false}}"#,
            "memory.use_hierarchy = 0",
            "linux.resources.memory.useHierarchy: ",
        ),
        (
            r#"{"memory": {"kernelTCP": 9}}"#,
            "memory.kmem.tcp.limit_in_bytes = 9",
            "linux.resources.memory.kernelTCP: ",
        ),
        (
            r#"{"cpu": {"realtimeRuntime": 9}}"#,
            "cpu.rt_runtime_us = 9",
            "linux.resources.cpu.realtimeRuntime: ",
        ),
        (
            r#"{"cpu": {"realtimePeriod": 9}}"#,
            "cpu.rt_period_us = 9",
            "linux.resources.cpu.realtimePeriod: ",
        ),
        (
            r#"{"blockIO": {"leafWeight": 10}}"#,
            "blkio.leaf_weight = 10",
            "linux.resources.blockIO.leafWeight: ",
        ),
        (
            r#"{"network": {"classID": 7}}"#,
            "net_cls.classid = 7",
            "linux.resources.network.classID: ",
        ),
        (
            r#"{"network": {"priorities": [{"name": "eth0", "priority": 3}]}}"#,
            "net_prio.ifpriomap = eth0 3",
            "linux.resources.network.priorities[0]: ",
        ),
    ] {
        assert_eq!(lines(Version::V1, resources), [v1]);
        let error = compile(Version::V2, resources).unwrap_err();
        assert!(error.starts_with(refused), "{error}");
    }
    // Ignored on v1, with a warning: the kernel ignores it as well.
    let kernel = r#"{"memory": {"kernel": 9}}"#;
    assert!(lines(Version::V1, kernel).is_empty());
    let error = compile(Version::V2, kernel).unwrap_err();
    assert!(
        error.starts_with("linux.resources.memory.kernel: "),
        "{error}"
    );
    // The default is no wish.
    assert!(lines(Version::V2, r#"{"memory": {"swappiness": 60, "disableOOMKiller": false}, "cpu": {"realtimeRuntime": 0}}"#).is_empty());
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (resources, refused) in [
        (
            r#"{"memory": {"limit": 200, "swap": 100}}"#,
            "linux.resources.memory.swap: memory+swap limit should be >= memory limit",
        ),
        (
            r#"{"memory": {"limit": -2}}"#,
            "linux.resources.memory.limit: ",
        ),
        (
            r#"{"memory": {"swappiness": 101}}"#,
            "linux.resources.memory.swappiness: ",
        ),
        (
            r#"{"cpu": {"quota": 5, "burst": 6}}"#,
            "linux.resources.cpu.burst: ",
        ),
        (r#"{"cpu": {"idle": 2}}"#, "linux.resources.cpu.idle: "),
        (r#"{"cpu": {"cpus": "3-1"}}"#, "linux.resources.cpu.cpus: "),
        (
            r#"{"blockIO": {"weight": 5}}"#,
            "linux.resources.blockIO.weight: ",
        ),
        (
            r#"{"blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}}"#,
            "linux.resources.blockIO.weightDevice[0]: ",
        ),
        (
            r#"{"blockIO": {"throttleReadBpsDevice": [{"major": -8, "minor": 0, "rate": 1}]}}"#,
            "linux.resources.blockIO.throttleReadBpsDevice[0].major: ",
        ),
        (
            r#"{"hugepageLimits": [{"pageSize": "2M", "limit": 1}]}"#,
            "linux.resources.hugepageLimits[0].pageSize: ",
        ),
        (
            r#"{"rdma": {"mlx": {}}}"#,
            "linux.resources.rdma[\"mlx\"]: needs hcaHandles or hcaObjects",
        ),
        (
            r#"{"devices": [{"allow": true, "access": ""}]}"#,
            "linux.resources.devices[0].access: ",
        ),
    ] {
        for version in [Version::V1, Version::V2] {
            let error = compile(version, resources).unwrap_err();
            assert!(error.starts_with(refused), "{error}");
        }
    }
    // The kernel's bounds of v1, in runc's words; v2 has weights for all.
    for (shares, why) in [
        (1, "the minimum allowed cpu-shares is 2"),
        (262_145, "the maximum allowed cpu-shares is 262144"),
    ] {
        let resources = format!(r#"{{"cpu": {{"shares": {shares}}}}}"#);
        let error = compile(Version::V1, &resources).unwrap_err();
        assert_eq!(error, format!("linux.resources.cpu.shares: {why}"));
        compile(Version::V2, &resources).unwrap();
    }
    let error = compile(Version::V2, r#"{"memory": {"swap": 100}}"#).unwrap_err();
    assert!(
        error.contains("unable to set swap limit without memory limit"),
        "{error}"
    );
}

#[test]
fn unified_is_for_v2_and_takes_any_file_line_by_line() {
    let lines = lines(
        Version::V2,
        r#"{"unified": {"io.max": "8:0 rbps=1\n8:16 rbps=2\n", "future.knob": "x", "memory.high": "5"}}"#,
    );
    assert_eq!(
        lines,
        [
            "io.max = 8:0 rbps=1",
            "io.max = 8:16 rbps=2",
            "future.knob = x",
            "memory.high = 5"
        ]
    );
    for (version, resources, why) in [
        (
            Version::V1,
            r#"{"unified": {"memory.high": "5"}}"#,
            "cannot use unified on cgroup v1",
        ),
        (
            Version::Hybrid,
            r#"{"unified": {"memory.high": "5"}}"#,
            "is on cgroup v1",
        ),
        (Version::V2, r#"{"unified": {"../x.y": "5"}}"#, "no slashes"),
        (
            Version::V2,
            r#"{"unified": {"memory": "5"}}"#,
            "CONTROLLER.PARAMETER",
        ),
        (
            Version::V2,
            r#"{"unified": {".x": "5"}}"#,
            "CONTROLLER.PARAMETER",
        ),
    ] {
        let error = compile(version, resources).unwrap_err();
        assert!(
            error.starts_with("linux.resources.unified[") && error.contains(why),
            "{error}"
        );
    }
}

#[test]
fn a_missing_hierarchy_is_an_error_only_for_what_needs_it() {
    let host = Host::made_up(Version::V1, &[(&["memory"], "/")]);
    let place = Place::resolve(&host, Driver::Direct, Some("/x"), "x", false).unwrap();
    let compile = |resources: &str| {
        let resources: LinuxResources<'_> = serde_json::from_str(resources).unwrap();
        settings(&resources, &host, &place).map_err(|error| error.to_string())
    };
    compile(r#"{"memory": {"limit": 5}, "cpu": {"shares": 0}, "pids": {}}"#).unwrap();
    let error = compile(r#"{"pids": {"limit": 5}}"#).unwrap_err();
    assert_eq!(
        error,
        "linux.resources.pids.limit: no cgroup hierarchy with the pids controller is mounted"
    );
}

proptest::proptest! {
    #[test]
    fn compiling_never_panics(json in resources(), version in 0..3u8) {
        let version = [Version::V1, Version::V2, Version::Hybrid][usize::from(version)];
        let _ = compile(version, &json);
    }
}

/// Resources with numbers from everywhere.
fn resources() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let signed = || {
        prop_oneof![
            Just(0i64),
            Just(-1),
            Just(i64::MIN),
            Just(i64::MAX),
            any::<i64>()
        ]
    };
    let unsigned = || prop_oneof![Just(0u64), Just(1), Just(u64::MAX), any::<u64>()];
    (signed(), signed(), signed(), unsigned(), unsigned(), any::<u16>(), "[0-9,-]{0,6}", "[a-z.:0-9 ]{0,12}").prop_map(
        |(a, b, c, d, e, weight, list, file)| {
            format!(
                r#"{{"memory": {{"limit": {a}, "swap": {b}, "reservation": {c}, "checkBeforeUpdate": true}},
                    "cpu": {{"shares": {d}, "quota": {a}, "period": {e}, "burst": {d}, "cpus": {list:?}}},
                    "pids": {{"limit": {c}}}, "blockIO": {{"weight": {weight},
                        "throttleReadBpsDevice": [{{"major": {b}, "minor": {c}, "rate": {e}}}]}},
                    "unified": {{{file:?}: {list:?}, "cpu.max": {file:?}}}}}"#
            )
        },
    )
}
