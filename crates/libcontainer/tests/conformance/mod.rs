//! `docs/conformance/fields.md`: each field of `config.json`, how far it is done, and what shows it. The table below is checked
//! against the golden cases, the integration tests and the types of the crate `spec`; the document is written from it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// Field; done, partly or not; golden case; file of integration tests, or test of the conformance suite; remark.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

#[rustfmt::skip]
const FIELDS: &[Row] = &[
    ("ociVersion", "done", "version-malformed", "wrong_configs.rs", "1.x, by Semantic Versioning 2.0"),
    ("root.path", "done", "minimal", "wrong_configs.rs", ""),
    ("root.readonly", "done", "root-readonly", "B3", ""),
    ("mounts[].destination", "done", "mount-destination-relative", "mounts.rs", "may begin with the root's own path"),
    ("mounts[].destination", "done", "mount-onto-root", "mounts.rs", "`/` becomes the root"),
    ("mounts[].type", "done", "mount-filesystems", "mounts.rs", ""),
    ("mounts[].source", "done", "mount-bind-relative-source", "binds.rs", ""),
    ("mounts[].source", "done", "mount-source-below-root", "binds.rs", "below the root it is looked up inside, after the earlier mounts"),
    ("mounts[].options", "done", "mount-options-set", "mounts.rs", ""),
    ("mounts[].options", "done", "mount-flag-words", "binds.rs", "bind mounts: a word about a flag clears what of the source's flags is not named; recursive words count in the order of the list"),
    ("mounts[].options", "done", "mount-propagation-several", "propagation.rs", "from a user namespace nothing reaches the host"),
    ("mounts[].options", "done", "mount-remount", "mounts.rs", "`bind` with `remount`: the mount that an earlier entry has made, or that is there"),
    ("mounts[].uidMappings", "partly", "mount-idmap-own", "binds.rs", "bind mounts, as root; not for new file systems, not rootless"),
    ("mounts[].options", "done", "mount-idmap-joined-user", "namespaces.rs", "`idmap` without mappings: those of the user namespace, new or joined"),
    ("mounts[].gidMappings", "done", "mount-idmap-own-userns", "binds.rs", "as `uidMappings`"),
    ("process.terminal", "done", "terminal", "terminal.rs", ""),
    ("process.consoleSize", "done", "terminal", "terminal.rs", ""),
    ("process.cwd", "done", "cwd", "process.rs", ""),
    ("process.env", "done", "args-and-env", "process.rs", ""),
    ("process.args", "done", "args-and-env", "process.rs", ""),
    ("process.rlimits[].type", "done", "rlimits-all", "C7", ""),
    ("process.rlimits[].soft", "done", "rlimits", "C7", ""),
    ("process.rlimits[].hard", "done", "rlimits", "C7", ""),
    ("process.apparmorProfile", "done", "apparmor", "security_labels.rs", ""),
    ("process.selinuxLabel", "done", "selinux", "security_labels.rs", "never run with SELinux enabled"),
    ("process.capabilities.bounding", "done", "capabilities", "capabilities.rs", ""),
    ("process.capabilities.effective", "done", "capabilities", "capabilities.rs", ""),
    ("process.capabilities.inheritable", "done", "capabilities", "capabilities.rs", ""),
    ("process.capabilities.permitted", "done", "capabilities", "capabilities.rs", ""),
    ("process.capabilities.ambient", "done", "capabilities", "capabilities.rs", ""),
    ("process.noNewPrivileges", "done", "no-new-privileges", "C10", ""),
    ("process.oomScoreAdj", "done", "oom-score", "process.rs", ""),
    ("process.scheduler.policy", "done", "scheduler", "scheduling.rs", ""),
    ("process.scheduler.nice", "done", "scheduler", "C12", ""),
    ("process.scheduler.priority", "done", "scheduler-fifo", "scheduling.rs", ""),
    ("process.scheduler.flags", "done", "scheduler", "scheduling.rs", ""),
    ("process.scheduler.runtime", "done", "scheduler-deadline", "scheduling.rs", ""),
    ("process.scheduler.deadline", "done", "scheduler-deadline", "scheduling.rs", ""),
    ("process.scheduler.period", "done", "scheduler-deadline", "scheduling.rs", ""),
    ("process.ioPriority.class", "done", "io-priority", "C14", ""),
    ("process.ioPriority.priority", "done", "io-priority", "C14", ""),
    ("process.execCPUAffinity.initial", "done", "exec-affinity-both", "exec.rs", "such a process is moved to the cgroup, not started in it"),
    ("process.execCPUAffinity.final", "done", "exec-full", "exec.rs", ""),
    ("process.user.uid", "done", "user", "process.rs", ""),
    ("process.user.uid", "done", "cgroup-delegated", "cgroups.rs", "owner of the cgroup, with a new cgroup namespace and a writable cgroup mount; v2, as root of the machine or of a user namespace"),
    ("process.user.gid", "done", "user", "process.rs", ""),
    ("process.user.umask", "partly", "user", "process.rs", "unset means 022, not the caller's, as other runtimes do"),
    ("process.user.additionalGids", "done", "user", "process.rs", ""),
    ("hostname", "done", "hostname", "C20", ""),
    ("domainname", "done", "hostname", "C20.domain", ""),
    ("annotations", "done", "unknown-properties", "state.rs", ""),
    ("hooks.prestart[].path", "done", "hooks", "hooks.rs", ""),
    ("hooks.createRuntime[].path", "done", "hooks", "hooks.rs", ""),
    ("hooks.createContainer[].path", "done", "hooks", "hooks.rs", "in the container's cgroup; working directory is the root directory"),
    ("hooks.startContainer[].path", "done", "hooks", "hooks.rs", "as the container's process, with its user, capabilities, filter, limits, cgroup"),
    ("hooks.poststart[].path", "done", "hooks", "hooks.rs", ""),
    ("hooks.poststop[].path", "done", "hooks", "hooks.rs", ""),
    ("hooks.createRuntime[].args", "done", "hooks", "hooks.rs", ""),
    ("hooks.createRuntime[].env", "done", "hooks", "hooks.rs", "absent: the runtime's environment; for createContainer none, for startContainer the process's"),
    ("hooks.createRuntime[].timeout", "done", "hooks", "hook_failures.rs", "kills the hook and its process group; without one a hook has all the time it wants, also below `delete --force`, until a signal"),
    ("linux.namespaces[].type", "done", "namespaces-all", "namespaces.rs", ""),
    ("linux.namespaces[].type", "partly", "namespace-mount-shared", "namespaces.rs", "without `mount` the caller's is used, by chroot(2), where the config mounts nothing; not in a user namespace"),
    ("linux.namespaces[].path", "done", "join-pod", "namespaces.rs", ""),
    ("linux.uidMappings", "done", "user-new", "namespaces.rs", ""),
    ("linux.gidMappings", "done", "user-new", "namespaces.rs", ""),
    ("linux.timeOffsets", "done", "time-user", "namespaces.rs", ""),
    ("linux.devices[].path", "done", "devices", "devices.rs", ""),
    ("linux.devices[].path", "done", "device-default-listed", "devices.rs", "a default device with other numbers is refused"),
    ("linux.devices[].type", "done", "devices", "devices.rs", ""),
    ("linux.devices[].major", "done", "devices", "devices.rs", ""),
    ("linux.devices[].minor", "done", "devices", "devices.rs", ""),
    ("linux.devices[].fileMode", "done", "devices", "devices.rs", "a node that is there with another one is replaced"),
    ("linux.devices[].fileMode", "done", "devices-userns", "devices.rs", "in a user namespace: a node of the container's own"),
    ("linux.devices[].fileMode", "done", "devices-rootless", "rootless.rs", "rootless: the host's node is bound, and must have it; so for `uid` and `gid`"),
    ("linux.devices[].uid", "done", "devices", "devices.rs", ""),
    ("linux.devices[].gid", "done", "devices", "devices.rs", ""),
    ("linux.netDevices", "done", "net-devices", "net_devices.rs", "not rootless: the host's devices are root's"),
    ("linux.cgroupsPath", "done", "cgroup-namespace-moved", "cgroups.rs", ""),
    ("linux.resources.devices[].allow", "done", "resources", "devices.rs", ""),
    ("linux.resources.devices[].type", "done", "resources", "devices.rs", ""),
    ("linux.resources.devices[].major", "done", "resources", "devices.rs", ""),
    ("linux.resources.devices[].minor", "done", "resources", "devices.rs", ""),
    ("linux.resources.devices[].access", "done", "resources", "devices.rs", ""),
    ("linux.resources.memory.limit", "done", "resources", "update.rs", ""),
    ("linux.resources.memory.reservation", "done", "resources", "update.rs", ""),
    ("linux.resources.memory.swap", "done", "resources", "update.rs", ""),
    ("linux.resources.memory.kernel", "done", "resources-v1", "update.rs", "v1; refused on v2 unless it asks for the default"),
    ("linux.resources.memory.kernelTCP", "done", "resources-v1", "update.rs", "v1; refused on v2 unless it asks for the default"),
    ("linux.resources.memory.swappiness", "done", "resources-v1", "update.rs", "v1; refused on v2 unless it asks for the default"),
    ("linux.resources.memory.disableOOMKiller", "done", "resources-v1", "update.rs", "v1; refused on v2 unless it asks for the default"),
    ("linux.resources.memory.useHierarchy", "done", "resources-v1", "update.rs", "v1; refused on v2 unless it asks for the default"),
    ("linux.resources.memory.checkBeforeUpdate", "done", "resources", "update.rs", ""),
    ("linux.resources.cpu.shares", "done", "resources", "update.rs", ""),
    ("linux.resources.cpu.quota", "done", "resources", "update.rs", ""),
    ("linux.resources.cpu.burst", "done", "resources", "update.rs", ""),
    ("linux.resources.cpu.period", "done", "resources", "update.rs", ""),
    ("linux.resources.cpu.cpus", "done", "resources", "update.rs", ""),
    ("linux.resources.cpu.mems", "done", "resources", "update.rs", ""),
    ("linux.resources.cpu.idle", "done", "resources", "update.rs", ""),
    ("linux.resources.cpu.realtimeRuntime", "done", "resources-v1", "update.rs", "v1; refused on v2"),
    ("linux.resources.cpu.realtimePeriod", "done", "resources-v1", "update.rs", "v1; refused on v2"),
    ("linux.resources.pids.limit", "done", "resources", "update.rs", "0 is a limit from version 1.3 on (written as 1, which is the same and which systemd takes), and none in configs of earlier versions, whose engines (podman 4.3) write 0 for no limit: as crun 1.8 and runc 1.1 have it, and runc from 1.4 on. An update means it as its container's config does. May be absent, as Go programs leave it out"),
    ("linux.resources.blockIO.weight", "done", "resources", "update.rs", ""),
    ("linux.resources.blockIO.weightDevice[].major", "done", "resources", "", ""),
    ("linux.resources.blockIO.weightDevice[].minor", "done", "resources", "", ""),
    ("linux.resources.blockIO.weightDevice[].weight", "done", "resources", "", ""),
    ("linux.resources.blockIO.leafWeight", "done", "resources-v1", "update.rs", "v1; refused on v2"),
    ("linux.resources.blockIO.weightDevice[].leafWeight", "done", "resources-v1", "", "v1; refused on v2"),
    ("linux.resources.blockIO.throttleReadBpsDevice", "done", "resources", "", "tested in the crate `cgroups`"),
    ("linux.resources.blockIO.throttleWriteBpsDevice", "done", "resources", "", "tested in the crate `cgroups`"),
    ("linux.resources.blockIO.throttleReadIOPSDevice", "done", "resources", "", "tested in the crate `cgroups`"),
    ("linux.resources.blockIO.throttleWriteIOPSDevice", "done", "resources", "", "tested in the crate `cgroups`"),
    ("linux.resources.hugepageLimits[].pageSize", "done", "resources", "update.rs", ""),
    ("linux.resources.hugepageLimits[].limit", "done", "resources", "update.rs", ""),
    ("linux.resources.network.classID", "done", "resources-v1", "update.rs", "v1; refused on v2"),
    ("linux.resources.network.priorities", "done", "resources-v1", "update.rs", "v1; refused on v2"),
    ("linux.resources.rdma", "done", "resources", "update.rs", ""),
    ("linux.resources.unified", "done", "resources", "update.rs", "v2; on hybrid hosts what v2 has"),
    ("linux.intelRdt.closID", "done", "intel-rdt", "resctrl.rs", "tested in a directory that stands for the file system; a group that was made goes with its last container"),
    ("linux.intelRdt.schemata", "done", "intel-rdt", "resctrl.rs", ""),
    ("linux.intelRdt.l3CacheSchema", "done", "intel-rdt-own", "resctrl.rs", "with `closID` and a group that is there: must be what that has"),
    ("linux.intelRdt.memBwSchema", "done", "intel-rdt-own", "resctrl.rs", ""),
    ("linux.intelRdt.enableMonitoring", "done", "intel-rdt", "resctrl.rs", ""),
    ("linux.intelRdt.enableCMT", "done", "intel-rdt-own", "", "until 1.2: an error where the machine does not measure it; tested in the crate `libcontainer`"),
    ("linux.intelRdt.enableMBM", "done", "intel-rdt-own", "", "as `enableCMT`"),
    ("linux.memoryPolicy.mode", "done", "memory-policy", "G5", ""),
    ("linux.memoryPolicy.nodes", "done", "memory-policy", "G5", ""),
    ("linux.memoryPolicy.flags", "done", "memory-policy", "G5", ""),
    ("linux.sysctl", "done", "sysctl", "G6", ""),
    ("linux.seccomp.defaultAction", "done", "seccomp", "seccomp.rs", ""),
    ("linux.seccomp.defaultErrnoRet", "done", "seccomp", "seccomp.rs", ""),
    ("linux.seccomp.architectures", "done", "seccomp", "seccomp.rs", ""),
    ("linux.seccomp.flags", "done", "seccomp-flags", "seccomp.rs", ""),
    ("linux.seccomp.listenerPath", "done", "seccomp-notify", "seccomp.rs", ""),
    ("linux.seccomp.listenerMetadata", "done", "seccomp-notify", "seccomp.rs", ""),
    ("linux.seccomp.syscalls[].names", "done", "seccomp", "seccomp.rs", ""),
    ("linux.seccomp.syscalls[].action", "done", "seccomp", "seccomp.rs", ""),
    ("linux.seccomp.syscalls[].errnoRet", "done", "seccomp-arguments", "seccomp.rs", ""),
    ("linux.seccomp.syscalls[].args", "done", "seccomp-arguments", "seccomp.rs", ""),
    ("linux.rootfsPropagation", "done", "rootfs-propagation-shared", "propagation.rs", ""),
    ("linux.maskedPaths", "done", "masked-paths", "masked_paths.rs", ""),
    ("linux.readonlyPaths", "done", "readonly-paths", "masked_paths.rs", ""),
    ("linux.mountLabel", "done", "mount-label", "", "never run with SELinux enabled"),
    ("linux.personality.domain", "done", "personality", "G7", ""),
    ("linux.personality.flags", "done", "personality-flags", "G7", "the specification defines none: any is refused"),
];

/// The properties of types of the crate `spec`, and where they stand. What they hold in turn is listed for itself.
#[rustfmt::skip]
pub(super) const TYPES: &[(&[&str], &str)] = &[
    (spec::Spec::PROPERTIES, ""),
    (spec::Root::PROPERTIES, "root."),
    (spec::Mount::PROPERTIES, "mounts[]."),
    (spec::Process::PROPERTIES, "process."),
    (spec::Rlimit::PROPERTIES, "process.rlimits[]."),
    (spec::Capabilities::PROPERTIES, "process.capabilities."),
    (spec::Scheduler::PROPERTIES, "process.scheduler."),
    (spec::IoPriority::PROPERTIES, "process.ioPriority."),
    (spec::ExecCpuAffinity::PROPERTIES, "process.execCPUAffinity."),
    (spec::User::PROPERTIES, "process.user."),
    (spec::Hooks::PROPERTIES, "hooks."),
    (spec::Hook::PROPERTIES, "hooks.createRuntime[]."),
    (spec::Namespace::PROPERTIES, "linux.namespaces[]."),
    (spec::Linux::PROPERTIES, "linux."),
    (spec::IntelRdt::PROPERTIES, "linux.intelRdt."),
    (spec::MemoryPolicy::PROPERTIES, "linux.memoryPolicy."),
    (spec::Personality::PROPERTIES, "linux.personality."),
    (spec::Device::PROPERTIES, "linux.devices[]."),
    (spec::LinuxResources::PROPERTIES, "linux.resources."),
    (spec::DeviceRule::PROPERTIES, "linux.resources.devices[]."),
    (spec::LinuxMemory::PROPERTIES, "linux.resources.memory."),
    (spec::LinuxCpu::PROPERTIES, "linux.resources.cpu."),
    (spec::LinuxPids::PROPERTIES, "linux.resources.pids."),
    (spec::LinuxBlockIo::PROPERTIES, "linux.resources.blockIO."),
    (spec::WeightDevice::PROPERTIES, "linux.resources.blockIO.weightDevice[]."),
    (spec::HugepageLimit::PROPERTIES, "linux.resources.hugepageLimits[]."),
    (spec::LinuxNetwork::PROPERTIES, "linux.resources.network."),
    (spec::Seccomp::PROPERTIES, "linux.seccomp."),
    (spec::SeccompRule::PROPERTIES, "linux.seccomp.syscalls[]."),
];

/// Other platforms' fields: the first five are refused, the last two mean nothing on Linux.
pub(super) const FOREIGN: &[&str] = &[
    "solaris",
    "windows",
    "vm",
    "zos",
    "freebsd",
    "process.commandLine",
    "process.user.username",
];

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether a document has something other than `null` at a path such as `mounts[].type`.
fn has(document: &Value, path: &str) -> bool {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let found = &document[name.trim_end_matches("[]")];
    match (found, rest) {
        (Value::Null, _) => false,
        (_, "") => true,
        (Value::Array(items), rest) => items.iter().any(|item| has(item, rest)),
        (found, rest) => has(found, rest),
    }
}

fn documents(case: &str) -> Vec<Value> {
    let folder = repository().join("tests/plan").join(case);
    let read = |name: &str| -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(folder.join(name)).ok()?).ok()
    };
    let process = read("process.json").map(|process| serde_json::json!({ "process": process }));
    read("config.json").into_iter().chain(process).collect()
}

#[test]
fn every_listed_field_is_shown_by_its_case() {
    for (field, status, case, test, _) in FIELDS {
        assert!(
            documents(case).iter().any(|document| has(document, field)),
            "{field}: the case {case} does not have it"
        );
        let plan = fs::read_to_string(repository().join("tests/plan").join(case).join("plan.txt"))
            .unwrap_or_else(|error| panic!("{field}: {case}: {error}"));
        let parent = field.rsplit_once('.').map_or(*field, |(parent, _)| parent);
        let refused = plan
            .strip_prefix("error: ")
            .is_some_and(|error| error.starts_with(parent) || error.starts_with(field));
        match *status {
            "done" | "partly" => {
                assert!(refused || !plan.starts_with("error: "), "{field}: {plan}")
            }
            "not" => assert!(
                refused,
                "{field} is not done, so {case} must be refused for it"
            ),
            other => panic!("{field}: unknown status {other}"),
        }
        if test.ends_with(".rs") {
            let path = repository().join("tests/integration/tests").join(test);
            assert!(path.is_file(), "{field}: no {}", path.display());
        } else if !test.is_empty() {
            let suite = fs::read_to_string(repository().join("docs/conformance.md")).unwrap();
            assert!(
                suite.contains(&format!("\n| {test} | ")),
                "{field}: no {test}"
            );
        }
    }
}

/// A field that the types know and the table does not is one that nobody decided about.
#[test]
fn every_field_of_the_types_is_listed() {
    let mut missing = BTreeSet::new();
    for (properties, prefix) in TYPES {
        for field in *properties {
            let path = format!("{prefix}{field}");
            let listed = FIELDS.iter().any(|(listed, ..)| {
                listed
                    .strip_prefix(path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            });
            if !listed && !FOREIGN.contains(&path.as_str()) {
                missing.insert(path);
            }
        }
    }
    assert!(
        missing.is_empty(),
        "not in the table of fields: {missing:?}"
    );
}

#[test]
fn the_document_is_up_to_date() {
    let mut text = String::from(
        "# Fields\n\n\
         Each field of `config.json` (OCI runtime specification 1.3.0, Linux), how far it is done, and what shows it: a folder of\n\
         `tests/plan`, and a file of `tests/integration/tests` or a test of the [conformance suite](../conformance.md). Written from the table in\n\
         `crates/libcontainer/tests/conformance/mod.rs` by `cargo xtask golden`; a test fails when a field is missing here.\n\n\
         | field | state | golden case | shown by | remark |\n|---|---|---|---|---|\n",
    );
    for (field, status, case, test, remark) in FIELDS {
        let test = if test.is_empty() {
            String::new()
        } else {
            format!("`{test}`")
        };
        let _ = writeln!(
            text,
            "| `{field}` | {status} | `{case}` | {test} | {remark} |"
        );
    }
    text.push_str(
        "\nConfigs for other platforms (`solaris`, `windows`, `vm`, `zos`, `freebsd`) are refused by name. Unknown properties are\n\
         ignored, as the specification says; those that differ from a known one by the case of letters are taken as that one, and\n\
         those that differ by one slip are ignored, both with a warning. What the specification requires is required, except for\n\
         `linux.resources.pids.limit`. A container without a mount namespace has its caller's; fields that would change it are refused.\n\n\
         Of the operations (runtime.md) one differs: `delete` takes a container that waits for `start`, and ends it. The specification\n\
         wants an error for all that has not stopped; engines written for runc rely on the other.\n",
    );
    let path = repository().join("docs/conformance/fields.md");
    if super::rewriting() {
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "docs/conformance/fields.md is out of date: run `cargo xtask golden`"
    );
}
