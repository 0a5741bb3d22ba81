//! execve(2) may not raise privileges from here on.

use core::fmt;

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// PR_SET_NO_NEW_PRIVS. `process.noNewPrivileges`
    NoNewPrivileges {}
}

impl Step for NoNewPrivileges {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        kernel::identity::no_new_privileges()
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no new privileges")
    }
}
