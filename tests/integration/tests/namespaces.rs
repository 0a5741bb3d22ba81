//! `linux.namespaces`, id mappings, host name, time offsets.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use harness::{Bundle, Sandbox, cases, need, skip};
use serde_json::json;

cases![
    privileged_own_namespaces_by_path_are_not_changed,
    privileged_own_namespaces_by_path_are_stayed_in,
    cgroup_namespace_hides_the_path,
    time_offsets,
    privileged_user_namespace_maps_ids,
    privileged_without_a_mount_namespace_nothing_is_mounted,
    privileged_joined_user_namespace,
    privileged_nested_user_namespace_reaches_sources,
    privileged_joined_user_namespace_maps_the_ids_of_mounts,
    privileged_joined_user_namespace_has_its_own_mappings,
    joined_user_namespace_without_groups,
    loopback_is_up_in_a_new_network_namespace,
];

/// A namespace file that is the caller's own gives the container nothing of its own: what would be changed is the host's.
fn privileged_own_namespaces_by_path_are_not_changed() {
    let sandbox = Sandbox::new();
    let sysctl = |key: &str| json!({key: "5"});
    let table = [
        (
            "network",
            "net",
            "/linux/sysctl",
            sysctl("net.ipv4.ip_default_ttl"),
        ),
        ("ipc", "ipc", "/linux/sysctl", sysctl("kernel.shmmni")),
        ("ipc", "ipc", "/linux/sysctl", sysctl("fs.mqueue.msg_max")),
        ("uts", "uts", "/linux/sysctl", sysctl("kernel.domainname")),
        ("uts", "uts", "/domainname", json!("stranger")),
        ("uts", "uts", "/hostname", json!("stranger")),
        (
            "user",
            "user",
            "/linux/uidMappings",
            json!([{"containerID": 0, "hostID": 0, "size": 1}]),
        ),
        (
            "time",
            "time",
            "/linux/timeOffsets",
            json!({"boottime": {"secs": 1}}),
        ),
    ];
    let host = || {
        let files = [
            "net/ipv4/ip_default_ttl",
            "kernel/shmmni",
            "fs/mqueue/msg_max",
            "kernel/domainname",
            "kernel/hostname",
        ];
        files.map(|file| fs::read_to_string(format!("/proc/sys/{file}")).unwrap())
    };
    let before = host();
    for (kind, link, field, value) in table {
        // By two names, both of which are a process's that lives where the caller does.
        let link = format!("/proc/{}/ns/{link}", std::process::id());
        let other = sandbox.path.join(format!("io/{kind}"));
        let _ = std::os::unix::fs::symlink(&link, &other);
        for path in [link.as_str(), other.to_str().unwrap()] {
            let mut bundle = sandbox.bundle().join_namespace(kind, path);
            if kind == "uts" {
                bundle = bundle.set("/hostname", json!(""));
            }
            let list = &bundle.config()["linux"]["namespaces"];
            let at = list.as_array().unwrap().len() - 1;
            let at = format!("linux.namespaces[{at}].path");
            let why = format!("the file is the caller's own {kind} namespace");
            let bundle = bundle.set(field, value.clone());
            sandbox.run(&bundle).fails_with(1, &[&at, &why]);
        }
    }
    assert_eq!(host(), before);
}

fn privileged_own_namespaces_by_path_are_stayed_in() {
    let sandbox = Sandbox::new();
    let mut bundle = sandbox
        .bundle()
        .set("/hostname", json!(""))
        .without_mount("/dev/mqueue");
    let kinds = [
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("user", "user"),
        ("cgroup", "cgroup"),
        ("time", "time_for_children"),
        ("pid", "pid"),
    ];
    for (kind, link) in kinds {
        bundle = bundle.join_namespace(kind, &format!("/proc/self/ns/{link}"));
    }
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    for (_, link) in kinds {
        let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{link}")).unwrap();
        assert_eq!(of(&container.pid.to_string()), of("self"), "{link}");
    }
    container.exec("true").ok();
}

fn cgroup_namespace_hides_the_path() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .push("/linux/namespaces", json!({"type": "cgroup"}));
    let seen = sandbox.see(bundle, "cat /proc/self/cgroup").ok();
    assert!(
        seen.stdout.lines().all(|line| line.ends_with(":/")),
        "{}",
        seen.stdout
    );
}

fn time_offsets() {
    need::file("/proc/self/ns/time");
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .push("/linux/namespaces", json!({"type": "time"}))
        .set(
            "/linux/timeOffsets",
            json!({"monotonic": {"secs": 7}, "boottime": {"secs": 1_000_000, "nanosecs": 5}}),
        );
    let seen = sandbox
        .see(bundle, "cat /proc/self/timens_offsets /proc/uptime")
        .ok();
    let fields: Vec<Vec<&str>> = seen
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(fields[0], ["monotonic", "7", "0"]);
    assert_eq!(fields[1], ["boottime", "1000000", "5"]);
    assert!(fields[2][0].parse::<f64>().unwrap() > 1_000_000.0);
}

fn mapped(sandbox: &Sandbox) -> Bundle {
    sandbox.bundle().in_user_namespace(1000)
}

fn privileged_user_namespace_maps_ids() {
    let sandbox = Sandbox::new();
    let bundle = mapped(&sandbox).set(
        "/process/user",
        json!({"uid": 5, "gid": 6, "additionalGids": [7]}),
    );
    let container = sandbox.detach(
        &bundle.probe("cat /proc/self/uid_map -- status Uid -- sleep 1000"),
        "a",
    );
    container.wait_for("Uid:");
    let words: Vec<String> = container
        .printed()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(words[..3], ["0", "100000", "1000"]);
    let status = container.proc("status");
    assert!(
        status.contains("Uid:\t100005\t100005\t100005\t100005"),
        "{status}"
    );
    assert!(
        status.contains("Gid:\t100006\t100006\t100006\t100006"),
        "{status}"
    );
    assert!(status.contains("Groups:\t100007"), "{status}");
}

/// As an ordinary user's Podman calls the runtime: privileged in a user and a mount namespace below the machine's.
fn privileged_nested_user_namespace_reaches_sources() {
    let unshare = need::program("unshare");
    let sandbox = Sandbox::new();
    let private = sandbox.folder("private");
    fs::create_dir(private.join("sub")).unwrap();
    fs::write(private.join("sub/file"), "from outside\n").unwrap();
    fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    let bundle = mapped(&sandbox)
        .mount("/mnt", "bind", private.join("sub"), &["rbind"])
        .probe("cat /mnt/file /proc/self/uid_map");
    let script = "ready=$1; shift; mkfifo $ready
        $UNSHARE --user --mount sh -c 'read go <$0 && exec \"$@\"' $ready \"$@\" & child=$!
        while [ $(readlink /proc/$child/ns/user) = $(readlink /proc/self/ns/user) ]; do sleep 0.01; done
        for map in uid_map gid_map; do echo 0 0 200000 >/proc/$child/$map; done
        echo go >$ready; wait $child";
    let call = sandbox.command("sh").args(["-ec", script, "sh"]);
    let call = call
        .env("UNSHARE", unshare)
        .arg(sandbox.folder("io").join("ready"));
    let call = call.arg(sandbox.program()).arg("--root").arg(&sandbox.root);
    let seen = call
        .arg("run")
        .arg("--bundle")
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .output()
        .ok();
    // What the container's root, as user 100000, could not reach by its path.
    seen.prints("from outside\n").prints("100000");
}

/// The caller's mount namespace is used where the config changes nothing in it.
fn privileged_without_a_mount_namespace_nothing_is_mounted() {
    let sandbox = Sandbox::new();
    let bundle = || {
        let bundle = sandbox.bundle().without_namespace("mount").edit(|config| {
            config.as_object_mut().unwrap().remove("mounts");
            config["root"]["readonly"] = json!(false);
            for field in ["maskedPaths", "readonlyPaths"] {
                config["linux"].as_object_mut().unwrap().remove(field);
            }
        });
        fs::write(bundle.rootfs().join("etc/inside"), "of the container\n").unwrap();
        bundle
    };
    let unmounted = || {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&sandbox.tag), "{mounts}");
    };
    let container = sandbox.detach(
        &bundle().probe("cat /etc/inside -- stat /dev/null -- pwd -- sleep 1000"),
        "a",
    );
    container.wait_for("of the container\n/dev/null char 0666");
    let link = |pid: &str, name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    let pid = container.pid.to_string();
    assert_eq!(link(&pid, "ns/mnt"), link("self", "ns/mnt"));
    assert!(link(&pid, "root").ends_with("rootfs"));
    // What is added has the same root.
    let seen = container.exec("cat /etc/inside -- ls /").ok();
    seen.prints("of the container\n").prints("bin\n");
    assert_eq!(container.exec("cat /etc/hostname").code, 1);
    unmounted();
    container.force_delete();
    let mount = json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"});
    for (pointer, value, field) in [
        ("/mounts", json!([mount]), "mounts"),
        ("/root/readonly", json!(true), "root.readonly"),
        ("/linux/maskedPaths", json!(["/etc"]), "linux.maskedPaths"),
        (
            "/linux/readonlyPaths",
            json!(["/etc"]),
            "linux.readonlyPaths",
        ),
        (
            "/linux/rootfsPropagation",
            json!("private"),
            "linux.rootfsPropagation",
        ),
        (
            "/hooks/startContainer",
            json!([{"path": "/bin/probe"}]),
            "hooks.startContainer",
        ),
    ] {
        let refused = sandbox.run(&bundle().set(pointer, value));
        refused.fails_with(
            1,
            &[field, "mount namespace of its own", "linux.namespaces"],
        );
    }
    unmounted();
}

fn privileged_joined_user_namespace() {
    let sandbox = Sandbox::new();
    let first = sandbox.detach(&mapped(&sandbox).probe("sleep 1000"), "a");
    let path = |kind: &str| format!("/proc/{}/ns/{kind}", first.pid);
    let bundle = sandbox
        .bundle()
        .join_namespace("user", &path("user"))
        .join_namespace("network", &path("net"));
    let seen = sandbox
        .see(
            bundle,
            "cat /proc/self/uid_map -- readlink /proc/self/ns/net",
        )
        .ok();
    assert!(seen.stdout.contains("100000"), "{seen:?}");
    seen.prints(&fs::read_link(path("net")).unwrap().to_string_lossy());
}

fn privileged_joined_user_namespace_maps_the_ids_of_mounts() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    fs::write(shared.join("file"), "x").unwrap();
    std::os::unix::fs::chown(shared.join("file"), Some(7), Some(8)).unwrap();
    let first = sandbox.detach(&mapped(&sandbox).probe("sleep 1000"), "a");
    let path = |kind: &str| format!("/proc/{}/ns/{kind}", first.pid);
    let bundle = sandbox
        .bundle()
        .join_namespace("user", &path("user"))
        .join_namespace("network", &path("net"))
        .mount("/mnt", "bind", &shared, &["bind", "idmap"]);
    // Inside it is whom it belongs to outside, and so outside it is that user's namesake of the container.
    sandbox
        .see(bundle, "stat /mnt/file")
        .ok()
        .prints("uid=7 gid=8");
}

fn privileged_joined_user_namespace_has_its_own_mappings() {
    let sandbox = Sandbox::new();
    let first = sandbox.detach(&mapped(&sandbox).probe("sleep 1000"), "a");
    let path = |kind: &str| format!("/proc/{}/ns/{kind}", first.pid);
    let map = |host| json!([{"containerID": 0, "hostID": host, "size": 1000}]);
    let bundle = |uids, gids| {
        sandbox
            .bundle()
            .join_namespace("user", &path("user"))
            .join_namespace("network", &path("net"))
            .set("/linux/uidMappings", uids)
            .set("/linux/gidMappings", gids)
    };
    sandbox.run(&bundle(map(100_000), map(100_000))).ok();
    let before = sandbox.host(None);
    for (uids, gids, field) in [
        (map(0), map(100_000), "linux.uidMappings"),
        (map(100_000), map(0), "linux.gidMappings"),
    ] {
        let what = [field, "other mappings", "0 100000 1000"];
        sandbox.run(&bundle(uids, gids)).fails_with(1, &what);
    }
    sandbox.host(None).same_as(&before);
}

/// One id mapped without privileges: in such a namespace nobody may set groups.
fn joined_user_namespace_without_groups() {
    let sandbox = Sandbox::new();
    let Some((uid, gid)) = sandbox.rootless() else {
        skip!("root maps any ids");
    };
    let one = |id| json!([{"containerID": 0, "hostID": id, "size": 1}]);
    let bundle = sandbox
        .bundle()
        .set("/linux/uidMappings", one(uid))
        .set("/linux/gidMappings", one(gid))
        .probe("sleep 1000");
    let first = sandbox.detach(&bundle, "a");
    assert_eq!(first.proc("setgroups").trim(), "deny");
    let path = |kind: &str| format!("/proc/{}/ns/{kind}", first.pid);
    let joining = || {
        let joining = sandbox.bundle().join_namespace("user", &path("user"));
        joining.edit(|config| {
            let linux = config["linux"].as_object_mut().unwrap();
            linux.remove("uidMappings");
            linux.remove("gidMappings");
        })
    };
    let second = sandbox.detach(&joining().probe("sleep 1000"), "b");
    assert_eq!(
        fs::read_link(format!("/proc/{}/ns/user", second.pid)).unwrap(),
        fs::read_link(path("user")).unwrap()
    );
    second.exec("cat /proc/self/uid_map").ok();
    let groups = joining().set("/process/user/additionalGids", json!([0]));
    sandbox
        .see(groups, "true")
        .fails_with(1, &["process.user.additionalGids"]);
}

fn loopback_is_up_in_a_new_network_namespace() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .without_namespace("network")
        .push("/linux/namespaces", json!({"type": "network"}));
    let bundle = bundle.without_mount("/sys").mount(
        "/sys",
        "sysfs",
        "sysfs",
        &["nosuid", "noexec", "nodev", "ro"],
    );
    let bundle = bundle.set("/linux/maskedPaths", json!([]));
    // Bit 0 is IFF_UP.
    let seen = sandbox
        .see(bundle, "ls /sys/class/net -- cat /sys/class/net/lo/flags")
        .ok();
    let last = seen
        .stdout
        .lines()
        .last()
        .unwrap()
        .trim_start_matches("0x")
        .to_owned();
    assert_eq!(
        u32::from_str_radix(&last, 16).unwrap() & 1,
        1,
        "{}",
        seen.stdout
    );
}
