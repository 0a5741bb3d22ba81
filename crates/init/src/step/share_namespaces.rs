//! Hands the container's namespaces to the runtime, which may not open them itself.

use core::fmt;

use kernel::file::{self, magic, open};
use kernel::namespace::flags;
use kernel::{Call, Errno, Fault};

use super::unshare::NAMES;
use super::{Context, Step, step, words};
use crate::{Slot, Text};

step! {
    /// Opens this process's namespace files and sends them with the next turn, so that a runtime without privileges
    /// can run hooks in them. `hooks.createContainer`, `hooks.startContainer`
    ShareNamespaces {
        /// Which, as [`kernel::namespace::flags`].
        flags: u64,
        /// The slot of the first; the others follow.
        first: Slot,
    }
}

impl Step for ShareNamespaces {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        // The host's /proc: this step stands before the change of root.
        let proc = file::open_at(file::HERE, c"/proc", open::PATH | open::DIRECTORY, 0)?;
        if file::filesystem(proc.raw())?.kind != magic::PROC {
            return Err(Fault::found(Call::Fstatfs, Errno::EOPNOTSUPP));
        }
        let mut slot = self.first;
        for (flag, _) in NAMES.iter().filter(|(flag, _)| self.flags & flag != 0) {
            let name = match *flag {
                flags::NEWUSER => c"self/ns/user",
                flags::NEWNS => c"self/ns/mnt",
                flags::NEWUTS => c"self/ns/uts",
                flags::NEWIPC => c"self/ns/ipc",
                flags::NEWPID => c"self/ns/pid",
                flags::NEWNET => c"self/ns/net",
                flags::NEWCGROUP => c"self/ns/cgroup",
                _ => c"self/ns/time",
            };
            let fd = file::open_at(proc.raw(), name, open::RDONLY, 0)?;
            context.slots.set(slot, fd);
            context.send_with_turn(slot)?;
            slot = Slot(slot.0 + 1);
        }
        Ok(())
    }

    fn describe(&self, _: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("share namespaces ")?;
        words(f, self.flags, &NAMES)
    }
}
