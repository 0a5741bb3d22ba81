//! Becomes a new process, which is what it takes to be inside a new pid or time namespace.

use core::fmt;

use kernel::process::{self, Forked};

use super::{Context, Step, step};
use crate::{Slot, Text};

step! {
    /// clone3(2) with CLONE_PARENT: the new process is a child of the runtime and goes on with the next step, the old
    /// one sends the new one's pidfd and leaves. `linux.namespaces` (pid, time)
    Fork {
        /// Where the runtime finds the pidfd.
        slot: Slot,
    }
}

impl Step for Fork {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        match process::fork_sibling()? {
            Forked::Child => {
                context.announced = true;
                Ok(())
            }
            Forked::Parent(new) => {
                context.slots.set(self.slot, new.pidfd);
                context.send_with_turn(self.slot)?;
                let peer = context.slots.raw(Slot::PEER)?;
                context.announce(peer, new.pid)?;
                process::exit(0)
            }
        }
    }

    fn describe(&self, _: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fork")
    }
}
