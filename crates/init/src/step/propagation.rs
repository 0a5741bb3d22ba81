//! How mount events travel between the container and the host.

use core::fmt;

use kernel::file::open;
use kernel::mount::{self, Change, flags};

use super::{Context, Show, Step, step, words};
use crate::{Span, Text, inside};

step! {
    /// mount(2) with a propagation type on `/`. `linux.rootfsPropagation`
    Propagation {
        /// SHARED, SLAVE, PRIVATE or UNBINDABLE, perhaps with REC.
        flags: u64,
    }
}

/// Names of propagation types as in mount_namespaces(7).
pub(crate) const NAMES: [(u64, &str); 5] = [
    (flags::SHARED, "shared"),
    (flags::SLAVE, "slave"),
    (flags::PRIVATE, "private"),
    (flags::UNBINDABLE, "unbindable"),
    (flags::REC, "recursive"),
];

impl Step for Propagation {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        mount::mount(None, c"/", None, self.flags, None)
    }

    fn describe(&self, _: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("propagation of / ")?;
        words(f, self.flags, &NAMES)
    }
}

step! {
    /// mount_setattr(2) with a propagation type on a mount inside. `mounts[].options`
    TargetPropagation {
        /// Where.
        target: Span,
        /// As for [`Propagation`].
        flags: u64,
    }
}

/// Changes the propagation of the mount that `fd` stands for.
pub(crate) fn propagate(fd: i32, wanted: u64) -> kernel::Result<()> {
    let change = Change {
        propagation: wanted & !flags::REC,
        ..Change::default()
    };
    mount::set_attributes(fd, c"", wanted & flags::REC != 0, &change)
}

impl Step for TargetPropagation {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let target = inside::open(
            context.root(),
            context.text.string(self.target)?,
            open::PATH,
        )?;
        propagate(target.raw(), self.flags)
    }

    fn describe(&self, text: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "propagation of {} ", Show(text.bytes(self.target)))?;
        words(f, self.flags, &NAMES)
    }
}
