//! How mount events travel between the container and the host.

use core::fmt;

use kernel::BorrowedFd;
use kernel::mount::{self, Change, flags};

use super::{Context, Step, step, words};
use crate::StringTable;

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

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("propagation of / ")?;
        words(f, self.flags, &NAMES)
    }
}

/// Changes the propagation of the mount that `fd` stands for.
pub(crate) fn propagate(fd: BorrowedFd<'_>, propagation: u64) -> kernel::Result<()> {
    let change = Change {
        propagation: propagation & !flags::REC,
        ..Change::default()
    };
    mount::set_attributes(fd, c"", propagation & flags::REC != 0, &change)
}

/// A propagation type as one byte of a list: the four types are neighbouring bits, and so is REC behind them.
pub fn encode(flags: u64) -> u8 {
    (flags / flags::UNBINDABLE) as u8 | u8::from(flags & flags::REC != 0) << 4
}

fn decode(byte: u8) -> u64 {
    (u64::from(byte & 15) * flags::UNBINDABLE) | (u64::from(byte >> 4) * flags::REC)
}

/// One change after the other, in the order of the options (mount(8): several may be given).
pub(crate) fn propagate_all(fd: BorrowedFd<'_>, list: &[u8]) -> kernel::Result<()> {
    list.iter()
        .try_for_each(|byte| propagate(fd, decode(*byte)))
}

/// Writes a list of [`encode`]d types.
pub(crate) fn describe_all(list: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in list {
        f.write_str(" ")?;
        words(f, decode(*byte), &NAMES)?;
    }
    Ok(())
}
