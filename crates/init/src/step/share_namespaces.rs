//! Hands the container's namespaces to the runtime, which may not open them itself.

use core::fmt;

use kernel::file::{self, magic, open};
use kernel::namespace::flags;
use kernel::{Call, Errno, Fault};

use super::unshare::{NAMES, each_namespace};
use super::{Context, Step, step, words};
use crate::slots::kind;
use crate::{Slot, StringTable};

step! {
    /// Opens this process's namespace files and sends them with the next turn, so that a runtime without privileges
    /// can run hooks in them. `hooks.createContainer`, `hooks.startContainer`
    ShareNamespaces {
        /// Which, as [`kernel::namespace::flags`].
        flags: u64,
        /// The slot of the first; the others follow.
        first: Slot<kind::Joinable>,
    }
}

impl ShareNamespaces {
    /// The types, each with its slot: what the one side fills and the other takes.
    pub fn each(&self) -> impl Iterator<Item = (u64, Slot<kind::Joinable>)> + use<> {
        let slots = (self.first.number()..=u8::MAX).map(Slot::numbered);
        each_namespace(self.flags).zip(slots)
    }
}

impl Step for ShareNamespaces {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        // The host's /proc: this step stands before the change of root.
        let proc = file::open_at(file::HERE, c"/proc", open::PATH | open::DIRECTORY, 0)?;
        if file::filesystem(proc.borrow())?.kind != magic::PROC {
            return Err(Fault::found(Call::Fstatfs, Errno::EOPNOTSUPP));
        }
        for (flag, slot) in self.each() {
            let name = match flag {
                flags::NEWUSER => c"self/ns/user",
                flags::NEWNS => c"self/ns/mnt",
                flags::NEWUTS => c"self/ns/uts",
                flags::NEWIPC => c"self/ns/ipc",
                flags::NEWPID => c"self/ns/pid",
                flags::NEWNET => c"self/ns/net",
                flags::NEWCGROUP => c"self/ns/cgroup",
                _ => c"self/ns/time",
            };
            let fd = file::open_at(proc.borrow(), name, open::RDONLY, 0)?;
            context.send_with_turn(slot.any(), fd)?;
        }
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("share namespaces ")?;
        words(f, self.flags, &NAMES)
    }
}
