//! Reading the files behind the statistics, for v1 and v2 side by side.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use kernel::{Call, Errno, Fault};

use super::{
    Cpu, CpuSet, HugeTlb, Memory, MemoryEntry, Misc, Pids, Pressure, PressureData, Rdma, RdmaEntry,
};
use crate::dir::Dir;
use crate::{Error, Group};

/// A file whose content is one number; `max` is the largest. `None` without the file.
pub(super) fn number(dir: &Dir, file: &str) -> Result<Option<u64>, Error> {
    Ok(dir.read_if_there(file)?.and_then(|text| parse(text.trim())))
}

fn parse(text: &str) -> Option<u64> {
    match text {
        "max" => Some(u64::MAX),
        text => text.parse().ok(),
    }
}

/// The pairs of a file with lines `key number`.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, parse(value.trim())?))
    })
}

/// The directory of a controller, and whether it is of v2.
fn dir<'g>(group: &'g Group, controller: &str) -> Option<(&'g Dir, bool)> {
    let index = group.place.location_of(controller)?;
    let dir = group.dirs[index].as_ref()?;
    Some((dir, group.place.locations[index].is_unified()))
}

/// The pressure of a resource. A kernel may have it built in and switched off: then reading fails.
pub(super) fn pressure(group: &Group, file: &str) -> Result<Option<Pressure>, Error> {
    let Some(dir) = group.unified() else {
        return Ok(None);
    };
    let text = match dir.read_if_there(file) {
        Err(error) if error.is(Errno::EOPNOTSUPP) => None,
        result => result?,
    };
    Ok(text.as_deref().map(pressure_in))
}

pub(super) fn pressure_in(text: &str) -> Pressure {
    let mut found = Pressure::default();
    for line in text.lines() {
        let mut words = line.split(' ');
        let data = match words.next() {
            Some("some") => &mut found.some,
            Some("full") => &mut found.full,
            _ => continue,
        };
        words.for_each(|word| set_pressure(data, word));
    }
    found
}

fn set_pressure(data: &mut PressureData, word: &str) {
    let Some((key, value)) = word.split_once('=') else {
        return;
    };
    let share = || value.parse().unwrap_or(0.0);
    match key {
        "avg10" => data.avg10 = share(),
        "avg60" => data.avg60 = share(),
        "avg300" => data.avg300 = share(),
        "total" => data.total = value.parse().unwrap_or(0),
        _ => {}
    }
}

pub(super) fn cpu(group: &Group, cpu: &mut Cpu) -> Result<(), Error> {
    cpu.psi = pressure(group, "cpu.pressure")?;
    match dir(group, "cpu") {
        Some((dir, true)) => {
            // There without the controller, too, with the first three lines.
            let text = dir.read_if_there("cpu.stat")?.unwrap_or_default();
            for (key, value) in pairs(&text) {
                match key {
                    "usage_usec" => cpu.usage.total = value.saturating_mul(1000),
                    "user_usec" => cpu.usage.user = value.saturating_mul(1000),
                    "system_usec" => cpu.usage.kernel = value.saturating_mul(1000),
                    "nr_periods" => cpu.throttling.periods = value,
                    "nr_throttled" => cpu.throttling.throttled_periods = value,
                    "throttled_usec" => cpu.throttling.throttled_time = value.saturating_mul(1000),
                    _ => {}
                }
            }
        }
        Some((dir, false)) => {
            let text = dir.read_if_there("cpu.stat")?.unwrap_or_default();
            for (key, value) in pairs(&text) {
                match key {
                    "nr_periods" => cpu.throttling.periods = value,
                    "nr_throttled" => cpu.throttling.throttled_periods = value,
                    "throttled_time" => cpu.throttling.throttled_time = value,
                    _ => {}
                }
            }
        }
        None => {}
    }
    match dir(group, "cpuacct") {
        Some((dir, false)) => cpuacct(dir, cpu),
        _ => Ok(()),
    }
}

fn cpuacct(dir: &Dir, cpu: &mut Cpu) -> Result<(), Error> {
    cpu.usage.total = number(dir, "cpuacct.usage")?.unwrap_or(0);
    // Their sum is the total. Those by mode are counted in ticks, and do not add up to these.
    let percpu = dir
        .read_if_there("cpuacct.usage_percpu")?
        .unwrap_or_default();
    cpu.usage.percpu = percpu.split_whitespace().filter_map(parse).collect();
    // One line for each processor: number, user, system.
    let all = dir.read_if_there("cpuacct.usage_all")?.unwrap_or_default();
    for line in all.lines().skip(1) {
        let mut words = line.split(' ').map(|word| word.parse::<u64>().unwrap_or(0));
        let (Some(_), Some(user), Some(kernel)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        cpu.usage.percpu_user.push(user);
        cpu.usage.percpu_kernel.push(kernel);
    }
    // The kernel's ticks here are always hundredths of a second (USER_HZ).
    const NANOSECONDS: u64 = 10_000_000;
    for (key, value) in pairs(&dir.read_if_there("cpuacct.stat")?.unwrap_or_default()) {
        match key {
            "user" => cpu.usage.user = value.saturating_mul(NANOSECONDS),
            "system" => cpu.usage.kernel = value.saturating_mul(NANOSECONDS),
            _ => {}
        }
    }
    Ok(())
}

/// A list such as `0-3,7`.
pub(super) fn list(text: &str) -> Vec<u16> {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u16>().ok()?..=last.parse::<u16>().ok()?)
    });
    ranges.flatten().collect()
}

pub(super) fn cpuset(group: &Group, cpuset: &mut CpuSet) -> Result<(), Error> {
    let Some((dir, unified)) = dir(group, "cpuset") else {
        return Ok(());
    };
    if unified {
        cpuset.cpus = list(
            &dir.read_if_there("cpuset.cpus.effective")?
                .unwrap_or_default(),
        );
        cpuset.mems = list(
            &dir.read_if_there("cpuset.mems.effective")?
                .unwrap_or_default(),
        );
        return Ok(());
    }
    cpuset.cpus = list(&dir.read_if_there("cpuset.cpus")?.unwrap_or_default());
    cpuset.mems = list(&dir.read_if_there("cpuset.mems")?.unwrap_or_default());
    for (file, value) in [
        ("cpuset.cpu_exclusive", &mut cpuset.cpu_exclusive),
        ("cpuset.mem_hardwall", &mut cpuset.mem_hardwall),
        ("cpuset.mem_exclusive", &mut cpuset.mem_exclusive),
        ("cpuset.memory_migrate", &mut cpuset.memory_migrate),
        ("cpuset.memory_spread_page", &mut cpuset.memory_spread_page),
        ("cpuset.memory_spread_slab", &mut cpuset.memory_spread_slab),
        ("cpuset.memory_pressure", &mut cpuset.memory_pressure),
        ("cpuset.sched_load_balance", &mut cpuset.sched_load_balance),
    ] {
        *value = number(dir, file)?.unwrap_or(0);
    }
    let level = dir
        .read_if_there("cpuset.sched_relax_domain_level")?
        .unwrap_or_default();
    cpuset.sched_relax_domain_level = level.trim().parse().unwrap_or(0);
    Ok(())
}

pub(super) fn memory(group: &Group, memory: &mut Memory) -> Result<(), Error> {
    memory.psi = pressure(group, "memory.pressure")?;
    let Some((dir, unified)) = dir(group, "memory") else {
        return Ok(());
    };
    let Some(text) = dir.read_if_there("memory.stat")? else {
        return Ok(());
    };
    let lines = |text: &str| {
        pairs(text)
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    };
    memory.raw = lines(&text);
    let events = ["memory.oom_control", "memory.events"][usize::from(unified)];
    memory.events = lines(&dir.read_if_there(events)?.unwrap_or_default());
    if !unified {
        memory.cache = memory.raw.get("cache").copied().unwrap_or(0);
        memory.usage = v1_entry(dir, "memory")?;
        memory.swap = v1_entry(dir, "memory.memsw")?;
        memory.kernel = v1_entry(dir, "memory.kmem")?;
        memory.kernel_tcp = v1_entry(dir, "memory.kmem.tcp")?;
        return Ok(());
    }
    memory.cache = memory.raw.get("file").copied().unwrap_or(0);
    memory.usage = MemoryEntry {
        limit: number(dir, "memory.max")?.unwrap_or(0),
        usage: number(dir, "memory.current")?.unwrap_or(0),
        max: number(dir, "memory.peak")?.unwrap_or(0),
        failcnt: 0,
    };
    if let Some(limit) = number(dir, "memory.swap.max")? {
        // v1 counts both together, and so do those who read this.
        memory.swap.limit = limit.saturating_add(memory.usage.limit);
        let swap = number(dir, "memory.swap.current")?.unwrap_or(0);
        memory.swap.usage = swap.saturating_add(memory.usage.usage);
    }
    Ok(())
}

fn v1_entry(dir: &Dir, prefix: &str) -> Result<MemoryEntry, Error> {
    let Some(usage) = number(dir, &format!("{prefix}.usage_in_bytes"))? else {
        return Ok(MemoryEntry::default());
    };
    let value =
        |name: &str| Ok::<u64, Error>(number(dir, &format!("{prefix}.{name}"))?.unwrap_or(0));
    Ok(MemoryEntry {
        limit: value("limit_in_bytes")?,
        usage,
        max: value("max_usage_in_bytes")?,
        failcnt: value("failcnt")?,
    })
}

pub(super) fn pids(group: &Group, pids: &mut Pids) -> Result<(), Error> {
    let Some((dir, _)) = dir(group, "pids") else {
        return Ok(());
    };
    match number(dir, "pids.current")? {
        Some(current) => {
            pids.current = current;
            pids.limit = number(dir, "pids.max")?
                .filter(|&limit| limit != u64::MAX)
                .unwrap_or(0);
        }
        // Without the controller: what is in the cgroup itself.
        None => {
            pids.current = dir
                .read_if_there("cgroup.procs")?
                .unwrap_or_default()
                .lines()
                .count() as u64
        }
    }
    Ok(())
}

pub(super) fn hugetlb(group: &Group, sizes: &mut BTreeMap<String, HugeTlb>) -> Result<(), Error> {
    let Some((dir, unified)) = dir(group, "hugetlb") else {
        return Ok(());
    };
    for size in page_sizes()? {
        // Limits are on reservations where there are any, so these are what counts.
        for prefix in [format!("hugetlb.{size}.rsvd"), format!("hugetlb.{size}")] {
            let file = |name: &str| format!("{prefix}.{name}");
            let usage = if unified { "current" } else { "usage_in_bytes" };
            let Some(usage) = number(dir, &file(usage))? else {
                continue;
            };
            let mut entry = HugeTlb {
                usage,
                ..HugeTlb::default()
            };
            if unified {
                let events = dir
                    .read_if_there(&format!("hugetlb.{size}.events"))?
                    .unwrap_or_default();
                entry.failcnt = pairs(&events)
                    .find(|(key, _)| *key == "max")
                    .map_or(0, |(_, count)| count);
            } else {
                entry.max = number(dir, &file("max_usage_in_bytes"))?.unwrap_or(0);
                entry.failcnt = number(dir, &file("failcnt"))?.unwrap_or(0);
            }
            sizes.insert(size.clone(), entry);
            break;
        }
    }
    Ok(())
}

/// The sizes of huge pages that this machine has, as the controller's files name them. The processor decides: they are
/// looked for once.
fn page_sizes() -> Result<&'static [String], Error> {
    static SIZES: OnceLock<Vec<String>> = OnceLock::new();
    if let Some(sizes) = SIZES.get() {
        return Ok(sizes);
    }
    let path = std::path::Path::new("/sys/kernel/mm/hugepages");
    let failed = |error: std::io::Error| {
        let errno = Errno(error.raw_os_error().unwrap_or(Errno::EIO.0));
        Error::file("list", path, Fault::found(Call::Getdents, errno))
    };
    let mut sizes = Vec::new();
    match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        entries => {
            for entry in entries.map_err(failed)? {
                let name = entry.map_err(failed)?.file_name();
                sizes.extend(name.to_str().and_then(size_name));
            }
        }
    }
    Ok(SIZES.get_or_init(|| sizes))
}

/// `hugepages-2048kB` → `2MB`.
pub(super) fn size_name(directory: &str) -> Option<String> {
    let kilobytes: u64 = directory
        .strip_prefix("hugepages-")?
        .strip_suffix("kB")?
        .parse()
        .ok()?;
    Some(match kilobytes {
        n if n >= 1 << 20 => format!("{}GB", n >> 20),
        n if n >= 1 << 10 => format!("{}MB", n >> 10),
        n => format!("{n}KB"),
    })
}

pub(super) fn rdma(group: &Group, rdma: &mut Rdma) -> Result<(), Error> {
    let Some((dir, _)) = dir(group, "rdma") else {
        return Ok(());
    };
    for (file, list) in [
        ("rdma.max", &mut rdma.limit),
        ("rdma.current", &mut rdma.current),
    ] {
        let text = dir.read_if_there(file)?.unwrap_or_default();
        *list = text.lines().filter_map(rdma_line).collect();
    }
    Ok(())
}

pub(super) fn rdma_line(line: &str) -> Option<RdmaEntry> {
    let mut words = line.split_whitespace();
    let mut entry = RdmaEntry {
        device: words.next()?.to_owned(),
        ..RdmaEntry::default()
    };
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        let value = if value == "max" {
            u32::MAX
        } else {
            value.parse().unwrap_or(0)
        };
        match key {
            "hca_handle" => entry.hca_handles = value,
            "hca_object" => entry.hca_objects = value,
            _ => {}
        }
    }
    Some(entry)
}

pub(super) fn misc(group: &Group, misc: &mut BTreeMap<String, Misc>) -> Result<(), Error> {
    let Some(dir) = group.unified() else {
        return Ok(());
    };
    for (name, usage) in pairs(&dir.read_if_there("misc.current")?.unwrap_or_default()) {
        misc.entry(name.to_owned()).or_default().usage = usage;
    }
    if misc.is_empty() {
        return Ok(());
    }
    for (name, events) in pairs(&dir.read_if_there("misc.events")?.unwrap_or_default()) {
        if let Some(name) = name.strip_suffix(".max") {
            misc.entry(name.to_owned()).or_default().events = events;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        assert_eq!(list("0-2,5\n"), [0, 1, 2, 5]);
        assert!(list("\n").is_empty());
        assert_eq!(size_name("hugepages-2048kB").unwrap(), "2MB");
        assert_eq!(size_name("hugepages-1048576kB").unwrap(), "1GB");
        assert_eq!(size_name("hugepages-64kB").unwrap(), "64KB");
        assert_eq!(
            rdma_line("mlx4_0 hca_handle=2 hca_object=max"),
            Some(RdmaEntry {
                device: "mlx4_0".into(),
                hca_handles: 2,
                hca_objects: u32::MAX
            })
        );
        assert_eq!(
            pairs("a 1\nb max\nbroken\n").collect::<Vec<_>>(),
            [("a", 1), ("b", u64::MAX)]
        );
    }

    #[test]
    fn nothing_used_has_the_shape_that_readers_expect() {
        let json = serde_json::to_value(super::super::Stats::default()).unwrap();
        let expected = serde_json::json!({
            "cpu": {"usage": {"kernel": 0, "user": 0}, "throttling": {}},
            "cpuset": {"cpu_exclusive": 0, "mem_hardwall": 0, "mem_exclusive": 0, "memory_migrate": 0, "memory_spread_page": 0,
                "memory_spread_slab": 0, "memory_pressure": 0, "sched_load_balance": 0, "sched_relax_domain_level": 0},
            "memory": {"usage": {"limit": 0, "failcnt": 0}, "swap": {"limit": 0, "failcnt": 0}, "kernel": {"limit": 0, "failcnt": 0},
                "kernelTCP": {"limit": 0, "failcnt": 0}},
            "pids": {}, "blkio": {}, "hugetlb": {}, "intel_rdt": {}, "network_interfaces": null
        });
        assert_eq!(json, expected);
    }
}
