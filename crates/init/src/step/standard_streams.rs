//! Standard input, output and error: which of them the container must not have as they are.

use core::fmt;

use kernel::file::{self, device, magic, mode, open};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, Result, Stream};

use super::{Context, Step, step};
use crate::{StringTable, inside};

step! {
    /// dup3(2), fchown(2): a null device of the host's is replaced by the container's own, for its owner and permissions
    /// can be changed through a descriptor; and a pipe is given to the program's user, who must be able to open
    /// `/dev/stdout` again. Everything else may be somebody's and stays as it is. `process.user`
    StandardStreams {
        /// The user.
        uid: u32,
    }
}

fn is_null(status: &file::Status) -> bool {
    status.kind() == mode::CHARACTER && status.rdev == device(1, 3)
}

/// Only an anonymous pipe: a FIFO has a name, and an owner, outside.
fn is_pipe(fd: BorrowedFd<'_>, status: &file::Status) -> Result<bool> {
    Ok(status.kind() == mode::FIFO && file::filesystem(fd)?.kind == magic::PIPEFS)
}

/// The container's null device. What is there is looked at first: opening a device may have effects.
fn open_null(context: &Context<'_>) -> Result<Fd> {
    let mut flags = open::PATH;
    loop {
        let null = inside::open(context.root(), c"/dev/null", flags)?;
        if !is_null(&file::status(null.borrow())?) {
            return Err(Fault::found(Call::Fstat, Errno::ENODEV));
        }
        if flags == open::RDWR {
            return Ok(null);
        }
        flags = open::RDWR;
    }
}

impl Step for StandardStreams {
    #[expect(
        clippy::let_underscore_must_use,
        reason = "without privileges, or where the owner is not mapped, a pipe stays the caller's"
    )]
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        for stream in Stream::all() {
            let fd = stream.borrow();
            let status = match file::status(fd) {
                Err(fault) if fault.is(Errno::EBADF) => continue,
                answer => answer?,
            };
            if is_null(&status) {
                file::duplicate_onto(open_null(context)?.borrow(), stream)?;
            } else if status.uid != self.uid && is_pipe(fd, &status)? {
                let _ = file::set_owner(fd, self.uid, u32::MAX);
            }
        }
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "standard streams: null device of /dev/null, pipes to user {}",
            self.uid
        )
    }
}
