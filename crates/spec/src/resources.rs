//! `linux.resources` (config-linux.md, "Control groups").

use crate::object::object;
use crate::{Pairs, Remark, Text, Words};

/// `linux.resources`.
#[derive(Clone, Debug, Default)]
pub struct LinuxResources<'a> {
    /// Device access rules, in order.
    pub devices: Vec<DeviceRule<'a>>,
    /// Memory.
    pub memory: Option<LinuxMemory>,
    /// Processor time and placement.
    pub cpu: Option<LinuxCpu<'a>>,
    /// Number of tasks.
    pub pids: Option<LinuxPids>,
    /// Block devices.
    pub block_io: Option<LinuxBlockIo>,
    /// Huge pages.
    pub hugepage_limits: Vec<HugepageLimit<'a>>,
    /// Network classes and priorities.
    pub network: Option<LinuxNetwork<'a>>,
    /// RDMA, by device.
    pub rdma: Pairs<'a, RdmaLimit>,
    /// cgroup v2 files and their values.
    pub unified: Words<'a>,
    /// What was noticed while parsing this object alone.
    pub remarks: Vec<Remark>,
}

object! { LinuxResources<'a> in "linux.resources" {
    "devices" => devices: optional,
    "memory" => memory: optional,
    "cpu" => cpu: optional,
    "pids" => pids: optional,
    "blockIO" => block_io: optional,
    "hugepageLimits" => hugepage_limits: optional,
    "network" => network: optional,
    "rdma" => rdma: optional,
    "unified" => unified: optional,
} remarks }

/// `linux.resources.devices[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceRule<'a> {
    /// Allow or deny.
    pub allow: bool,
    /// `a`, `c` or `b`; absent: all.
    pub kind: Option<Text<'a>>,
    /// Major number; absent or -1: all.
    pub major: Option<i64>,
    /// Minor number; absent or -1: all.
    pub minor: Option<i64>,
    /// Letters of `rwm`.
    pub access: Option<Text<'a>>,
}

object! { DeviceRule<'a> in "linux.resources.devices[]" {
    "allow" => allow: required,
    "type" => kind: optional,
    "major" => major: optional,
    "minor" => minor: optional,
    "access" => access: optional,
} }

/// `linux.resources.memory`, in bytes; -1 is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    pub kernel_tcp: Option<i64>,
    /// 0..=100 (v1).
    pub swappiness: Option<u64>,
    /// (v1)
    pub disable_oom_killer: Option<bool>,
    /// (v1)
    pub use_hierarchy: Option<bool>,
    /// Refuse a limit below the present use.
    pub check_before_update: Option<bool>,
}

object! { LinuxMemory in "linux.resources.memory" {
    "limit" => limit: optional,
    "reservation" => reservation: optional,
    "swap" => swap: optional,
    "kernel" => kernel: optional,
    "kernelTCP" => kernel_tcp: optional,
    "swappiness" => swappiness: optional,
    "disableOOMKiller" => disable_oom_killer: optional,
    "useHierarchy" => use_hierarchy: optional,
    "checkBeforeUpdate" => check_before_update: optional,
} }

/// `linux.resources.cpu`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    pub cpus: Option<Text<'a>>,
    /// List of memory nodes.
    pub mems: Option<Text<'a>>,
    /// 0 or 1.
    pub idle: Option<i64>,
}

object! { LinuxCpu<'a> in "linux.resources.cpu" {
    "shares" => shares: optional,
    "quota" => quota: optional,
    "burst" => burst: optional,
    "period" => period: optional,
    "realtimeRuntime" => realtime_runtime: optional,
    "realtimePeriod" => realtime_period: optional,
    "cpus" => cpus: optional,
    "mems" => mems: optional,
    "idle" => idle: optional,
} }

/// `linux.resources.pids`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinuxPids {
    /// Most tasks; -1 is unlimited, 0 is a real limit.
    pub limit: Option<i64>,
}

object! { LinuxPids in "linux.resources.pids" {
    "limit" => limit: optional,
} }

/// `linux.resources.blockIO`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxBlockIo {
    /// Relative weight, 10..=1000.
    pub weight: Option<u16>,
    /// (v1)
    pub leaf_weight: Option<u16>,
    /// By device.
    pub weight_device: Vec<WeightDevice>,
    /// Bytes per second, by device.
    pub throttle_read_bps_device: Vec<ThrottleDevice>,
    /// Bytes per second, by device.
    pub throttle_write_bps_device: Vec<ThrottleDevice>,
    /// Operations per second, by device.
    pub throttle_read_iops_device: Vec<ThrottleDevice>,
    /// Operations per second, by device.
    pub throttle_write_iops_device: Vec<ThrottleDevice>,
}

object! { LinuxBlockIo in "linux.resources.blockIO" {
    "weight" => weight: optional,
    "leafWeight" => leaf_weight: optional,
    "weightDevice" => weight_device: optional,
    "throttleReadBpsDevice" => throttle_read_bps_device: optional,
    "throttleWriteBpsDevice" => throttle_write_bps_device: optional,
    "throttleReadIOPSDevice" => throttle_read_iops_device: optional,
    "throttleWriteIOPSDevice" => throttle_write_iops_device: optional,
} }

/// `linux.resources.blockIO.weightDevice[]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

object! { WeightDevice in "linux.resources.blockIO.weightDevice[]" {
    "major" => major: required,
    "minor" => minor: required,
    "weight" => weight: optional,
    "leafWeight" => leaf_weight: optional,
} }

/// `linux.resources.blockIO.throttle…Device[]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThrottleDevice {
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Per second.
    pub rate: u64,
}

object! { ThrottleDevice in "linux.resources.blockIO.throttle*Device[]" {
    "major" => major: required,
    "minor" => minor: required,
    "rate" => rate: required,
} }

/// `linux.resources.hugepageLimits[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HugepageLimit<'a> {
    /// Such as `2MB`.
    pub page_size: Text<'a>,
    /// Bytes.
    pub limit: u64,
}

object! { HugepageLimit<'a> in "linux.resources.hugepageLimits[]" {
    "pageSize" => page_size: required,
    "limit" => limit: required,
} }

/// `linux.resources.network` (v1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxNetwork<'a> {
    /// Class of packets.
    pub class_id: Option<u32>,
    /// By interface.
    pub priorities: Vec<InterfacePriority<'a>>,
}

object! { LinuxNetwork<'a> in "linux.resources.network" {
    "classID" => class_id: optional,
    "priorities" => priorities: optional,
} }

/// `linux.resources.network.priorities[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfacePriority<'a> {
    /// Interface.
    pub name: Text<'a>,
    /// Priority.
    pub priority: u32,
}

object! { InterfacePriority<'a> in "linux.resources.network.priorities[]" {
    "name" => name: required,
    "priority" => priority: required,
} }

/// `linux.resources.rdma.<device>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RdmaLimit {
    /// Handles.
    pub hca_handles: Option<u32>,
    /// Objects.
    pub hca_objects: Option<u32>,
}

object! { RdmaLimit in "linux.resources.rdma[]" {
    "hcaHandles" => hca_handles: optional,
    "hcaObjects" => hca_objects: optional,
} }
