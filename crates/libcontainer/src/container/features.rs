//! `features`: what this runtime supports, from the tables that the planner uses (features.md).

use std::collections::BTreeMap;

use kernel::seccomp::{action_available, flag_available};
use spec::{
    CgroupFeatures, Enabled, Features, IntelRdtFeatures, LinuxFeatures, MemoryPolicyFeatures,
    MountExtensions, SeccompFeatures,
};

use crate::plan::{self, HookKind, NAMESPACES, options};

/// Capabilities are named with their prefix here.
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What this runtime supports, whatever the host does.
pub fn features() -> Features {
    let mut annotations = BTreeMap::new();
    annotations.insert(
        "org.opencontainers.runc.checkpoint.enabled",
        "true".to_owned(),
    );
    Features {
        oci_version_min: "1.0.0",
        oci_version_max: spec::VERSION,
        hooks: HookKind::ALL.iter().map(|kind| kind.name()).collect(),
        mount_options: options::TABLE.iter().map(|(name, _)| *name).collect(),
        linux: LinuxFeatures {
            namespaces: {
                let mut names: Vec<_> = NAMESPACES.iter().map(|(name, _)| *name).collect();
                names.sort_unstable();
                names
            },
            capabilities: CAPABILITIES.to_vec(),
            cgroup: CgroupFeatures {
                v1: true,
                v2: true,
                systemd: true,
                systemd_user: true,
                rdma: true,
            },
            seccomp: SeccompFeatures {
                enabled: true,
                actions: seccomp::ACTIONS.to_vec(),
                operators: seccomp::OPERATORS.to_vec(),
                archs: seccomp::ARCHITECTURES.to_vec(),
                known_flags: seccomp::FLAGS.to_vec(),
                // Of this kernel. A container's filter is compiled for any, and the kernel says no to the rest.
                supported_flags: seccomp::Support::probe(flag_available, action_available)
                    .flag_names(),
            },
            apparmor: Enabled { enabled: true },
            selinux: Enabled { enabled: true },
            intel_rdt: IntelRdtFeatures {
                enabled: true,
                schemata: true,
                monitoring: true,
            },
            memory_policy: Some(MemoryPolicyFeatures {
                modes: plan::MEMORY_MODES.iter().map(|(name, _)| *name).collect(),
                flags: plan::MEMORY_FLAGS.iter().map(|(name, _)| *name).collect(),
            }),
            mount_extensions: MountExtensions {
                idmap: Enabled { enabled: true },
            },
            net_devices: Enabled { enabled: true },
        },
        annotations,
        potentially_unsafe_config_annotations: vec![
            "bundle",
            "org.systemd.property.",
            "org.criu.config",
        ],
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn capabilities_are_those_that_the_planner_knows() {
        let bare: Vec<_> = super::CAPABILITIES
            .iter()
            .map(|name| name.trim_start_matches("CAP_"))
            .collect();
        assert_eq!(bare, init::step::capability_names());
    }
}
