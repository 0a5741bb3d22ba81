//! Nothing is left after many containers: control groups, mounts, processes, files, descriptors, kernel memory.

use std::fs;
use std::time::{Duration, Instant};

use harness::{Sandbox, cases};
use serde_json::json;

cases![
    nothing_is_left_after_500_containers,
    nothing_is_left_after_many_failures,
    detached_containers_leave_nothing
];

/// Counters of the whole machine that grow when containers leak.
fn machine() -> Vec<(&'static str, i64)> {
    let count = |path: &str| fs::read_dir(path).map_or(0, |entries| entries.count() as i64);
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .count() as i64;
    let groups = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let groups: i64 = groups
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<i64>().ok())
        .max()
        .unwrap_or(0);
    vec![
        ("mounts here", mounts),
        ("own descriptors", count("/proc/self/fd")),
        ("groups of the largest hierarchy", groups),
        ("own zombies", zombies()),
    ]
}

fn zombies() -> i64 {
    let own = std::process::id().to_string();
    let mut count = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut rest = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        count += i64::from(rest.next() == Some("Z") && rest.next() == Some(own.as_str()));
    }
    count
}

fn nothing_is_left_after_500_containers() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/linux/maskedPaths", json!(["/proc/kcore", "/proc/acpi"]));
    let rounds = std::env::var("TARE_TEST_CONTAINERS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(500);
    sandbox.run(&bundle).ok();
    let (host, before) = (sandbox.host(Some(&bundle)), machine());
    for _ in 0..rounds {
        sandbox.run(&bundle).ok();
    }
    sandbox.host(Some(&bundle)).same_as(&host);
    // Other tests run beside this one; a leak would be counted in hundreds.
    settles(&before, rounds / 4 + 20);
}

/// The machine's counters come down to what they were, but for `most`. Other tests have up to fifty containers at a time,
/// which they delete; what has leaked stays.
#[track_caller]
fn settles(before: &[(&str, i64)], most: i64) {
    let begin = Instant::now();
    loop {
        let after = machine();
        let grown = before
            .iter()
            .zip(&after)
            .find(|((_, old), (_, new))| new - old >= most);
        let Some(((what, old), (_, new))) = grown else {
            return;
        };
        let longest = harness::slow(120);
        assert!(
            begin.elapsed() < longest,
            "{what}: {old} before, {new} after"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn nothing_is_left_after_many_failures() {
    let sandbox = Sandbox::new();
    let bundles = [
        sandbox.bundle().argv(&["/nowhere"]),
        sandbox
            .bundle()
            .mount("/mnt", "bind", "/nowhere", &["bind"]),
        sandbox
            .bundle()
            .push("/hooks/createRuntime", json!({"path": "/bin/false"})),
        sandbox
            .bundle()
            .push("/hooks/createContainer", json!({"path": "/bin/false"})),
    ];
    let (host, before) = (sandbox.host(None), machine());
    for _ in 0..15 {
        for bundle in &bundles {
            sandbox.run(bundle).exits(1);
        }
    }
    sandbox.host(None).same_as(&host);
    settles(&before, 40);
}

fn detached_containers_leave_nothing() {
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    for _ in 0..20 {
        let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
        container.exec("true").ok();
        container.force_delete();
        container.wait();
    }
    sandbox
        .host(None)
        .difference(&before)
        .iter()
        .for_each(|line| assert!(!line.contains("cgroup"), "{line}"));
}
