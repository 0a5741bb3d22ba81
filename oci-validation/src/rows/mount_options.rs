//! B9, B10, B12, B17, B18: the words in `options`, one by one.

use serde_json::json;

use crate::case::Case;
use crate::row::{Row, may, must, should};
use crate::tree::{Mount, mount_at};
use crate::verdict::{Setup, Verdict, ensure, same};

const OPTIONS: &str = "config.md#linux-mount-options";

/// A row for a new tmpfs: its options, and what must be true of the mount.
macro_rules! fresh {
    ($kind:ident, $id:literal, $demand:literal, [$($option:literal),*], $check:expr) => {
        $kind($id, OPTIONS, $demand, |c| holds(&tmpfs(c, &[$($option),*])?, $check))
    };
}

/// A row for a bind of a folder that is mounted with everything forbidden.
macro_rules! cleared {
    ($id:literal, $demand:literal, $option:literal, $flag:literal) => {
        must($id, OPTIONS, $demand, |c| {
            let mount = bound(c, &[$option])?;
            holds(&mount, |mount| !mount.has($flag))
        })
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    fresh!(must, "B9.ro", "`ro` makes a mount read-only", ["ro"], |m| m.has("ro")),
    fresh!(must, "B9.rw", "`rw` after `ro` makes it writable", ["ro", "rw"], |m| m.has("rw")),
    fresh!(must, "B9.nosuid", "`nosuid` is set", ["nosuid"], |m| m.has("nosuid")),
    fresh!(must, "B9.suid", "`suid` after `nosuid` clears it", ["nosuid", "suid"], |m| !m.has("nosuid")),
    fresh!(must, "B9.nodev", "`nodev` is set", ["nodev"], |m| m.has("nodev")),
    fresh!(must, "B9.dev", "`dev` after `nodev` clears it", ["nodev", "dev"], |m| !m.has("nodev")),
    fresh!(must, "B9.noexec", "`noexec` is set", ["noexec"], |m| m.has("noexec")),
    fresh!(must, "B9.exec", "`exec` after `noexec` clears it", ["noexec", "exec"], |m| !m.has("noexec")),
    fresh!(must, "B9.noatime", "`noatime` is set", ["noatime"], |m| m.has("noatime")),
    fresh!(must, "B9.atime", "`atime` after `noatime` clears it", ["noatime", "atime"], |m| !m.has("noatime")),
    fresh!(must, "B9.nodiratime", "`nodiratime` is set", ["nodiratime"], |m| m.has("nodiratime")),
    fresh!(must, "B9.diratime", "`diratime` after `nodiratime` clears it", ["nodiratime", "diratime"], |m| !m.has("nodiratime")),
    fresh!(must, "B9.relatime", "`relatime` is set", ["relatime"], |m| m.has("relatime")),
    fresh!(must, "B9.norelatime", "`norelatime` is known", ["norelatime"], |m| !m.has("noatime") && !known(m, "norelatime")),
    fresh!(must, "B9.strictatime", "`strictatime` is set: neither relatime nor noatime", ["strictatime"], |m| !m.has("relatime") && !m.has("noatime")),
    fresh!(must, "B9.nostrictatime", "`nostrictatime` after `strictatime` clears it", ["strictatime", "nostrictatime"], |m| m.has("relatime")),
    fresh!(must, "B9.sync", "`sync` is set", ["sync"], |m| m.data_has("sync")),
    fresh!(must, "B9.async", "`async` after `sync` clears it", ["sync", "async"], |m| !m.data_has("sync")),
    fresh!(must, "B9.dirsync", "`dirsync` is set", ["dirsync"], |m| m.data_has("dirsync")),
    fresh!(must, "B9.lazytime", "`lazytime` is set", ["lazytime"], |m| m.data_has("lazytime")),
    fresh!(must, "B9.nolazytime", "`nolazytime` after `lazytime` clears it", ["lazytime", "nolazytime"], |m| !m.data_has("lazytime")),
    fresh!(must, "B9.iversion", "`iversion` is known", ["iversion"], |m| m.kind == "tmpfs"),
    fresh!(must, "B9.noiversion", "`noiversion` is known", ["noiversion"], |m| m.kind == "tmpfs"),
    fresh!(must, "B9.silent", "`silent` is known", ["silent"], |m| m.kind == "tmpfs"),
    fresh!(must, "B9.loud", "`loud` is known", ["loud"], |m| m.kind == "tmpfs"),
    fresh!(must, "B9.defaults", "`defaults` is known, and means rw, suid, dev, exec, async", ["defaults"], |m| {
        m.has("rw") && !["nosuid", "nodev", "noexec"].iter().any(|flag| m.has(flag))
    }),
    must("B9.remount", OPTIONS, "`remount` changes a mount that is there", |c| {
        let bundle = c.bundle().mount("/mnt", "tmpfs", "tmpfs", &["mode=711"]).mount("/mnt", "tmpfs", "tmpfs", &["remount", "ro", "nosuid"]);
        let mount = at_mnt(c, bundle)?;
        holds(&mount, |mount| mount.has("ro") && mount.has("nosuid"))
    }),
    must("B9.bind-ro", OPTIONS, "`ro` on a bind makes the bind read-only, not its source", |c| {
        let data = c.folder("data")?;
        let bundle = c.bundle().mount("/mnt", "none", &data.display().to_string(), &["bind", "ro"]);
        bundle.see("touch /mnt/x")?.has("EROFS")?;
        c.file("data/y", "").map(drop)
    }),
    must("B9.bind-flags", OPTIONS, "nosuid, nodev, noexec and noatime hold on a bind", |c| {
        let data = c.folder("data")?;
        let bundle = c.bundle().mount("/mnt", "none", &data.display().to_string(), &["bind", "nosuid", "nodev", "noexec", "noatime"]);
        let mount = at_mnt(c, bundle)?;
        for flag in ["nosuid", "nodev", "noexec", "noatime"] {
            ensure(mount.has(flag), || format!("{flag} is missing: {mount:?}"))?;
        }
        Ok(())
    }),
    fresh!(should, "B10", "`nosymfollow` is set", ["nosymfollow"], |m| m.has("nosymfollow")),
    fresh!(should, "B10.symfollow", "`symfollow` after `nosymfollow` clears it", ["nosymfollow", "symfollow"], |m| !m.has("nosymfollow")),
    fresh!(may, "B12.mand", "`mand` is known, or an error", ["mand"], |m| !known(m, "mand") || m.data_has("mand")),
    fresh!(may, "B12.nomand", "`nomand` is known, or an error", ["nomand"], |m| !m.data_has("mand")),
    may("B12.tmpcopyup", OPTIONS, "`tmpcopyup` copies what a tmpfs covers, or is an error", copy_up),
    must("B17", OPTIONS, "unknown words go to the file system, separated by commas", |c| {
        let mount = tmpfs(c, &["size=64k", "mode=711", "nr_inodes=99"])?;
        for word in ["size=64k", "mode=711", "nr_inodes=99"] {
            ensure(mount.data_has(word), || format!("{word} is missing: {mount:?}"))?;
        }
        Ok(())
    }),
    must("B17.wrong", "runtime.md#create", "words that the file system does not know are an error", |c| {
        c.bundle().mount("/mnt", "tmpfs", "tmpfs", &["no-such-option"]).refused().map(drop)
    }),
    cleared!("B18.rw", "`rw` on a bind clears the source's ro", "rw", "ro"),
    cleared!("B18.suid", "`suid` on a bind clears the source's nosuid", "suid", "nosuid"),
    cleared!("B18.dev", "`dev` on a bind clears the source's nodev", "dev", "nodev"),
    cleared!("B18.exec", "`exec` on a bind clears the source's noexec", "exec", "noexec"),
    cleared!("B18.atime", "`atime` on a bind clears the source's noatime", "atime", "noatime"),
    cleared!("B18.diratime", "`diratime` on a bind clears the source's nodiratime", "diratime", "nodiratime"),
    must("B18.keep", OPTIONS, "a bind without words keeps its source's flags", |c| {
        let mount = bound(c, &[])?;
        for flag in ["ro", "nosuid", "nodev", "noexec", "noatime"] {
            ensure(mount.has(flag), || format!("{flag} was lost: {mount:?}"))?;
        }
        Ok(())
    }),
    must("B18.locked", "runtime.md#create", "in a user namespace a locked flag is kept or the mount is an error: never lost in silence", locked),
];

/// Whether a word arrived at the file system instead of being understood.
fn known(mount: &Mount, word: &str) -> bool {
    mount.data_has(word)
}

fn holds(mount: &Mount, check: impl Fn(&Mount) -> bool) -> Verdict {
    ensure(check(mount), || format!("it is {mount:?}"))
}

/// The mount on /mnt that a container sees.
fn at_mnt(_: &Case, bundle: crate::bundle::Bundle) -> Verdict<Mount> {
    mount_at(&bundle.see("cat /proc/self/mountinfo")?.text, "/mnt")
}

fn tmpfs(c: &Case, options: &[&str]) -> Verdict<Mount> {
    at_mnt(c, c.bundle().mount("/mnt", "tmpfs", "tmpfs", options))
}

/// What becomes of a bind of a folder that is mounted with everything forbidden.
fn bound(c: &Case, options: &[&str]) -> Verdict<Mount> {
    let strict = Strict::new(c)?;
    let mut words = vec!["bind"];
    words.extend(options);
    let from = strict.0.display().to_string();
    at_mnt(c, c.bundle().mount("/mnt", "none", &from, &words))
}

/// A mounted folder with all restrictions; unmounted at the end.
struct Strict(std::path::PathBuf);

impl Strict {
    fn new(c: &Case) -> Verdict<Strict> {
        use nix::mount::MsFlags;
        let folder = c.folder("strict")?;
        let flags = MsFlags::MS_RDONLY
            | MsFlags::MS_NOSUID
            | MsFlags::MS_NODEV
            | MsFlags::MS_NOEXEC
            | MsFlags::MS_NOATIME
            | MsFlags::MS_NODIRATIME;
        nix::mount::mount(Some("strict"), &folder, Some("tmpfs"), flags, None::<&str>)
            .setup("mount")?;
        Ok(Strict(folder))
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

fn copy_up(c: &Case) -> Verdict {
    let bundle = c.bundle();
    std::fs::write(bundle.root().join("etc/kept"), "content\n").setup("write a file")?;
    let bundle = bundle.mount("/etc", "tmpfs", "tmpfs", &["tmpcopyup"]);
    let seen = bundle.see("cat /etc/kept -- cat /proc/self/mountinfo")?;
    same("kind", mount_at(&seen.text, "/etc")?.kind.as_str(), "tmpfs")?;
    seen.has("content")
}

fn locked(c: &Case) -> Verdict {
    let strict = Strict::new(c)?;
    let mount = json!({"destination": "/mnt", "type": "none", "source": strict.0, "options": ["bind", "exec"]});
    let bundle = c.bundle().user_namespace().push("/mounts", mount);
    match at_mnt(c, bundle) {
        // Whoever makes the bind may or may not lift the flag that was asked for; no other is lost.
        Ok(mount) => ensure(mount.has("nosuid") && mount.has("ro"), || {
            format!("it is {mount:?}")
        }),
        Err(crate::verdict::Stop::Refused(_)) => Ok(()),
        Err(other) => Err(other),
    }
}
