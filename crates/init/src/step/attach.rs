//! Attaches a mount that the runtime prepared.

use core::fmt;

use super::bind::attach_inside;
use super::propagation::{describe_all, propagate_all};
use super::{Context, Show, Step, step};
use crate::slots::{EMPTY, kind};
use crate::{Slot, Span, StringTable};

step! {
    /// move_mount(2) of a detached tree that was copied, and perhaps id-mapped, outside. `mounts[]`
    Attach {
        /// The tree.
        slot: Slot<kind::Mount>,
        /// Where, below the root.
        target: Span,
        /// As for [`super::Bind`].
        propagation: Span,
        /// As for [`super::Bind`].
        keep: Slot<kind::Mount>,
    }
}

impl Step for Attach {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let tree = context.slots.take(self.slot).ok_or(EMPTY)?;
        attach_inside(context, &tree, Slot::ROOT, self.target)?;
        propagate_all(tree.borrow(), context.text.bytes(self.propagation))?;
        context.keep(self.keep, tree);
        Ok(())
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = Show(text.bytes(self.target));
        write!(f, "attach tree {} at {target}", self.slot)?;
        describe_all(text.bytes(self.propagation), f)
    }
}
