//! The features document (features.md, features-linux.md): output of `features`.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a runtime supports.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// Oldest version of the specification that is accepted.
    pub oci_version_min: &'static str,
    /// Newest.
    pub oci_version_max: &'static str,
    /// Kinds of hooks.
    pub hooks: Vec<&'static str>,
    /// Mount options, without those of single file systems.
    pub mount_options: Vec<&'static str>,
    /// The Linux part.
    pub linux: LinuxFeatures,
    /// Names of versions.
    pub annotations: BTreeMap<&'static str, String>,
    /// Annotations of a config that may be unsafe to take from strangers.
    pub potentially_unsafe_config_annotations: Vec<&'static str>,
}

/// `linux`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinuxFeatures {
    /// Types of namespaces.
    pub namespaces: Vec<&'static str>,
    /// Names of capabilities.
    pub capabilities: Vec<&'static str>,
    /// Control groups.
    pub cgroup: CgroupFeatures,
    /// System call filters.
    pub seccomp: SeccompFeatures,
    /// AppArmor.
    pub apparmor: Enabled,
    /// SELinux.
    pub selinux: Enabled,
    /// Intel RDT.
    pub intel_rdt: IntelRdtFeatures,
    /// NUMA policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicyFeatures>,
    /// Extensions of mounts.
    pub mount_extensions: MountExtensions,
    /// Moving of network devices.
    pub net_devices: Enabled,
}

/// A part that is there or not.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Enabled {
    /// Whether.
    pub enabled: bool,
}

/// `linux.cgroup`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names of the document")]
pub struct CgroupFeatures {
    pub v1: bool,
    pub v2: bool,
    pub systemd: bool,
    pub systemd_user: bool,
    pub rdma: bool,
}

/// `linux.seccomp`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names of the document")]
pub struct SeccompFeatures {
    pub enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub archs: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known_flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supported_flags: Vec<&'static str>,
}

/// `linux.intelRdt`.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs, reason = "the names of the document")]
pub struct IntelRdtFeatures {
    pub enabled: bool,
    pub schemata: bool,
    pub monitoring: bool,
}

/// `linux.memoryPolicy`.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names of the document")]
pub struct MemoryPolicyFeatures {
    pub modes: Vec<&'static str>,
    pub flags: Vec<&'static str>,
}

/// `linux.mountExtensions`.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs, reason = "the names of the document")]
pub struct MountExtensions {
    pub idmap: Enabled,
}
