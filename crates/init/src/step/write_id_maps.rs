//! Maps the ids of another process's user namespace.

use core::fmt;

use kernel::file::{self, open};

use super::{Context, Step, step};
use crate::slots::kind;
use crate::{Slot, Span, StringTable};

step! {
    /// Writes `uid_map` and `gid_map` of a process whose user namespace is below this one: the kernel wants that of who is in
    /// the one above (user_namespaces(7)). `mounts[].uidMappings`
    WriteIdMaps {
        /// Its directory in procfs.
        process: Slot<kind::Directory>,
        /// Lines.
        uids: Span,
        /// Lines.
        gids: Span,
    }
}

impl Step for WriteIdMaps {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let process = context.slots.get(self.process)?;
        for (name, lines) in [(c"uid_map", self.uids), (c"gid_map", self.gids)] {
            let fd = file::open_at(process, name, open::WRONLY, 0)?;
            file::write(fd.borrow(), context.text.bytes(lines))?;
        }
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "map ids of the process in slot {}", self.process)
    }
}
