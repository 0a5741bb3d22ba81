//! F7 to F24: resources, read back from the control group's files.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::cgroup;
use crate::row::{Row, may, must};
use crate::verdict::{Setup, Stop, Verdict, ensure, fail, same, skip};

const DEVICES: &str = "config-linux.md#allowed-device-list";
const MEMORY: &str = "config-linux.md#memory";
const CPU: &str = "config-linux.md#cpu";
const IO: &str = "config-linux.md#block-io";
const HUGE: &str = "config-linux.md#huge-page-limits";
const PIDS: &str = "config-linux.md#pids";
const UNIFIED: &str = "config-linux.md#unified";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("F7", DEVICES, "device rules hold in the listed order", |c| rules(c, json!([
        {"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 2, "access": "rwm"},
    ]), &[("r", true), ("w", true)])),
    must("F7.later", DEVICES, "a later rule takes back what an earlier one allows", |c| rules(c, json!([
        {"allow": true, "type": "c", "major": 1, "minor": 2, "access": "rwm"}, {"allow": false, "type": "c", "major": 1, "minor": 2, "access": "w"},
    ]), &[("r", true), ("w", false)])),
    must("F7.access", DEVICES, "`access` allows just what it names", |c| rules(c, json!([
        {"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 2, "access": "rm"},
    ]), &[("r", true), ("w", false)])),
    must("F7.all", DEVICES, "unset type, major and minor mean all", |c| rules(c, json!([
        {"allow": false, "access": "rwm"}, {"allow": true, "access": "rwm"},
    ]), &[("r", true), ("w", true)])),
    must("F7.major", DEVICES, "an unset minor means all of a major number", |c| rules(c, json!([
        {"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "access": "rwm"},
    ]), &[("r", true)])),
    must("F7.update", DEVICES, "a deny-all rule denies", |c| rules(c, json!([{"allow": false, "access": "rwm"}]), &[("r", false), ("w", false)])),
    must("F8.limit", MEMORY, "`memory.limit` is the limit", |c| limit(c, "memory", json!({"memory": {"limit": 67_108_864}}),
        &[("memory.limit_in_bytes", "67108864")], &[("memory.max", "67108864")])),
    must("F8.reservation", MEMORY, "`memory.reservation` is the soft limit", |c| limit(c, "memory", json!({"memory": {"limit": 67_108_864, "reservation": 33_554_432}}),
        &[("memory.soft_limit_in_bytes", "33554432")], &[("memory.low", "33554432")])),
    must("F8.swap", MEMORY, "`memory.swap` is memory and swap together", |c| limit(c, "memory", json!({"memory": {"limit": 67_108_864, "swap": 100_663_296}}),
        &[("memory.memsw.limit_in_bytes", "100663296")], &[("memory.swap.max", "33554432")])),
    may("F8.unlimited", MEMORY, "-1 is no limit", |c| lifted(c, "memory", ("/memory/limit", 67_108_864),
        &[("memory.limit_in_bytes", "67108864", "9223372036854771712"), ("memory.max", "67108864", "max")])),
    may("F13", MEMORY, "with `checkBeforeUpdate` a limit below the use is rejected", check_before_update),
    must("F14.quota", CPU, "`cpu.quota` and `cpu.period` are set", |c| limit(c, "cpu", json!({"cpu": {"quota": 20_000, "period": 40_000}}),
        &[("cpu.cfs_quota_us", "20000"), ("cpu.cfs_period_us", "40000")], &[("cpu.max", "20000 40000")])),
    must("F14.shares", CPU, "`cpu.shares` is set", |c| limit(c, "cpu", json!({"cpu": {"shares": 2048}}), &[("cpu.shares", "2048")], &[("cpu.weight", "?")])),
    must("F14.cpus", CPU, "`cpu.cpus` and `cpu.mems` are set", |c| limit(c, "cpuset", json!({"cpu": {"cpus": "0", "mems": "0"}}),
        &[("cpuset.cpus", "0"), ("cpuset.mems", "0")], &[("cpuset.cpus", "0"), ("cpuset.mems", "0")])),
    may("F14.unlimited", CPU, "a quota of -1 is no limit", |c| lifted(c, "cpu", ("/cpu/quota", 20_000),
        &[("cpu.cfs_quota_us", "20000", "-1"), ("cpu.max", "20000 100000", "max 100000")])),
    must("F15", CPU, "`cpu.burst` is set", |c| limit(c, "cpu", json!({"cpu": {"quota": 20_000, "period": 40_000, "burst": 10_000}}),
        &[("cpu.cfs_burst_us", "10000")], &[("cpu.max.burst", "10000")])),
    must("F15.above", CPU, "a burst above the quota is an error", |c| {
        cgroup::hierarchy("cpu")?;
        c.bundle().aid("/linux/resources/cpu", json!({"quota": 10_000, "period": 40_000, "burst": 20_000})).refused().map(drop)
    }),
    must("F17", CPU, "`cpu.idle` is set", |c| limit(c, "cpu", json!({"cpu": {"idle": 1}}), &[("cpu.idle", "1")], &[("cpu.idle", "1")])),
    must("F18.weight", IO, "`blockIO.weight` is set, or an error where the kernel has none", weight),
    must("F18.throttle", IO, "the throttles of block devices are set", throttle),
    must("F18.weight-device", IO, "an entry of `weightDevice` without a weight is an error", |c| {
        c.bundle().aid("/linux/resources/blockIO", json!({"weightDevice": [{"major": 7, "minor": 0}]})).refused().map(drop)
    }),
    must("F20", HUGE, "`hugepageLimits` limit reservations, where the kernel can", huge),
    must("F20.size", HUGE, "a page size that the kernel does not have is an error", |c| {
        c.bundle().aid("/linux/resources/hugepageLimits", json!([{"pageSize": "3MB", "limit": 0}])).refused().map(drop)
    }),
    must("F22", PIDS, "`pids.limit` is set", |c| limit(c, "pids", json!({"pids": {"limit": 37}}), &[("pids.max", "37")], &[("pids.max", "37")])),
    may("F22.unlimited", PIDS, "-1 is no limit", |c| lifted(c, "pids", ("/pids/limit", 30), &[("pids.max", "30", "max")])),
    must("F22.zero", PIDS, "0 is a limit: the process can start no other", |c| {
        cgroup::hierarchy("pids")?;
        let bundle = c.bundle().set("/linux/resources/pids", json!({"limit": 0}));
        bundle.see("spawn sleep 1")?.has("EAGAIN")
    }),
    must("F24", UNIFIED, "a key of `unified` is written to the file of that name", |c| {
        cgroup::hierarchy("")?;
        let container = c.bundle().set("/linux/resources/unified", json!({"cgroup.max.descendants": "7"})).create()?;
        same("file", cgroup::of(&container, "")?.read("cgroup.max.descendants")?.as_str(), "7")
    }),
    must("F24.controller", UNIFIED, "the controllers that `unified` needs are enabled", |c| {
        let (file, value) = controller_file()?;
        let container = c.bundle().set("/linux/resources/unified", json!({file.as_str(): value})).create()?;
        same("file", cgroup::of(&container, "")?.read(&file)?.as_str(), value)
    }),
    must("F24.missing", UNIFIED, "a controller that is not there is an error", |c| {
        c.bundle().aid("/linux/resources/unified", json!({"moon.max": "1"})).refused().map(drop)
    }),
    must("F24.file", UNIFIED, "a file that is not there is an error", |c| {
        c.bundle().aid("/linux/resources/unified", json!({"cgroup.moon": "1"})).refused().map(drop)
    }),
];

/// Creates a container with resources; the files of the controller's group must hold these texts.
pub(crate) fn limit(
    c: &Case,
    controller: &str,
    resources: Value,
    v1: &[(&str, &str)],
    v2: &[(&str, &str)],
) -> Verdict {
    let (top, unified) = cgroup::hierarchy(controller)?;
    let wanted = if unified { v2 } else { v1 };
    let bundle = c.bundle().set("/linux/resources", resources);
    if wanted.is_empty() {
        return bundle.refused().map(drop);
    }
    // What the kernel lacks everywhere it lacks in a group of the suite as well.
    let example = top.join(format!("example-{}", c.id()));
    let _ = fs::create_dir(&example);
    let lacking = wanted
        .iter()
        .find(|(file, _)| !unified && !example.join(file).exists());
    let _ = fs::remove_dir(&example);
    if let Some((file, _)) = lacking {
        return match bundle.refused() {
            Ok(_) => skip(format!("kernel: no {file}; it is refused")),
            Err(_) => fail(format!(
                "the kernel has no {file}, and create gave no error"
            )),
        };
    }
    let container = bundle.create()?;
    let group = cgroup::of(&container, controller)?;
    for (file, text) in wanted {
        let found = group.read(file)?;
        match *text {
            "?" => ensure(found != "100", || format!("{file} is the default, {found}"))?,
            text => same(file, found.as_str(), text)?,
        }
    }
    // The limits hold while the program runs, too.
    container.start()?;
    ensure(container.exit()?.unwrap_or(0) == 0, || {
        "the program did not end well".to_owned()
    })
}

/// Lifts a limit of a running container by -1. For each file what it holds before and after; those that this view lacks are
/// left out.
fn lifted(
    c: &Case,
    controller: &str,
    (pointer, limit): (&str, u64),
    files: &[(&str, &str, &str)],
) -> Verdict {
    cgroup::hierarchy(controller)?;
    let bundle = c
        .bundle()
        .set(&format!("/linux/resources{pointer}"), limit)
        .runs("sleep 60");
    let container = bundle.start()?;
    let group = cgroup::of(&container, controller)?;
    let mut words = pointer.split('/').skip(1);
    let (outer, inner) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    for (file, before, _) in files.iter().filter(|(file, ..)| group.has(file)) {
        same(file, group.read(file)?.as_str(), before)?;
    }
    super::cgroup_place::update(c, &container, &json!({outer: {inner: -1}}))?;
    for (file, _, after) in files.iter().filter(|(file, ..)| group.has(file)) {
        same(file, group.read(file)?.as_str(), after)?;
    }
    Ok(())
}

/// Tries to open a character device that the kernel does not have: ENXIO when the rules allow it, EPERM when not.
fn rules(c: &Case, rules: Value, tries: &[(&str, bool)]) -> Verdict {
    cgroup::hierarchy("devices").or_else(|_| cgroup::hierarchy(""))?;
    let bundle = c.bundle().set("/linux/resources/devices", rules);
    let number = nix::sys::stat::makedev(1, 2);
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
    let file = bundle.root().join("etc/x");
    nix::sys::stat::mknod(&file, nix::sys::stat::SFlag::S_IFCHR, mode, number)
        .setup("make a device")?;
    for (access, allowed) in tries {
        let seen = bundle.clone().see(&format!("open /etc/x {access}"))?;
        seen.has(if *allowed { "ENXIO" } else { "EPERM" })?;
    }
    Ok(())
}

fn check_before_update(c: &Case) -> Verdict {
    cgroup::hierarchy("memory")?;
    let bundle = c
        .bundle()
        .set("/linux/resources/memory", json!({"limit": 134_217_728}));
    let container = bundle
        .runs("fill /dev/shm/x 40 -- echo full -- sleep 60")
        .start()?;
    container.says("full")?;
    let group = cgroup::of(&container, "memory")?;
    let resources = json!({"memory": {"limit": 8_388_608, "checkBeforeUpdate": true}});
    match super::cgroup_place::update(c, &container, &resources) {
        Err(Stop::Refused(_)) => {}
        Err(other) => return Err(other),
        Ok(()) => return fail("update gave no error"),
    }
    let file = if group.unified {
        "memory.max"
    } else {
        "memory.limit_in_bytes"
    };
    same("limit", group.read(file)?.as_str(), "134217728")?;
    same("status", container.status()?.as_str(), "running")
}

fn weight(c: &Case) -> Verdict {
    let (_, unified) = cgroup::hierarchy("blkio").or_else(|_| cgroup::hierarchy("io"))?;
    let bundle = c.bundle().set("/linux/resources/blockIO/weight", 500);
    let container = match bundle.create() {
        Err(Stop::Refused(reason)) => {
            return skip(format!("kernel: no weights; it is refused: {reason}"));
        }
        other => other?,
    };
    let group = cgroup::of(&container, if unified { "io" } else { "blkio" })?;
    for file in [
        "blkio.weight",
        "blkio.bfq.weight",
        "io.weight",
        "io.bfq.weight",
    ] {
        if group.has(file) {
            let found = group.read(file)?;
            return ensure(!found.ends_with(" 100") && found != "100", || {
                format!("{file} is {found}")
            });
        }
    }
    fail("the kernel has no weights, and create gave no error")
}

fn throttle(c: &Case) -> Verdict {
    let (_, unified) = cgroup::hierarchy("blkio").or_else(|_| cgroup::hierarchy("io"))?;
    let disks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let number = disks
        .filter_map(|disk| fs::read_to_string(disk.path().join("dev")).ok())
        .next();
    let Some(number) = number.map(|text| text.trim().to_owned()) else {
        return skip("machine: no block device");
    };
    let (major, minor) = number.split_once(':').unwrap_or(("0", "0"));
    let (major, minor): (u32, u32) = (major.parse().unwrap_or(0), minor.parse().unwrap_or(0));
    let entry = |rate: u32| json!([{"major": major, "minor": minor, "rate": rate}]);
    let all = json!({
        "throttleReadBpsDevice": entry(1_048_576), "throttleWriteBpsDevice": entry(2_097_152),
        "throttleReadIOPSDevice": entry(300), "throttleWriteIOPSDevice": entry(400),
    });
    let container = c.bundle().set("/linux/resources/blockIO", all).create()?;
    if unified {
        let found = cgroup::of(&container, "io")?.read("io.max")?;
        let wanted = format!("{number} rbps=1048576 wbps=2097152 riops=300 wiops=400");
        return same("io.max", found, wanted);
    }
    let group = cgroup::of(&container, "blkio")?;
    for (file, rate) in [
        ("read_bps", 1_048_576),
        ("write_bps", 2_097_152),
        ("read_iops", 300),
        ("write_iops", 400),
    ] {
        let file = format!("blkio.throttle.{file}_device");
        same(&file, group.read(&file)?, format!("{number} {rate}"))?;
    }
    Ok(())
}

fn huge(c: &Case) -> Verdict {
    let (_, unified) = cgroup::hierarchy("hugetlb")?;
    let limits = json!([{"pageSize": "2MB", "limit": 4_194_304}]);
    let container = c
        .bundle()
        .set("/linux/resources/hugepageLimits", limits)
        .create()?;
    let group = cgroup::of(&container, "hugetlb")?;
    let end = if unified { "max" } else { "limit_in_bytes" };
    let file = format!("hugetlb.2MB.rsvd.{end}");
    match group.has(&file) {
        true => same(&file, group.read(&file)?.as_str(), "4194304"),
        false => same(
            "limit",
            group.read(&format!("hugetlb.2MB.{end}"))?.as_str(),
            "4194304",
        ),
    }
}

/// A file of some controller of version 2, and a value for it.
fn controller_file() -> Verdict<(String, &'static str)> {
    for (controller, file, value) in [
        ("hugetlb", "hugetlb.2MB.max", "4194304"),
        ("pids", "pids.max", "50"),
    ] {
        if let Ok((_, true)) = cgroup::hierarchy(controller) {
            return Ok((file.to_owned(), value));
        }
    }
    skip("kernel: no controller in version 2")
}
