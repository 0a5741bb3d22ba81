//! The system call filter.

use core::fmt;

use kernel::seccomp;

use super::{Context, Step, step};
use crate::slots::kind;
use crate::{Slot, Span, StringTable};

step! {
    /// seccomp(2) SECCOMP_SET_MODE_FILTER. `linux.seccomp`
    Seccomp {
        /// The filter's instructions, eight bytes each.
        program: Span,
        /// SECCOMP_FILTER_FLAG_….
        flags: u64,
        /// Where the notification descriptor is kept, if the flags ask for one, until the runtime has fetched a copy.
        listener: Slot<kind::Listener>,
    }
}

impl Step for Seccomp {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        if let Some(listener) = seccomp::install(context.text.bytes(self.program), self.flags)? {
            // A store, not a call: from here on every call is the filter's business.
            context.report.listening(listener.raw());
            context.slots.set(self.listener, listener);
        }
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seccomp {} instructions", self.program.length / 8)?;
        if self.flags != 0 {
            write!(f, " flags {:#x}", self.flags)?;
        }
        Ok(())
    }
}
