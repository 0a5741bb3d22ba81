//! Taking turns: one message when the performer changes, carrying the descriptors produced since the last one.
//!
//! There are no kinds of messages, so none can come out of order. A message is a byte that says whether another part
//! follows, and the slots of the descriptors that come with it. Who sent it, the kernel knows: the runtime learns from
//! that of a new process after a fork.

use kernel::socket::{self, MOST_FDS};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, Stream};

use crate::Slot;

const LONGEST: usize = 1 + MOST_FDS;

/// Sends a turn: descriptors with the slots they belong in.
///
/// # Errors
/// As sendmsg(2); `EPIPE` when the peer is gone.
pub fn send(peer: BorrowedFd<'_>, carried: &[(Slot, BorrowedFd<'_>)]) -> kernel::Result<()> {
    let mut parts = carried.chunks(MOST_FDS).peekable();
    loop {
        let part = parts.next().unwrap_or_default();
        let last = parts.peek().is_none();
        let mut bytes = [0u8; LONGEST];
        let mut fds = [Stream::INPUT.borrow(); MOST_FDS];
        bytes[0] = u8::from(!last);
        for (index, (slot, fd)) in part.iter().enumerate() {
            bytes[1 + index] = slot.number();
            fds[index] = *fd;
        }
        while let Err(fault) = socket::send(peer, &bytes[..1 + part.len()], &fds[..part.len()]) {
            if !fault.is(Errno::EINTR) {
                return Err(fault);
            }
        }
        if last {
            return Ok(());
        }
    }
}

/// Waits for a turn and hands each descriptor to `keep`; the answer is the sender, where the socket tells
/// ([`socket::pass_credentials`]).
///
/// # Errors
/// As recvmsg(2); `EPIPE` when the peer has closed, `EBADMSG` for what is no turn.
pub fn receive(peer: BorrowedFd<'_>, mut keep: impl FnMut(Slot, Fd)) -> kernel::Result<i32> {
    const BROKEN: Fault = Fault::found(Call::Recvmsg, Errno::EBADMSG);
    loop {
        let mut bytes = [0u8; LONGEST];
        let mut fds = [const { None }; MOST_FDS];
        let received = match socket::receive(peer, &mut bytes, &mut fds, true) {
            Err(fault) if fault.is(Errno::EINTR) => continue,
            answer => answer?,
        };
        if received.bytes == 0 {
            return Err(Fault::found(Call::Recvmsg, Errno::EPIPE));
        }
        if received.bytes != 1 + received.fds {
            return Err(BROKEN);
        }
        for (index, fd) in fds.iter_mut().enumerate().take(received.fds) {
            keep(Slot::numbered(bytes[1 + index]), fd.take().ok_or(BROKEN)?);
        }
        if bytes[0] == 0 {
            return Ok(received.sender);
        }
    }
}
