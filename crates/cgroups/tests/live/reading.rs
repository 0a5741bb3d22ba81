//! Statistics and events.

use std::time::{Duration, Instant};

use tare_cgroups::Settings;

use crate::sandbox::{Process, Sandbox, eventually, skip};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

#[test]
fn statistics_tell_what_a_process_used() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let settings = sandbox.settings(r#"{"pids": {"limit": 55}, "memory": {"limit": 67108864}}"#);
    let limited =
        sandbox.dir("pids", "pids").is_some() && sandbox.dir("memory", "memory").is_some();
    let settings = if limited {
        settings
    } else {
        Settings::default()
    };
    let mut group = sandbox.create(&settings);
    let process = Process::start("while :; do :; done");
    group.place(process.id()).unwrap();
    group.restrict(&settings).unwrap();
    let enough = eventually(|| {
        let stats = group.stats().unwrap();
        stats.cpu.usage.total > 20_000_000 && stats.cpu.usage.user + stats.cpu.usage.kernel > 0
    });
    assert!(enough, "{:?}", group.stats().unwrap().cpu);
    let stats = group.stats().unwrap();
    assert_eq!(stats.pids.current, 1);
    // Both numbers stand still only while the process does.
    if !sandbox.is_v2("cpuacct") && group.freeze().is_ok() {
        let usage = group.stats().unwrap().cpu.usage;
        group.thaw().unwrap();
        assert_eq!(usage.percpu.iter().sum::<u64>(), usage.total, "{usage:?}");
    }
    let json = serde_json::to_value(&stats).unwrap();
    assert!(json["cpu"]["usage"]["total"].as_u64().unwrap() > 0);
    if limited {
        assert_eq!(stats.pids.limit, 55);
        assert_eq!(stats.memory.usage.limit, 67_108_864);
        assert!(stats.memory.usage.usage > 0 || !stats.memory.raw.is_empty());
    } else {
        println!("skipped a part: no pids and memory controllers here");
    }
    if !sandbox.is_v2("cpuset") {
        assert!(!stats.cpuset.cpus.is_empty());
    }
    group.kill(9).unwrap();
}

#[test]
fn a_cgroup_that_is_gone_has_no_statistics() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    let other = sandbox.open();
    other.stats().unwrap();
    group.kill(9).unwrap();
    group.remove().unwrap();
    let error = other.stats().unwrap_err();
    assert!(
        matches!(
            error.errno(),
            Some(tare_cgroups::Errno::ENOENT | tare_cgroups::Errno::ENODEV)
        ),
        "{error}"
    );
}

#[test]
fn running_out_of_memory_is_told() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if sandbox.dir("memory", "memory").is_none() {
        skip!("no memory controller here");
    }
    let settings = sandbox.settings(r#"{"memory": {"limit": 8388608, "swap": 8388608}}"#);
    let mut group = sandbox.create(&settings);
    let mut process = Process::start("read line; x=0123456789abcdef; while :; do x=$x$x; done");
    group.place(process.id()).unwrap();
    // With its last process systemd would remove the cgroup, and its counters with it.
    let staying = Process::sleeping();
    group.place(staying.id()).unwrap();
    group.restrict(&settings).unwrap();
    let mut watch = group.watch().unwrap();
    assert_eq!(watch.events().unwrap().oom, 0);
    drop(process.0.stdin.take());
    let mut ooms = 0;
    while ooms == 0 {
        let events = watch.wait(LONG).unwrap();
        ooms += events.oom;
        assert!(
            ooms > 0 || events != tare_cgroups::Events::default() && !events.empty,
            "it ended, or nothing came, without its having been told"
        );
    }
    assert!(process.is_dead_soon());
}

#[test]
fn the_watch_wakes_for_freezing_and_for_the_end() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if sandbox.paths().len() > 1 {
        skip!("only v2 tells about these");
    }
    let mut group = sandbox.create(&Settings::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    let mut watch = group.watch().unwrap();
    assert_eq!(watch.events().unwrap(), tare_cgroups::Events::default());
    group.freeze().unwrap();
    assert_eq!(watch.wait(LONG).unwrap().frozen, Some(true));
    group.thaw().unwrap();
    assert_eq!(watch.wait(LONG).unwrap().frozen, Some(false));
    let start = Instant::now();
    assert_eq!(watch.wait(SHORT).unwrap(), tare_cgroups::Events::default());
    assert!(start.elapsed() >= SHORT);
    // Without waiting, for programs with a loop of their own.
    group.kill(9).unwrap();
    assert!(eventually(|| watch.events().unwrap().empty));
    let start = Instant::now();
    assert!(watch.wait(LONG).unwrap().empty);
    assert!(start.elapsed() < LONG, "nothing more was to be waited for");
}
