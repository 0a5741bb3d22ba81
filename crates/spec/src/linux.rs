//! `linux` (config-linux.md).

use serde::{Deserialize, Deserializer};

use crate::text::pairs;
use crate::{
    Device, IdMapping, LinuxResources, Namespace, NetDevice, Seccomp, Text, TimeOffset, Words,
};

/// `linux`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Linux<'a> {
    /// Namespaces to create or join.
    #[serde(borrow, deserialize_with = "nullable")]
    pub namespaces: Vec<Namespace<'a>>,
    /// User ids of a new user namespace.
    #[serde(deserialize_with = "nullable")]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of a new user namespace.
    #[serde(deserialize_with = "nullable")]
    pub gid_mappings: Vec<IdMapping>,
    /// Clock offsets of a new time namespace, by clock.
    #[serde(deserialize_with = "pairs")]
    pub time_offsets: Vec<(Text<'a>, TimeOffset)>,
    /// Device nodes.
    #[serde(deserialize_with = "nullable")]
    pub devices: Vec<Device<'a>>,
    /// Network devices to move into the container, by their name on the host.
    #[serde(deserialize_with = "pairs")]
    pub net_devices: Vec<(Text<'a>, NetDevice<'a>)>,
    /// Where in the cgroup hierarchies.
    pub cgroups_path: Option<Text<'a>>,
    /// Limits.
    pub resources: Option<LinuxResources<'a>>,
    /// Cache and memory bandwidth allocation.
    pub intel_rdt: Option<IntelRdt<'a>>,
    /// NUMA policy.
    pub memory_policy: Option<MemoryPolicy<'a>>,
    /// Kernel parameters.
    pub sysctl: Words<'a>,
    /// System call filter.
    pub seccomp: Option<Seccomp<'a>>,
    /// Propagation of the root mount.
    pub rootfs_propagation: Option<Text<'a>>,
    /// Paths that cannot be read.
    #[serde(deserialize_with = "nullable")]
    pub masked_paths: Vec<Text<'a>>,
    /// Paths that cannot be written.
    #[serde(deserialize_with = "nullable")]
    pub readonly_paths: Vec<Text<'a>>,
    /// SELinux context of mounts.
    pub mount_label: Option<Text<'a>>,
    /// Execution domain.
    pub personality: Option<Personality<'a>>,
}

/// `linux.intelRdt`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IntelRdt<'a> {
    /// Class of service.
    #[serde(rename = "closID", borrow)]
    pub clos_id: Option<Text<'a>>,
    /// Lines for `schemata`.
    #[serde(deserialize_with = "nullable")]
    pub schemata: Vec<Text<'a>>,
    /// L3 cache lines.
    pub l3_cache_schema: Option<Text<'a>>,
    /// Memory bandwidth line.
    pub mem_bw_schema: Option<Text<'a>>,
    /// Whether a monitoring group is made.
    pub enable_monitoring: bool,
}

/// `linux.memoryPolicy` (set_mempolicy(2)).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MemoryPolicy<'a> {
    /// `MPOL_…`.
    #[serde(borrow)]
    pub mode: Text<'a>,
    /// List of nodes, such as `0-1`.
    pub nodes: Option<Text<'a>>,
    /// `MPOL_F_…`.
    #[serde(deserialize_with = "nullable")]
    pub flags: Vec<Text<'a>>,
}

/// `linux.personality` (personality(2)).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Personality<'a> {
    /// `LINUX` or `LINUX32`.
    #[serde(borrow)]
    pub domain: Text<'a>,
    /// None is defined.
    #[serde(deserialize_with = "nullable")]
    pub flags: Vec<Text<'a>>,
}

/// Lists written by Go programs may be `null`.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}
