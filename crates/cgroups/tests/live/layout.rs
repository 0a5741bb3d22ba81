//! Hierarchies of v1 that are not one controller each: several mounted together, and named ones with none.

use std::process::Command;

use tare_cgroups::{Driver, Group, Host, Place, Version, settings};

use crate::sandbox::{Process, is_guest, read, skip};

const WORKER: &str = "TARE_TEST_LAYOUT_WORKER";

/// Mounted in the worker's mount namespace only, where hierarchies are expected or, below systemd, elsewhere; the
/// hierarchy goes when nobody has it mounted.
const MOUNT: &str = "d=/sys/fs/cgroup/tare-named; mkdir -p $d 2>/dev/null || { d=/tmp/tare-named; mkdir -p $d; }; \
    mount -t cgroup -o none,name=tare-named cgroup $d || exit; \"$@\"; s=$?; umount $d; rmdir $d; exit $s";

/// Not a test by itself: runs where a named hierarchy is mounted.
#[test]
fn worker() {
    if std::env::var_os(WORKER).is_none() {
        return;
    }
    let host = Host::probe().unwrap();
    let controllers: Vec<&[String]> = host
        .hierarchies()
        .iter()
        .map(|hierarchy| &hierarchy.controllers[..])
        .collect();
    assert!(
        controllers.contains(&&["name=tare-named".to_owned()][..]),
        "{controllers:?}"
    );
    let name = format!("tare-test-layout-{}", std::process::id());
    let place = Place::resolve(
        &host,
        Driver::Direct,
        Some(&format!("/{name}")),
        &name,
        false,
    )
    .unwrap();
    let path = |wanted: &str| {
        let mut paths = place.paths();
        let found = paths.find(|(name, _)| *name == wanted);
        found.unwrap_or_else(|| panic!("no {wanted}")).1.to_owned()
    };
    let resources = r#"{"cpu": {"shares": 300}, "network": {"classID": 7, "priorities": [{"name": "lo", "priority": 4}]}}"#;
    let limits = settings(&serde_json::from_str(resources).unwrap(), &host, &place).unwrap();
    let mut group = Group::create(&place, &limits).unwrap();
    let mut process = Process::sleeping();
    group.place(process.id()).unwrap();
    group.restrict(&limits).unwrap();
    // Mounted together, by either name.
    for (one, other) in [("cpu", "cpuacct"), ("net_cls", "net_prio")] {
        assert_eq!(path(one), path(other));
        let through_link = format!("/sys/fs/cgroup/{other}/{name}");
        assert!(
            std::path::Path::new(&through_link).is_dir(),
            "{through_link}"
        );
    }
    assert_eq!(read(&path("cpuacct"), "cpu.shares"), "300");
    assert_eq!(read(&path("net_prio"), "net_cls.classid"), "7");
    let priorities = read(&path("net_cls"), "net_prio.ifpriomap");
    assert!(
        priorities.lines().any(|line| line == "lo 4"),
        "{priorities}"
    );
    // A failed update puts back the line of the interface, and the class.
    let update = r#"{"network": {"classID": 9, "priorities": [{"name": "lo", "priority": 6}, {"name": "nosuch", "priority": 1}]}}"#;
    let update = settings(&serde_json::from_str(update).unwrap(), &host, &place).unwrap();
    let error = group.update(&update).unwrap_err().to_string();
    assert!(
        error.starts_with("linux.resources.network.priorities[1]"),
        "{error}"
    );
    assert_eq!(read(&path("net_cls"), "net_cls.classid"), "7");
    let priorities = read(&path("net_cls"), "net_prio.ifpriomap");
    assert!(
        priorities.lines().any(|line| line == "lo 4"),
        "{priorities}"
    );
    // A hierarchy without a controller holds the process, too.
    let named = path("name=tare-named");
    assert_eq!(read(&named, "cgroup.procs"), process.id().to_string());
    let membership = std::fs::read_to_string(format!("/proc/{}/cgroup", process.id())).unwrap();
    assert!(
        membership.contains(&format!(":name=tare-named:/{name}\n")),
        "{membership}"
    );
    let mounts: Vec<_> = place.mounts(&host).collect();
    let of = |controller: &str| {
        let mut mounts = mounts.iter();
        let found = mounts.find(|mount| mount.controllers.iter().any(|c| c == controller));
        found.unwrap_or_else(|| panic!("no mount for {controller}"))
    };
    assert_eq!(of("cpuacct").links, ["cpu", "cpuacct"]);
    assert!(of("name=tare-named").links.is_empty());
    let stats = group.stats().unwrap();
    assert_eq!(stats.pids.current, 1);
    group.kill(9).unwrap();
    assert!(process.is_dead_soon());
    group.remove().unwrap();
    for (_, path) in place.paths() {
        assert!(!path.exists(), "left behind: {}", path.display());
    }
    println!("all said");
}

#[test]
fn shared_and_named_hierarchies_are_used_like_others() {
    if !is_guest() {
        skip!("a hierarchy is made in throw-away guests only: everybody sees it");
    }
    let host = Host::probe().unwrap();
    let shared = host
        .hierarchies()
        .iter()
        .filter(|h| h.controllers.len() > 1);
    if host.version() == Version::V2 || shared.count() < 2 {
        skip!("the controllers here are not mounted in pairs");
    }
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        MOUNT,
        "sh",
    ]);
    command
        .arg(own)
        .args(["--exact", "layout::worker", "--nocapture"])
        .env(WORKER, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("all said"), "{said}{errors}");
}
