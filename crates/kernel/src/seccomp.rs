//! System call filters: seccomp(2).

use crate::{BorrowedFd, Fd, Result, syscall};

/// One instruction of classic BPF, `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump distance when true.
    pub jt: u8,
    /// Jump distance when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Flags of `SECCOMP_SET_MODE_FILTER`.
#[allow(missing_docs, reason = "the names of seccomp(2)")]
pub mod flags {
    pub const TSYNC: u64 = 1;
    pub const LOG: u64 = 2;
    pub const SPEC_ALLOW: u64 = 4;
    pub const NEW_LISTENER: u64 = 8;
    pub const TSYNC_ESRCH: u64 = 16;
    pub const WAIT_KILLABLE_RECV: u64 = 32;
}

#[repr(C)]
struct Program {
    length: u16,
    filter: *const u8,
}

/// Installs a filter given as raw `struct sock_filter` bytes (8 each, any alignment).
///
/// With [`flags::NEW_LISTENER`] the answer is the notification descriptor.
pub fn install(filter: &[u8], flags: u64) -> Result<Option<Fd>> {
    const SET_MODE_FILTER: usize = 1;
    let program = Program {
        length: (filter.len() / 8) as u16,
        filter: filter.as_ptr(),
    };
    // SAFETY: `program` points at `length` instructions, which the kernel copies (by copy_from_user: no alignment needed).
    let answer = unsafe { syscall!(Seccomp, SECCOMP, SET_MODE_FILTER, flags, &raw const program) }?;
    Ok((flags & flags::NEW_LISTENER != 0).then(|| Fd::fresh(answer)))
}

/// SECCOMP_GET_ACTION_AVAIL: whether this kernel knows the filter action.
pub fn action_available(action: u32) -> bool {
    const GET_ACTION_AVAIL: usize = 2;
    // SAFETY: the kernel reads one u32.
    unsafe { syscall!(Seccomp, SECCOMP, GET_ACTION_AVAIL, 0, &raw const action) }.is_ok()
}

/// Whether this kernel knows a flag of `SECCOMP_SET_MODE_FILTER`; nothing is installed.
pub fn flag_available(flag: u64) -> bool {
    const SET_MODE_FILTER: usize = 1;
    let nowhere = core::ptr::null::<Program>();
    // The kernel reads 32 bits, and refuses this one flag without a listener.
    let with = if flag == flags::WAIT_KILLABLE_RECV {
        flags::NEW_LISTENER
    } else {
        0
    };
    if flag > u64::from(u32::MAX) {
        return false;
    }
    // SAFETY: the kernel looks at the flags first (EINVAL), then fails to read the program (EFAULT), as seccomp(2) advises.
    let answer = unsafe { syscall!(Seccomp, SECCOMP, SET_MODE_FILTER, flag | with, nowhere) };
    answer.is_err_and(|fault| fault.errno == crate::Errno::EFAULT)
}

/// `struct seccomp_notif`: a call that waits for an answer (seccomp_unotify(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Notification {
    /// Names the call in the answer.
    pub id: u64,
    /// Thread that made the call, in the pid namespace of the listener's owner; 0 where it is not visible there.
    pub pid: u32,
    /// Always 0.
    pub flags: u32,
    /// Number of the call.
    pub number: i32,
    /// `AUDIT_ARCH_…`.
    pub architecture: u32,
    /// Where in the program.
    pub instruction: u64,
    /// Arguments; pointers lie in the memory of `pid`.
    pub arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// What the caller of a waiting call is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The kernel makes the call after all. Never a safe answer where a pointer was looked at: its target may have changed.
    Continue,
    /// The call returns this.
    Value(i64),
    /// The call fails.
    Error(crate::Errno),
}

/// `_IOWR('!', number, size)`, the same on all architectures served.
const fn request(direction: usize, number: usize, size: usize) -> usize {
    direction << 30 | size << 16 | (b'!' as usize) << 8 | number
}

/// SECCOMP_IOCTL_NOTIF_RECV: waits for the next call.
///
/// ENOENT means that the caller was killed or interrupted meanwhile.
pub fn receive(listener: BorrowedFd<'_>) -> Result<Notification> {
    const RECEIVE: usize = request(3, 0, size_of::<Notification>());
    // The kernel demands zeros.
    let mut notification = Notification::default();
    // SAFETY: the kernel fills one notification of the size that the request names.
    unsafe { syscall!(Ioctl, IOCTL, listener.raw(), RECEIVE, &raw mut notification) }?;
    Ok(notification)
}

/// SECCOMP_IOCTL_NOTIF_SEND: answers a call.
///
/// ENOENT means that nobody waits for the answer any more.
pub fn reply(listener: BorrowedFd<'_>, id: u64, reply: Reply) -> Result<()> {
    const SEND: usize = request(3, 1, size_of::<Answer>());
    const CONTINUE: u32 = 1;
    let (value, error, flags) = match reply {
        Reply::Continue => (0, 0, CONTINUE),
        Reply::Value(value) => (value, 0, 0),
        Reply::Error(errno) => (0, -errno.0, 0),
    };
    let answer = Answer {
        id,
        value,
        error,
        flags,
    };
    // SAFETY: the kernel reads one answer of the size that the request names.
    unsafe { syscall!(Ioctl, IOCTL, listener.raw(), SEND, &raw const answer) }.map(drop)
}

/// SECCOMP_IOCTL_NOTIF_ID_VALID: whether the caller still waits, so that what was read from its memory was its own.
pub fn still_waits(listener: BorrowedFd<'_>, id: u64) -> bool {
    const ID_VALID: usize = request(1, 2, size_of::<u64>());
    // SAFETY: the kernel reads one u64.
    unsafe { syscall!(Ioctl, IOCTL, listener.raw(), ID_VALID, &raw const id) }.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_the_header() {
        assert_eq!(size_of::<Notification>(), 80);
        assert_eq!(request(3, 0, 80), 0xc050_2100);
        assert_eq!(request(3, 1, size_of::<Answer>()), 0xc018_2101);
        assert_eq!(request(1, 2, 8), 0x4008_2102);
    }

    #[test]
    fn flags_are_asked_without_effect() {
        assert!(flag_available(flags::TSYNC));
        assert!(flag_available(flags::WAIT_KILLABLE_RECV));
        assert!(!flag_available(1 << 31));
        assert!(!flag_available(1 << 40));
    }
}
