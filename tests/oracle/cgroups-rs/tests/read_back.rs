//! What tare-cgroups sets, cgroups-rs reads, on whatever is mounted at `/sys/fs/cgroup`.

use cgroups::{Driver, Group, Host, Place, Settings, Version, settings};
use cgroups_rs::CgroupPid;
use cgroups_rs::fs::cgroup::Cgroup;
use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::cpuset::CpuSetController;
use cgroups_rs::fs::hierarchies;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{MaxValue, error::Result as OtherResult};

struct Both {
    name: String,
    host: Host,
    place: Place,
}

impl Both {
    fn new(number: u32) -> Both {
        let name = format!("tare-oracle-{}-{number}", std::process::id());
        let host = Host::probe().unwrap();
        let path = format!("/{name}");
        let place = Place::resolve(&host, Driver::Direct, Some(&path), &name, false).unwrap();
        Both { name, host, place }
    }

    fn set(&self, resources: &str) -> Group {
        let resources = serde_json::from_str(resources).unwrap();
        let limits = settings(&resources, &self.host, &self.place).unwrap();
        let group = Group::create(&self.place, &limits).unwrap();
        group.restrict(&limits).unwrap();
        group
    }

    fn other(&self) -> Cgroup {
        Cgroup::load(hierarchies::auto(), &self.name)
    }

    /// Whether the host has a controller, on the version that its files are of.
    fn has(&self, controller: &str) -> bool {
        match self.host.version() {
            Version::V2 => {
                let list = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap();
                list.split_whitespace().any(|name| name == controller)
            }
            _ => self.place.paths().any(|(name, _)| name == controller),
        }
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        let group = Group::open(&self.place).unwrap();
        group.kill(9).unwrap();
        group.remove().unwrap();
    }
}

/// Without a controller nothing is compared, and that is said.
fn read<T>(what: &str, value: OtherResult<T>) -> T {
    value.unwrap_or_else(|error| panic!("cgroups-rs cannot read {what}: {error}"))
}

#[test]
fn limits_are_read_back() {
    let both = Both::new(1);
    let v2 = both.host.version() == Version::V2;
    if both.has("pids") {
        let group = both.set(r#"{"pids": {"limit": 77}}"#);
        let found = both.other().controller_of::<PidController>().map(|c| read("pids.max", c.get_pid_max()));
        assert_eq!(found, Some(MaxValue::Value(77)));
        group.remove().unwrap();
    } else {
        println!("SKIPPED a part: no pids controller here");
    }
    if both.has("memory") {
        let group = both.set(r#"{"memory": {"limit": 67108864, "reservation": 33554432}}"#);
        let other = both.other();
        let memory = other.controller_of::<MemController>().expect("memory");
        assert_eq!(memory.memory_stat().limit_in_bytes, 67_108_864);
        assert_eq!(memory.memory_stat().soft_limit_in_bytes, 33_554_432);
        group.remove().unwrap();
    } else {
        println!("SKIPPED a part: no memory controller here");
    }
    if both.has("cpu") {
        let group = both.set(r#"{"cpu": {"shares": 512, "quota": 30000, "period": 60000}}"#);
        let other = both.other();
        let cpu = other.controller_of::<CpuController>().expect("cpu");
        assert_eq!(read("shares", cpu.shares()), if v2 { 59 } else { 512 });
        assert_eq!(read("quota", cpu.cfs_quota()), 30_000);
        assert_eq!(read("period", cpu.cfs_period()), 60_000);
        group.remove().unwrap();
    } else {
        println!("SKIPPED a part: no cpu controller here");
    }
    if both.has("cpuset") {
        let group = both.set(r#"{"cpu": {"cpus": "0", "mems": "0"}}"#);
        let other = both.other();
        let set = other.controller_of::<CpuSetController>().expect("cpuset").cpuset();
        assert_eq!((set.cpus, set.mems), (vec![(0, 0)], vec![(0, 0)]));
        group.remove().unwrap();
    } else {
        println!("SKIPPED a part: no cpuset controller here");
    }
}

#[test]
fn members_are_read_back() {
    let both = Both::new(2);
    let mut group = Group::create(&both.place, &Settings::default()).unwrap();
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    group.place(child.id() as i32).unwrap();
    let other = both.other();
    if other.subsystems().is_empty() {
        println!("SKIPPED: cgroups-rs finds no controller here");
    } else {
        assert_eq!(other.procs(), [CgroupPid::from(u64::from(child.id()))]);
    }
    group.kill(9).unwrap();
    child.wait().unwrap();
}
