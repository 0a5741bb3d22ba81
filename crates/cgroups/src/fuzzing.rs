//! What the fuzz targets (`fuzz/`) and the tests below do with bytes of others.
#![allow(missing_docs, reason = "nobody but the fuzzer sees it")]

use crate::devices::exceptions::Exceptions;
use crate::{Driver, Host, Place, Version, dir, frozen, host, stats};

pub use crate::systemd::fuzzing::any_bytes as bus;

/// `linux.resources`, on hosts of all kinds: refused with the property's name, or a list of writes.
pub fn resources(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
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
            if let Err(error) = crate::settings(&resources, &host, &place) {
                assert!(
                    error.at.to_string().starts_with("linux.resources"),
                    "{error}"
                );
            }
        }
    }
}

/// Files of cgroup file systems, those of proc(5) about them, and getdents64(2).
pub fn files(bytes: &[u8]) {
    let names: usize = dir::directories(bytes)
        .iter()
        .map(|name| name.count_bytes())
        .sum();
    assert!(names <= bytes.len());
    let text = String::from_utf8_lossy(bytes);
    let _ = frozen::is_frozen(&text);
    let _ = Exceptions::parse(&text);
    stats::any_text(&text);
    // A process says where it is, and the table of mounts where that can be seen.
    let (membership, mounts) = text.split_once("\n\n").unwrap_or((&text, &text));
    for hierarchy in host::mounted_anywhere(membership, mounts) {
        assert!(!hierarchy.links().any(|link| link.contains(',')));
    }
    let _ = dir::number::<u64>("file".as_ref(), &text);
}

#[cfg(test)]
mod tests {
    use property::any_bytes;

    #[test]
    fn any_resources() {
        any_bytes("fuzz/seeds/resources", "", super::resources);
    }

    #[test]
    fn any_messages_of_a_bus() {
        any_bytes("fuzz/seeds/bus", "", super::bus);
    }

    #[test]
    fn any_files() {
        any_bytes("fuzz/seeds/cgroup", "", super::files);
    }
}
