//! Namespaces: namespaces(7), unshare(2), setns(2).

use crate::{BorrowedFd, Call, Errno, Fault, Result, syscall};

/// Flags that name namespace types, as clone3(2), unshare(2) and setns(2) take them.
#[allow(missing_docs, reason = "the names of the manual pages")]
pub mod flags {
    pub const NEWTIME: u64 = 0x80;
    pub const NEWNS: u64 = 0x2_0000;
    pub const NEWCGROUP: u64 = 0x200_0000;
    pub const NEWUTS: u64 = 0x400_0000;
    pub const NEWIPC: u64 = 0x800_0000;
    pub const NEWUSER: u64 = 0x1000_0000;
    pub const NEWPID: u64 = 0x2000_0000;
    pub const NEWNET: u64 = 0x4000_0000;

    /// All of them.
    pub const ALL: u64 = NEWTIME | NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET;
}

/// unshare(2): moves the calling thread into new namespaces. `EINVAL` for other flags: in a thread with a table of its own
/// the descriptors of others would be wrong.
pub fn unshare(namespaces: u64) -> Result<()> {
    if namespaces & !flags::ALL != 0 {
        return Err(Fault::found(Call::Unshare, Errno::EINVAL));
    }
    // SAFETY: no pointers.
    unsafe { syscall!(Unshare, UNSHARE, namespaces) }.map(drop)
}

/// setns(2): joins the namespace(s) that `fd` (a namespace file or a pidfd) stands for.
pub fn join(fd: BorrowedFd<'_>, flags: u64) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Setns, SETNS, fd.raw(), flags) }.map(drop)
}

/// NS_GET_NSTYPE (ioctl_nsfs(2)): the `NEW…` flag of the namespace behind `fd`.
pub fn kind(fd: BorrowedFd<'_>) -> Result<u64> {
    const NS_GET_NSTYPE: usize = 0xb703;
    // SAFETY: this request takes no argument.
    unsafe { syscall!(Ioctl, IOCTL, fd.raw(), NS_GET_NSTYPE) }.map(|kind| kind as u64)
}
