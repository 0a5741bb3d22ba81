//! The same work by both crates, in turns: a cgroup with limits is made, entered and removed, and its statistics are
//! read. Prints median and minimum of each part, and the ratio of the medians. The whole is without reading.
//!
//! Where the host has the memory, cpu and pids controllers they get five values, otherwise hugetlb gets one.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cgroups::{Driver, Group, Host, Place, Version, settings};
use cgroups_rs::CgroupPid;
use cgroups_rs::fs::blkio::BlkIoController;
use cgroups_rs::fs::cgroup::Cgroup;
use cgroups_rs::fs::cgroup_builder::CgroupBuilder;
use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::cpuacct::CpuAcctController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{MaxValue, hierarchies};

const ROUNDS: usize = 400;

const PARTS: [&str; 5] = ["make", "enter", "read", "remove", "whole"];

type Times = [Duration; PARTS.len()];

/// Calls each step and notes how long it took.
struct Watch(Times, Instant);

impl Watch {
    fn start() -> Watch {
        Watch(Times::default(), Instant::now())
    }

    fn part<T>(&mut self, index: usize, work: impl FnOnce() -> T) -> T {
        self.1 = Instant::now();
        let answer = work();
        self.0[index] = self.1.elapsed();
        answer
    }

    fn end(mut self) -> Times {
        self.0[4] = self.0[0] + self.0[1] + self.0[3];
        self.0
    }
}

const MANY: &str = r#"{"memory": {"limit": 67108864, "reservation": 33554432},
    "cpu": {"shares": 512, "quota": 50000}, "pids": {"limit": 100}}"#;
const ONE: &str = r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}]}"#;

/// Files that were read make removing slower (the kernel forgets each of them), so this is done in every other pair only.
fn reads(round: usize) -> bool {
    round % 4 >= 2
}

fn ours(round: usize, pid: i32, many: bool) -> Times {
    let mut watch = Watch::start();
    let name = format!("tare-compare-{}-{round}", std::process::id());
    let (mut group, limits) = watch.part(0, || {
        let host = Host::probe().unwrap();
        let path = format!("/{name}");
        let place = Place::resolve(&host, Driver::Direct, Some(&path), &name, false).unwrap();
        let resources = serde_json::from_str(if many { MANY } else { ONE }).unwrap();
        let mut limits = settings(&resources, &host, &place).unwrap();
        limits.leave_devices();
        (Group::create(&place, &limits).unwrap(), limits)
    });
    watch.part(1, || {
        group.place(pid).unwrap();
        group.restrict(&limits).unwrap();
    });
    if reads(round) {
        watch.part(2, || black_box(group.stats().unwrap()));
    }
    away(pid);
    watch.part(3, || group.remove().unwrap());
    watch.end()
}

fn theirs(round: usize, pid: i32, many: bool) -> Times {
    let mut watch = Watch::start();
    let group = watch.part(0, || {
        let name = format!("other-compare-{}-{round}", std::process::id());
        let builder = CgroupBuilder::new(&name);
        let builder = if many {
            builder
                .memory()
                .memory_hard_limit(67_108_864)
                .memory_soft_limit(33_554_432)
                .done()
                .cpu()
                .shares(512)
                .quota(50_000)
                .done()
                .pid()
                .maximum_number_of_processes(MaxValue::Value(100))
                .done()
        } else {
            builder.hugepages().limit("2MB".to_owned(), 2_097_152).done()
        };
        builder.build(hierarchies::auto()).unwrap()
    });
    watch.part(1, || group.add_task_by_tgid(CgroupPid::from(pid as u64)).unwrap());
    if reads(round) {
        watch.part(2, || statistics(&group));
    }
    away(pid);
    watch.part(3, || group.delete().unwrap());
    watch.end()
}

/// What this crate has readers for, as an agent calls them; huge pages are left out.
fn statistics(group: &Cgroup) {
    if let Some(cpu) = group.controller_of::<CpuController>() {
        black_box(cpu.cpu());
    }
    if let Some(account) = group.controller_of::<CpuAcctController>() {
        black_box(account.cpuacct());
    }
    if let Some(memory) = group.controller_of::<MemController>() {
        black_box((memory.memory_stat(), memory.memswap(), memory.kmem_stat(), memory.kmem_tcp_stat()));
    }
    if let Some(pids) = group.controller_of::<PidController>() {
        black_box((pids.get_pid_current().unwrap(), pids.get_pid_max().unwrap()));
    }
    if let Some(block) = group.controller_of::<BlkIoController>() {
        black_box(block.blkio());
    }
}

/// Back to the root of every hierarchy; not measured.
fn away(pid: i32) {
    for hierarchy in Host::probe().unwrap().hierarchies() {
        std::fs::write(hierarchy.mount.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

fn main() {
    let host = Host::probe().unwrap();
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let many = host.version() != Version::V2 || controllers.contains("memory");
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = child.id() as i32;
    let mut times: [Vec<Times>; 2] = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // Whoever comes second finds warm caches: take turns in that, too.
        let first = round % 2;
        for who in [first, 1 - first] {
            let run = if who == 0 { ours } else { theirs };
            times[who].push(run(round, pid, many));
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    println!("{:?}, {} rounds, microseconds (median, minimum)", host.version(), ROUNDS);
    for (index, part) in PARTS.iter().enumerate() {
        let [ours, theirs] = [0, 1].map(|who: usize| {
            let rounds = times[who].iter().enumerate();
            let counted = rounds.filter(|(round, _)| reads(*round) == (*part == "read"));
            let mut all: Vec<f64> = counted.map(|(_, t)| t[index].as_secs_f64() * 1e6).collect();
            all.sort_by(f64::total_cmp);
            (all[all.len() / 2], all[0])
        });
        println!(
            "{part:>7}: tare-cgroups {:7.1} {:7.1}   cgroups-rs {:7.1} {:7.1}   ratio {:.2}",
            ours.0,
            ours.1,
            theirs.0,
            theirs.1,
            ours.0 / theirs.0
        );
    }
}
