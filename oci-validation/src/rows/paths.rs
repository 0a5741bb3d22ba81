//! I. Hidden and read-only paths, labels of mounts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::bundle::Bundle;
use crate::case::Case;
use crate::row::{Row, must};
use crate::verdict::{Setup, Verdict, ensure, same, skip};

const MASKED: &str = "config-linux.md#masked-paths";
const READONLY: &str = "config-linux.md#readonly-paths";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("I2.file", MASKED, "a masked file cannot be read", |c| {
        let seen = secret(c)?.set("/linux/maskedPaths", json!(["/etc/secret"])).see("cat /etc/secret")?;
        seen.lacks("content")
    }),
    must("I2.folder", MASKED, "what is in a masked folder cannot be read", |c| {
        secret(c)?.set("/linux/maskedPaths", json!(["/etc/folder"])).see("ls /etc/folder -- cat /etc/folder/secret")?.lacks("content")
    }),
    must("I2.missing", MASKED, "a masked path that does not exist is no error", |c| {
        c.bundle().aid("/linux/maskedPaths", json!(["/no/such/path"])).see("echo seen")?.has("seen")
    }),
    must("I2.proc", MASKED, "files of /proc can be masked", |c| {
        let seen = c.bundle().set("/linux/maskedPaths", json!(["/proc/version"])).see("cat /proc/version")?;
        seen.lacks("Linux version")
    }),
    must("I2.link", MASKED, "a path that leads through a link is masked where it leads", |c| {
        let bundle = secret(c)?;
        std::os::unix::fs::symlink("folder", bundle.root().join("etc/link")).setup("make a link")?;
        bundle.set("/linux/maskedPaths", json!(["/etc/link/secret"])).see("cat /etc/folder/secret")?.lacks("content")
    }),
    must("I2.chmod", MASKED, "what a process does to a masked file changes no device, inside or outside", |c| {
        let bundle = secret(c)?.set("/linux/maskedPaths", json!(["/etc/secret"]));
        let seen = bundle.see("cat /etc/secret -- chmod 0 /etc/secret -- write /etc/secret x -- stat /dev/null")?;
        seen.has("/dev/null char 0666")?;
        seen.lacks("content")?;
        let mode = fs::metadata("/dev/null").setup("look at /dev/null")?.permissions().mode();
        let _ = fs::set_permissions("/dev/null", fs::Permissions::from_mode(0o666));
        same("mode of the host's /dev/null", mode & 0o7777, 0o666)
    }).alone(),
    must("I2.write", MASKED, "what a process writes to a masked folder reaches neither what it covers nor another container", |c| {
        let bundle = secret(c)?.set("/linux/maskedPaths", json!(["/etc/folder", "/proc/bus"]));
        let covered = bundle.root().join("etc/folder/left");
        bundle.see("touch /etc/folder/left -- touch /proc/bus/left")?;
        ensure(!covered.exists(), || "the file is in the covered folder".to_owned())?;
        let bundle = secret(c)?.aid("/linux/maskedPaths", json!(["/etc/folder", "/proc/bus"]));
        bundle.see("ls /etc/folder -- ls /proc/bus")?.lacks("left")
    }),
    must("I2.remount", MASKED, "a process without CAP_SYS_ADMIN cannot lift a mask", |c| {
        let bundle = secret(c)?.set("/linux/maskedPaths", json!(["/etc/folder"]));
        // 4128 is MS_BIND with MS_REMOUNT: /etc/folder would become writable.
        bundle.see("mount none /etc/folder none 4128 -- touch /etc/folder/x -- cat /etc/folder/secret")?.lacks("content")
    }),
    must("I3", READONLY, "a read-only path cannot be written", |c| {
        let bundle = secret(c)?.set("/linux/readonlyPaths", json!(["/etc/folder", "/etc/secret"]));
        let seen = bundle.see("touch /etc/folder/x -- write /etc/secret x -- cat /etc/secret")?;
        same("errors", seen.text.matches("EROFS").count(), 2)?;
        seen.has("content")
    }),
    must("I3.proc", READONLY, "/proc/sys can be read-only", |c| {
        let bundle = c.bundle().set("/linux/readonlyPaths", json!(["/proc/sys"]));
        bundle.see("write /proc/sys/net/ipv4/ip_default_ttl 70")?.has("EROFS")
    }),
    must("I3.below", READONLY, "what is mounted below a read-only path is read-only too", |c| {
        let bundle = secret(c)?.mount("/etc/folder/sub", "tmpfs", "tmpfs", &[]).set("/linux/readonlyPaths", json!(["/etc/folder"]));
        bundle.see("touch /etc/folder/sub/x")?.has("EROFS")
    }),
    must("I3.missing", READONLY, "a read-only path that does not exist is no error", |c| {
        c.bundle().aid("/linux/readonlyPaths", json!(["/no/such/path"])).see("echo seen")?.has("seen")
    }),
    must("I3.flags", READONLY, "a read-only path keeps its other flags", |c| {
        let bundle = secret(c)?.mount("/etc/folder", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]).set("/linux/readonlyPaths", json!(["/etc/folder"]));
        let seen = bundle.see("cat /proc/self/mountinfo")?;
        let mount = crate::tree::mount_at(&seen.text, "/etc/folder")?;
        ensure(["ro", "nosuid", "nodev", "noexec"].iter().all(|flag| mount.has(flag)), || format!("it is {mount:?}"))
    }),
    must("I4", MASKED, "a relative masked path is an error", |c| secret(c)?.set("/linux/maskedPaths", json!(["etc/secret"])).refused().map(drop)),
    must("I4.readonly", READONLY, "a relative read-only path is an error", |c| secret(c)?.set("/linux/readonlyPaths", json!(["etc/secret"])).refused().map(drop)),
    must("I5", "config-linux.md#mount-label", "`mountLabel` is the label of mounts, or an error where SELinux is off", |c| {
        let label = "system_u:object_r:container_file_t:s0";
        let bundle = c.bundle().set("/linux/mountLabel", label).mount("/mnt", "tmpfs", "tmpfs", &[]);
        if std::path::Path::new("/sys/fs/selinux/enforce").exists() {
            return skip("machine: the suite does not know the policy of this SELinux");
        }
        bundle.refused().map(drop)
    }),
];

/// A bundle with a file and a folder to be hidden.
fn secret(c: &Case) -> Verdict<Bundle<'_>> {
    let bundle = c.bundle();
    let etc = bundle.root().join("etc");
    fs::create_dir_all(etc.join("folder")).setup("make a folder")?;
    for file in ["secret", "folder/secret"] {
        fs::write(etc.join(file), "content\n").setup("write a file")?;
    }
    Ok(bundle)
}
