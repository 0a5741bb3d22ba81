//! Makes a cgroup with five limits, ready for a process to be started in it, and removes it: `cycle [COUNT [read]]`, timed
//! per round. With `read` the statistics are read as well; with `WITHOUT_DEVICES` in the environment there are no device rules.
//!
//! Under `strace -c` or `strace -e trace=all` this shows what a container's cgroup costs.

use std::time::Instant;

use tare_cgroups::{Driver, Group, Host, Place, settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(1), |count| count.parse())?;
    let read = std::env::args().nth(2).is_some_and(|word| word == "read");
    let host = Host::probe()?;
    let controllers =
        std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    // Five values where the host has the usual controllers; five of huge pages where v2 has only those.
    let resources = if controllers.contains("memory") || host.version() != tare_cgroups::Version::V2
    {
        r#"{"memory": {"limit": 67108864, "reservation": 33554432}, "cpu": {"shares": 512, "quota": 50000, "period": 100000},
            "pids": {"limit": 100}}"#
    } else {
        r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 0}, {"pageSize": "2MB", "limit": 2097152}],
            "unified": {"hugetlb.2MB.max": "max"}}"#
    };
    let resources: spec::LinuxResources = serde_json::from_str(resources)?;
    let own = std::process::id();
    let start = Instant::now();
    for round in 0..count {
        let name = format!("tare-cycle-{own}-{round}");
        let place = Place::resolve(
            &host,
            Driver::Direct,
            Some(&format!("/{name}")),
            &name,
            false,
        )?;
        let mut limits = settings(&resources, &host, &place)?;
        if std::env::var_os("WITHOUT_DEVICES").is_some() {
            limits.leave_devices();
        }
        let group = Group::create(&place, &limits)?;
        let _entry = group.entry();
        group.restrict(&limits)?;
        if read {
            std::hint::black_box(group.stats()?);
        }
        group.remove()?;
    }
    let each = start.elapsed() / count;
    std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{each:?} each\n"))?;
    Ok(())
}
