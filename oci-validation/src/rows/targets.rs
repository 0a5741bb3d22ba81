//! B5: where mounts land: places that are missing, links, files, and below what is read-only.

use std::fs;
use std::os::unix::fs::symlink;

use crate::bundle::Bundle;
use crate::case::Case;
use crate::row::{Row, must};
use crate::tree::mount_at;
use crate::verdict::{Setup, Stop, Verdict, ensure};

const MOUNTS: &str = "config.md#mounts";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("B5.create", MOUNTS, "a destination that is missing is made, with its parents", |c| lands(data(c, c.bundle(), "/a/b/c")?, "/a/b/c")),
    must("B5.readonly-root", MOUNTS, "a missing destination is made below a root that is to be read-only", |c| {
        lands(data(c, c.bundle().aid("/root/readonly", true), "/a/b/c")?, "/a/b/c")
    }),
    must("B5.link", MOUNTS, "a destination that is a link inside the root is followed", |c| {
        let bundle = linked(c, "/mnt")?;
        lands(data(c, bundle, "/link")?, "/mnt")
    }),
    must("B5.link-relative", MOUNTS, "a relative link in a destination is followed", |c| {
        let bundle = linked(c, "mnt")?;
        lands(data(c, bundle, "/link/sub")?, "/mnt/sub")
    }),
    must("B5.link-outside", "glossary.md#container-namespace", "a link in a destination leads nowhere outside of the root", outside),
    must("B5.dangling", MOUNTS, "a destination that is a dangling link ends inside the root", |c| {
        let bundle = linked(c, "/not/there")?;
        lands(data(c, bundle, "/link")?, "/not/there")
    }),
    must("B5.dots", MOUNTS, "`..` in a destination does not leave the root", |c| lands(data(c, c.bundle(), "/../../mnt")?, "/mnt")),
    must("B5.file", MOUNTS, "a file can be bound onto a file", |c| {
        let bundle = c.bundle();
        fs::write(bundle.root().join("etc/target"), "old\n").setup("write a file")?;
        let file = c.file("file", "content\n")?;
        let bundle = bundle.mount("/etc/target", "none", &file.display().to_string(), &["bind"]);
        bundle.see("cat /etc/target")?.is(&["content"])
    }),
    must("B5.below-readonly", MOUNTS, "a destination that is missing below an earlier read-only mount is an error, or is there below a mount that ends read-only", |c| {
        let data = c.folder("data")?.display().to_string();
        let bundle = c.bundle().mount("/mnt", "tmpfs", "tmpfs", &["ro"]).mount("/mnt/sub", "none", &data, &["bind"]);
        match bundle.see("cat /proc/self/mountinfo") {
            Err(Stop::Refused(_)) => Ok(()),
            Err(other) => Err(other),
            Ok(seen) => {
                mount_at(&seen.text, "/mnt/sub")?;
                ensure(mount_at(&seen.text, "/mnt")?.has("ro"), || "the first mount can be written".to_owned())
            }
        }
    }),
    must("B5.mixed", MOUNTS, "a folder cannot be bound onto a file: an error", |c| {
        let bundle = c.bundle();
        fs::write(bundle.root().join("etc/target"), "old\n").setup("write a file")?;
        let data = c.folder("data")?.display().to_string();
        bundle.mount("/etc/target", "none", &data, &["bind"]).refused().map(drop)
    }),
];

/// Adds a bind of a folder that holds a file.
fn data<'a>(c: &'a Case, bundle: Bundle<'a>, at: &str) -> Verdict<Bundle<'a>> {
    let data = c.folder("data")?;
    c.file("data/file", "content\n")?;
    Ok(bundle.mount(at, "none", &data.display().to_string(), &["bind"]))
}

fn lands(bundle: Bundle, at: &str) -> Verdict {
    bundle.see(&format!("cat {at}/file"))?.is(&["content"])
}

/// A bundle whose root holds a link.
fn linked<'a>(c: &'a Case, content: &str) -> Verdict<Bundle<'a>> {
    let bundle = c.bundle();
    symlink(content, bundle.root().join("link")).setup("make a link")?;
    Ok(bundle)
}

fn outside(c: &Case) -> Verdict {
    let target = c.folder("outside")?;
    let bundle = c.bundle();
    let up = format!("../../../../../../../../..{}", target.display());
    symlink(up, bundle.root().join("link")).setup("make a link")?;
    let bundle = data(c, bundle, "/link/sub")?;
    // Whether it is refused or lands inside is the runtime's choice; the host's folder is not touched.
    let result = lands(bundle, "/link/sub");
    ensure(!target.join("sub").exists(), || {
        "the mount's destination was made outside of the root".to_owned()
    })?;
    match result {
        Err(Stop::Refused(_)) => Ok(()),
        other => other,
    }
}
