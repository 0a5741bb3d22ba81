//! System call filters: seccomp(2).

use crate::{Fd, Result, syscall};

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
    Ok((flags & flags::NEW_LISTENER != 0).then(|| Fd::adopt(answer as i32)))
}

/// SECCOMP_GET_ACTION_AVAIL: whether this kernel knows the filter action.
pub fn action_available(action: u32) -> bool {
    const GET_ACTION_AVAIL: usize = 2;
    // SAFETY: the kernel reads one u32.
    unsafe { syscall!(Seccomp, SECCOMP, GET_ACTION_AVAIL, 0, &raw const action) }.is_ok()
}
