//! Paths inside that may not be read.

use core::fmt;

use kernel::file::{self, HERE, device, mode, open};
use kernel::mount::{self, attributes};
use kernel::{Call, Errno, Fault, Fd, Result};

use super::{Context, Show, Step, step};
use crate::{Span, Text, inside};

step! {
    /// Covers a file with the host's null device and a directory with an empty, read-only one. A path that does not
    /// exist is left out. `linux.maskedPaths`
    ///
    /// Nothing is looked up under the container's `/dev`, which others may be changing (CVE-2025-31133): the device is
    /// opened on the host, before the change of root, and its number is checked.
    Hide {
        /// The path; empty: only fetch the null device, which must be done before the change of root.
        path: Span,
    }
}

/// A mount that hides something.
#[derive(Debug)]
pub struct Cover {
    tree: Fd,
    attached: bool,
}

impl Cover {
    fn new(tree: Fd) -> Cover {
        Cover {
            tree,
            attached: false,
        }
    }
}

/// A detached copy of the host's null device.
fn fetch_null(context: &mut Context<'_>) -> Result<()> {
    let null = file::open_at(HERE, c"/dev/null", open::PATH | open::NOFOLLOW, 0)?;
    let status = file::status(null.raw())?;
    if status.kind() != mode::CHARACTER || status.rdev != device(1, 3) {
        return Err(Fault::found(Call::Fstat, Errno::ENODEV));
    }
    context.null = Some(Cover::new(mount::clone_tree(null.raw(), c"", false)?));
    Ok(())
}

/// Attaches what `cover` holds; from the second time on a copy, for attaching it again would only move it.
fn cover(cover: &mut Option<Cover>, target: &Fd) -> Result<()> {
    let Some(cover) = cover else {
        return Err(Fault::found(Call::MoveMount, Errno::EBADF));
    };
    if cover.attached {
        let copy = mount::clone_tree(cover.tree.raw(), c"", false)?;
        return mount::attach(copy.raw(), target.raw());
    }
    mount::attach(cover.tree.raw(), target.raw())?;
    cover.attached = true;
    Ok(())
}

fn make_empty() -> Result<Fd> {
    let context = mount::open_filesystem(c"tmpfs")?;
    mount::configure(context.raw(), c"size", Some(c"0"))?;
    mount::configure(context.raw(), c"nr_inodes", Some(c"1"))?;
    mount::configure(context.raw(), c"mode", Some(c"755"))?;
    let attributes =
        attributes::RDONLY | attributes::NOSUID | attributes::NODEV | attributes::NOEXEC;
    mount::create_mount(context.raw(), attributes)
}

impl Step for Hide {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        if self.path.length == 0 {
            return fetch_null(context);
        }
        let path = context.text.string(self.path)?;
        let target = match inside::open(context.root(), path, open::PATH) {
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(()),
            answer => answer?,
        };
        if file::status(target.raw())?.kind() != mode::DIRECTORY {
            return cover(&mut context.null, &target);
        }
        if context.empty.is_none() {
            context.empty = Some(Cover::new(make_empty()?));
        }
        cover(&mut context.empty, &target)
    }

    fn describe(&self, text: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.length {
            0 => f.write_str("fetch the null device"),
            _ => write!(f, "hide {}", Show(text.bytes(self.path))),
        }
    }
}
