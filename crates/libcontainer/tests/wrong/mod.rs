//! Wrong values of the right type, one row for each way in which a field's value can be wrong: an error that names the field, and
//! no plan. Each row changes the config of the case `all-fields`. What only the kernel knows to be wrong is in
//! `tests/integration/tests/wrong_configs.rs`; values of a wrong type are in `crates/spec/tests/wrong_types.rs`.

use std::collections::BTreeSet;

use serde_json::Value;
use tare_libcontainer::cgroups;
use tare_libcontainer::host::HostFacts;

use super::conformance::{FOREIGN, TYPES};
use super::{Options, Spec, create, folder, from_json, limits};

/// The field, a value that it cannot have (`null`: that it is missing), and what else has to be changed so that nothing but that is
/// wrong: further fields and values, or nothing.
type Row = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const LONG_WORD: &str = r#""xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#;

#[rustfmt::skip]
const WRONG: &[Row] = &[
    ("ociVersion", "null", &[]),
    ("ociVersion", r#""""#, &[]),
    ("ociVersion", r#""1""#, &[]),
    ("ociVersion", r#""2.0.0""#, &[]),
    ("ociVersion", r#""0.9.0""#, &[]),
    ("root", "null", &[]),
    ("hostname", LONG_WORD, &[]),
    ("hostname", r#""x""#, &[("linux.namespaces[3]", "null"), ("domainname", "null")]),
    ("domainname", LONG_WORD, &[]),
    ("domainname", r#""x""#, &[("linux.namespaces[3]", "null"), ("hostname", "null")]),
    ("annotations", r#"{"": "x"}"#, &[]),
    ("solaris", "{}", &[]),
    ("windows", "{}", &[]),
    ("vm", "{}", &[]),
    ("zos", "{}", &[]),
    ("freebsd", "{}", &[]),
    ("process.consoleSize", r#"{"height": 65536, "width": 1}"#, &[]),
    ("process.consoleSize", r#"{"height": 1, "width": 65536}"#, &[]),
    ("process.cwd", "null", &[]),
    ("process.cwd", r#""""#, &[]),
    ("process.cwd", r#""tmp""#, &[]),
    ("process.args", "null", &[]),
    ("process.args", "[]", &[]),
    ("process.env[0]", r#""""#, &[]),
    ("process.env[0]", r#""NAME""#, &[]),
    ("process.env[1]", r#""=value""#, &[]),
    ("process.rlimits[0].type", r#""""#, &[]),
    ("process.rlimits[0].type", r#""RLIMIT_X""#, &[]),
    ("process.rlimits[0].type", r#""cpu""#, &[]),
    ("process.rlimits[1].type", r#""RLIMIT_CPU""#, &[]),
    ("process.rlimits[0].soft", "21", &[]),
    ("process.rlimits[0].hard", "9", &[]),
    ("process.oomScoreAdj", "1001", &[]),
    ("process.oomScoreAdj", "-1001", &[]),
    ("process.scheduler.policy", r#""""#, &[]),
    ("process.scheduler.policy", r#""SCHED_X""#, &[]),
    ("process.scheduler.nice", "20", &[]),
    ("process.scheduler.nice", "-21", &[]),
    ("process.scheduler.priority", "1", &[]),
    ("process.scheduler.priority", "-1", &[("process.scheduler.policy", r#""SCHED_FIFO""#)]),
    ("process.scheduler.priority", "0", &[("process.scheduler.policy", r#""SCHED_RR""#)]),
    ("process.scheduler.priority", "100", &[("process.scheduler.policy", r#""SCHED_RR""#)]),
    ("process.scheduler.flags[0]", r#""""#, &[]),
    ("process.scheduler.flags[0]", r#""SCHED_FLAG_X""#, &[]),
    ("process.scheduler.runtime", "1", &[]),
    ("process.scheduler.deadline", "1", &[]),
    ("process.scheduler.period", "1", &[]),
    ("process.ioPriority.class", r#""""#, &[]),
    ("process.ioPriority.class", r#""IOPRIO_CLASS_X""#, &[]),
    ("process.ioPriority.priority", "8", &[]),
    ("process.ioPriority.priority", "-1", &[]),
    ("process.execCPUAffinity.initial", r#""a""#, &[]),
    ("process.execCPUAffinity.initial", r#""0-""#, &[]),
    ("process.execCPUAffinity.initial", r#""1024""#, &[]),
    ("process.execCPUAffinity.final", r#""3-1""#, &[]),
    ("process.execCPUAffinity.final", r#""+1""#, &[]),
    ("process.execCPUAffinity.final", r#"",""#, &[]),
    ("process.user.uid", "4294967295", &[]),
    ("process.user.gid", "4294967295", &[]),
    ("process.user.uid", "65536", &[]),
    ("process.user.gid", "65536", &[]),
    ("process.user.umask", "512", &[]),
    ("process.user.additionalGids[0]", "4294967295", &[]),
    ("process.user.additionalGids[0]", "65536", &[]),
    ("mounts[0].destination", r#""""#, &[]),
    ("mounts[1].destination", r#""/proc/self""#, &[]),
    ("mounts[1].destination", r#""/proc/x/../self""#, &[]),
    ("mounts[0].type", "null", &[]),
    ("mounts[0].type", r#""""#, &[]),
    ("mounts[0].type", r#""bind""#, &[]),
    ("mounts[2].source", "null", &[]),
    ("mounts[2].source", r#""""#, &[]),
    ("mounts[2].options", r#"["bind", "size=4k"]"#, &[]),
    ("mounts[1].options", r#"["ridmap"]"#, &[("linux.namespaces[7]", "null"), ("linux.uidMappings", "null"), ("linux.gidMappings", "null"), ("mounts[2]", "null")]),
    ("mounts[2].uidMappings[0].size", "0", &[]),
    ("mounts[2].uidMappings[0].containerID", "4294967295", &[]),
    ("mounts[2].gidMappings[0].hostID", "4294967295", &[]),
    ("mounts[2].gidMappings", "null", &[]),
    ("mounts[2].uidMappings", "null", &[]),
    ("mounts[2].uidMappings[1]", r#"{"containerID": 50, "hostID": 9000, "size": 1}"#, &[]),
    ("mounts[2].gidMappings[1]", r#"{"containerID": 500, "hostID": 5099, "size": 1}"#, &[]),
    ("hooks.prestart[0].path", r#""""#, &[]),
    ("hooks.createRuntime[0].path", r#""relative""#, &[]),
    ("hooks.createContainer[0].path", r#""./relative""#, &[]),
    ("hooks.startContainer[0].path", r#""relative""#, &[]),
    ("hooks.poststart[0].path", r#""relative""#, &[]),
    ("hooks.poststop[0].path", r#""relative""#, &[]),
    ("hooks.prestart[0].timeout", "0", &[]),
    ("hooks.createRuntime[0].timeout", "-1", &[]),
    ("linux.namespaces[0].type", r#""""#, &[]),
    ("linux.namespaces[0].type", r#""net""#, &[]),
    ("linux.namespaces[1]", r#"{"type": "pid"}"#, &[]),
    ("linux.namespaces[0].path", r#""relative""#, &[]),
    ("linux.uidMappings", "[]", &[]),
    ("linux.gidMappings", "null", &[]),
    ("linux.uidMappings[0].size", "0", &[]),
    ("linux.gidMappings[0].size", "0", &[]),
    ("linux.uidMappings[0].size", "4294967295", &[]),
    ("linux.uidMappings[0].hostID", "4294967295", &[]),
    ("linux.gidMappings[0].containerID", "4294967295", &[]),
    ("linux.uidMappings[1]", r#"{"containerID": 65535, "hostID": 0, "size": 1}"#, &[]),
    ("linux.gidMappings[1]", r#"{"containerID": 65536, "hostID": 100000, "size": 1}"#, &[]),
    ("linux.timeOffsets[\"realtime\"]", r#"{"secs": 1}"#, &[]),
    ("linux.timeOffsets[\"\"]", r#"{"secs": 1}"#, &[]),
    ("linux.timeOffsets[\"monotonic\"].nanosecs", "1000000000", &[]),
    ("linux.devices[0].type", r#""""#, &[]),
    ("linux.devices[0].type", r#""x""#, &[]),
    ("linux.devices[0].path", r#""""#, &[]),
    ("linux.devices[0].path", r#""dev/tun""#, &[]),
    ("linux.devices[0].path", r#""/dev/null""#, &[]),
    ("linux.devices[0].major", "null", &[]),
    ("linux.devices[0].minor", "null", &[]),
    ("linux.devices[0].major", "-1", &[]),
    ("linux.devices[0].minor", "-1", &[]),
    ("linux.devices[0].major", "4096", &[]),
    ("linux.devices[0].minor", "1048576", &[]),
    ("linux.devices[0].uid", "65536", &[]),
    ("linux.devices[0].gid", "65536", &[]),
    ("linux.devices[0].uid", "4294967295", &[("linux.namespaces[7]", "null"), ("linux.uidMappings", "null"), ("linux.gidMappings", "null"), ("mounts[2]", "null")]),
    ("linux.netDevices[\"\"]", r#"{"name": "x"}"#, &[]),
    ("linux.netDevices[\"eth0123456789abc\"]", "{}", &[]),
    ("linux.netDevices[\"a/b\"]", "{}", &[]),
    ("linux.netDevices[\"eth0\"].name", r#""..""#, &[]),
    ("linux.netDevices[\"eth0\"].name", r#""a b""#, &[]),
    ("linux.netDevices[\"eth1\"].name", r#""inside0""#, &[]),
    ("linux.cgroupsPath", r#""/""#, &[]),
    ("linux.cgroupsPath", r#""/a/..""#, &[]),
    ("linux.resources.devices[1].type", r#""x""#, &[]),
    ("linux.resources.devices[1].major", "-2", &[]),
    ("linux.resources.devices[1].minor", "4294967296", &[]),
    ("linux.resources.devices[1].access", r#""""#, &[]),
    ("linux.resources.memory.limit", "-2", &[]),
    ("linux.resources.memory.reservation", "-2", &[]),
    ("linux.resources.memory.swap", "-2", &[]),
    ("linux.resources.memory.swap", "1024", &[]),
    ("linux.resources.memory.kernel", "-2", &[]),
    ("linux.resources.memory.kernelTCP", "-2", &[]),
    ("linux.resources.memory.swappiness", "101", &[]),
    ("linux.resources.cpu.shares", "1", &[]),
    ("linux.resources.cpu.shares", "262145", &[]),
    ("linux.resources.cpu.burst", "50001", &[]),
    ("linux.resources.cpu.cpus", r#""a""#, &[]),
    ("linux.resources.cpu.cpus", r#""3-1""#, &[]),
    ("linux.resources.cpu.mems", r#""-1""#, &[]),
    ("linux.resources.cpu.idle", "2", &[]),
    ("linux.resources.cpu.idle", "-1", &[]),
    ("linux.resources.blockIO.weight", "9", &[]),
    ("linux.resources.blockIO.leafWeight", "1001", &[]),
    ("linux.resources.blockIO.weightDevice[0].weight", "9", &[]),
    ("linux.resources.blockIO.weightDevice[0].leafWeight", "1001", &[]),
    ("linux.resources.blockIO.weightDevice[0]", r#"{"major": 8, "minor": 0}"#, &[]),
    ("linux.resources.blockIO.weightDevice[0].major", "-1", &[]),
    ("linux.resources.blockIO.weightDevice[0].minor", "4294967296", &[]),
    ("linux.resources.blockIO.throttleReadBpsDevice[0].major", "-1", &[]),
    ("linux.resources.blockIO.throttleWriteBpsDevice[0].minor", "-1", &[]),
    ("linux.resources.blockIO.throttleReadIOPSDevice[0].major", "4294967296", &[]),
    ("linux.resources.blockIO.throttleWriteIOPSDevice[0].minor", "4294967296", &[]),
    ("linux.resources.hugepageLimits[0].pageSize", r#""""#, &[]),
    ("linux.resources.hugepageLimits[0].pageSize", r#""2048""#, &[]),
    ("linux.resources.hugepageLimits[0].pageSize", r#""../2MB""#, &[]),
    ("linux.resources.network.priorities[0].name", r#""""#, &[]),
    ("linux.resources.network.priorities[0].name", r#""a b""#, &[]),
    ("linux.resources.rdma[\"\"]", r#"{"hcaHandles": 1}"#, &[]),
    ("linux.resources.rdma[\"a b\"]", r#"{"hcaHandles": 1}"#, &[]),
    ("linux.resources.rdma[\"mlx5_1\"]", "{}", &[]),
    ("linux.resources.unified[\"\"]", r#""1""#, &[]),
    ("linux.resources.unified[\"misc\"]", r#""1""#, &[]),
    ("linux.resources.unified[\"a/b.max\"]", r#""1""#, &[]),
    ("linux.resources.unified[\"memory.high\"]", r#""1""#, &[]),
    ("linux.intelRdt.closID", r#""a/b""#, &[]),
    ("linux.intelRdt.closID", r#""..""#, &[]),
    ("linux.intelRdt.schemata[0]", r#""""#, &[]),
    ("linux.intelRdt.schemata[0]", r#""L3:0=f\nMB:0=1""#, &[]),
    ("linux.intelRdt.memBwSchema", r#""L3:0=f""#, &[]),
    ("linux.memoryPolicy.mode", r#""""#, &[]),
    ("linux.memoryPolicy.mode", r#""MPOL_X""#, &[]),
    ("linux.memoryPolicy.nodes", "null", &[]),
    ("linux.memoryPolicy.nodes", r#""""#, &[]),
    ("linux.memoryPolicy.nodes", r#""a""#, &[]),
    ("linux.memoryPolicy.nodes", r#""0""#, &[("linux.memoryPolicy.mode", r#""MPOL_DEFAULT""#), ("linux.memoryPolicy.flags", "null")]),
    ("linux.memoryPolicy.flags[0]", r#""MPOL_F_X""#, &[]),
    ("linux.memoryPolicy.flags", r#"["MPOL_F_STATIC_NODES"]"#, &[("linux.memoryPolicy.mode", r#""MPOL_LOCAL""#), ("linux.memoryPolicy.nodes", "null")]),
    ("linux.sysctl[\"\"]", r#""1""#, &[]),
    ("linux.sysctl[\"net..core\"]", r#""1""#, &[]),
    ("linux.sysctl[\"net/../vm/swappiness\"]", r#""1""#, &[]),
    ("linux.sysctl[\"vm.swappiness\"]", r#""1""#, &[]),
    ("linux.sysctl[\"kernel.hostname\"]", r#""x""#, &[]),
    ("linux.sysctl[\"net/core/somaxconn\"]", r#""101""#, &[]),
    ("linux.seccomp.defaultAction", r#""""#, &[]),
    ("linux.seccomp.defaultAction", r#""SCMP_ACT_X""#, &[]),
    ("linux.seccomp.defaultAction", r#""SCMP_ACT_NOTIFY""#, &[("linux.seccomp.defaultErrnoRet", "null")]),
    ("linux.seccomp.defaultErrnoRet", "4096", &[]),
    ("linux.seccomp.defaultErrnoRet", "1", &[("linux.seccomp.defaultAction", r#""SCMP_ACT_ALLOW""#)]),
    ("linux.seccomp.architectures[0]", r#""""#, &[]),
    ("linux.seccomp.architectures[0]", r#""x86_64""#, &[]),
    ("linux.seccomp.flags[0]", r#""""#, &[]),
    ("linux.seccomp.flags[0]", r#""SECCOMP_FILTER_FLAG_X""#, &[]),
    ("linux.seccomp.listenerPath", "null", &[("linux.seccomp.listenerMetadata", "null")]),
    ("linux.seccomp.listenerPath", r#""""#, &[("linux.seccomp.listenerMetadata", "null")]),
    ("linux.seccomp.listenerMetadata", r#""x""#, &[("linux.seccomp.listenerPath", "null"), ("linux.seccomp.syscalls", "null")]),
    ("linux.seccomp.syscalls[0].names", "[]", &[]),
    ("linux.seccomp.syscalls[0].names[0]", r#""write""#, &[]),
    ("linux.seccomp.syscalls[0].action", r#""""#, &[]),
    ("linux.seccomp.syscalls[0].action", r#""ALLOW""#, &[]),
    ("linux.seccomp.syscalls[1].errnoRet", "4096", &[]),
    ("linux.seccomp.syscalls[1].errnoRet", "1", &[("linux.seccomp.syscalls[1].action", r#""SCMP_ACT_ALLOW""#)]),
    ("linux.seccomp.syscalls[1].args[0].index", "6", &[]),
    ("linux.seccomp.syscalls[1].args[0].op", r#""""#, &[]),
    ("linux.seccomp.syscalls[1].args[0].op", r#""EQ""#, &[]),
    ("linux.rootfsPropagation", r#""public""#, &[]),
    ("linux.maskedPaths[0]", r#""""#, &[]),
    ("linux.maskedPaths[0]", r#""proc/kcore""#, &[]),
    ("linux.readonlyPaths[0]", r#""""#, &[]),
    ("linux.readonlyPaths[0]", r#""./proc/sys""#, &[]),
    ("linux.mountLabel", r#""a\",uid=0,\"b""#, &[]),
    ("linux.personality.domain", r#""""#, &[]),
    ("linux.personality.domain", r#""BSD""#, &[]),
    ("linux.personality.flags", r#"["X"]"#, &[]),
];

/// Fields that no value of their type is wrong for, and why.
#[rustfmt::skip]
const ANY: &[(&str, &str)] = &[
    ("root.path", "looked up before there is a plan"),
    ("root.readonly", "yes or no"),
    ("process.terminal", "yes or no"),
    ("process.noNewPrivileges", "yes or no"),
    ("process.apparmorProfile", "the kernel knows the profiles"),
    ("process.selinuxLabel", "the kernel knows the labels"),
    ("process.capabilities.bounding", "what is not known, or not held, is a warning, as the specification has it"),
    ("process.capabilities.effective", "as `bounding`"),
    ("process.capabilities.inheritable", "as `bounding`"),
    ("process.capabilities.permitted", "as `bounding`"),
    ("process.capabilities.ambient", "as `bounding`"),
    ("hooks.createRuntime[].args", "any strings, or none"),
    ("hooks.createRuntime[].env", "any strings: hooks are run with what is given"),
    ("linux.devices[].fileMode", "only the permissions in it count"),
    ("linux.resources.devices[].allow", "yes or no"),
    ("linux.resources.memory.disableOOMKiller", "yes or no"),
    ("linux.resources.memory.useHierarchy", "yes or no"),
    ("linux.resources.memory.checkBeforeUpdate", "yes or no"),
    ("linux.resources.cpu.quota", "the kernel knows the least"),
    ("linux.resources.cpu.period", "the kernel knows the least and the most"),
    ("linux.resources.cpu.realtimeRuntime", "the kernel knows how much there is"),
    ("linux.resources.cpu.realtimePeriod", "the kernel knows how much there is"),
    ("linux.resources.pids.limit", "negative numbers: no limit"),
    ("linux.resources.hugepageLimits[].limit", "any number of bytes"),
    ("linux.resources.network.classID", "any number"),
    ("linux.intelRdt.l3CacheSchema", "the kernel knows what the machine has"),
    ("linux.intelRdt.enableMonitoring", "yes or no"),
    ("linux.intelRdt.enableCMT", "yes or no"),
    ("linux.intelRdt.enableMBM", "yes or no"),
];

/// One step of a path such as `linux.sysctl["a.b"]` or `mounts[0].source`.
enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let after;
        if let Some(key) = rest.strip_prefix("[\"") {
            let (key, more) = key.split_once("\"]").unwrap();
            steps.push(Step::Key(key.to_owned()));
            after = more;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, more) = index.split_once(']').unwrap();
            steps.push(Step::Index(index.parse().unwrap()));
            after = more;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Key(rest[..end].to_owned()));
            after = &rest[end..];
        }
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps
}

/// Gives a field a value; `null` removes it. An element behind the end of a list is added.
fn set(config: &mut Value, path: &str, value: Value) {
    let mut steps = steps(path);
    let last = steps.pop().unwrap();
    let mut place = config;
    for step in steps {
        place = match step {
            Step::Key(key) => &mut place[key],
            Step::Index(index) => &mut place[index],
        };
    }
    match (last, value) {
        (Step::Key(key), Value::Null) => drop(place.as_object_mut().unwrap().remove(&key)),
        (Step::Key(key), value) => place[key] = value,
        (Step::Index(index), Value::Null) => drop(place.as_array_mut().unwrap().remove(index)),
        (Step::Index(index), value) if place.get(index).is_none() => {
            place.as_array_mut().unwrap().push(value);
        }
        (Step::Index(index), value) => place[index] = value,
    }
}

/// A path without positions and keys: `process.rlimits[].type`.
fn general(path: &str) -> String {
    let mut general = String::new();
    for (number, step) in steps(path).into_iter().enumerate() {
        match step {
            Step::Index(_) => general += "[]",
            Step::Key(key) if number == 0 => general += &key,
            Step::Key(key) => general += &format!(".{key}"),
        }
    }
    general
}

fn base() -> (Value, HostFacts) {
    let folder = folder("all-fields");
    let config = from_json(&folder.join("config.json")).unwrap();
    (config, from_json(&folder.join("host.json")).unwrap())
}

/// What is said of a config, or that there is a plan.
fn said(config: &Value, host: &HostFacts) -> Result<(), String> {
    let text = config.to_string();
    let spec = Spec::parse(&text).map_err(|error| error.to_string())?;
    limits(&spec, host)?;
    let path = spec
        .linux
        .as_ref()
        .and_then(|linux| linux.cgroups_path.as_deref());
    let machine = cgroups::Host::made_up(cgroups::Version::V2, &[(&[], "/")]);
    cgroups::Place::resolve(&machine, cgroups::Driver::Direct, path, "case", false)
        .map_err(|error| error.to_string())?;
    create(&spec, &Options::default(), host).map(drop)
}

/// Whether an error names a field, and not only what it is part of or what is part of it.
fn names(error: &str, field: &str) -> bool {
    error.match_indices(field).any(|(start, _)| {
        let after = &error[start + field.len()..];
        after.is_empty() || after.starts_with([':', ' ', ')', ','])
    })
}

#[test]
fn a_wrong_value_is_an_error_that_names_its_field() {
    let (good, host) = base();
    assert_eq!(said(&good, &host), Ok(()));
    let mut problems = Vec::new();
    for (field, value, beside) in WRONG {
        let mut config = good.clone();
        for (field, value) in beside.iter().chain(&[(*field, *value)]) {
            set(&mut config, field, serde_json::from_str(value).unwrap());
        }
        match said(&config, &host) {
            Err(error) if names(&error, field) => {}
            Err(error) => problems.push(format!("{field} = {value}: {error}")),
            Ok(()) => problems.push(format!("{field} = {value}: no error")),
        }
    }
    assert!(problems.is_empty(), "{}: {problems:#?}", problems.len());
}

/// Paths of all strings, with their values.
fn strings(value: &Value, path: &str, all: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => all.push((path.to_owned(), text.clone())),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                strings(value, &format!("{path}[{index}]"), all);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                let step = match (path, key.contains(['.', '/'])) {
                    ("", _) => key.clone(),
                    _ if ["linux.sysctl", "linux.resources.unified", "annotations"]
                        .contains(&path) =>
                    {
                        format!("{path}[\"{key}\"]")
                    }
                    _ if [
                        "linux.netDevices",
                        "linux.timeOffsets",
                        "linux.resources.rdma",
                    ]
                    .contains(&path) =>
                    {
                        format!("{path}[\"{key}\"]")
                    }
                    _ => format!("{path}.{key}"),
                };
                strings(value, &step, all);
            }
        }
        _ => {}
    }
}

/// Strings become C strings: what stands behind a NUL byte would be lost.
#[test]
fn a_nul_byte_is_an_error_that_names_its_field() {
    let (good, host) = base();
    let mut all = Vec::new();
    strings(&good, "", &mut all);
    let mut problems = Vec::new();
    for (field, text) in &all {
        let mut config = good.clone();
        set(&mut config, field, format!("{text}\0x").into());
        // The path of the root directory is looked up before.
        if field == "root.path" {
            continue;
        }
        // Names of capabilities, of system calls and of kinds of access are looked up; those that are not known are warned about.
        let looked_up = field.starts_with("process.capabilities.")
            || field.contains(".names[")
            || field.ends_with(".access");
        // Kept and told, never given to the kernel.
        let kept = field.starts_with("annotations") || field == "linux.seccomp.listenerMetadata";
        match said(&config, &host) {
            Ok(()) if looked_up || kept => {}
            Err(error) if names(&error, field) => {}
            other => problems.push(format!("{field}: {other:?}")),
        }
    }
    assert!(all.len() > 80, "{}", all.len());
    assert!(problems.is_empty(), "{}: {problems:#?}", problems.len());
}

/// A field of the types without a row is one that nobody asked about what is wrong for it.
#[test]
fn every_field_has_a_wrong_value_or_a_reason() {
    let mut fields: BTreeSet<String> = WRONG.iter().map(|(field, ..)| general(field)).collect();
    fields.extend(ANY.iter().map(|(field, _)| (*field).to_owned()));
    let missing: Vec<String> = TYPES
        .iter()
        .flat_map(|(properties, prefix)| {
            properties.iter().map(move |name| format!("{prefix}{name}"))
        })
        .filter(|path| !FOREIGN.contains(&path.as_str()))
        .filter(|path| {
            let within = |field: &String| {
                field
                    .strip_prefix(path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            !fields.iter().any(within)
        })
        .collect();
    assert!(missing.is_empty(), "without a wrong value: {missing:?}");
}
