//! Closes the process to others of the same user.

use core::fmt;

use kernel::identity;

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// PR_SET_DUMPABLE 0, until execve(2): nobody may trace this process or look at its descriptors, root and working
    /// directory (CVE-2016-9962). It must come before a namespace is joined in which others live.
    Undumpable {}
}

impl Step for Undumpable {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        identity::set_dumpable(false)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("undumpable")
    }
}

step! {
    /// PR_SET_DUMPABLE 1: a caller without privileges may reach the waiting process again, and so may others of its user
    /// in the same user and pid namespace. By now it has no more rights than the program that it becomes, and of the host
    /// it still has the report page and its end of the fence. Nothing that matters to others is believed of either.
    Dumpable {}
}

impl Step for Dumpable {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        identity::set_dumpable(true)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dumpable")
    }
}
