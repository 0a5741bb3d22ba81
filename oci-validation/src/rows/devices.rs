//! E. Device nodes.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sys::stat::{Mode, SFlag};
use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::case::Case;
use crate::row::{Row, may, must};
use crate::verdict::{Setup, Verdict, ensure, same};

const DEVICES: &str = "config-linux.md#devices";
const DEFAULT: &str = "config-linux.md#default-devices";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("E1.c", DEVICES, "a character device is there", |c| device(c.bundle(), json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 5}), "char", "rdev=1:5")),
    must("E1.b", DEVICES, "a block device is there", |c| device(c.bundle(), json!({"path": "/dev/x", "type": "b", "major": 7, "minor": 200}), "block", "rdev=7:200")),
    must("E1.u", DEVICES, "an unbuffered character device is there", |c| device(c.bundle(), json!({"path": "/dev/x", "type": "u", "major": 1, "minor": 5}), "char", "rdev=1:5")),
    must("E1.p", DEVICES, "a FIFO is there, without numbers", |c| device(c.bundle(), json!({"path": "/dev/x", "type": "p"}), "fifo", "rdev=0:0")),
    must("E2", DEVICES, "a device may be anywhere, outside of /dev too", |c| {
        device(c.bundle(), json!({"path": "/opt/deep/x", "type": "c", "major": 1, "minor": 5}), "char", "rdev=1:5")
    }),
    must("E2.readonly", DEVICES, "a device outside of /dev is made although the root is to be read-only", |c| {
        device(c.bundle().aid("/root/readonly", true), json!({"path": "/opt/x", "type": "c", "major": 1, "minor": 5}), "char", "rdev=1:5")
    }),
    must("E2.user", DEVICES, "a device of the host is there in a user namespace", |c| {
        device(c.bundle().user_namespace(), json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}), "char", "rdev=10:229")
    }),
    must("E2.user-other", DEVICES, "a device that is elsewhere on the host is there in a user namespace, or an error", |c| {
        applied_or_refused(device(c.bundle().user_namespace(), json!({"path": "/opt/x", "type": "c", "major": 10, "minor": 229}), "char", "rdev=10:229"))
    }),
    must("E3.file", DEVICES, "a file at `path` that is no device is an error", |c| {
        let bundle = c.bundle();
        fs::write(bundle.root().join("etc/x"), "").setup("write a file")?;
        bundle.set("/linux/devices", json!([{"path": "/etc/x", "type": "c", "major": 1, "minor": 5}])).refused().map(drop)
    }),
    must("E3.other", DEVICES, "another device at `path` is an error", |c| {
        existing(c, 7)?.set("/linux/devices", json!([{"path": "/etc/x", "type": "c", "major": 1, "minor": 5}])).refused().map(drop)
    }),
    must("E3.type", DEVICES, "a device of another type at `path` is an error", |c| {
        existing(c, 5)?.set("/linux/devices", json!([{"path": "/etc/x", "type": "b", "major": 1, "minor": 5}])).refused().map(drop)
    }),
    must("E3.same", DEVICES, "the same device at `path` is taken as it is", |c| {
        device(existing(c, 5)?, json!({"path": "/etc/x", "type": "c", "major": 1, "minor": 5}), "char", "rdev=1:5")
    }),
    must("E4", DEVICES, "a device without numbers is an error, a FIFO excepted", |c| {
        for (what, device) in [
            ("major", json!({"path": "/dev/x", "type": "c", "minor": 5})), ("minor", json!({"path": "/dev/x", "type": "c", "major": 1})),
            ("path", json!({"type": "c", "major": 1, "minor": 5})), ("type", json!({"path": "/dev/x", "major": 1, "minor": 5})),
        ] {
            super::general::named(what, c.bundle().aid("/linux/devices", json!([device])).refused())?;
        }
        Ok(())
    }),
    must("E5.mode", DEVICES, "`fileMode` is the mode, whatever the caller's umask", |c| {
        device(c.bundle().by(&["--umask", "0077"]), json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666}), "char", " 0666 ")
    }),
    must("E5.type-bits", DEVICES, "bits of a file's type in `fileMode` do not disturb", |c| {
        device(c.bundle(), json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 5, "fileMode": 0o020_640}), "char", " 0640 ")
    }),
    must("E5.owner", DEVICES, "`uid` and `gid` are the owner", |c| {
        device(c.bundle(), json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 5, "uid": 12, "gid": 34}), "char", "uid=12 gid=34")
    }),
    must("E5.owner-user", DEVICES, "`uid` and `gid` are ids of the container's user namespace, or an error", |c| {
        applied_or_refused(device(c.bundle().user_namespace(), json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "uid": 12, "gid": 34}), "char", "uid=12 gid=34"))
    }),
    must("E5.mode-user", DEVICES, "`fileMode` holds in a user namespace, or is an error", |c| {
        applied_or_refused(device(c.bundle().user_namespace(), json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640}), "char", " 0640 "))
    }),
    must("E5.rootless", DEVICES, "without root `fileMode` holds, or is an error", |c| {
        for mode in [0o600, 0o640] {
            let entry = json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": mode});
            applied_or_refused(device(c.bundle().rootless(), entry, "char", &format!(" {mode:04o} ")))?;
        }
        Ok(())
    }),
    must("E5.host", DEVICES, "what a container in a user namespace does to its device does nothing to the host's", |c| {
        let look = || std::fs::metadata("/dev/fuse").map(|node| (node.mode(), node.uid(), node.gid())).setup("look at /dev/fuse");
        let before = look()?;
        let entry = json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666, "uid": 0, "gid": 0});
        let bundle = c.bundle().user_namespace().set("/linux/devices", json!([entry]));
        bundle.see("stat /dev/fuse -- meddle /dev/fuse")?.has("rdev=10:229")?;
        same("mode and owner outside", look()?, before)
    }),
    must("E5.mode-default", DEVICES, "`fileMode` of one of the default devices is its mode", |c| {
        device(c.bundle(), json!({"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640}), "char", " 0640 ")
    }),
    must("E6", DEFAULT, "null, zero, full, random, urandom and tty are there and can be used", |c| {
        let wanted = [("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"), ("urandom", "1:9"), ("tty", "5:0")];
        let commands: Vec<String> = wanted.iter().map(|(name, _)| format!("stat /dev/{name}")).collect();
        let seen = c.bundle().see(&commands.join(" -- "))?;
        for (name, number) in wanted {
            let line = seen.after(&format!("/dev/{name} "))?;
            ensure(line.starts_with("char 0666") && line.contains(&format!("rdev={number} ")), || format!("{name}: {line}"))?;
        }
        let seen = c.bundle().see("open /dev/null rw -- open /dev/zero r -- open /dev/urandom r -- open /dev/full rw")?;
        for name in ["null", "zero", "urandom", "full"] {
            seen.has(&format!("open /dev/{name}: ok"))?;
        }
        Ok(())
    }),
    must("E6.user", DEFAULT, "the default devices are there and can be used in a user namespace", |c| {
        let seen = c.bundle().user_namespace().see("open /dev/null rw -- open /dev/zero r -- open /dev/random r -- open /dev/full rw")?;
        for name in ["null", "zero", "random", "full"] {
            seen.has(&format!("open /dev/{name}: ok"))?;
        }
        Ok(())
    }),
    must("E6.ptmx", DEFAULT, "/dev/ptmx is that of the container's devpts", |c| c.bundle().see("open /dev/ptmx rw -- ls /dev/pts")?.has("open /dev/ptmx: ok")),
    must("E6.without-dev", DEFAULT, "the default devices are there without a mount on /dev", |c| {
        let bundle = c.bundle().without_mount("/dev").without_mount("/dev/pts").without_mount("/dev/shm");
        bundle.see("open /dev/null rw")?.has("open /dev/null: ok")
    }),
    must("E7", "runtime-linux.md#dev-symbolic-links", "/dev/fd, stdin, stdout and stderr are links to /proc/self/fd", |c| {
        let seen = c.bundle().see("readlink /dev/fd /dev/stdin /dev/stdout /dev/stderr")?;
        seen.is(&["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"])
    }),
    may("E8", DEVICES, "a device that is not listed cannot be used, where the rules deny it", |c| {
        crate::cgroup::hierarchy("devices").or_else(|_| crate::cgroup::hierarchy(""))?;
        let bundle = c.bundle().set("/linux/resources/devices", json!([{"allow": false, "access": "rwm"}]));
        // The kernel has no device with this number: ENXIO would mean that the rules let the process through.
        let seen = bundle.see("mknod /tmp/x c 1 2 -- open /tmp/x r -- open /dev/null rw")?;
        seen.lacks("ENXIO")?;
        seen.has("open /dev/null: ok")
    }),
];

fn device(bundle: Bundle, device: Value, kind: &str, wanted: &str) -> Verdict {
    let path = device["path"].as_str().unwrap_or_default().to_owned();
    let seen = bundle
        .set("/linux/devices", json!([device]))
        .see(&format!("stat {path}"))?;
    seen.has(&format!("{path} {kind} "))?;
    seen.has(wanted)
}

fn applied_or_refused(verdict: Verdict) -> Verdict {
    match verdict {
        Err(crate::verdict::Stop::Refused(_)) => Ok(()),
        other => other,
    }
}

/// A bundle whose root holds the character device with major number 1.
fn existing(c: &Case, minor: u64) -> Verdict<Bundle<'_>> {
    let bundle = c.bundle();
    let number = nix::sys::stat::makedev(1, minor);
    let mode = Mode::from_bits_truncate(0o666);
    nix::sys::stat::mknod(&bundle.root().join("etc/x"), SFlag::S_IFCHR, mode, number)
        .setup("make a device")?;
    Ok(bundle)
}
