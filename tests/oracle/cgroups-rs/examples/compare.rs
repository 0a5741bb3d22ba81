//! Making a cgroup with five limits, entering it and removing it: ours beside cgroups-rs, interleaved, medians.

use std::time::{Duration, Instant};

use cgroups::{Driver, Group, Host, Place, settings};
use cgroups_rs::CgroupPid;
use cgroups_rs::fs::cgroup_builder::CgroupBuilder;
use cgroups_rs::fs::{MaxValue, hierarchies};

const ROUNDS: u32 = 51;

fn ours(round: u32, pid: i32) -> Duration {
    let start = Instant::now();
    let host = Host::probe().unwrap();
    let name = format!("tare-compare-{}-{round}", std::process::id());
    let place = Place::resolve(&host, Driver::Direct, Some(&format!("/{name}")), &name, false).unwrap();
    let resources = serde_json::from_str(
        r#"{"memory": {"limit": 67108864, "reservation": 33554432}, "cpu": {"shares": 512, "quota": 50000}, "pids": {"limit": 100}}"#,
    );
    let mut limits = settings(&resources.unwrap(), &host, &place).unwrap();
    limits.leave_devices();
    let mut group = Group::create(&place, &host, &limits).unwrap();
    group.place(pid).unwrap();
    group.restrict(&limits).unwrap();
    let time = start.elapsed();
    away(pid);
    let start = Instant::now();
    group.remove().unwrap();
    time + start.elapsed()
}

fn theirs(round: u32, pid: i32) -> Duration {
    let start = Instant::now();
    let group = CgroupBuilder::new(&format!("other-compare-{}-{round}", std::process::id()))
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
        .build(hierarchies::auto())
        .unwrap();
    group.add_task_by_tgid(CgroupPid::from(pid as u64)).unwrap();
    let time = start.elapsed();
    away(pid);
    let start = Instant::now();
    group.delete().unwrap();
    time + start.elapsed()
}

/// Back to the root of every hierarchy; not measured.
fn away(pid: i32) {
    for hierarchy in Host::probe().unwrap().hierarchies() {
        std::fs::write(hierarchy.mount.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

fn main() {
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = child.id() as i32;
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        times[0].push(ours(round, pid));
        times[1].push(theirs(round, pid));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for (name, times) in ["tare-cgroups", "cgroups-rs"].iter().zip(&mut times) {
        times.sort();
        println!("{name}: median {:?}", times[times.len() / 2]);
    }
}
