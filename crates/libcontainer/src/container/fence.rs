//! Where a container's init waits for `start`: one end is its own, the other ours.

use kernel::{Fd, file};

use crate::Error;
use crate::state::Held;

/// Where the child waits for `start`.
pub(super) enum Fence {
    /// At a FIFO in the container's folder, which any process can open later.
    Fifo,
    /// At a pipe, which only this process can use.
    Pipe,
}

impl Fence {
    /// The child's end and ours.
    pub(super) fn make(&self, folder: &Held) -> Result<(Fd, Fd), Error> {
        match self {
            Fence::Pipe => pipe_fence(),
            Fence::Fifo => {
                let fifo = folder.make_fence()?;
                let copy = Fd::adopt(file::duplicate_above(fifo.raw(), 3).map_err(no_fence)?);
                fill(fifo, copy)
            }
        }
    }
}

fn no_fence(fault: kernel::Fault) -> Error {
    crate::perform::own("make the start fence", fault)
}

/// A fence that only this process can open: the child's end and ours.
pub(super) fn pipe_fence() -> Result<(Fd, Fd), Error> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| {
        no_fence(kernel::Fault::found(
            kernel::Call::Openat,
            kernel::Errno(errno as i32),
        ))
    })?;
    fill(read.into(), write.into())
}

/// One byte is in the pipe, which has room for no more: see the step `AwaitStart`.
fn fill(theirs: Fd, ours: Fd) -> Result<(Fd, Fd), Error> {
    // Room is counted in pages, and one byte takes a whole one.
    file::set_pipe_size(ours.raw(), 4096).map_err(no_fence)?;
    file::write(ours.raw(), b"r").map_err(no_fence)?;
    // Init is to wait in its read; both ends of a FIFO share this flag.
    file::set_nonblocking(theirs.raw(), false).map_err(no_fence)?;
    Ok((theirs, ours))
}
