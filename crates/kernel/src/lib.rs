//! One safe verb per Linux system call, for a container runtime and its init.
//!
//! **All `unsafe` code of tare is in this crate** (and in the entry point of init). It may not allocate, decide or
//! retry: a function here translates types, makes one call, and says which call failed with which errno. It needs no
//! libc and no allocator, so that the very small init program can use it; with the feature `std` (the default) it also
//! converts to and from the standard library's descriptor types.
//!
//! Descriptors are [`Fd`] when owned and [`BorrowedFd`] when lent, as in the standard library: outside this crate no
//! safe code makes one from a number, closes one that somebody else owns, or uses one that is closed.
//!
//! Functions are grouped by what a reader would look for: [`mod@file`], [`mount`], [`namespace`], [`process`],
//! [`identity`], [`scheduling`], [`socket`], [`terminal`], [`seccomp`], [`bpf`], [`keyring`], [`memory`], [`strings`],
//! [`network`], [`watch`], [`clock`], [`loop_device`], [`bytes`], and `entry` with the feature `program`.
#![cfg_attr(not(feature = "std"), no_std)]

mod arch;
pub mod bpf;
pub mod bytes;
pub mod clock;
#[cfg(feature = "program")]
pub mod entry;
pub mod errno;
mod fault;
mod fd;
pub mod file;
pub mod identity;
pub mod keyring;
pub mod loop_device;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod process;
pub mod scheduling;
pub mod seccomp;
pub mod socket;
pub mod strings;
pub mod terminal;
pub mod watch;

pub use errno::Errno;
pub use fault::{Call, Fault};
pub use fd::{BorrowedFd, Fd, Stream};
pub use strings::StringList;

/// What every function of this crate returns.
pub type Result<T> = core::result::Result<T, Fault>;

/// Makes the call `$call` with number `nr::$number`; missing arguments are 0.
///
/// The answer is `Result<usize>`. Every use states in its `SAFETY` comment why the pointers are valid.
macro_rules! syscall {
    ($call:ident, $number:ident $(, $argument:expr)* $(,)?) => {
        $crate::check($crate::Call::$call, $crate::arch::syscall6($crate::arch::nr::$number, $crate::six([$($argument as usize),*])))
    };
}
pub(crate) use syscall;

#[inline(always)]
pub(crate) fn six<const N: usize>(given: [usize; N]) -> [usize; 6] {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&given);
    all
}

/// The kernel answers -4095..=-1 for errors (syscall(2), "NOTES").
#[inline]
pub(crate) fn check(call: Call, answer: isize) -> Result<usize> {
    if (-4095..0).contains(&answer) {
        Err(Fault {
            call,
            errno: Errno(-answer as i32),
        })
    } else {
        Ok(answer as usize)
    }
}
