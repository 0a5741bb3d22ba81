//! Descriptors that are no longer needed.

use core::fmt;

use super::{Context, Step, step};
use crate::slots::kind;
use crate::{Slot, Span, StringTable};

step! {
    /// close(2) of what only the building of the container needed.
    CloseWorking {
        /// Slots of mounts that were kept, one byte each.
        kept: Span,
    }
}

impl Step for CloseWorking {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        context.close_working();
        for slot in context.text.bytes(self.kept) {
            drop(context.slots.take(Slot::<kind::Mount>::numbered(*slot)));
        }
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("close working descriptors")
    }
}
