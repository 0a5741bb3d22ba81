//! B. The root, and mounts as a list: their order, source, destination and type.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::row::{Row, must, should};
use crate::tree::mount_at;
use crate::verdict::{Setup, Verdict, ensure, same};

const ROOT: &str = "config.md#root";
const MOUNTS: &str = "config.md#mounts";
const POSIX: &str = "config.md#posix-platform-mounts";
const DEFAULTS: &str = "config-linux.md#default-filesystems";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("B1", ROOT, "a configuration without `root` is an error", |c| c.bundle().without("/root").refused().map(drop)),
    must("B2", ROOT, "`root.path` must be an existing directory", |c| {
        c.bundle().aid("/root/path", "missing").refused()?;
        let bundle = c.bundle();
        fs::write(bundle.path.join("file"), "").setup("write a file")?;
        bundle.aid("/root/path", "file").refused()?;
        c.bundle().without("/root/path").refused().map(drop)
    }),
    must("B3", ROOT, "with `root.readonly` the root is read-only inside", |c| {
        c.bundle().set("/root/readonly", true).see("touch /etc/x")?.has("EROFS")
    }),
    must("B3.default", ROOT, "without `root.readonly` the root can be written", |c| {
        let bundle = c.bundle().set("/root/readonly", false);
        let file = bundle.root().join("etc/x");
        bundle.see("touch /etc/x")?;
        ensure(file.exists(), || "the file is not in the bundle".to_owned())
    }),
    must("B4", MOUNTS, "mounts are made in the listed order", order),
    must("B4.over", MOUNTS, "a later mount at the same place covers the earlier one", |c| {
        let bundle = c.bundle().mount("/mnt", "tmpfs", "one", &["size=64k"]).mount("/mnt", "tmpfs", "two", &["size=128k"]);
        let seen = bundle.see("cat /proc/self/mountinfo")?;
        let mount = mount_at(&seen.text, "/mnt")?;
        ensure(mount.data_has("size=128k"), || format!("it is {mount:?}"))
    }),
    must("B4.source", MOUNTS, "a bind whose source lies on an earlier mount sees that mount", source_on_mount),
    must("B5", MOUNTS, "a relative destination is taken from `/`", |c| {
        let seen = c.bundle().mount("mnt", "tmpfs", "tmpfs", &[]).see("cat /proc/self/mountinfo")?;
        mount_at(&seen.text, "/mnt").map(drop)
    }),
    must("B5.missing", MOUNTS, "a mount without a destination is an error", |c| {
        c.bundle().push("/mounts", json!({"type": "tmpfs", "source": "tmpfs"})).refused().map(drop)
    }),
    must("B6", MOUNTS, "the source of a bind may be relative to the bundle", |c| {
        let bundle = c.bundle();
        fs::create_dir(bundle.path.join("data")).setup("make a folder")?;
        fs::write(bundle.path.join("data/file"), "content\n").setup("write a file")?;
        bundle.mount("/mnt", "none", "data", &["bind"]).see("cat /mnt/file")?.is(&["content"])
    }),
    must("B6.file", MOUNTS, "the source of a bind may be a file", |c| {
        let file = c.file("file", "content\n")?;
        let bundle = c.bundle().mount("/mnt/new", "none", &file.display().to_string(), &["bind"]);
        bundle.see("cat /mnt/new")?.is(&["content"])
    }),
    must("B6.missing", MOUNTS, "a bind whose source does not exist is an error", |c| {
        c.bundle().mount("/mnt", "none", "/no/such/source", &["bind"]).refused().map(drop)
    }),
    must("B7", POSIX, "the type of a bind is a dummy", |c| {
        let data = c.folder("data")?;
        c.file("data/file", "content\n")?;
        for kind in ["none", "bind", "tmpfs", "nonsense", ""] {
            let bundle = c.bundle().mount("/mnt", kind, &data.display().to_string(), &["bind"]);
            bundle.see("cat /mnt/file")?.is(&["content"])?;
        }
        let bundle = c.bundle().push("/mounts", json!({"destination": "/mnt", "source": data, "options": ["bind"]}));
        bundle.see("cat /mnt/file")?.is(&["content"])
    }),
    must("B8", MOUNTS, "a mount is a bind by its options, not by its type", |c| {
        let data = c.folder("data")?;
        c.bundle().mount("/mnt", "bind", &data.display().to_string(), &["ro"]).refused().map(drop)
    }),
    must("B8.recursive", MOUNTS, "`rbind` binds what is mounted below the source, `bind` does not", recursive),
    should("B20", DEFAULTS, "/proc, /sys, /dev/pts and /dev/shm are what Linux programs expect", |c| {
        let seen = c.bundle().see("cat /proc/self/mountinfo")?;
        for (at, kind) in [("/proc", "proc"), ("/sys", "sysfs"), ("/dev/pts", "devpts"), ("/dev/shm", "tmpfs")] {
            same(at, mount_at(&seen.text, at)?.kind.as_str(), kind)?;
        }
        Ok(())
    }),
];

fn order(c: &Case) -> Verdict {
    let data = c.folder("data")?;
    c.file("data/file", "content\n")?;
    let data = data.display().to_string();
    let inner = |b: crate::bundle::Bundle<'_>| b.see("cat /mnt/in/file -- ls /mnt");
    let below =
        c.bundle()
            .mount("/mnt", "tmpfs", "tmpfs", &[])
            .mount("/mnt/in", "none", &data, &["bind"]);
    inner(below)?.has("content")?;
    // The other way round the first is covered.
    let bundle = c.bundle();
    fs::create_dir(bundle.root().join("mnt/in")).setup("make a folder")?;
    let covered =
        bundle
            .mount("/mnt/in", "none", &data, &["bind"])
            .mount("/mnt", "tmpfs", "tmpfs", &[]);
    inner(covered)?.lacks("content")
}

fn source_on_mount(c: &Case) -> Verdict {
    let data = c.folder("data")?;
    fs::create_dir(data.join("in")).setup("make a folder")?;
    c.file("data/in/file", "content\n")?;
    let bundle = c.bundle();
    let inside = bundle.root().join("mnt/in").display().to_string();
    fs::create_dir(bundle.root().join("mnt/in")).setup("make a folder")?;
    let bundle = bundle
        .mount("/mnt", "none", &data.display().to_string(), &["bind"])
        .mount("/tmp", "none", &inside, &["bind"]);
    bundle.see("cat /tmp/file")?.is(&["content"])
}

fn recursive(c: &Case) -> Verdict {
    let data = c.folder("data")?;
    c.folder("data/sub")?;
    let sub = data.join("sub");
    crate::frame::mount("sub", &sub, "tmpfs", "").setup("mount")?;
    c.file("data/sub/file", "content\n")?;
    let result = (|| {
        let see = |option: &str| {
            let bundle = c.bundle();
            let bundle = bundle.mount("/mnt", "none", &data.display().to_string(), &[option]);
            bundle.see("ls /mnt/sub")
        };
        see("rbind")?.has("file")?;
        see("bind")?.lacks("file")
    })();
    nix::mount::umount2(&sub, nix::mount::MntFlags::MNT_DETACH).setup("unmount")?;
    result
}
