//! What the fuzz targets (`fuzz/`) and the tests below do with bytes of others.
#![allow(missing_docs, reason = "nobody but the fuzzer sees it")]

pub use crate::criu::fuzzing::any_bytes as criu;
pub use crate::perform::fuzzing::any_bytes as netlink;
pub use crate::state::fuzzing::{files_of_proc, records};

use spec::Spec;

use crate::host::HostFacts;
use crate::plan::{self, Creation, Joining, Plan, PlanError};

/// `config.json`, for hosts of several kinds: it is refused, or gives a plan that keeps the order rules.
pub fn config(bytes: &[u8]) {
    let Some(spec) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| Spec::parse(text).ok())
    else {
        return;
    };
    let creation = Creation {
        id: "case".to_owned(),
        root: "/bundle/rootfs".to_owned(),
        bundle: "/bundle".to_owned(),
        has_cgroup: true,
        ..Creation::default()
    };
    for host in hosts() {
        keeps_order(plan::create(&spec, &creation, &host));
    }
}

/// `process.json`, for containers of several kinds.
pub fn process(bytes: &[u8]) {
    let Some(process) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| spec::Process::parse(text).ok())
    else {
        return;
    };
    let spec = Spec {
        process: Some(process),
        ..Spec::default()
    };
    let joined = Joining {
        id: "case".to_owned(),
        namespaces: kernel::namespace::flags::NEWPID | kernel::namespace::flags::NEWUSER,
        set_groups: true,
        has_cgroup: true,
        ..Joining::default()
    };
    for host in hosts() {
        for joining in [&joined, &Joining::default()] {
            keeps_order(plan::exec(&spec, joining, &host));
        }
    }
}

fn hosts() -> [HostFacts; 2] {
    let rootless = HostFacts {
        uid: 1000,
        gid: 1000,
        privileged: false,
        maps_any_id: false,
        capabilities: 0,
        ..HostFacts::default()
    };
    [HostFacts::default(), rootless]
}

fn keeps_order(plan: Result<Plan, PlanError>) {
    if let Ok(plan) = plan {
        let broken = plan::check::violations(&plan);
        assert!(broken.is_empty(), "{broken:?}\n{plan}");
        let _ = plan.to_string();
    }
}

#[cfg(test)]
mod tests {
    use property::any_bytes;

    #[test]
    fn any_config() {
        any_bytes("tests/plan", "config.json", super::config);
    }

    #[test]
    fn any_process() {
        any_bytes("fuzz/seeds/process", "", super::process);
    }

    #[test]
    fn any_records() {
        any_bytes("fuzz/seeds/records", "", super::records);
    }

    #[test]
    fn any_files_of_proc() {
        any_bytes("fuzz/seeds/proc", "", super::files_of_proc);
    }

    #[test]
    fn any_answers_of_netlink() {
        any_bytes("fuzz/seeds/netlink", "", super::netlink);
    }

    #[test]
    fn any_answers_of_criu() {
        any_bytes("fuzz/seeds/criu", "", super::criu);
    }
}
