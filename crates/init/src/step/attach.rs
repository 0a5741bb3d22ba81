//! Attaches a mount that the runtime prepared.

use core::fmt;

use super::bind::attach_inside;
use super::propagation::propagate;
use super::{Context, Show, Step, step, words};
use crate::{Slot, Span, Text};

step! {
    /// move_mount(2) of a detached tree that was copied, and perhaps id-mapped, outside. `mounts[]`
    Attach {
        /// The tree.
        slot: Slot,
        /// Where, below the root.
        target: Span,
        /// Propagation type, or 0.
        propagation: u64,
    }
}

impl Step for Attach {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let Some(tree) = context.slots.take(self.slot) else {
            return context.slots.raw(self.slot).map(drop);
        };
        attach_inside(context, &tree, self.target)?;
        if self.propagation != 0 {
            propagate(tree.raw(), self.propagation)?;
        }
        Ok(())
    }

    fn describe(&self, text: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "attach tree {} at {}",
            self.slot.0,
            Show(text.bytes(self.target))
        )?;
        if self.propagation != 0 {
            f.write_str(" ")?;
            words(f, self.propagation, &super::propagation::NAMES)?;
        }
        Ok(())
    }
}
