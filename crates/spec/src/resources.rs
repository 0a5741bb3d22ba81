//! `linux.resources` (config-linux.md, "Control groups").

use serde::Deserialize;

use crate::text::pairs;
use crate::{Text, Words, linux::nullable};

/// `linux.resources`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinuxResources<'a> {
    /// Device access rules, in order.
    #[serde(borrow, deserialize_with = "nullable")]
    pub devices: Vec<DeviceRule<'a>>,
    /// Memory.
    pub memory: Option<LinuxMemory>,
    /// Processor time and placement.
    pub cpu: Option<LinuxCpu<'a>>,
    /// Number of tasks.
    pub pids: Option<LinuxPids>,
    /// Block devices.
    #[serde(rename = "blockIO")]
    pub block_io: Option<LinuxBlockIo>,
    /// Huge pages.
    #[serde(deserialize_with = "nullable")]
    pub hugepage_limits: Vec<HugepageLimit<'a>>,
    /// Network classes and priorities.
    pub network: Option<LinuxNetwork<'a>>,
    /// RDMA, by device.
    #[serde(deserialize_with = "pairs")]
    pub rdma: Vec<(Text<'a>, RdmaLimit)>,
    /// cgroup v2 files and their values.
    pub unified: Words<'a>,
}

/// `linux.resources.devices[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DeviceRule<'a> {
    /// Allow or deny.
    pub allow: bool,
    /// `a`, `c` or `b`; absent: all.
    #[serde(rename = "type", borrow)]
    pub kind: Option<Text<'a>>,
    /// Major number; absent or -1: all.
    pub major: Option<i64>,
    /// Minor number; absent or -1: all.
    pub minor: Option<i64>,
    /// Letters of `rwm`.
    pub access: Option<Text<'a>>,
}

/// `linux.resources.memory`, in bytes; -1 is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinuxMemory {
    /// Limit.
    pub limit: Option<i64>,
    /// Soft limit.
    pub reservation: Option<i64>,
    /// Limit of memory and swap together.
    pub swap: Option<i64>,
    /// Kernel memory (v1, not recommended).
    pub kernel: Option<i64>,
    /// Kernel TCP memory (v1, not recommended).
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: Option<i64>,
    /// 0..=100 (v1).
    pub swappiness: Option<u64>,
    /// (v1)
    #[serde(rename = "disableOOMKiller")]
    pub disable_oom_killer: Option<bool>,
    /// (v1)
    pub use_hierarchy: Option<bool>,
    /// Refuse a limit below the present use.
    pub check_before_update: Option<bool>,
}

/// `linux.resources.cpu`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinuxCpu<'a> {
    /// Relative weight (v1 scale, 2..=262144).
    pub shares: Option<u64>,
    /// Microseconds in each period; not positive: unlimited.
    pub quota: Option<i64>,
    /// Microseconds of burst.
    pub burst: Option<u64>,
    /// Microseconds.
    pub period: Option<u64>,
    /// Microseconds (v1).
    pub realtime_runtime: Option<i64>,
    /// Microseconds (v1).
    pub realtime_period: Option<u64>,
    /// List of processors.
    #[serde(borrow)]
    pub cpus: Option<Text<'a>>,
    /// List of memory nodes.
    pub mems: Option<Text<'a>>,
    /// 0 or 1.
    pub idle: Option<i64>,
}

/// `linux.resources.pids`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LinuxPids {
    /// Most tasks; -1 is unlimited, 0 is a real limit.
    pub limit: Option<i64>,
}

/// `linux.resources.blockIO`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinuxBlockIo {
    /// Relative weight, 10..=1000.
    pub weight: Option<u16>,
    /// (v1)
    pub leaf_weight: Option<u16>,
    /// By device.
    #[serde(deserialize_with = "nullable")]
    pub weight_device: Vec<WeightDevice>,
    /// Bytes per second, by device.
    #[serde(deserialize_with = "nullable")]
    pub throttle_read_bps_device: Vec<ThrottleDevice>,
    /// Bytes per second, by device.
    #[serde(deserialize_with = "nullable")]
    pub throttle_write_bps_device: Vec<ThrottleDevice>,
    /// Operations per second, by device.
    #[serde(rename = "throttleReadIOPSDevice", deserialize_with = "nullable")]
    pub throttle_read_iops_device: Vec<ThrottleDevice>,
    /// Operations per second, by device.
    #[serde(rename = "throttleWriteIOPSDevice", deserialize_with = "nullable")]
    pub throttle_write_iops_device: Vec<ThrottleDevice>,
}

/// `linux.resources.blockIO.weightDevice[]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightDevice {
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Relative weight.
    pub weight: Option<u16>,
    /// (v1)
    pub leaf_weight: Option<u16>,
}

/// `linux.resources.blockIO.throttle…Device[]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ThrottleDevice {
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Per second.
    pub rate: u64,
}

/// `linux.resources.hugepageLimits[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HugepageLimit<'a> {
    /// Such as `2MB`.
    #[serde(borrow)]
    pub page_size: Text<'a>,
    /// Bytes.
    pub limit: u64,
}

/// `linux.resources.network` (v1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LinuxNetwork<'a> {
    /// Class of packets.
    #[serde(rename = "classID")]
    pub class_id: Option<u32>,
    /// By interface.
    #[serde(borrow, deserialize_with = "nullable")]
    pub priorities: Vec<InterfacePriority<'a>>,
}

/// `linux.resources.network.priorities[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InterfacePriority<'a> {
    /// Interface.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Priority.
    pub priority: u32,
}

/// `linux.resources.rdma.<device>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RdmaLimit {
    /// Handles.
    pub hca_handles: Option<u32>,
    /// Objects.
    pub hca_objects: Option<u32>,
}
