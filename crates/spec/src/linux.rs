//! `linux` (config-linux.md).

use crate::object::object;
use crate::{
    Device, IdMapping, LinuxResources, Namespace, NetDevice, Pairs, Seccomp, Text, TimeOffset,
    Words,
};

/// `linux`.
#[derive(Clone, Debug, Default)]
pub struct Linux<'a> {
    /// Namespaces to create or join.
    pub namespaces: Vec<Namespace<'a>>,
    /// User ids of a new user namespace.
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of a new user namespace.
    pub gid_mappings: Vec<IdMapping>,
    /// Clock offsets of a new time namespace, by clock.
    pub time_offsets: Pairs<'a, TimeOffset>,
    /// Device nodes.
    pub devices: Vec<Device<'a>>,
    /// Network devices to move into the container, by their name on the host.
    pub net_devices: Pairs<'a, NetDevice<'a>>,
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
    pub masked_paths: Vec<Text<'a>>,
    /// Paths that cannot be written.
    pub readonly_paths: Vec<Text<'a>>,
    /// SELinux context of mounts.
    pub mount_label: Option<Text<'a>>,
    /// Execution domain.
    pub personality: Option<Personality<'a>>,
}

object! { Linux<'a> in "linux" {
    "namespaces" => namespaces: optional,
    "uidMappings" => uid_mappings: optional,
    "gidMappings" => gid_mappings: optional,
    "timeOffsets" => time_offsets: optional,
    "devices" => devices: optional,
    "netDevices" => net_devices: optional,
    "cgroupsPath" => cgroups_path: optional,
    "resources" => resources: optional,
    "intelRdt" => intel_rdt: optional,
    "memoryPolicy" => memory_policy: optional,
    "sysctl" => sysctl: optional,
    "seccomp" => seccomp: optional,
    "rootfsPropagation" => rootfs_propagation: optional,
    "maskedPaths" => masked_paths: optional,
    "readonlyPaths" => readonly_paths: optional,
    "mountLabel" => mount_label: optional,
    "personality" => personality: optional,
} }

/// `linux.intelRdt`.
#[derive(Clone, Debug, Default)]
pub struct IntelRdt<'a> {
    /// Class of service.
    pub clos_id: Option<Text<'a>>,
    /// Lines for `schemata`.
    pub schemata: Vec<Text<'a>>,
    /// L3 cache lines.
    pub l3_cache_schema: Option<Text<'a>>,
    /// Memory bandwidth line.
    pub mem_bw_schema: Option<Text<'a>>,
    /// Whether a monitoring group is made.
    pub enable_monitoring: bool,
    /// Whether the use of the cache is measured (until 1.2).
    pub enable_cmt: bool,
    /// Whether memory bandwidth is measured (until 1.2).
    pub enable_mbm: bool,
}

object! { IntelRdt<'a> in "linux.intelRdt" {
    "closID" => clos_id: optional,
    "schemata" => schemata: optional,
    "l3CacheSchema" => l3_cache_schema: optional,
    "memBwSchema" => mem_bw_schema: optional,
    "enableMonitoring" => enable_monitoring: optional,
    "enableCMT" => enable_cmt: optional,
    "enableMBM" => enable_mbm: optional,
} }

/// `linux.memoryPolicy` (set_mempolicy(2)).
#[derive(Clone, Debug, Default)]
pub struct MemoryPolicy<'a> {
    /// `MPOL_…`.
    pub mode: Text<'a>,
    /// List of nodes, such as `0-1`.
    pub nodes: Option<Text<'a>>,
    /// `MPOL_F_…`.
    pub flags: Vec<Text<'a>>,
}

object! { MemoryPolicy<'a> in "linux.memoryPolicy" {
    "mode" => mode: required,
    "nodes" => nodes: optional,
    "flags" => flags: optional,
} }

/// `linux.personality` (personality(2)).
#[derive(Clone, Debug, Default)]
pub struct Personality<'a> {
    /// `LINUX` or `LINUX32`.
    pub domain: Text<'a>,
    /// None is defined.
    pub flags: Vec<Text<'a>>,
}

object! { Personality<'a> in "linux.personality" {
    "domain" => domain: required,
    "flags" => flags: optional,
} }
