//! `mounts`, `root` and `linux.rootfsPropagation`.

use std::fs;
use std::path::Path;

use harness::{Bundle, Sandbox, cases, need};
use serde_json::json;

cases![
    root_is_read_only_when_asked,
    root_path_may_be_absolute,
    usual_file_systems,
    filesystem_options_become_flags,
    bind_options_become_flags,
    bind_of_a_directory,
    bind_of_a_file_makes_its_target,
    bind_source_may_be_relative_to_the_bundle,
    bind_ignores_the_type,
    bind_is_decided_by_the_option,
    recursive_bind_brings_what_is_below,
    recursive_read_only,
    order_is_kept,
    targets_are_made,
    relative_destination_is_taken_from_the_root,
    tmpfs_size_and_mode,
    tmpfs_takes_the_mode_of_its_directory,
    tmpfs_copies_what_was_there,
    propagation_of_a_mount,
    propagation_of_the_root,
    privileged_propagation_shared_reaches_the_container,
    unknown_option_is_an_error_of_the_file_system,
    data_for_a_bind_is_refused,
    missing_source_is_refused,
    mounts_inside_proc_are_refused,
    symlink_to_outside_stays_inside,
    privileged_idmapped_bind,
    idmap_without_mappings_is_refused,
    cgroup_mount_covers_the_hosts,
    cgroup_mount_shows_the_containers_group,
    privileged_no_pivot,
    privileged_run_from_a_shared_mount_leaves_the_host_alone,
];

/// The mountinfo line of a target as seen inside.
fn line(sandbox: &Sandbox, bundle: Bundle, target: &str) -> String {
    let seen = sandbox.see(bundle, "cat /proc/self/mountinfo").ok();
    let found = seen
        .stdout
        .lines()
        .rfind(|line| line.split(' ').nth(4) == Some(target));
    found
        .unwrap_or_else(|| panic!("{target} is not mounted: {}", seen.stdout))
        .to_owned()
}

/// The options of the mount (not of the file system) on a target.
fn options(sandbox: &Sandbox, bundle: Bundle, target: &str) -> Vec<String> {
    let line = line(sandbox, bundle, target);
    line.split(' ')
        .nth(5)
        .unwrap()
        .split(',')
        .map(str::to_owned)
        .collect()
}

fn root_is_read_only_when_asked() {
    let sandbox = Sandbox::new();
    sandbox
        .see(sandbox.bundle(), "touch /etc/x")
        .exits(1)
        .lines(&["open /etc/x: EROFS"]);
    let bundle = sandbox.bundle().writable();
    let made = bundle.rootfs().join("etc/x");
    sandbox.see(bundle, "touch /etc/x").ok();
    assert!(made.exists());
}

fn root_path_may_be_absolute() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let path = bundle.rootfs();
    sandbox
        .see(bundle.set("/root/path", json!(path)), "ls /")
        .ok()
        .prints("bin\n");
    let bundle = sandbox.bundle().set("/root/path", json!("nowhere"));
    sandbox
        .run(&bundle)
        .fails_with(1, &["nowhere", "no such file or directory"]);
}

fn usual_file_systems() {
    let sandbox = Sandbox::new();
    let seen = sandbox.see(sandbox.bundle(), "cat /proc/self/mounts").ok();
    for wanted in [
        "/proc proc ",
        "/dev tmpfs ",
        "/dev/pts devpts ",
        "/dev/shm tmpfs ",
        "/dev/mqueue mqueue ",
        "/sys sysfs ",
    ] {
        assert!(seen.stdout.contains(wanted), "{wanted}: {}", seen.stdout);
    }
}

fn filesystem_options_become_flags() {
    let sandbox = Sandbox::new();
    let table: &[(&[&str], &[&str], &[&str])] = &[
        (&[], &["rw", "relatime"], &["nosuid", "nodev", "noexec"]),
        (&["ro"], &["ro"], &["rw"]),
        (
            &["nosuid", "nodev", "noexec"],
            &["nosuid", "nodev", "noexec", "rw"],
            &[],
        ),
        (
            &["nosuid", "suid", "noexec", "exec"],
            &[],
            &["nosuid", "noexec"],
        ),
        (&["noatime"], &["noatime"], &["relatime"]),
        (&["nodiratime"], &["nodiratime"], &[]),
        (&["strictatime"], &[], &["relatime", "noatime"]),
        (&["nosymfollow"], &["nosymfollow"], &[]),
        (&["ro", "rw"], &["rw"], &["ro"]),
    ];
    for (given, with, without) in table {
        // In a user namespace of an ordinary user nodev is forced upon a new tmpfs.
        let bundle = sandbox.bundle().mount("/mnt", "tmpfs", "tmpfs", given);
        let found = options(&sandbox, bundle, "/mnt");
        for wanted in *with {
            assert!(
                found.iter().any(|option| option == wanted),
                "{given:?}: no {wanted} in {found:?}"
            );
        }
        for unwanted in without
            .iter()
            .filter(|option| **option != "nodev" || sandbox.rootless().is_none())
        {
            assert!(
                !found.iter().any(|option| option == unwanted),
                "{given:?}: {unwanted} in {found:?}"
            );
        }
    }
}

fn bind_options_become_flags() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    let table: &[(&[&str], &[&str])] = &[
        (&["bind", "ro"], &["ro"]),
        (
            &["rbind", "nosuid", "nodev", "noexec"],
            &["rw", "nosuid", "nodev", "noexec"],
        ),
        (&["bind", "noatime"], &["noatime"]),
        (&["bind", "ro", "nosymfollow"], &["ro", "nosymfollow"]),
    ];
    for (given, with) in table {
        // An ordinary user may not change the access time options of a mount that comes from outside.
        if given.contains(&"noatime") && sandbox.rootless().is_some() {
            continue;
        }
        let found = options(
            &sandbox,
            sandbox.bundle().mount("/mnt", "none", &shared, given),
            "/mnt",
        );
        for wanted in *with {
            assert!(
                found.iter().any(|option| option == wanted),
                "{given:?}: no {wanted} in {found:?}"
            );
        }
    }
    let seen = sandbox.see(
        sandbox
            .bundle()
            .mount("/mnt", "none", &shared, &["bind", "ro"]),
        "touch /mnt/x",
    );
    seen.exits(1).lines(&["open /mnt/x: EROFS"]);
}

fn bind_of_a_directory() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    fs::write(shared.join("file"), "from the host\n").unwrap();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", &shared, &["rbind", "rprivate"]);
    sandbox
        .see(bundle, "cat /mnt/file -- touch /mnt/new")
        .ok()
        .lines(&["from the host"]);
    assert!(shared.join("new").exists());
}

fn bind_of_a_file_makes_its_target() {
    let sandbox = Sandbox::new();
    let file = sandbox.folder("shared").join("file");
    fs::write(&file, "content\n").unwrap();
    let bundle =
        sandbox
            .bundle()
            .writable()
            .mount("/etc/resolv.conf", "bind", &file, &["bind", "ro"]);
    let target = bundle.rootfs().join("etc/resolv.conf");
    sandbox
        .see(bundle, "cat /etc/resolv.conf")
        .ok()
        .lines(&["content"]);
    assert!(target.is_file(), "the mount point stays");
}

fn bind_source_may_be_relative_to_the_bundle() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().mount("/mnt", "bind", "data", &["bind"]);
    fs::create_dir(bundle.path.join("data")).unwrap();
    fs::write(bundle.path.join("data/file"), "relative\n").unwrap();
    sandbox
        .see(bundle, "cat /mnt/file")
        .ok()
        .lines(&["relative"]);
}

fn bind_ignores_the_type() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    fs::write(shared.join("file"), "x\n").unwrap();
    for kind in ["bind", "none", "tmpfs", "nonsense"] {
        let bundle = sandbox.bundle().mount("/mnt", kind, &shared, &["bind"]);
        sandbox.see(bundle, "cat /mnt/file").ok().lines(&["x"]);
    }
}

fn bind_is_decided_by_the_option() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    let bundle = sandbox.bundle().mount("/mnt", "tmpfs", &shared, &["ro"]);
    assert!(line(&sandbox, bundle, "/mnt").contains(" - tmpfs "));
}

fn recursive_bind_brings_what_is_below() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    fs::create_dir(shared.join("proc")).unwrap();
    // The host's /proc has mounts of its own on no machine for sure, so the container's root is bound: with rbind its
    // mounts come along, with bind they do not.
    let bundle = |kind: &str| {
        let bundle = sandbox
            .bundle()
            .mount("/tmp", "tmpfs", "tmpfs", &["mode=777"]);
        bundle.mount("/mnt", "bind", "/proc", &[kind])
    };
    for kind in ["rbind", "bind"] {
        if kind == "bind" && sandbox.rootless().is_some() {
            continue;
        }
        let seen = sandbox.see(bundle(kind), "ls /mnt").ok();
        assert!(seen.stdout.lines().any(|line| line == "self"), "{seen:?}");
    }
}

fn recursive_read_only() {
    let sandbox = Sandbox::new();
    // A mount below the source: the container's own tmpfs is reached through /proc/self/root only inside, so the source
    // is the host's /dev, which has at least /dev/pts or /dev/shm below it.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let below = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .find(|path| path.starts_with("/dev/"));
    let Some(below) = below.map(|path| path.trim_start_matches("/dev").to_owned()) else {
        harness::skip!("nothing is mounted below /dev");
    };
    let recursive = sandbox
        .bundle()
        .mount("/mnt", "bind", "/dev", &["rbind", "rro"]);
    let found = options(&sandbox, recursive, &format!("/mnt{below}"));
    assert!(found.contains(&"ro".to_owned()), "{found:?}");
    let top = sandbox
        .bundle()
        .mount("/mnt", "bind", "/dev", &["rbind", "ro"]);
    let found = options(&sandbox, top, &format!("/mnt{below}"));
    assert!(found.contains(&"rw".to_owned()), "{found:?}");
}

fn order_is_kept() {
    let sandbox = Sandbox::new();
    let (first, second) = (sandbox.folder("first"), sandbox.folder("second"));
    fs::write(first.join("one"), "").unwrap();
    fs::write(second.join("two"), "").unwrap();
    let bundle = sandbox.bundle().mount("/mnt", "bind", &first, &["bind"]);
    let bundle = bundle.mount("/mnt", "bind", &second, &["bind"]);
    sandbox.see(bundle, "ls /mnt").ok().lines(&["two"]);
}

fn targets_are_made() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/a/b/c", "tmpfs", "tmpfs", &["mode=755"]);
    let made = bundle.rootfs().join("a/b/c");
    sandbox
        .see(bundle, "stat /a/b/c")
        .ok()
        .prints("/a/b/c dir 0755");
    assert!(made.is_dir());
}

fn relative_destination_is_taken_from_the_root() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("mnt", "tmpfs", "tmpfs", &["mode=711"]);
    sandbox
        .see(bundle, "stat /mnt")
        .ok()
        .prints("/mnt dir 0711");
}

fn tmpfs_size_and_mode() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["size=64k", "mode=1750"]);
    assert!(line(&sandbox, bundle, "/mnt").contains("size=64k"));
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["size=64k", "mode=1750"]);
    sandbox
        .see(bundle, "stat /mnt")
        .ok()
        .prints("/mnt dir 1750");
}

fn tmpfs_takes_the_mode_of_its_directory() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/tmp", "tmpfs", "tmpfs", &["nosuid"]);
    sandbox
        .see(bundle, "stat /tmp")
        .ok()
        .prints("/tmp dir 1777");
}

fn tmpfs_copies_what_was_there() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["tmpcopyup"]);
    let mnt = bundle.rootfs().join("mnt");
    fs::create_dir(mnt.join("folder")).unwrap();
    fs::write(mnt.join("folder/file"), "copied\n").unwrap();
    std::os::unix::fs::symlink("folder/file", mnt.join("link")).unwrap();
    let seen = sandbox
        .see(
            bundle,
            "cat /mnt/folder/file -- readlink /mnt/link -- touch /mnt/new",
        )
        .ok();
    seen.lines(&["copied", "folder/file"]);
    assert!(!mnt.join("new").exists());
}

fn propagation_of_a_mount() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    let table = [
        ("rprivate", "private"),
        ("rshared", "shared:"),
        ("runbindable", "unbindable"),
        ("private", "private"),
    ];
    for (option, wanted) in table {
        let bundle = sandbox
            .bundle()
            .mount("/mnt", "bind", &shared, &["rbind", option]);
        let line = line(&sandbox, bundle, "/mnt");
        let (front, _) = line.split_once(" - ").unwrap();
        let tags: Vec<&str> = front
            .split(' ')
            .skip(6)
            .filter(|tag| !tag.is_empty())
            .collect();
        match wanted {
            "private" => assert!(tags.is_empty(), "{option}: {line}"),
            _ => assert!(
                tags.iter().any(|tag| tag.starts_with(wanted)),
                "{option}: {line}"
            ),
        }
    }
}

fn propagation_of_the_root() {
    let sandbox = Sandbox::new();
    for (value, wanted) in [
        ("private", ""),
        ("rprivate", ""),
        ("slave", ""),
        ("shared", "shared:"),
        ("unbindable", "unbindable"),
    ] {
        let bundle = sandbox
            .bundle()
            .set("/linux/rootfsPropagation", json!(value));
        let line = line(&sandbox, bundle, "/");
        let (front, _) = line.split_once(" - ").unwrap();
        let tags: Vec<&str> = front
            .split(' ')
            .skip(6)
            .filter(|tag| !tag.is_empty())
            .collect();
        match value {
            "shared" | "unbindable" => assert!(
                tags.iter().any(|tag| tag.starts_with(wanted)),
                "{value}: {line}"
            ),
            // A slave of a mount that is not shared is private.
            _ => assert!(
                !tags.iter().any(|tag| tag.starts_with("shared")),
                "{value}: {line}"
            ),
        }
    }
    let bundle = sandbox
        .bundle()
        .set("/linux/rootfsPropagation", json!("sideways"));
    sandbox.run(&bundle).fails_with(1, &["sideways"]);
}

/// A shell in a mount namespace of its own, for tests that mount on "the host".
fn in_own_mounts(sandbox: &Sandbox, script: &str) -> harness::Output {
    let unshare = need::program("unshare");
    let call = sandbox.command(unshare).args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        script,
        "sh",
    ]);
    call.arg(sandbox.program()).arg(&sandbox.root).output()
}

fn privileged_propagation_shared_reaches_the_container() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", &shared, &["rbind", "rslave"]);
    let bundle = bundle
        .set("/linux/rootfsPropagation", json!("rslave"))
        .probe("sleep 1000");
    let (path, id) = (bundle.path.display(), sandbox.id("a"));
    let folder = shared.display();
    let script = format!(
        "mount --bind {folder} {folder}; mount --make-shared {folder}; mkdir -p {folder}/sub
         \"$1\" --root \"$2\" create --bundle {path} {id} >/dev/null
         \"$1\" --root \"$2\" start {id}
         mount -t tmpfs later {folder}/sub; touch {folder}/sub/came
         \"$1\" --root \"$2\" exec {id} /bin/probe ls /mnt/sub
         \"$1\" --root \"$2\" delete --force {id}"
    );
    in_own_mounts(&sandbox, &script).ok().lines(&["came"]);
}

fn unknown_option_is_an_error_of_the_file_system() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["nonsense=1"]);
    sandbox
        .run(&bundle)
        .fails_with(1, &["/mnt", "invalid argument"]);
}

fn data_for_a_bind_is_refused() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", shared, &["bind", "size=1k"]);
    assert_eq!(sandbox.run(&bundle).code, 1);
}

fn missing_source_is_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", "/nowhere/at/all", &["bind"]);
    sandbox
        .run(&bundle)
        .fails_with(1, &["/nowhere/at/all", "no such file or directory"]);
    let bundle = sandbox.bundle().mount("/mnt", "nosuchfs", "none", &[]);
    sandbox
        .run(&bundle)
        .fails_with(1, &["/mnt", "no such device"]);
}

fn mounts_inside_proc_are_refused() {
    let sandbox = Sandbox::new();
    for target in ["/proc/self/attr", "/proc/sys", "/proc/1/root"] {
        let bundle = sandbox.bundle().mount(target, "tmpfs", "tmpfs", &[]);
        sandbox.run(&bundle).fails_with(1, &[target]);
    }
    // A short list of files stays allowed: resource views such as LXCFS give them.
    let file = sandbox.folder("shared").join("uptime");
    fs::write(&file, "1.00 1.00\n").unwrap();
    let bundle = sandbox
        .bundle()
        .mount("/proc/uptime", "bind", &file, &["bind"]);
    sandbox
        .see(bundle, "cat /proc/uptime")
        .ok()
        .lines(&["1.00 1.00"]);
}

fn symlink_to_outside_stays_inside() {
    let sandbox = Sandbox::new();
    let outside = sandbox.folder("outside");
    let bundle = sandbox
        .bundle()
        .mount("/link/x", "tmpfs", "tmpfs", &["mode=700"]);
    std::os::unix::fs::symlink(&outside, bundle.rootfs().join("link")).unwrap();
    let inside = bundle
        .rootfs()
        .join(outside.strip_prefix("/").unwrap())
        .join("x");
    sandbox.run(&bundle).ok();
    assert!(inside.is_dir(), "the link is followed inside the root");
    assert_eq!(
        fs::read_dir(&outside).unwrap().count(),
        0,
        "nothing is made outside"
    );
}

fn privileged_idmapped_bind() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    fs::write(shared.join("file"), "x").unwrap();
    let map = json!([{"containerID": 0, "hostID": 5000, "size": 10}]);
    let bundle = sandbox.bundle().edit(|config| {
        config["mounts"].as_array_mut().unwrap().push(json!({
            "destination": "/mnt", "type": "bind", "source": shared, "options": ["bind", "idmap"],
            "uidMappings": map, "gidMappings": map,
        }));
    });
    let seen = sandbox.see(bundle, "stat /mnt/file");
    if seen.code != 0 && seen.stderr.contains("invalid argument") {
        harness::skip!(
            "the file system of {} cannot be id-mapped",
            Path::new("/tmp").display()
        );
    }
    seen.ok().prints("/mnt/file file 0644 uid=5000 gid=5000");
}

fn idmap_without_mappings_is_refused() {
    let sandbox = Sandbox::new();
    if sandbox.rootless().is_some() {
        harness::skip!("here the container's user namespace would give the mappings");
    }
    let shared = sandbox.folder("shared");
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", shared, &["bind", "idmap"]);
    assert_eq!(sandbox.run(&bundle).code, 1);
}

fn cgroup_mount_covers_the_hosts() {
    if !need::is_unified() {
        harness::skip!("the control groups here are not version 2 alone");
    }
    need::cgroups();
    let sandbox = Sandbox::new();
    let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
    let bundle = sandbox
        .bundle()
        .mount("/sys", "bind", "/sys", &["rbind", "ro"])
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &options)
        .push("/linux/namespaces", json!({"type": "cgroup"}));
    let files = "ls /sys/fs/cgroup -- cat /sys/fs/cgroup/cgroup.procs /proc/self/mounts";
    let seen = sandbox.see(bundle, files).ok();
    // Only a group below the root has this file.
    let seen = seen.prints("cgroup.events");
    let procs = seen
        .stdout
        .lines()
        .find(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(procs, Some("1"), "{}", seen.stdout);
    let mut mounts = seen
        .stdout
        .lines()
        .filter(|line| line.contains(" /sys/fs/cgroup "));
    let top = mounts.next_back().unwrap();
    assert!(
        top.contains("cgroup2 ro,nosuid,nodev,noexec"),
        "{}",
        seen.stdout
    );
}

fn cgroup_mount_shows_the_containers_group() {
    let sandbox = Sandbox::new();
    if sandbox.rootless().is_some() && !need::is_unified() {
        harness::skip!("an ordinary user cannot mount version 1");
    }
    need::cgroups();
    let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
    let bundle = sandbox
        .bundle()
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &options);
    let bundle = bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
    let seen = sandbox
        .see(bundle, "cat /proc/self/mounts -- ls /sys/fs/cgroup")
        .ok();
    if need::is_unified() {
        seen.prints("/sys/fs/cgroup cgroup2 ro,nosuid,nodev,noexec")
            .prints("cgroup.procs");
    } else {
        seen.prints("/sys/fs/cgroup tmpfs ")
            .prints("/sys/fs/cgroup/pids cgroup ro,nosuid,nodev,noexec")
            .prints("pids\n");
    }
}

fn privileged_no_pivot() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("ls / -- ls /proc/1/root");
    let run = sandbox
        .runtime(["run", "--no-pivot", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"));
    run.output().ok().prints("bin\n");
}

fn privileged_run_from_a_shared_mount_leaves_the_host_alone() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["mode=755"]);
    let (path, id) = (bundle.path.display(), sandbox.id("a"));
    let script = format!(
        "mount --make-rshared /
         grep -v ' - cgroup' /proc/self/mountinfo | wc -l >{path}/before
         \"$1\" --root \"$2\" run --bundle {path} {id}
         grep -v ' - cgroup' /proc/self/mountinfo | wc -l >{path}/after
         cmp {path}/before {path}/after"
    );
    in_own_mounts(&sandbox, &script).ok();
}
