//! Configs as they come: without properties, with `null`, with keys in another case or misspelt. Every property of one
//! whole document goes through the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tare_spec::{LinuxResources, Process, Spec};

/// What the specification requires and the parser insists on. What the planner asks for with a text of its own
/// (`ociVersion`, `root`, `process.cwd`, `process.args`, device numbers) may be absent here, and `pids.limit`: Go programs
/// leave out what is not set there.
const REQUIRED: &[&str] = &[
    "mounts[].destination",
    "process.user",
    "process.user.uid",
    "process.user.gid",
    "process.consoleSize.height",
    "process.consoleSize.width",
    "process.rlimits[].type",
    "process.rlimits[].soft",
    "process.rlimits[].hard",
    "process.scheduler.policy",
    "process.ioPriority.class",
    "process.ioPriority.priority",
    "hooks.prestart[].path",
    "linux.namespaces[].type",
    "linux.uidMappings[].containerID",
    "linux.uidMappings[].hostID",
    "linux.uidMappings[].size",
    "linux.devices[].type",
    "linux.devices[].path",
    "linux.memoryPolicy.mode",
    "linux.personality.domain",
    "linux.seccomp.defaultAction",
    "linux.seccomp.syscalls[].names",
    "linux.seccomp.syscalls[].action",
    "linux.seccomp.syscalls[].args[].index",
    "linux.seccomp.syscalls[].args[].value",
    "linux.seccomp.syscalls[].args[].op",
    "linux.resources.devices[].allow",
    "linux.resources.blockIO.weightDevice[].major",
    "linux.resources.blockIO.weightDevice[].minor",
    "linux.resources.blockIO.throttleReadBpsDevice[].major",
    "linux.resources.blockIO.throttleReadBpsDevice[].minor",
    "linux.resources.blockIO.throttleReadBpsDevice[].rate",
    "linux.resources.hugepageLimits[].pageSize",
    "linux.resources.hugepageLimits[].limit",
    "linux.resources.network.priorities[].name",
    "linux.resources.network.priorities[].priority",
];

/// Objects whose keys are anybody's words.
const MAPS: &[&str] = &[
    "annotations",
    "linux.sysctl",
    "linux.timeOffsets",
    "linux.netDevices",
    "linux.resources.unified",
    "linux.resources.rdma",
];

fn whole() -> Value {
    let names = json!(["CAP_KILL"]);
    json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "h",
        "domainname": "d",
        "annotations": {"a": "b"},
        "mounts": [{"destination": "/m", "type": "tmpfs", "source": "s", "options": ["ro"],
            "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}], "gidMappings": []}],
        "process": {
            "terminal": true, "consoleSize": {"height": 1, "width": 2}, "cwd": "/", "env": ["A=b"], "args": ["x"],
            "rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}], "apparmorProfile": "a", "selinuxLabel": "s",
            "capabilities": {"bounding": names, "effective": names, "inheritable": names, "permitted": names, "ambient": names},
            "noNewPrivileges": true, "oomScoreAdj": 3,
            "scheduler": {"policy": "SCHED_OTHER", "nice": 1, "priority": 0, "flags": ["F"], "runtime": 1, "deadline": 2, "period": 3},
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 1},
            "execCPUAffinity": {"initial": "0", "final": "1"},
            "user": {"uid": 1, "gid": 2, "umask": 3, "additionalGids": [4]},
        },
        "hooks": {"prestart": [{"path": "/h", "args": ["h"], "env": ["A=b"], "timeout": 1}], "createRuntime": [],
            "createContainer": [], "startContainer": [], "poststart": [], "poststop": []},
        "linux": {
            "namespaces": [{"type": "pid", "path": "/p"}],
            "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}],
            "gidMappings": [],
            "timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 2}},
            "devices": [{"type": "c", "path": "/d", "major": 1, "minor": 2, "fileMode": 3, "uid": 4, "gid": 5}],
            "netDevices": {"eth0": {"name": "n"}},
            "cgroupsPath": "/c",
            "intelRdt": {"closID": "c", "schemata": ["s"], "l3CacheSchema": "l", "memBwSchema": "m", "enableMonitoring": true},
            "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["F"]},
            "sysctl": {"net.x": "1"},
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["A"], "flags": ["F"],
                "listenerPath": "/l", "listenerMetadata": "m",
                "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1,
                    "args": [{"index": 1, "value": 2, "valueTwo": 3, "op": "SCMP_CMP_EQ"}]}]},
            "rootfsPropagation": "shared",
            "maskedPaths": ["/m"],
            "readonlyPaths": ["/r"],
            "mountLabel": "l",
            "personality": {"domain": "LINUX", "flags": ["F"]},
            "resources": {
                "devices": [{"allow": true, "type": "c", "major": 1, "minor": 2, "access": "r"}],
                "memory": {"limit": 1, "reservation": 2, "swap": 3, "kernel": 4, "kernelTCP": 5, "swappiness": 6,
                    "disableOOMKiller": true, "useHierarchy": true, "checkBeforeUpdate": true},
                "cpu": {"shares": 1, "quota": 2, "burst": 3, "period": 4, "realtimeRuntime": 5, "realtimePeriod": 6,
                    "cpus": "0", "mems": "0", "idle": 1},
                "pids": {"limit": 1},
                "blockIO": {"weight": 1, "leafWeight": 2,
                    "weightDevice": [{"major": 1, "minor": 2, "weight": 3, "leafWeight": 4}],
                    "throttleReadBpsDevice": [{"major": 1, "minor": 2, "rate": 3}], "throttleWriteBpsDevice": [],
                    "throttleReadIOPSDevice": [], "throttleWriteIOPSDevice": []},
                "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
                "network": {"classID": 1, "priorities": [{"name": "n", "priority": 1}]},
                "rdma": {"mlx": {"hcaHandles": 1, "hcaObjects": 2}},
                "unified": {"memory.high": "1"},
            },
        },
    })
}

/// Every property: the objects and indexes on the way as JSON pointer, its key, and its name for people.
fn properties(value: &Value, pointer: &str, name: &str, found: &mut Vec<(String, String, String)>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let path = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                let below = format!("{pointer}/{key}");
                if MAPS.contains(&name) {
                    properties(member, &below, &format!("{name}[]"), found);
                    continue;
                }
                found.push((pointer.to_owned(), key.clone(), path.clone()));
                properties(member, &below, &path, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                properties(
                    item,
                    &format!("{pointer}/{index}"),
                    &format!("{name}[]"),
                    found,
                );
            }
        }
        _ => {}
    }
}

fn all() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    properties(&whole(), "", "", &mut found);
    assert!(found.len() > 150, "{}", found.len());
    found
}

/// The document with one object changed.
fn changed(pointer: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> String {
    let mut document = whole();
    change(
        document
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap(),
    );
    document.to_string()
}

#[test]
fn null_is_as_good_as_absent_and_what_is_required_is_named() {
    let mut required = Vec::new();
    for (pointer, key, path) in all() {
        let absent = changed(&pointer, |object| drop(object.remove(&key)));
        let null = changed(&pointer, |object| {
            drop(object.insert(key.clone(), Value::Null))
        });
        match (Spec::parse(&absent), Spec::parse(&null)) {
            (Ok(absent), Ok(null)) => {
                assert_eq!(format!("{absent:?}"), format!("{null:?}"), "{path}")
            }
            (Err(absent), Err(null)) => {
                assert!(
                    absent.message.starts_with("is required at line 1 column "),
                    "{path}: {absent}"
                );
                assert!(
                    null.message.starts_with("is required at line 1 column "),
                    "{path}: {null}"
                );
                assert_eq!(absent.at.replace("[0]", "[]"), path);
                assert_eq!(absent.at, null.at);
                required.push(path);
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    // Mappings of mounts are the same type.
    required.retain(|path| !path.starts_with("mounts[].uidMappings"));
    let mut wanted = REQUIRED.to_vec();
    required.sort();
    wanted.sort_unstable();
    assert_eq!(required, wanted);
}

#[test]
fn a_key_in_another_case_is_taken_with_a_remark() {
    let plain = whole().to_string();
    let plain = Spec::parse(&plain).unwrap();
    assert_eq!(plain.remarks, []);
    for (pointer, key, path) in all() {
        for other in [key.to_uppercase(), key.to_lowercase()] {
            if other == key {
                continue;
            }
            let text = changed(&pointer, |object| {
                let value = object.remove(&key).unwrap();
                object.insert(other.clone(), value);
            });
            let mut spec =
                Spec::parse(&text).unwrap_or_else(|error| panic!("{path} as {other}: {error}"));
            let remarks = std::mem::take(&mut spec.remarks);
            assert_eq!(
                format!("{spec:?}"),
                format!("{plain:?}"),
                "{path} as {other}"
            );
            let [remark] = &remarks[..] else {
                panic!("{path} as {other}: {remarks:?}")
            };
            assert!(
                remark.taken
                    && remark.meant == Some(key.as_str())
                    && remark.at.to_string().ends_with(&other),
                "{remark:?}"
            );
        }
    }
}

#[test]
fn both_spellings_of_one_key_are_one_key_too_many() {
    let error = Spec::parse(r#"{"Hostname":"a","hostname":"b"}"#).unwrap_err();
    assert!(
        error.message.contains("duplicate field `hostname`"),
        "{error}"
    );
}

#[test]
fn a_misspelt_key_is_remarked_by_name_and_others_are_ignored() {
    for (pointer, key, path) in all().into_iter().filter(|(_, key, _)| key.len() > 3) {
        let other = format!("{}{}", &key[..2], &key[1..]);
        let text = changed(&pointer, |object| {
            drop(object.insert(other.clone(), json!([null])))
        });
        let spec = Spec::parse(&text).unwrap();
        let [remark] = &spec.remarks[..] else {
            panic!("{path}: {:?}", spec.remarks)
        };
        assert!(
            !remark.taken && remark.meant == Some(key.as_str()),
            "{path}: {remark:?}"
        );
        assert_eq!(
            remark.to_string(),
            format!("unknown property, ignored: is `{key}` meant?")
        );
    }
    let spec = Spec::parse(r#"{"x-extra":{"uid":1},"future":7}"#).unwrap();
    assert!(
        spec.remarks.iter().all(|remark| remark.meant.is_none()),
        "{:?}",
        spec.remarks
    );
}

#[test]
fn objects_alone_have_remarks_too() {
    let process = Process::parse(r#"{"Args":["x"],"cwdd":"/","user":{"uid":1,"gid":2}}"#).unwrap();
    let said: Vec<String> = process
        .remarks
        .iter()
        .map(|remark| format!("{}: {remark}", remark.at))
        .collect();
    assert_eq!(
        said,
        [
            "process.Args: taken as `args`, which is the specification's spelling",
            "process.cwdd: unknown property, ignored: is `cwd` meant?",
        ]
    );
    assert_eq!(process.args, ["x"]);
    let resources =
        LinuxResources::parse(r#"{"memroy":{"limit":1},"memory":{"Limit":2}}"#).unwrap();
    let said: Vec<String> = resources
        .remarks
        .iter()
        .map(|remark| remark.at.to_string())
        .collect();
    assert_eq!(
        said,
        ["linux.resources.memroy", "linux.resources.memory.Limit"]
    );
    assert_eq!(resources.memory.unwrap().limit, Some(2));
}
