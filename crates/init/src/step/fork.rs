//! Becomes a new process, which is what it takes to be inside a new pid or time namespace.

use core::fmt;

use kernel::Errno;
use kernel::process::{self, Forked};

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// clone3(2) with CLONE_PARENT: the new process is a child of the runtime and goes on with the next step, the old
    /// one leaves. `linux.namespaces` (pid, time)
    ///
    /// The new one announces itself, and the kernel tells the runtime whose message that is (SCM_CREDENTIALS, unix(7)).
    /// So nobody depends on the old one once the new one exists, whenever it dies.
    Fork {}
}

impl Step for Fork {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        // Should it die before it says who it is, the runtime finds it by this group.
        match process::new_group() {
            Err(fault) if !fault.is(Errno::EPERM) => return Err(fault),
            _ => {}
        }
        if context.alone.fork_sibling()? == Forked::Parent {
            process::exit(0);
        }
        context.announce()?;
        context.announced = true;
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fork")
    }
}
