//! Takes user and group id 0 of the user namespace.

use core::fmt;

use kernel::identity;

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// setresgid(2), setresuid(2) to 0, once the id maps are written: files made from here on belong to the
    /// container's root. `linux.uidMappings`
    BecomeRoot {}
}

impl Step for BecomeRoot {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        identity::set_group(0)?;
        identity::set_user(0)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("become root of the user namespace")
    }
}
