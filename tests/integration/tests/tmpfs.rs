//! `mounts` of type tmpfs.

use std::fs;

use harness::{Sandbox, cases};

use crate::mounts::line;

cases![
    tmpfs_size_and_mode,
    tmpfs_takes_the_mode_of_its_directory,
    tmpfs_has_the_same_mode_at_the_second_start,
    tmpfs_copies_what_was_there,
    tmpfs_copies_any_depth_times_and_hard_links,
];

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
