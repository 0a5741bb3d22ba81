//! User and groups of the program.

use core::fmt;

use kernel::identity;

use super::{Context, Step, step};
use crate::{Span, StringTable};

step! {
    /// setgroups(2), setresgid(2), setresuid(2), keeping the permitted capabilities for the step that sets them.
    /// `process.user`
    ///
    /// Supplementary groups are always replaced: with none given, the caller's must not stay.
    Identity {
        /// User id inside.
        uid: u32,
        /// Group id inside.
        gid: u32,
        /// Supplementary groups, four bytes each.
        groups: Span,
        /// False in a user namespace in which setgroups(2) is denied: then there are none to set either.
        set_groups: bool,
    }
}

impl Step for Identity {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        if self.set_groups {
            identity::set_groups(context.text.bytes(self.groups))?;
        }
        identity::set_group(self.gid)?;
        identity::keep_capabilities(true)?;
        identity::set_user(self.uid)?;
        identity::keep_capabilities(false)
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "identity {}:{}", self.uid, self.gid)?;
        if !self.set_groups {
            return f.write_str(" without setgroups");
        }
        for (index, group) in text.bytes(self.groups).chunks_exact(4).enumerate() {
            let number = u32::from_ne_bytes([group[0], group[1], group[2], group[3]]);
            write!(f, "{}{number}", if index == 0 { " groups " } else { "," })?;
        }
        Ok(())
    }
}
