//! Statistics, in the shape that `runc events --stats` prints and monitors read.

mod block;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Group};

/// What the cgroup has used. Serialised it is the `data` of a `stats` event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Processor time.
    pub cpu: Cpu,
    /// Processors and memory nodes.
    pub cpuset: CpuSet,
    /// Memory.
    pub memory: Memory,
    /// Tasks.
    pub pids: Pids,
    /// Block devices.
    pub blkio: Blkio,
    /// Huge pages, by size.
    pub hugetlb: BTreeMap<String, HugeTlb>,
    /// Host channel adapters.
    #[serde(skip_serializing_if = "Rdma::is_empty")]
    pub rdma: Rdma,
    /// Resources of the misc controller, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub misc: BTreeMap<String, Misc>,
    /// For the caller to fill in: not a matter of cgroups.
    pub intel_rdt: BTreeMap<String, String>,
    /// For the caller to fill in: not a matter of cgroups.
    pub network_interfaces: Option<Vec<NetworkInterface>>,
}

fn zero(value: &u64) -> bool {
    *value == 0
}

/// Pressure (PSI): how long tasks waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pressure {
    /// At least one task waited.
    pub some: PressureData,
    /// All tasks waited.
    pub full: PressureData,
}

/// One line of a pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PressureData {
    /// Percent of the last 10 seconds.
    pub avg10: f64,
    /// Percent of the last minute.
    pub avg60: f64,
    /// Percent of the last 5 minutes.
    pub avg300: f64,
    /// Microseconds.
    pub total: u64,
}

/// Processor time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// In nanoseconds.
    pub usage: CpuUsage,
    /// Waiting because of `cpu.quota`.
    pub throttling: Throttling,
    /// Pressure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// Processor time in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct CpuUsage {
    #[serde(skip_serializing_if = "zero")]
    pub total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    pub kernel: u64,
    pub user: u64,
}

/// Periods of the processor quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// How many there were.
    #[serde(skip_serializing_if = "zero")]
    pub periods: u64,
    /// In how many the quota was used up.
    #[serde(skip_serializing_if = "zero")]
    pub throttled_periods: u64,
    /// Waiting, in nanoseconds.
    #[serde(skip_serializing_if = "zero")]
    pub throttled_time: u64,
}

/// Processors and memory nodes. The flags exist on v1 only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of cpuset(7)")]
pub struct CpuSet {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    pub cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

/// One kind of memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryEntry {
    /// Limit; the largest number for none.
    pub limit: u64,
    /// Present use.
    #[serde(skip_serializing_if = "zero")]
    pub usage: u64,
    /// Highest use so far.
    #[serde(skip_serializing_if = "zero")]
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// Memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Page cache in bytes.
    #[serde(skip_serializing_if = "zero")]
    pub cache: u64,
    /// All memory.
    pub usage: MemoryEntry,
    /// Memory and swap.
    pub swap: MemoryEntry,
    /// The kernel's, v1 only.
    pub kernel: MemoryEntry,
    /// The network's, v1 only.
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: MemoryEntry,
    /// `memory.stat` as it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    /// `memory.events` (v2) or `memory.oom_control` (v1) as it is: a property that runc's form of the statistics does not have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, u64>,
    /// Pressure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// Tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pids {
    /// How many there are.
    #[serde(skip_serializing_if = "zero")]
    pub current: u64,
    /// How many there may be; absent for no limit.
    #[serde(skip_serializing_if = "zero")]
    pub limit: u64,
}

/// One number of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioEntry {
    /// Major number.
    #[serde(skip_serializing_if = "zero")]
    pub major: u64,
    /// Minor number.
    #[serde(skip_serializing_if = "zero")]
    pub minor: u64,
    /// `Read`, `Write`, ….
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The number.
    #[serde(skip_serializing_if = "zero")]
    pub value: u64,
}

/// Block devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
#[allow(
    missing_docs,
    reason = "the names are those of the kernel's blkio files"
)]
pub struct Blkio {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(rename = "ioQueueRecursive", skip_serializing_if = "Vec::is_empty")]
    pub io_queued_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    /// Pressure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// Huge pages of one size, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HugeTlb {
    /// Present use.
    #[serde(skip_serializing_if = "zero")]
    pub usage: u64,
    /// Highest use so far.
    #[serde(skip_serializing_if = "zero")]
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// Host channel adapters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rdma {
    /// Limits.
    #[serde(rename = "rdmaLimit", skip_serializing_if = "Vec::is_empty")]
    pub limit: Vec<RdmaEntry>,
    /// Present use.
    #[serde(rename = "rdmaCurrent", skip_serializing_if = "Vec::is_empty")]
    pub current: Vec<RdmaEntry>,
}

impl Rdma {
    fn is_empty(&self) -> bool {
        self.limit.is_empty() && self.current.is_empty()
    }
}

/// One adapter; the largest number for no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub struct RdmaEntry {
    pub device: String,
    pub hca_handles: u32,
    pub hca_objects: u32,
}

/// One resource of the misc controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Misc {
    /// Present use.
    pub usage: u64,
    /// How often the limit was hit.
    pub events: u64,
}

/// One network interface of the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "the names are those of the kernel's counters")]
pub struct NetworkInterface {
    pub name: String,
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

impl Group {
    /// Reads the statistics: each file is opened once, and what the host does not have stays zero.
    ///
    /// # Errors
    /// A file that is there cannot be read, or the cgroup is gone.
    pub fn stats(&self) -> Result<Stats, Error> {
        if self.is_none() {
            return Err(Error::None("read its statistics"));
        }
        let mut stats = Stats::default();
        read::cpu(self, &mut stats.cpu)?;
        read::cpuset(self, &mut stats.cpuset)?;
        read::memory(self, &mut stats.memory)?;
        read::pids(self, &mut stats.pids)?;
        block::read(self, &mut stats.blkio)?;
        read::hugetlb(self, &mut stats.hugetlb)?;
        read::rdma(self, &mut stats.rdma)?;
        read::misc(self, &mut stats.misc)?;
        // Files that are missing are nothing special, but one that every cgroup has tells whether this is still one.
        if stats == Stats::default()
            && let Some(dir) = self.existing().next()
            && let Err(error) = dir.read("cgroup.procs")
            && error.is_gone()
        {
            return Err(error);
        }
        Ok(stats)
    }
}

/// A way in for [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) fn any_text(text: &str) {
    let _ = read::pressure_in(text);
    let mut blkio = Blkio::default();
    block::v2(text, &mut blkio);
    let _ = read::pairs(text).count();
    for line in text.lines() {
        let _ = (block::v1_line(line), read::rdma_line(line));
        let _ = (read::size_name(line), read::list(line));
    }
}
