//! Any `linux.resources`, on hosts of all kinds: refused with the property's name, or a list of writes.
#![no_main]

use cgroups::{Driver, Host, Place, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(resources) = spec::LinuxResources::parse(text) else {
        return;
    };
    let all: &[(&[&str], &str)] = &[
        (&["cpu", "cpuacct"], "/"),
        (&["cpuset"], "/"),
        (&["memory"], "/"),
        (&["blkio"], "/"),
        (&["devices"], "/"),
        (&["hugetlb"], "/"),
        (&["net_cls", "net_prio"], "/"),
        (&["pids"], "/"),
        (&["rdma"], "/"),
        (&[], "/"),
    ];
    let hosts = [
        Host::made_up(Version::V2, &[(&[], "/")]),
        Host::made_up(Version::V1, &all[..all.len() - 1]),
        Host::made_up(Version::Hybrid, all),
    ];
    for host in hosts {
        for driver in [Driver::Direct, Driver::Systemd { user: false }] {
            let path = (driver != Driver::Direct).then_some("system.slice:a:b");
            let Ok(place) = Place::resolve(&host, driver, path, "case", false) else {
                continue;
            };
            if let Err(error) = cgroups::settings(&resources, &host, &place) {
                assert!(error.at.to_string().starts_with("linux.resources"), "{error}");
            }
        }
    }
});
