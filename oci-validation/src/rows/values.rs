//! A4: invalid values of known properties, each of which is an error.

use serde_json::json;

use crate::case::Case;
use crate::row::{Row, must};
use crate::verdict::Verdict;

const VALID: &str = "config.md#valid-values";

/// A row whose test sets one wrong value.
macro_rules! wrong {
    ($id:literal, $what:literal, $pointer:literal, $value:tt) => {
        must(
            concat!("A4.", $id),
            VALID,
            concat!($what, " is an error"),
            |c| refuse(c, $pointer, json!($value)),
        )
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    wrong!("namespace", "an unknown type of namespace", "/linux/namespaces/0", {"type": "moon"}),
    wrong!("rlimit", "an unknown resource in `rlimits`", "/process/rlimits", [{"type": "RLIMIT_MOON", "soft": 1, "hard": 1}]),
    wrong!("rlimit-soft", "a soft limit above the hard one", "/process/rlimits", [{"type": "RLIMIT_NOFILE", "soft": 20, "hard": 10}]),
    wrong!("device-type", "an unknown type of device", "/linux/devices", [{"path": "/dev/x", "type": "x", "major": 1, "minor": 3}]),
    wrong!("propagation", "an unknown `rootfsPropagation`", "/linux/rootfsPropagation", "sideways"),
    wrong!("scheduler", "an unknown scheduling policy", "/process/scheduler", {"policy": "SCHED_MOON"}),
    wrong!("scheduler-flag", "an unknown scheduling flag", "/process/scheduler", {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_MOON"]}),
    wrong!("io-class", "an unknown I/O priority class", "/process/ioPriority", {"class": "IOPRIO_CLASS_MOON", "priority": 1}),
    wrong!("io-priority", "an I/O priority above 7", "/process/ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}),
    wrong!("memory-policy", "an unknown memory policy", "/linux/memoryPolicy", {"mode": "MPOL_MOON", "nodes": "0"}),
    wrong!("memory-policy-flag", "an unknown flag of a memory policy", "/linux/memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_MOON"]}),
    wrong!("personality", "an unknown execution domain", "/linux/personality", {"domain": "MOON"}),
    wrong!("seccomp-action", "an unknown seccomp action", "/linux/seccomp", {"defaultAction": "SCMP_ACT_MOON"}),
    wrong!("seccomp-arch", "an unknown seccomp architecture", "/linux/seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_MOON"], "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}]}),
    wrong!("seccomp-flag", "an unknown seccomp flag", "/linux/seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_MOON"], "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}]}),
    wrong!("seccomp-operator", "an unknown seccomp operator", "/linux/seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_MOON"}]}]}),
    wrong!("seccomp-names", "a seccomp rule without names", "/linux/seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]}),
    wrong!("device-access", "unknown letters in `access` of a device rule", "/linux/resources/devices", [{"allow": true, "type": "c", "access": "rwx"}]),
    wrong!("device-rule", "an unknown type in a device rule", "/linux/resources/devices", [{"allow": true, "type": "z", "access": "r"}]),
    wrong!("time-clock", "an unknown clock in `timeOffsets`", "/linux/timeOffsets", {"moon": {"secs": 1}}),
    wrong!("oom-score", "an `oomScoreAdj` above 1000", "/process/oomScoreAdj", 1001),
    wrong!("hook-path", "a relative path of a hook", "/hooks/createRuntime", [{"path": "bin/true"}]),
    wrong!("cpu-affinity", "a list of CPUs that is none", "/process/execCPUAffinity", {"initial": "moon"}),
    wrong!("namespace-path", "a relative path of a namespace", "/linux/namespaces/0", {"type": "pid", "path": "proc/self/ns/pid"}),
    wrong!("platform", "a configuration for another platform", "/windows", {"layerFolders": ["C:\\layer"]}),
    wrong!("vm", "a virtual machine's block", "/vm", {"kernel": {"path": "/no/such/kernel"}}),
    wrong!("zos", "a block for z/OS", "/zos", {"namespaces": [{"type": "pid"}]}),
    wrong!("freebsd", "a block for FreeBSD", "/freebsd", {"jail": {"enforceStatfs": 1}}),
    wrong!("solaris", "a block for Solaris", "/solaris", {"limitpriv": "default"}),
];

fn refuse(c: &Case, pointer: &str, value: serde_json::Value) -> Verdict {
    let bundle = match pointer {
        "/linux/timeOffsets" => c.bundle().add("/linux/namespaces", json!({"type": "time"})),
        _ => c.bundle(),
    };
    bundle.whole(pointer, value).refused_in_the_end().map(drop)
}
