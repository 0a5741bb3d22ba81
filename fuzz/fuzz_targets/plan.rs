//! Any config.json, for hosts of several kinds: it is refused, or gives a plan that keeps the order rules.
#![no_main]

use libcontainer::host::HostFacts;
use libcontainer::plan::{self, Creation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(spec) = spec::Spec::parse(text) else {
        return;
    };
    let creation = Creation {
        id: "case".to_owned(),
        root: "/bundle/rootfs".to_owned(),
        bundle: "/bundle".to_owned(),
        has_cgroup: true,
        ..Creation::default()
    };
    let rootless = HostFacts {
        uid: 1000,
        gid: 1000,
        privileged: false,
        maps_any_id: false,
        capabilities: 0,
        ..HostFacts::default()
    };
    for host in [HostFacts::default(), rootless] {
        if let Ok(plan) = plan::create(&spec, &creation, &host) {
            let broken = plan::check::violations(&plan);
            assert!(broken.is_empty(), "{broken:?}\n{plan}");
            let _ = plan.to_string();
        }
    }
});
