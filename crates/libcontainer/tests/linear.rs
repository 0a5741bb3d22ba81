//! What a long list costs: four times as many entries take about four times the work, for everything in a config that is
//! a list or an object. (A pod in a cluster with many services has thousands of variables.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spec::Spec;
use tare_libcontainer::cgroups::{self, Driver, Host, Place, Version};
use tare_libcontainer::host::HostFacts;
use tare_libcontainer::plan::{self, Creation, Joining};

/// Entries of the shorter list; the longer one has four times as many.
const SHORT: usize = 25_000;

/// Puts so many entries somewhere.
type Fill = fn(&mut Value, usize);

fn list(length: usize, entry: impl Fn(usize) -> Value) -> Value {
    (0..length).map(entry).collect()
}

fn object(length: usize, key: &str, value: Value) -> Value {
    let entry = |index| (format!("{key}{index}"), value.clone());
    Value::Object((0..length).map(entry).collect())
}

fn rule(access: &str, major: usize, minor: usize) -> Value {
    json!({"allow": true, "type": "c", "major": major, "minor": minor, "access": access})
}

fn seccomp(config: &mut Value, syscalls: Value) {
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls});
}

#[rustfmt::skip]
const LISTS: &[(&str, Fill)] = &[
    ("annotations", |c, n| c["annotations"] = object(n, "key", json!("value"))),
    ("unknown properties", |c, n| c["process"]["more"] = object(n, "key", json!([1]))),
    ("process.args", |c, n| c["process"]["args"] = list(n, |_| json!("x"))),
    ("process.env", |c, n| c["process"]["env"] = list(n, |i| json!(format!("V{i}=x")))),
    ("process.env, one name", |c, n| c["process"]["env"] = list(n, |i| json!(format!("V={i}")))),
    ("process.rlimits", |c, n| c["process"]["rlimits"] = list(n, |_| json!({"type": "RLIMIT_CORE", "soft": 0, "hard": 0}))),
    ("process.capabilities", |c, n| c["process"]["capabilities"]["bounding"] = list(n, |i| json!(format!("CAP_{i}")))),
    ("process.user.additionalGids", |c, n| c["process"]["user"]["additionalGids"] = list(n, |i| json!(i))),
    ("process.scheduler.flags", |c, n| c["process"]["scheduler"] = json!({"policy": "SCHED_OTHER", "flags": list(n, |_| json!("SCHED_FLAG_RESET_ON_FORK"))})),
    ("mounts", |c, n| c["mounts"] = list(n, |i| json!({"destination": format!("/m{i}"), "type": "tmpfs", "source": "x"}))),
    ("mounts, bound", |c, n| c["mounts"] = list(n, |i| json!({"destination": format!("/m{i}"), "source": "/x", "options": ["rbind", "ro"]}))),
    ("mounts[].options", |c, n| c["mounts"] = json!([{"destination": "/m", "type": "tmpfs", "source": "x", "options": list(n, |_| json!("nosuid"))}])),
    ("hooks.prestart", |c, n| c["hooks"]["prestart"] = list(n, |_| json!({"path": "/bin/true"}))),
    ("hooks.poststop", |c, n| c["hooks"]["poststop"] = list(n, |_| json!({"path": "/bin/true"}))),
    ("hooks.prestart[].env", |c, n| c["hooks"]["prestart"] = json!([{"path": "/bin/true", "env": list(n, |i| json!(format!("V{i}=x")))}])),
    ("linux.namespaces", |c, n| c["linux"]["namespaces"] = list(n, |_| json!({"type": "uts"}))),
    ("linux.uidMappings", |c, n| c["linux"]["uidMappings"] = list(n, |i| json!({"containerID": i, "hostID": i, "size": 1}))),
    ("linux.timeOffsets", |c, n| c["linux"]["timeOffsets"] = object(n, "clock", json!({"secs": 1}))),
    ("linux.devices", |c, n| c["linux"]["devices"] = list(n, |i| json!({"type": "c", "path": format!("/dev/x{i}"), "major": 1, "minor": i}))),
    ("linux.netDevices", |c, n| c["linux"]["netDevices"] = object(n, "eth", json!({}))),
    ("linux.sysctl", |c, n| c["linux"]["sysctl"] = object(n, "net.ipv4.x", json!("1"))),
    ("linux.maskedPaths", |c, n| c["linux"]["maskedPaths"] = list(n, |i| json!(format!("/proc/x{i}")))),
    ("linux.maskedPaths, one path", |c, n| c["linux"]["maskedPaths"] = list(n, |_| json!("/proc/x"))),
    ("linux.readonlyPaths", |c, n| c["linux"]["readonlyPaths"] = list(n, |i| json!(format!("/proc/x{i}")))),
    ("linux.memoryPolicy.flags", |c, n| c["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0", "flags": list(n, |_| json!("MPOL_F_STATIC_NODES"))})),
    ("linux.seccomp.architectures", |c, n| { seccomp(c, json!([])); c["linux"]["seccomp"]["architectures"] = list(n, |_| json!("SCMP_ARCH_X86_64")); }),
    ("linux.seccomp.syscalls", |c, n| seccomp(c, list(n, |_| json!({"names": ["kill"], "action": "SCMP_ACT_ERRNO"})))),
    ("linux.seccomp.syscalls[].names", |c, n| seccomp(c, json!([{"names": list(n, |_| json!("kill")), "action": "SCMP_ACT_ERRNO"}]))),
    ("linux.seccomp.syscalls[].names, unknown", |c, n| seccomp(c, json!([{"names": list(n, |i| json!(format!("x{i}"))), "action": "SCMP_ACT_ERRNO"}]))),
    ("linux.seccomp.syscalls[].args", |c, n| seccomp(c, list(n, |i| json!({"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": i, "op": "SCMP_CMP_EQ"}]})))),
    ("linux.resources.devices", |c, n| c["linux"]["resources"]["devices"] = list(n, |i| rule("rwm", i % 300, i))),
    ("linux.resources.devices, many majors", |c, n| c["linux"]["resources"]["devices"] = list(n, |i| rule("rw", i, 0))),
    ("linux.resources.devices, one rule", |c, n| c["linux"]["resources"]["devices"] = list(n, |_| rule("rw", 8, 0))),
    ("linux.resources.unified", |c, n| c["linux"]["resources"]["unified"] = object(n, "memory.x", json!("1"))),
    ("linux.resources.rdma", |c, n| c["linux"]["resources"]["rdma"] = object(n, "mlx", json!({"hcaHandles": 1}))),
    ("linux.resources.hugepageLimits", |c, n| c["linux"]["resources"]["hugepageLimits"] = list(n, |_| json!({"pageSize": "2MB", "limit": 1}))),
    ("linux.resources.blockIO.weightDevice", |c, n| c["linux"]["resources"]["blockIO"] = json!({"weightDevice": list(n, |i| json!({"major": 8, "minor": i, "weight": 100}))})),
    ("linux.resources.blockIO.throttle", |c, n| c["linux"]["resources"]["blockIO"] = json!({"throttleReadBpsDevice": list(n, |i| json!({"major": 8, "minor": i, "rate": 1}))})),
    ("linux.resources.network.priorities", |c, n| c["linux"]["resources"]["network"] = json!({"priorities": list(n, |i| json!({"name": format!("eth{i}"), "priority": 1}))})),
    ("linux.resources.cpu.cpus", |c, n| c["linux"]["resources"]["cpu"] = json!({"cpus": vec!["0"; n].join(",")})),
];

fn config(fill: Fill, length: usize) -> String {
    let mut config = json!({
        "ociVersion": "1.3.0",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/", "capabilities": {}},
        "root": {"path": "rootfs"},
        "linux": {
            "namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "user"}],
            "uidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65536}],
            "gidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65536}],
            "resources": {},
        }
    });
    fill(&mut config, length);
    config.to_string()
}

/// All that a config goes through before the first step is performed, and what people see of it. Errors are fine: they
/// must not take longer either.
fn prepare(text: &str) {
    let Ok(spec) = Spec::parse(text) else {
        return;
    };
    let host = HostFacts::default();
    let creation = Creation {
        root: "/bundle/rootfs".into(),
        has_cgroup: true,
        ..Creation::default()
    };
    if let Ok(plan) = plan::create(&spec, &creation, &host) {
        plan.encode(&[]);
        assert!(!plan.to_string().is_empty() && !plan.to_json().is_empty());
    }
    let _ = plan::exec(&spec, &Joining::default(), &host);
    let resources = spec
        .linux
        .as_ref()
        .and_then(|linux| linux.resources.as_ref());
    let v1: [(&[&str], &str); 3] = [(&["devices"], "/"), (&["blkio"], "/"), (&["cpuset"], "/")];
    for (version, mounted) in [(Version::V2, &[(&[][..], "/")][..]), (Version::V1, &v1[..])] {
        let machine = Host::made_up(version, mounted);
        let place = Place::resolve(&machine, Driver::Direct, Some("/case"), "case", false);
        if let (Some(resources), Ok(place)) = (resources, place) {
            let _ = cgroups::settings(resources, &machine, &place);
        }
    }
}

/// Processor time of this thread (/proc/PID/schedstat, first number: nanoseconds); other work on the machine does not count.
fn spent() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// The least of several attempts: what disturbs only adds.
fn cost(fill: Fill, length: usize, attempts: usize) -> Duration {
    let text = config(fill, length);
    let once = |_| {
        let (begin, clock) = (spent(), Instant::now());
        prepare(&text);
        match (begin, spent()) {
            (Some(begin), Some(end)) => end - begin,
            _ => clock.elapsed(),
        }
    };
    (0..attempts).map(once).min().unwrap()
}

#[test]
fn four_times_as_much_takes_four_times_as_long() {
    let mut slow = Vec::new();
    for (name, fill) in LISTS {
        // Below a few milliseconds the fixed costs are most of it.
        let short = cost(*fill, SHORT, 2).max(Duration::from_millis(4));
        // Quadratic time would be sixteen times as much.
        let too_long = |long: Duration| long > 9 * short;
        let mut long = cost(*fill, 4 * SHORT, 1);
        if too_long(long) {
            long = cost(*fill, 4 * SHORT, 2);
        }
        if too_long(long) {
            slow.push(format!(
                "{name}: {short:?} for {SHORT}, {long:?} for four times as many"
            ));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
