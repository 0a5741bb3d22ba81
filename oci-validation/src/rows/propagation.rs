//! B19 and I1: propagation, measured: a mount is made on one side and looked for on the other.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags};

use crate::bundle::Bundle;
use crate::case::Case;
use crate::container::Container;
use crate::row::{Row, must};
use crate::runtime::{finish, launched};
use crate::tree::mount_at;
use crate::verdict::{Setup, Verdict, ensure, same};

const OPTIONS: &str = "config.md#linux-mount-options";
const ROOT: &str = "config-linux.md#rootfs-mount-propagation";

/// A row for words of a bind: whether mounts come in, and whether they go out.
macro_rules! bound {
    ($id:literal, [$($word:literal),*], $inward:literal, $outward:literal) => {
        must(concat!("B19.", $id), OPTIONS, concat!("`", $id, "` makes mounts spread as it says"), |c| {
            measure(c, &[$($word),*], $inward, $outward)
        })
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    bound!("private", ["rbind", "private"], false, false),
    bound!("rprivate", ["rbind", "rprivate"], false, false),
    bound!("slave", ["rbind", "slave"], true, false),
    bound!("rslave", ["rbind", "rslave"], true, false),
    bound!("shared", ["rbind", "shared"], true, true),
    bound!("rshared", ["rbind", "rshared"], true, true),
    bound!("unbindable", ["rbind", "unbindable"], false, false),
    bound!("runbindable", ["rbind", "runbindable"], false, false),
    must("B19.unbindable-mark", OPTIONS, "`unbindable` and `runbindable` make a mount that cannot be bound", |c| {
        for word in ["unbindable", "runbindable"] {
            let data = Shared::new(c, "data")?;
            let bundle = c.bundle().mount("/mnt", "none", &data.text(), &["rbind", word]);
            let seen = bundle.see("cat /proc/self/mountinfo")?;
            ensure(mount_at(&seen.text, "/mnt")?.spreads("unbindable"), || seen.text.clone())?;
        }
        Ok(())
    }),
    must("B19.order", OPTIONS, "several words of propagation hold in the given order", |c| measure(c, &["rbind", "rslave", "rshared"], true, false)),
    must("I1", ROOT, "`shared`: the root is in a new peer group, not the host's", |c| {
        let (_shared, container) = rooted(c, Some("shared"))?;
        let mount = root_of(&container)?;
        ensure(mount.spreads("shared"), || format!("it is {mount:?}"))?;
        spread(c, &container, &_shared.0, "/", [None, Some(false)])
    }),
    must("I1.slave", ROOT, "`slave`: mounts come in from the host, and none go out", |c| {
        let (shared, container) = rooted(c, Some("slave"))?;
        let mount = root_of(&container)?;
        ensure(mount.spreads("master") && !mount.spreads("shared"), || format!("it is {mount:?}"))?;
        spread(c, &container, &shared.0, "/", [Some(true), Some(false)])
    }),
    must("I1.private", ROOT, "`private`: no mounts come in, and none go out", |c| {
        let (shared, container) = rooted(c, Some("private"))?;
        spread(c, &container, &shared.0, "/", [Some(false), Some(false)])
    }),
    must("I1.unbindable", ROOT, "`unbindable`: the root is private and cannot be bound", |c| {
        let (_shared, container) = rooted(c, Some("unbindable"))?;
        let mount = root_of(&container)?;
        ensure(mount.spreads("unbindable"), || format!("it is {mount:?}"))
    }),
    must("I1.unset", "runtime.md#delete", "without `rootfsPropagation` no mount of the container reaches the host", |c| {
        let (shared, container) = rooted(c, None)?;
        spread(c, &container, &shared.0, "/", [None, Some(false)])
    }),
    must("I1.source", "glossary.md#runtime-namespace", "the propagation of the host's own mounts is not changed", |c| {
        let shared = Shared::new(c, "data")?;
        let before = fs::read_to_string("/proc/self/mountinfo").setup("look at mounts")?;
        let before = mount_at(&before, &shared.text())?.propagation;
        for word in ["rprivate", "rslave", "runbindable", "rshared"] {
            c.bundle().mount("/mnt", "none", &shared.text(), &["rbind", word]).see("true")?;
        }
        let after = fs::read_to_string("/proc/self/mountinfo").setup("look at mounts")?;
        same("propagation", mount_at(&after, &shared.text())?.propagation, before)
    }),
];

/// A shared mount of the host; unmounted at the end.
struct Shared(PathBuf);

impl Shared {
    fn new(c: &Case, name: &str) -> Verdict<Shared> {
        let path = c.folder(name)?;
        crate::frame::mount("shared", &path, "tmpfs", "").setup("mount")?;
        Shared::share(path)
    }

    fn share(path: PathBuf) -> Verdict<Shared> {
        let shared = Shared(path);
        crate::frame::propagation(&shared.0, MsFlags::MS_SHARED).setup("share a mount")?;
        for name in ["in", "out"] {
            fs::create_dir_all(shared.0.join(name)).setup("make a folder")?;
        }
        Ok(shared)
    }

    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn measure(c: &Case, words: &[&str], inward: bool, outward: bool) -> Verdict {
    let shared = Shared::new(c, "data")?;
    // What the root is decides what the runtime leaves of the host's peer groups: engines set it when they use these words.
    let root = match (inward, outward) {
        (_, true) => "shared",
        (true, false) => "slave",
        (false, false) => "private",
    };
    let container = c
        .bundle()
        .aid("/linux/rootfsPropagation", root)
        .mount("/mnt", "none", &shared.text(), words)
        .create()?;
    spread(
        c,
        &container,
        &shared.0,
        "/mnt",
        [Some(inward), Some(outward)],
    )
}

/// Makes a mount on each side and looks on the other; what is `None` is not looked at.
fn spread(
    c: &Case,
    container: &Container,
    outside: &Path,
    inside: &str,
    wanted: [Option<bool>; 2],
) -> Verdict {
    let inside = inside.trim_end_matches('/');
    if let Some(wanted) = wanted[0] {
        crate::frame::mount("new", outside.join("in"), "tmpfs", "").setup("mount")?;
        let there = mount_at(&container.proc("mountinfo")?, &format!("{inside}/in")).is_ok();
        same("a mount of the host is seen inside", there, wanted)?;
    }
    if let Some(wanted) = wanted[1] {
        let enter = ["--enter".to_owned(), container.proc_path("ns/mnt")];
        let mut command = launched(c, &enter);
        command.args([
            "/bin/probe",
            "mount",
            "new",
            &format!("{inside}/out"),
            "tmpfs",
            "0",
        ]);
        let output = finish(c, &mut command, std::time::Duration::from_secs(20))?;
        ensure(output.ok(), || {
            format!("the suite could not mount inside: {}", output.said())
        })?;
        let text = fs::read_to_string("/proc/self/mountinfo").setup("look at mounts")?;
        let there = mount_at(&text, &outside.join("out").display().to_string()).is_ok();
        same("a mount of the container is seen outside", there, wanted)?;
    }
    Ok(())
}

/// A created container whose root lies on a shared mount of the host.
fn rooted<'a>(c: &'a Case, word: Option<&str>) -> Verdict<(Shared, Container<'a>)> {
    let bundle: Bundle<'a> = c.bundle();
    crate::frame::bind(&bundle.root(), &bundle.root()).setup("bind")?;
    let shared = Shared::share(bundle.root())?;
    let bundle = match word {
        Some(word) => bundle.set("/linux/rootfsPropagation", word),
        None => bundle,
    };
    Ok((shared, bundle.create()?))
}

fn root_of(container: &Container) -> Verdict<crate::tree::Mount> {
    mount_at(&container.proc("mountinfo")?, "/")
}
