//! Unix sockets: pairs, connecting, and messages that carry descriptors (unix(7)).

use crate::{BorrowedFd, Call, Errno, Fault, Fd, Result, syscall};

const AF_UNIX: usize = 1;
const SOCK_STREAM: usize = 1;
const SOCK_SEQPACKET: usize = 5;
const SOCK_CLOEXEC: usize = 0o2000000;
const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
const SCM_CREDENTIALS: i32 = 2;
const SO_PASSCRED: usize = 16;
const MSG_NOSIGNAL: usize = 0x4000;
const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
const MSG_DONTWAIT: usize = 0x40;
const MSG_TRUNC: i32 = 0x20;
const MSG_CTRUNC: i32 = 0x8;

/// The most descriptors that one message carries here (the kernel's own limit, SCM_MAX_FD, is 253).
pub const MOST_FDS: usize = 64;

/// A connected pair of sequenced-packet sockets.
pub fn pair() -> Result<(Fd, Fd)> {
    let mut fds = [0i32; 2];
    // SAFETY: the kernel writes two ints.
    unsafe {
        syscall!(
            Socketpair,
            SOCKETPAIR,
            AF_UNIX,
            SOCK_SEQPACKET | SOCK_CLOEXEC,
            0,
            fds.as_mut_ptr()
        )
    }?;
    Ok((Fd::fresh(fds[0] as usize), Fd::fresh(fds[1] as usize)))
}

/// SO_PASSCRED: from here on every message that arrives tells which process sent it.
pub fn pass_credentials(socket: BorrowedFd<'_>) -> Result<()> {
    let on = 1i32;
    // SAFETY: the kernel reads one int.
    unsafe {
        syscall!(
            Setsockopt,
            SETSOCKOPT,
            socket.raw(),
            SOL_SOCKET,
            SO_PASSCRED,
            &raw const on,
            4
        )
    }
    .map(drop)
}

/// A stream socket connected to the socket file at `path`; `ENAMETOOLONG` beyond 107 bytes. `EAGAIN` when as many wait as
/// may wait there, and nobody is accepted for so many seconds; what is sent has as long.
pub fn connect(path: &[u8], patience: u64) -> Result<Fd> {
    const SO_SNDTIMEO: usize = 21;
    #[repr(C)]
    struct Address {
        family: u16,
        path: [u8; 108],
    }
    let mut address = Address {
        family: AF_UNIX as u16,
        path: [0; 108],
    };
    if path.len() >= address.path.len() {
        return Err(Fault::found(Call::Connect, Errno::ENAMETOOLONG));
    }
    address.path[..path.len()].copy_from_slice(path);
    // SAFETY: no pointers.
    let socket =
        unsafe { syscall!(Socket, SOCKET, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC) }.map(Fd::fresh)?;
    // struct timeval: seconds and microseconds.
    let patience = [patience, 0];
    // SAFETY: the kernel reads `patience`.
    unsafe {
        syscall!(
            Setsockopt,
            SETSOCKOPT,
            socket.raw(),
            SOL_SOCKET,
            SO_SNDTIMEO,
            patience.as_ptr(),
            size_of_val(&patience)
        )
    }?;
    // SAFETY: `address` is a whole `struct sockaddr_un`.
    unsafe {
        syscall!(
            Connect,
            CONNECT,
            socket.raw(),
            &raw const address,
            size_of::<Address>()
        )
    }?;
    Ok(socket)
}

#[repr(C)]
struct Vector {
    base: *const u8,
    length: usize,
}

#[repr(C)]
struct Header {
    name: usize,
    name_length: usize,
    vectors: *const Vector,
    count: usize,
    control: *const Control,
    control_length: usize,
    flags: i32,
}

/// One control message with room for `MOST_FDS` descriptors, `struct cmsghdr` and its data.
#[repr(C, align(8))]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    fds: [i32; MOST_FDS],
}

const CONTROL_HEADER: usize = 16;

/// sendmsg(2): one message with descriptors. `EMSGSIZE` for more than [`MOST_FDS`].
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize> {
    if fds.len() > MOST_FDS {
        return Err(Fault::found(Call::Sendmsg, Errno::EMSGSIZE));
    }
    let mut control = Control {
        length: CONTROL_HEADER + 4 * fds.len(),
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        fds: [0; MOST_FDS],
    };
    control.fds[..fds.len()].copy_from_slice(BorrowedFd::numbers(fds));
    let vector = Vector {
        base: bytes.as_ptr(),
        length: bytes.len(),
    };
    let header = Header {
        name: 0,
        name_length: 0,
        vectors: &raw const vector,
        count: 1,
        control: &raw const control,
        control_length: if fds.is_empty() { 0 } else { control.length },
        flags: 0,
    };
    // SAFETY: all that `header` points at lives until the call returns.
    unsafe {
        syscall!(
            Sendmsg,
            SENDMSG,
            socket.raw(),
            &raw const header,
            MSG_NOSIGNAL
        )
    }
}

/// What [`receive`] got.
#[derive(Debug)]
pub struct Received {
    /// Bytes of the message; 0 when the peer has closed.
    pub bytes: usize,
    /// Descriptors that came with it, close-on-exec.
    pub fds: usize,
    /// The process that sent it, in the receiver's pid namespace; 0 without [`pass_credentials`].
    pub sender: i32,
}

/// Room for a sender's identity and [`MOST_FDS`] descriptors, each behind a `struct cmsghdr`.
#[repr(C, align(8))]
struct Controls([i32; CREDENTIALS + CONTROL_HEADER / 4 + MOST_FDS]);

/// A control message with pid, uid and gid takes this many numbers, padding included.
const CREDENTIALS: usize = 8;

/// recvmsg(2): one message; descriptors go to the front of `fds`. `EMSGSIZE` when something was cut off.
pub fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut [Option<Fd>],
    wait: bool,
) -> Result<Received> {
    let mut control = Controls([0; CREDENTIALS + CONTROL_HEADER / 4 + MOST_FDS]);
    let vector = Vector {
        base: bytes.as_mut_ptr(),
        length: bytes.len(),
    };
    let mut header = Header {
        name: 0,
        name_length: 0,
        vectors: &raw const vector,
        count: 1,
        control: (&raw mut control).cast(),
        control_length: size_of::<Controls>(),
        flags: 0,
    };
    let flags = MSG_CMSG_CLOEXEC | if wait { 0 } else { MSG_DONTWAIT };
    // SAFETY: all that `header` points at lives until the call returns and is large enough.
    let length = unsafe { syscall!(Recvmsg, RECVMSG, socket.raw(), &raw mut header, flags) }?;
    // At most two come, the sender first: each is its length in eight bytes, its level, its kind, and its data.
    let mut rest = &control.0[..header.control_length.min(size_of::<Controls>()) / 4];
    let mut sender = 0;
    if let [_, _, SOL_SOCKET, SCM_CREDENTIALS, pid, ..] = *rest {
        sender = pid;
        rest = rest.get(CREDENTIALS..).unwrap_or_default();
    }
    let carried: &[i32] = match rest {
        [length, _, SOL_SOCKET, SCM_RIGHTS, numbers @ ..] => numbers
            .get(..(*length as usize).saturating_sub(CONTROL_HEADER) / 4)
            .unwrap_or_default(),
        _ => &[],
    };
    let mut kept = 0;
    for raw in carried {
        let fd = Fd::fresh(*raw as usize);
        if let Some(place) = fds.get_mut(kept) {
            *place = Some(fd);
            kept += 1;
        }
    }
    if header.flags & (MSG_TRUNC | MSG_CTRUNC) != 0 || kept < carried.len() {
        return Err(Fault::found(Call::Recvmsg, Errno::EMSGSIZE));
    }
    Ok(Received {
        bytes: length,
        fds: kept,
        sender,
    })
}
