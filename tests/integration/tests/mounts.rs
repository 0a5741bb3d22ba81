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
    bind_of_a_file_onto_a_directory_says_so,
    bind_of_a_file_makes_its_target,
    bind_source_may_be_relative_to_the_bundle,
    bind_ignores_the_type,
    bind_is_decided_by_the_option,
    recursive_bind_brings_what_is_below,
    recursive_read_only,
    order_is_kept,
    privileged_recursive_words_and_their_plain_opposites,
    privileged_flag_words_clear_what_is_not_named,
    privileged_locked_flags_stay,
    privileged_sources_below_the_root_are_taken_in_order,
    privileged_remount_changes_the_mount_that_is_there,
    a_mount_onto_the_root_becomes_the_root,
    destination_may_begin_with_the_root_s_path,
    bind_onto_a_dangling_link,
    targets_are_made,
    relative_destination_is_taken_from_the_root,
    tmpfs_size_and_mode,
    tmpfs_takes_the_mode_of_its_directory,
    tmpfs_has_the_same_mode_at_the_second_start,
    tmpfs_copies_what_was_there,
    tmpfs_copies_any_depth_times_and_hard_links,
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

fn bind_of_a_file_onto_a_directory_says_so() {
    let sandbox = Sandbox::new();
    let file = sandbox.folder("shared").join("file");
    fs::write(&file, "").unwrap();
    let bundle = sandbox.bundle().mount("/mnt", "bind", &file, &["bind"]);
    let hint = "is one of them a directory and the other a file?";
    sandbox
        .run(&bundle)
        .fails_with(1, &["mounts[", "/mnt", hint]);
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

/// A source with every flag that a bind mount has from its source, made in `script`'s own view of the mounts, and what
/// `/mnt` is inside for each list of options.
#[track_caller]
fn flags_of_binds(
    sandbox: &Sandbox,
    source: &str,
    change: impl Fn(Bundle) -> Bundle,
    table: &[(&[&str], &str)],
) {
    let volume = sandbox.folder("volume");
    let mut script = format!(
        "mount -t tmpfs volume {0}; mount -o remount,bind,{source} {0}\n",
        volume.display()
    );
    for (index, (options, _)) in table.iter().enumerate() {
        let bundle = change(sandbox.bundle().mount("/mnt", "bind", &volume, options));
        let bundle = bundle.probe("cat /proc/self/mountinfo");
        let (path, id) = (bundle.path.display(), sandbox.id(&format!("b{index}")));
        script.push_str(&format!(
            "\"$1\" --root \"$2\" run --bundle {path} {id} | grep ' /mnt ' | cut -d' ' -f6\n"
        ));
    }
    let seen = in_own_mounts(sandbox, &script).ok();
    let found: Vec<_> = table
        .iter()
        .map(|row| row.0)
        .zip(seen.stdout.lines())
        .collect();
    assert_eq!(found, table, "{source}");
}

fn privileged_recursive_words_and_their_plain_opposites() {
    let table: &[(&[&str], &str)] = &[
        (&["rbind", "rw", "rro"], "ro,relatime"),
        (&["rbind", "rro", "rw"], "rw,relatime"),
        (&["rbind", "ro", "rrw"], "rw,relatime"),
        (&["rbind", "suid", "rnosuid"], "rw,nosuid,relatime"),
        (&["rbind", "dev", "rnodev"], "rw,nodev,relatime"),
        (&["rbind", "exec", "rnoexec"], "rw,noexec,relatime"),
        (&["rbind", "noexec", "rexec"], "rw,relatime"),
        (&["rbind", "relatime", "rnoatime"], "rw,noatime"),
        (&["rbind", "rnoatime", "strictatime"], "rw"),
    ];
    flags_of_binds(&Sandbox::new(), "rw", |bundle| bundle, table);
}

/// The rule for flags that a source has and the config does not name, measured beside others: with a word that sets a flag
/// runc 1.1.5 and crun 1.8.1 do the same. runc before 1.2 takes no word for one that only clears a flag; crun clears even
/// without any word.
fn privileged_flag_words_clear_what_is_not_named() {
    let all = "rw,nosuid,nodev,noexec,noatime,nodiratime";
    let table: &[(&[&str], &str)] = &[
        // Without a word about a flag everything stays.
        (&["rbind"], all),
        (&["rbind", "rprivate"], all),
        (&["rbind", "defaults"], all),
        (
            &["rbind", "rro"],
            "ro,nosuid,nodev,noexec,noatime,nodiratime",
        ),
        // With one, what is not named goes; access times stay.
        (&["rbind", "rprivate", "rw"], "rw,noatime,nodiratime"),
        (&["rbind", "ro"], "ro,noatime,nodiratime"),
        (&["rbind", "nosuid"], "rw,nosuid,noatime,nodiratime"),
        (&["rbind", "nodev", "ro"], "ro,nodev,noatime,nodiratime"),
        (&["rbind", "exec"], "rw,noatime,nodiratime"),
        (&["rbind", "sync"], "rw,noatime,nodiratime"),
        (
            &["rbind", "nosymfollow"],
            "rw,noatime,nodiratime,nosymfollow",
        ),
        // Until one of theirs turns something on.
        (&["rbind", "relatime"], "rw,relatime"),
        (&["rbind", "strictatime"], "rw"),
        (&["rbind", "nodiratime"], "rw,nodiratime,relatime"),
        (&["rbind", "diratime"], "rw,noatime"),
    ];
    let source = "nosuid,nodev,noexec,noatime,nodiratime";
    flags_of_binds(&Sandbox::new(), source, |bundle| bundle, table);
    let table: &[(&[&str], &str)] = &[
        (&["rbind"], "ro,relatime"),
        (&["rbind", "rw"], "rw,relatime"),
        (&["rbind", "nosuid"], "rw,nosuid,relatime"),
    ];
    flags_of_binds(&Sandbox::new(), "ro", |bundle| bundle, table);
}

fn with_user_namespace(bundle: Bundle) -> Bundle {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    bundle
        .push("/linux/namespaces", json!({"type": "user"}))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
}

/// In a user namespace a mount from outside keeps what the words do not name.
fn privileged_locked_flags_stay() {
    let table: &[(&[&str], &str)] = &[
        (&["rbind"], "rw,nosuid,nodev,noexec,relatime"),
        (&["rbind", "rw"], "rw,nosuid,nodev,noexec,relatime"),
        (&["rbind", "ro"], "ro,nosuid,nodev,noexec,relatime"),
        (&["rbind", "nosuid"], "rw,nosuid,nodev,noexec,relatime"),
    ];
    flags_of_binds(
        &Sandbox::new(),
        "nosuid,nodev,noexec",
        with_user_namespace,
        table,
    );
}

/// A source may be what an earlier entry of the list has mounted, with and without ids that only the runtime can map.
fn privileged_sources_below_the_root_are_taken_in_order() {
    let map = json!([{"containerID": 0, "hostID": 5000, "size": 10}]);
    let plain = |bundle: Bundle| bundle;
    let changes: [&dyn Fn(Bundle) -> Bundle; 2] = [&plain, &with_user_namespace];
    for change in changes {
        let sandbox = Sandbox::new();
        let volume = sandbox.folder("volume");
        fs::create_dir(volume.join("x")).unwrap();
        fs::write(volume.join("x/file"), "seen\n").unwrap();
        let bundle = change(sandbox.bundle()).mount("/tmp", "bind", &volume, &["rbind"]);
        let below = bundle.rootfs().join("tmp/x");
        let bundle = bundle.mount("/mnt", "bind", &below, &["rbind"]);
        sandbox.see(bundle, "cat /mnt/file").ok().lines(&["seen"]);
        let bundle = change(sandbox.bundle()).mount("/tmp", "bind", &volume, &["rbind"]);
        let below = bundle.rootfs().join("tmp/x");
        let bundle = bundle.edit(|config| {
            config["mounts"].as_array_mut().unwrap().push(json!({
                "destination": "/mnt", "type": "bind", "source": below, "options": ["bind", "idmap"],
                "uidMappings": map, "gidMappings": map,
            }));
        });
        // Which ids are mapped counts from the machine's: a container with other ids sees nobody's.
        let owner = if bundle.config()["linux"]["uidMappings"].is_null() {
            "uid=5000"
        } else {
            "uid=65534"
        };
        sandbox.see(bundle, "stat /mnt/file").ok().prints(owner);
    }
}

fn privileged_remount_changes_the_mount_that_is_there() {
    let sandbox = Sandbox::new();
    let volume = sandbox.folder("volume");
    let bundle = || {
        let bundle = sandbox
            .bundle()
            .mount("/mnt", "bind", &volume, &["rbind", "nosuid"]);
        bundle.mount("/mnt", "bind", "none", &["bind", "remount", "ro", "nodev"])
    };
    let seen = sandbox.see(bundle(), "cat /proc/self/mountinfo").ok();
    let lines: Vec<_> = seen
        .stdout
        .lines()
        .filter(|line| line.contains(" /mnt "))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(" /mnt ro,nodev,relatime "), "{lines:?}");
    // The root, and a mount that came with the root file system.
    let bundle = sandbox
        .bundle()
        .writable()
        .mount("/", "bind", "none", &["bind", "remount", "ro"]);
    assert!(options(&sandbox, bundle, "/").contains(&"ro".to_owned()));
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", "none", &["bind", "remount", "ro"]);
    sandbox
        .run(&bundle)
        .fails_with(1, &["mounts[", "/mnt", "nothing is mounted there"]);
    // A new size for a file system.
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["size=64k"]);
    let bundle = bundle.mount("/mnt", "tmpfs", "tmpfs", &["remount", "size=128k"]);
    assert!(line(&sandbox, bundle, "/mnt").contains("size=128k"));
}

fn a_mount_onto_the_root_becomes_the_root() {
    let sandbox = Sandbox::new();
    let other = sandbox.bundle().rootfs();
    fs::write(other.join("other"), "").unwrap();
    let bundle = sandbox.bundle().edit(|config| {
        let entry =
            json!({"destination": "/", "type": "bind", "source": other, "options": ["rbind"]});
        config["mounts"].as_array_mut().unwrap().insert(0, entry);
    });
    let seen = sandbox
        .see(bundle, "ls / -- stat /dev/null -- cat /proc/self/mountinfo")
        .ok();
    let seen = seen.prints("other\n").prints("/dev/null char");
    let roots = seen
        .stdout
        .lines()
        .filter(|line| line.split(' ').nth(4) == Some("/"));
    assert_eq!(roots.count(), 1, "{}", seen.stdout);
    // An image cannot choose that by a link.
    let volume = sandbox.folder("volume");
    let bundle = sandbox.bundle().mount("/link", "bind", &volume, &["rbind"]);
    std::os::unix::fs::symlink("/", bundle.rootfs().join("link")).unwrap();
    sandbox.run(&bundle).fails_with(1, &["mounts[", "/link"]);
}

fn destination_may_begin_with_the_root_s_path() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let target = bundle.rootfs().join("mnt");
    let bundle = bundle.mount(target.to_str().unwrap(), "tmpfs", "tmpfs", &["mode=711"]);
    sandbox
        .see(bundle, "stat /mnt")
        .ok()
        .prints("/mnt dir 0711");
}

/// Images whose /etc/resolv.conf names what the system makes only when it runs.
fn bind_onto_a_dangling_link() {
    let sandbox = Sandbox::new();
    let file = sandbox.folder("shared").join("file");
    fs::write(&file, "bound\n").unwrap();
    let canary = sandbox.folder("canary");
    let up = format!("../../../../../../..{}/new", canary.display());
    for names in [
        "../run/systemd/resolve/stub.conf",
        "/usr/share/zone/UTC",
        "nowhere",
        &up,
    ] {
        let bundle = sandbox
            .bundle()
            .mount("/etc/l", "bind", &file, &["bind", "ro"]);
        std::os::unix::fs::symlink(names, bundle.rootfs().join("etc/l")).unwrap();
        sandbox.see(bundle, "cat /etc/l").ok().lines(&["bound"]);
    }
    assert_eq!(fs::read_dir(canary).unwrap().count(), 0);
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

fn tmpfs_has_the_same_mode_at_the_second_start() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .writable()
        .mount("/new/place", "tmpfs", "tmpfs", &[]);
    for _ in 0..2 {
        sandbox
            .see_same(&bundle, "stat /new/place")
            .ok()
            .prints("/new/place dir 1777");
    }
}

fn tmpfs_copies_any_depth_times_and_hard_links() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["tmpcopyup"]);
    let mnt = bundle.rootfs().join("mnt");
    let deep = "d/".repeat(900);
    fs::create_dir_all(mnt.join(&deep)).unwrap();
    fs::write(mnt.join(&deep).join("file"), "bottom\n").unwrap();
    fs::create_dir(mnt.join("one")).unwrap();
    fs::write(mnt.join("one/name"), "linked\n").unwrap();
    fs::hard_link(mnt.join("one/name"), mnt.join("other")).unwrap();
    for number in 0..300 {
        fs::create_dir(mnt.join(format!("one/{number}"))).unwrap();
        fs::hard_link(mnt.join("other"), mnt.join(format!("one/{number}/link"))).unwrap();
    }
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for name in ["other", "one"] {
        let path = mnt.join(name);
        fs::File::open(&path).unwrap().set_modified(then).unwrap();
    }
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let seen = |name: &str| format!("/proc/{}/root/mnt/{name}", container.pid);
    use std::os::unix::fs::MetadataExt;
    let other = fs::metadata(seen("other")).unwrap();
    assert_eq!(other.nlink(), 302);
    for name in ["one/name", "one/0/link", "one/299/link"] {
        assert_eq!(fs::metadata(seen(name)).unwrap().ino(), other.ino());
    }
    assert_eq!(fs::read_to_string(seen("one/7/link")).unwrap(), "linked\n");
    for name in ["other", "one"] {
        assert_eq!(
            fs::metadata(seen(name)).unwrap().modified().unwrap(),
            then,
            "{name}"
        );
    }
    assert_eq!(
        fs::read_dir(seen("")).unwrap().count(),
        3,
        "nothing else is left"
    );
    let bottom = fs::read_to_string(seen(&format!("{deep}file"))).unwrap();
    assert_eq!(bottom, "bottom\n");
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
