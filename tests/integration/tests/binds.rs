//! `mounts` with `bind` or `rbind`: sources, flags, ids.

use std::fs;
use std::path::Path;

use harness::{Bundle, Sandbox, cases};
use serde_json::json;

use crate::mounts::{line, options};
use crate::propagation::in_own_mounts;

cases![
    bind_options_become_flags,
    bind_of_a_directory,
    bind_of_a_file_onto_a_directory_says_so,
    bind_of_a_file_makes_its_target,
    bind_source_may_be_relative_to_the_bundle,
    bind_ignores_the_type,
    bind_is_decided_by_the_option,
    recursive_bind_brings_what_is_below,
    recursive_read_only,
    privileged_recursive_words_and_their_plain_opposites,
    privileged_flag_words_clear_what_is_not_named,
    privileged_locked_flags_stay,
    privileged_sources_below_the_root_are_taken_in_order,
    bind_onto_a_dangling_link,
    data_for_a_bind_is_refused,
    missing_source_is_refused,
    privileged_idmapped_bind,
    idmap_without_mappings_is_refused,
];

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
        |bundle| bundle.in_user_namespace(65536),
        table,
    );
}

/// A source may be what an earlier entry of the list has mounted, with and without ids that only the runtime can map.
fn privileged_sources_below_the_root_are_taken_in_order() {
    let map = json!([{"containerID": 0, "hostID": 5000, "size": 10}]);
    let plain = |bundle: Bundle| bundle;
    let changes: [&dyn Fn(Bundle) -> Bundle; 2] =
        [&plain, &|bundle| bundle.in_user_namespace(65536)];
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
