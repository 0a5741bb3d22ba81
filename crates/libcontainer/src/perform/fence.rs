//! The fence at which a process waits before it executes its program: a pipe or FIFO that is full; or open from the beginning.

use kernel::process::PollFd;
use kernel::{Errno, Fault, Fd, file, process};

use crate::Error;

/// The child's end, and ours if somebody has to let the child go.
pub(crate) type Ends = (Fd, Option<Fd>);

fn failed(fault: Fault) -> Error {
    super::own("make the start fence", fault)
}

/// A fence that only this process can open: the child's end and ours.
pub(crate) fn pipe() -> Result<Ends, Error> {
    let (read, write) = file::pipe().map_err(failed)?;
    fill(read, write)
}

/// A fence that lets the child pass: both bytes that it reads are there. Where nothing is to be done between set-up and
/// program, it saves two processes a wait for each other.
pub(crate) fn open() -> Result<Ends, Error> {
    let (read, write) = file::pipe().map_err(failed)?;
    file::write(write.borrow(), b"rg").map_err(failed)?;
    Ok((read, None))
}

/// A FIFO, opened for reading and writing, as a fence: the child's end and ours.
pub(crate) fn fifo(fifo: Fd) -> Result<Ends, Error> {
    let copy = file::duplicate_above(fifo.borrow(), 3).map_err(failed)?;
    fill(fifo, copy)
}

/// One byte is in the pipe, which has room for no more: see the step `AwaitStart`.
fn fill(theirs: Fd, ours: Fd) -> Result<Ends, Error> {
    // Room is counted in pages, and one byte takes a whole one.
    file::set_pipe_size(ours.borrow(), 4096).map_err(failed)?;
    file::write(ours.borrow(), b"r").map_err(failed)?;
    // Init is to wait in its read; both ends of a FIFO share this flag.
    file::set_nonblocking(theirs.borrow(), false).map_err(failed)?;
    Ok((theirs, Some(ours)))
}

/// Lets whoever waits at the fence go, and waits until it has executed its program, so that nobody is at the other end
/// any more, or has ended.
pub(crate) fn release(fence: &Fd, pidfd: &Fd) -> kernel::Result<()> {
    file::write(fence.borrow(), b"g")?;
    let mut watches =
        [(fence, 0), (pidfd, PollFd::IN)].map(|(fd, events)| PollFd::new(fd.borrow(), events));
    loop {
        match process::poll(&mut watches, None) {
            Err(fault) if fault.is(Errno::EINTR) => {}
            answer => return answer.map(drop),
        }
    }
}
