//! Paths inside that may not be read.

use core::fmt;

use kernel::file::{self, HERE, device, mode, open};
use kernel::mount::{self, attributes};
use kernel::{Call, Errno, Fault, Fd, Result};

use super::attributes::change;
use super::{Context, Show, Step, step};
use crate::{Span, StringTable, inside};

step! {
    /// Makes a read-only copy of the container's null device, which then covers files: through it nobody can change owner
    /// or permissions. `linux.maskedPaths`
    ///
    /// Others may be changing the container's `/dev` (CVE-2025-31133): what counts is the number of the device that was
    /// opened. If that is no null device the host's is taken, so this comes before the change of root.
    FetchNull {}
}

step! {
    /// Covers a file with the null device and a directory with an empty, read-only one. A path that does not exist is left
    /// out. `EBUSY` of move_mount(2) for the root, which those inside would go on to see. `linux.maskedPaths`
    Hide {
        /// The path.
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

fn check(null: Fd) -> Result<Fd> {
    let status = file::status(null.borrow())?;
    if status.kind() != mode::CHARACTER || status.rdev != device(1, 3) {
        return Err(Fault::found(Call::Fstat, Errno::ENODEV));
    }
    Ok(null)
}

impl Step for FetchNull {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        const NODE: u64 = open::PATH | open::NOFOLLOW;
        let own = inside::open(context.root(), c"/dev/null", NODE).and_then(check);
        // What it has may be of any shape. A look that failed is no answer.
        const NONE: [Errno; 5] = [
            Errno::ENOENT,
            Errno::ENODEV,
            Errno::ENOTDIR,
            Errno::ELOOP,
            Errno::EACCES,
        ];
        let null = match own {
            Err(fault) if NONE.iter().any(|none| fault.is(*none)) => {
                file::open_at(HERE, c"/dev/null", NODE, 0).and_then(check)?
            }
            own => own?,
        };
        let tree = mount::clone_tree(null.borrow(), c"", false)?;
        let unchangeable = attributes::RDONLY | attributes::NOSUID | attributes::NOEXEC;
        change(tree.borrow(), unchangeable, 0, false)?;
        context.null = Some(Cover::new(tree));
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fetch the null device")
    }
}

/// Attaches what `cover` holds; from the second time on a copy, for attaching it again would only move it.
fn cover(cover: &mut Option<Cover>, target: &Fd) -> Result<()> {
    let Some(cover) = cover else {
        return Err(Fault::found(Call::MoveMount, Errno::EBADF));
    };
    if cover.attached {
        let copy = mount::clone_tree(cover.tree.borrow(), c"", false)?;
        return mount::attach(copy.borrow(), target.borrow());
    }
    mount::attach(cover.tree.borrow(), target.borrow())?;
    cover.attached = true;
    Ok(())
}

fn make_empty() -> Result<Fd> {
    let context = mount::open_filesystem(c"tmpfs")?;
    mount::configure(context.borrow(), c"size", Some(c"0"))?;
    mount::configure(context.borrow(), c"nr_inodes", Some(c"1"))?;
    mount::configure(context.borrow(), c"mode", Some(c"755"))?;
    let attributes =
        attributes::RDONLY | attributes::NOSUID | attributes::NODEV | attributes::NOEXEC;
    mount::create_mount(context.borrow(), attributes)
}

impl Step for Hide {
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        let path = context.text.string(self.path)?;
        let target = match inside::open(context.root(), path, open::PATH) {
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(()),
            answer => answer?,
        };
        if inside::is_entered_root(context.root(), &target)? {
            return Err(Fault::found(Call::MoveMount, Errno::EBUSY));
        }
        if file::status(target.borrow())?.kind() != mode::DIRECTORY {
            return cover(&mut context.null, &target);
        }
        if context.empty.is_none() {
            context.empty = Some(Cover::new(make_empty()?));
        }
        cover(&mut context.empty, &target)
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hide {}", Show(text.bytes(self.path)))
    }
}
