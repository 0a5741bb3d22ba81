//! Statistics in the messages of containerd, one for each version of cgroups.

use std::collections::BTreeMap;

use containerd_shim_protos::cgroups::metrics as v1;
use containerd_shim_protos::cgroups_v2::metrics as v2;
use libcontainer::cgroups::stats::{
    BlkioEntry, MemoryEntry, NetworkInterface, Pressure, PressureData, RdmaEntry, Stats,
};
use protobuf::MessageField;
use protobuf::well_known_types::any::Any;

use crate::events::any;

/// As the message of the version that the container's controllers are of.
pub(super) fn of(stats: &Stats) -> Any {
    match is_v1(stats) {
        true => any("io.containerd.cgroups.v1", &of_v1(stats)),
        false => any("io.containerd.cgroups.v2", &of_v2(stats)),
    }
}

/// Only v1 counts by processor, and has sums of what is below.
fn is_v1(stats: &Stats) -> bool {
    !stats.cpu.usage.percpu.is_empty() || stats.memory.raw.contains_key("total_rss")
}

/// The interfaces of a process, as its `/proc/PID/net/dev` has them.
pub(super) fn interfaces(text: &str) -> Vec<NetworkInterface> {
    let of_line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let mut numbers = numbers.split_whitespace().map(str::parse);
        let mut next = |skipped| numbers.nth(skipped)?.ok();
        Some(NetworkInterface {
            name: name.trim().to_owned(),
            rx_bytes: next(0)?,
            rx_packets: next(0)?,
            rx_errors: next(0)?,
            rx_dropped: next(0)?,
            // Between them: fifo, frame, compressed, multicast.
            tx_bytes: next(4)?,
            tx_packets: next(0)?,
            tx_errors: next(0)?,
            tx_dropped: next(0)?,
        })
    };
    text.lines().filter_map(of_line).collect()
}

/// A message with the fields of the same names, or those behind the arrows.
macro_rules! message {
    ($from:expr => $kind:ty: $($field:ident $(<- $other:ident)?),* $(,)?) => {{
        let mut message = <$kind>::new();
        $(message.$field = message!(@name $from, $field $($other)?).clone();)*
        message
    }};
    (@name $from:expr, $field:ident) => { $from.$field };
    (@name $from:expr, $field:ident $other:ident) => { $from.$other };
}

/// Fields of a message from the lines of a file such as `memory.stat` that have the same name, or the one behind the arrow.
macro_rules! from_lines {
    ($raw:expr, $message:ident: $($field:ident $(<- $name:literal)?),* $(,)?) => {
        $($message.$field = line($raw, from_lines!(@name $field $($name)?));)*
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}

/// The parts of a message that are the same in both versions.
macro_rules! in_both {
    ($stats:ident, $metrics:ident, $version:ident) => {
        $metrics.pids = MessageField::some(message!($stats.pids => $version::PidsStat: current, limit));
        let adapter =
            |from: &RdmaEntry| message!(from => $version::RdmaEntry: device, hca_handles, hca_objects);
        let mut adapters = $version::RdmaStat::new();
        adapters.current = $stats.rdma.current.iter().map(adapter).collect();
        adapters.limit = $stats.rdma.limit.iter().map(adapter).collect();
        $metrics.rdma = MessageField::some(adapters);
        let network = |from: &NetworkInterface| {
            message!(from => $version::NetworkStat: name, rx_bytes, rx_packets, rx_errors, rx_dropped,
            tx_bytes, tx_packets, tx_errors, tx_dropped)
        };
        let interfaces = $stats.network_interfaces.iter().flatten();
        $metrics.network = interfaces.map(network).collect();
    };
}

fn line(raw: &BTreeMap<String, u64>, name: &str) -> u64 {
    raw.get(name).copied().unwrap_or(0)
}

fn of_v1(stats: &Stats) -> v1::Metrics {
    let mut metrics = v1::Metrics::new();
    let mut cpu = v1::CPUStat::new();
    cpu.usage = MessageField::some(
        message!(stats.cpu.usage => v1::CPUUsage: total, kernel, user, per_cpu <- percpu),
    );
    cpu.throttling = MessageField::some(message!(stats.cpu.throttling => v1::Throttle:
        periods, throttled_periods, throttled_time));
    metrics.cpu = MessageField::some(cpu);
    metrics.memory = MessageField::some(memory_v1(stats));
    let events = &stats.memory.events;
    let mut control = v1::MemoryOomControl::new();
    from_lines!(events, control: oom_kill_disable, under_oom, oom_kill);
    metrics.memory_oom_control = MessageField::some(control);
    metrics.blkio = MessageField::some(blkio_v1(stats));
    let huge_pages = stats.hugetlb.iter().map(|(size, from)| {
        let mut entry = message!(from => v1::HugetlbStat: usage, max, failcnt);
        entry.pagesize = size.clone();
        entry
    });
    metrics.hugetlb = huge_pages.collect();
    in_both!(stats, metrics, v1);
    metrics
}

fn memory_v1(stats: &Stats) -> v1::MemoryStat {
    let raw = &stats.memory.raw;
    let mut memory = v1::MemoryStat::new();
    from_lines!(raw, memory: cache, rss, rss_huge, mapped_file, dirty, writeback, pg_pg_in <- "pgpgin", pg_pg_out <- "pgpgout",
        pg_fault <- "pgfault", pg_maj_fault <- "pgmajfault", inactive_anon, active_anon, inactive_file, active_file, unevictable,
        hierarchical_memory_limit, hierarchical_swap_limit <- "hierarchical_memsw_limit", total_cache, total_rss, total_rss_huge,
        total_mapped_file, total_dirty, total_writeback, total_pg_pg_in <- "total_pgpgin", total_pg_pg_out <- "total_pgpgout",
        total_pg_fault <- "total_pgfault", total_pg_maj_fault <- "total_pgmajfault", total_inactive_anon, total_active_anon,
        total_inactive_file, total_active_file, total_unevictable);
    let entry = |from: &MemoryEntry| {
        MessageField::some(message!(from => v1::MemoryEntry: limit, usage, max, failcnt))
    };
    memory.usage = entry(&stats.memory.usage);
    memory.swap = entry(&stats.memory.swap);
    memory.kernel = entry(&stats.memory.kernel);
    memory.kernel_tcp = entry(&stats.memory.kernel_tcp);
    memory
}

fn blkio_v1(stats: &Stats) -> v1::BlkIOStat {
    let entry = |from: &BlkioEntry| message!(from => v1::BlkIOEntry: op, major, minor, value);
    let entries = |list: &[BlkioEntry]| list.iter().map(entry).collect();
    let from = &stats.blkio;
    let mut blkio = v1::BlkIOStat::new();
    blkio.io_service_bytes_recursive = entries(&from.io_service_bytes_recursive);
    blkio.io_serviced_recursive = entries(&from.io_serviced_recursive);
    blkio.io_queued_recursive = entries(&from.io_queued_recursive);
    blkio.io_service_time_recursive = entries(&from.io_service_time_recursive);
    blkio.io_wait_time_recursive = entries(&from.io_wait_time_recursive);
    blkio.io_merged_recursive = entries(&from.io_merged_recursive);
    blkio.io_time_recursive = entries(&from.io_time_recursive);
    blkio.sectors_recursive = entries(&from.sectors_recursive);
    blkio
}

const MICROSECOND: u64 = 1000;

fn of_v2(stats: &Stats) -> v2::Metrics {
    let mut metrics = v2::Metrics::new();
    let mut cpu = v2::CPUStat::new();
    cpu.usage_usec = stats.cpu.usage.total / MICROSECOND;
    cpu.user_usec = stats.cpu.usage.user / MICROSECOND;
    cpu.system_usec = stats.cpu.usage.kernel / MICROSECOND;
    cpu.nr_periods = stats.cpu.throttling.periods;
    cpu.nr_throttled = stats.cpu.throttling.throttled_periods;
    cpu.throttled_usec = stats.cpu.throttling.throttled_time / MICROSECOND;
    cpu.psi = pressure(stats.cpu.psi);
    metrics.cpu = MessageField::some(cpu);
    metrics.memory = MessageField::some(memory_v2(stats));
    let counted = &stats.memory.events;
    let mut events = v2::MemoryEvents::new();
    from_lines!(counted, events: low, high, max, oom, oom_kill, oom_group_kill);
    metrics.memory_events = MessageField::some(events);
    metrics.io = MessageField::some(io_v2(stats));
    let huge_pages = stats.hugetlb.iter().map(|(size, from)| {
        let mut entry = message!(from => v2::HugeTlbStat: current <- usage, max, failcnt);
        entry.pagesize = size.clone();
        entry
    });
    metrics.hugetlb = huge_pages.collect();
    in_both!(stats, metrics, v2);
    metrics
}

fn memory_v2(stats: &Stats) -> v2::MemoryStat {
    let raw = &stats.memory.raw;
    let mut memory = v2::MemoryStat::new();
    from_lines!(raw, memory: anon, file, kernel_stack, slab, sock, shmem, file_mapped, file_dirty, file_writeback,
        anon_thp, inactive_anon, active_anon, inactive_file, active_file, unevictable, slab_reclaimable, slab_unreclaimable,
        pgfault, pgmajfault, workingset_refault <- "workingset_refault_file", workingset_activate <- "workingset_activate_file",
        workingset_nodereclaim, pgrefill, pgscan, pgsteal, pgactivate, pgdeactivate, pglazyfree, pglazyfreed, thp_fault_alloc,
        thp_collapse_alloc);
    let from = &stats.memory;
    memory.usage = from.usage.usage;
    memory.usage_limit = from.usage.limit;
    memory.max_usage = from.usage.max;
    // There it is memory and swap, here swap alone.
    memory.swap_usage = from.swap.usage.saturating_sub(from.usage.usage);
    memory.swap_limit = match from.swap.limit {
        u64::MAX => u64::MAX,
        limit => limit.saturating_sub(from.usage.limit),
    };
    memory.psi = pressure(from.psi);
    memory
}

fn io_v2(stats: &Stats) -> v2::IOStat {
    let mut devices: BTreeMap<(u64, u64), v2::IOEntry> = BTreeMap::new();
    let mut add = |list: &[BlkioEntry], put: fn(&mut v2::IOEntry, &str, u64)| {
        for from in list {
            let entry = devices.entry((from.major, from.minor)).or_default();
            (entry.major, entry.minor) = (from.major, from.minor);
            put(entry, &from.op, from.value);
        }
    };
    add(
        &stats.blkio.io_service_bytes_recursive,
        |entry, op, value| match op {
            "Read" => entry.rbytes = value,
            "Write" => entry.wbytes = value,
            _ => {}
        },
    );
    add(
        &stats.blkio.io_serviced_recursive,
        |entry, op, value| match op {
            "Read" => entry.rios = value,
            "Write" => entry.wios = value,
            _ => {}
        },
    );
    let mut io = v2::IOStat::new();
    io.usage = devices.into_values().collect();
    io.psi = pressure(stats.blkio.psi);
    io
}

fn pressure(from: Option<Pressure>) -> MessageField<v2::PSIStats> {
    let data = |from: &PressureData| {
        MessageField::some(message!(from => v2::PSIData: avg10, avg60, avg300, total))
    };
    from.map(|from| {
        let mut pressure = v2::PSIStats::new();
        pressure.some = data(&from.some);
        pressure.full = data(&from.full);
        pressure
    })
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protobuf::Message;

    const DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
  eth0:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
";

    #[test]
    fn the_version_is_told_by_the_type() {
        let mut stats = Stats::default();
        stats.cpu.usage.total = 5_000_000;
        stats.memory.usage.usage = 4096;
        stats.memory.raw.insert("anon".to_owned(), 7);
        stats.memory.events.insert("oom_kill".to_owned(), 3);
        stats.network_interfaces = Some(interfaces(DEV));
        let any = of(&stats);
        assert_eq!(any.type_url, "io.containerd.cgroups.v2.Metrics");
        let metrics = v2::Metrics::parse_from_bytes(&any.value).expect("a message");
        assert_eq!(
            (
                metrics.cpu.usage_usec,
                metrics.memory.usage,
                metrics.memory.anon
            ),
            (5000, 4096, 7)
        );
        assert_eq!(metrics.memory_events.oom_kill, 3);
        assert_eq!(
            (&*metrics.network[1].name, metrics.network[1].tx_dropped),
            ("eth0", 12)
        );
        stats.cpu.usage.percpu = vec![1, 2];
        let any = of(&stats);
        assert_eq!(any.type_url, "io.containerd.cgroups.v1.Metrics");
        let metrics = v1::Metrics::parse_from_bytes(&any.value).expect("a message");
        assert_eq!(
            (metrics.cpu.usage.total, metrics.memory.usage.usage),
            (5_000_000, 4096)
        );
        assert_eq!(metrics.memory_oom_control.oom_kill, 3);
        assert_eq!(
            (&*metrics.network[1].name, metrics.network[1].rx_bytes),
            ("eth0", 1)
        );
    }
}
