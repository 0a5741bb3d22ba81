//! The file mode creation mask.

use core::fmt;

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// umask(2). `process.user.umask`
    Umask {
        /// The mask.
        mask: u32,
    }
}

impl Step for Umask {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        kernel::file::set_mask(self.mask);
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "umask {:04o}", self.mask)
    }
}
