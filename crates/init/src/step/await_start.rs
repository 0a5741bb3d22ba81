//! The fence between `create` and `start`.

use core::fmt;

use kernel::{Call, Errno, Fault, file};

use super::{Context, Step, step};
use crate::slots::kind;
use crate::{Slot, StringTable};

step! {
    /// Waits in read(2) until the container is started.
    ///
    /// The pipe holds one byte from the beginning and has room for no more. Reading it makes room, which is how the
    /// runtime sees that everything before this step is done: after a system call filter is loaded, read(2) may be
    /// all that can be done to tell. The next byte means: go.
    AwaitStart {
        /// A pipe or FIFO.
        slot: Slot<kind::Fence>,
    }
}

impl Step for AwaitStart {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let fence = context.slots.get(self.slot)?;
        for _ in 0..2 {
            let mut byte = [0u8];
            loop {
                match file::read(fence, &mut byte) {
                    Ok(0) => return Err(Fault::found(Call::Read, Errno::EPIPE)),
                    Ok(_) => break,
                    Err(fault) if fault.is(Errno::EINTR) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("await start")
    }
}
