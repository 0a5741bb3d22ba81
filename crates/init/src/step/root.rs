//! The container's root: made a mount, opened, and entered.

use core::fmt;

use kernel::file::{self, open};
use kernel::mount;

use super::{Context, Show, Step, step};
use crate::{Span, Text};

step! {
    /// Binds the root directory on itself, since pivot_root(2) wants a mount, and keeps it open: everything inside is
    /// resolved from this descriptor. `root.path`
    OpenRoot {
        /// Absolute path on the host.
        path: Span,
    }
}

impl Step for OpenRoot {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let path = context.text.string(self.path)?;
        let below = file::open_at(file::HERE, path, open::PATH | open::DIRECTORY, 0)?;
        let tree = mount::clone_tree(below.raw(), c"", true)?;
        mount::attach(tree.raw(), below.raw())?;
        context.root = Some(tree);
        Ok(())
    }

    fn describe(&self, text: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "open root {}", Show(text.bytes(self.path)))
    }
}

step! {
    /// pivot_root(2) of the root on itself, then the old root, which now lies on top, is unmounted: nothing of the
    /// host is left, not even as an empty directory. `root.path`
    EnterRoot {}
}

impl Step for EnterRoot {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        file::change_directory_to(context.root())?;
        mount::pivot_root(c".", c".")?;
        mount::detach(c".")?;
        file::change_directory(c"/")?;
        context.parent = None;
        Ok(())
    }

    fn describe(&self, _: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("enter root")
    }
}
