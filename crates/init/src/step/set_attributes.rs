//! Changes a mount that is there already.

use core::fmt;

use super::propagation::{describe_all, propagate_all};
use super::{Attributes, Context, Show, Step, step};
use crate::inside::{self, Last};
use crate::slots::kind;
use crate::{Slot, Span, StringTable};

step! {
    /// mount_setattr(2) on a mount that an earlier step has made and kept, or on the root: not by its path, at which somebody
    /// else's mount may be by now. `root.readonly`, `mounts[].options`
    SetAttributes {
        /// The mount.
        slot: Slot<kind::Mount>,
        /// With an empty slot: the one mount at this path below the root that no step has made. It is looked up here only.
        target: Span,
        /// As for [`super::Bind`].
        propagation: Span;
        /// As for [`super::Bind`].
        attributes: Attributes,
    }
}

impl Step for SetAttributes {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        if self.slot == Slot::NONE {
            let path = context.text.string(self.target)?;
            let (there, _) = inside::target(context.root(), path, Last::File, false)?;
            context.slots.set(self.slot, there);
        }
        let mount = context.place(self.slot)?;
        self.attributes.apply(mount)?;
        propagate_all(mount, context.text.bytes(self.propagation))
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slot {
            Slot::ROOT => f.write_str("change root:")?,
            Slot::NONE => write!(f, "change mount at {}:", Show(text.bytes(self.target)))?,
            slot => write!(f, "change mount {slot}:")?,
        }
        self.attributes.describe(f)?;
        describe_all(text.bytes(self.propagation), f)
    }
}
