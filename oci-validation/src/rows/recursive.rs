//! B11: the words that are applied to all mounts below, by mount_setattr(2).

use std::path::PathBuf;

use nix::mount::{MntFlags, MsFlags};

use crate::case::Case;
use crate::row::{Row, should};
use crate::tree::{Mount, mount_at};
use crate::verdict::{Setup, Verdict, ensure};

const OPTIONS: &str = "config.md#linux-mount-options";

/// A row for a recursive word on a tree whose mounts have `$before`: what must be true of the mount and of the one below.
macro_rules! both {
    ($word:literal, $before:expr, $check:expr) => {
        should(
            concat!("B11.", $word),
            OPTIONS,
            concat!("`", $word, "` holds for the mount and for those below it"),
            |c| apply(c, $word, $before, $check),
        )
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    both!("rro", MsFlags::empty(), |m| m.has("ro")),
    both!("rrw", MsFlags::MS_RDONLY, |m| m.has("rw")),
    both!("rnosuid", MsFlags::empty(), |m| m.has("nosuid")),
    both!("rsuid", MsFlags::MS_NOSUID, |m| !m.has("nosuid")),
    both!("rnodev", MsFlags::empty(), |m| m.has("nodev")),
    both!("rdev", MsFlags::MS_NODEV, |m| !m.has("nodev")),
    both!("rnoexec", MsFlags::empty(), |m| m.has("noexec")),
    both!("rexec", MsFlags::MS_NOEXEC, |m| !m.has("noexec")),
    both!("rnoatime", MsFlags::empty(), |m| m.has("noatime")),
    both!("ratime", MsFlags::MS_NOATIME, |m| !m.has("noatime")),
    both!("rnodiratime", MsFlags::empty(), |m| m.has("nodiratime")),
    both!("rdiratime", MsFlags::MS_NODIRATIME, |m| !m.has("nodiratime")),
    both!("rrelatime", MsFlags::MS_NOATIME, |m| m.has("relatime")),
    both!("rnorelatime", MsFlags::MS_RELATIME, |m| !m.data_has("rnorelatime")),
    both!("rstrictatime", MsFlags::MS_RELATIME, |m| !m.has("relatime") && !m.has("noatime")),
    both!("rnostrictatime", MsFlags::MS_STRICTATIME, |m| m.has("relatime") || m.has("noatime")),
    both!("rnosymfollow", MsFlags::empty(), |m| m.has("nosymfollow")),
    should("B11.rsymfollow", OPTIONS, "`rsymfollow` clears `rnosymfollow`", |c| {
        let tree = Tree::new(c, MsFlags::empty())?;
        tree.bound(c, &["rbind", "rnosymfollow", "rsymfollow"], |m| !m.has("nosymfollow"))
    }),
];

fn apply(c: &Case, word: &str, before: MsFlags, check: fn(&Mount) -> bool) -> Verdict {
    Tree::new(c, before)?.bound(c, &["rbind", word], check)
}

/// A mount with another below it.
struct Tree(PathBuf);

impl Tree {
    fn new(c: &Case, flags: MsFlags) -> Verdict<Tree> {
        let top = c.folder("tree")?;
        let mount = |at: &PathBuf, flags: MsFlags| {
            nix::mount::mount(Some("tree"), at, Some("tmpfs"), flags, None::<&str>).setup("mount")
        };
        mount(&top, MsFlags::empty())?;
        let tree = Tree(top.clone());
        std::fs::create_dir(top.join("sub")).setup("make a folder")?;
        mount(&top.join("sub"), flags)?;
        let again = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        nix::mount::mount(None::<&str>, &top, None::<&str>, again, None::<&str>)
            .setup("remount")?;
        Ok(tree)
    }

    fn bound(&self, c: &Case, options: &[&str], check: fn(&Mount) -> bool) -> Verdict {
        let from = self.0.display().to_string();
        let bundle = c.bundle().mount("/mnt", "none", &from, options);
        let seen = bundle.see("cat /proc/self/mountinfo")?;
        for at in ["/mnt", "/mnt/sub"] {
            let mount = mount_at(&seen.text, at)?;
            ensure(check(&mount), || format!("{at} is {mount:?}"))?;
        }
        Ok(())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, MntFlags::MNT_DETACH);
    }
}
