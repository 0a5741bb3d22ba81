//! Joins namespaces of others.

use core::fmt;

use kernel::namespace;

use super::unshare::NAMES;
use super::{Context, Step, step, words};
use crate::slots::kind;
use crate::{Slot, StringTable};

step! {
    /// setns(2). `linux.namespaces[].path`, or a process's namespaces for exec.
    Join {
        /// A namespace file, or a pidfd.
        slot: Slot<kind::Joinable>,
        /// Which, as [`kernel::namespace::flags`]; the kernel refuses a file of another type.
        flags: u64,
    }
}

impl Step for Join {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        namespace::join(context.slots.get(self.slot)?, self.flags)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "join slot {}: ", self.slot)?;
        words(f, self.flags, &NAMES)
    }
}
