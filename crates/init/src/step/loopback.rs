//! The loopback interface of a new network namespace.

use core::fmt;

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// SIOCSIFFLAGS on `lo`, which is down in a new network namespace. `linux.namespaces` (network)
    Loopback {}
}

impl Step for Loopback {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        kernel::network::loopback_up()
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("set loopback up")
    }
}
