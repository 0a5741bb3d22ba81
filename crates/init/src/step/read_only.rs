//! Paths inside that may not be written.

use core::fmt;

use kernel::Errno;
use kernel::file::open;
use kernel::mount::{self, Change, attributes};

use super::{Context, Show, Step, step};
use crate::{Span, StringTable, inside};

step! {
    /// Binds a path on itself, read-only with all below it. A path that does not exist is left out. On the root nothing can
    /// be laid that those inside would see: its own mount turns read-only, as by `root.readonly`. `linux.readonlyPaths`
    ReadOnlyPath {
        /// The path.
        path: Span,
    }
}

impl Step for ReadOnlyPath {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let path = context.text.string(self.path)?;
        let below = match inside::open(context.root(), path, open::PATH) {
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(()),
            answer => answer?,
        };
        let change = Change {
            set: attributes::RDONLY,
            ..Change::default()
        };
        if inside::is_entered_root(context.root(), &below)? {
            return mount::set_attributes(context.root(), c"", false, &change);
        }
        let tree = mount::clone_tree(below.borrow(), c"", true)?;
        mount::set_attributes(tree.borrow(), c"", true, &change)?;
        mount::attach(tree.borrow(), below.borrow())
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read-only {}", Show(text.bytes(self.path)))
    }
}
