//! Moves into new namespaces.

use core::fmt;

use kernel::namespace::{self, flags};

use super::{Context, Step, step, words};
use crate::StringTable;

step! {
    /// unshare(2). `linux.namespaces`
    Unshare {
        /// Which, as [`kernel::namespace::flags`].
        flags: u64,
    }
}

/// The types of namespaces, one after the other, in the order in which they are shared.
pub fn each_namespace(flags: u64) -> impl Iterator<Item = u64> {
    let types = NAMES.iter().map(|(flag, _)| *flag);
    types.filter(move |flag| flags & flag != 0)
}

/// The namespaces' names as unshare(1) and the specification order them.
pub(super) const NAMES: [(u64, &str); 8] = [
    (flags::NEWUSER, "user"),
    (flags::NEWNS, "mount"),
    (flags::NEWUTS, "uts"),
    (flags::NEWIPC, "ipc"),
    (flags::NEWPID, "pid"),
    (flags::NEWNET, "network"),
    (flags::NEWCGROUP, "cgroup"),
    (flags::NEWTIME, "time"),
];

impl Step for Unshare {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        namespace::unshare(self.flags)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unshare ")?;
        words(f, self.flags, &NAMES)
    }
}
