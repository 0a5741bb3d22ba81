//! An owned file descriptor, as `std::os::fd::OwnedFd`, for programs without the standard library.

use crate::{Call, Result, arch, check};

/// A file descriptor that is closed when dropped.
#[derive(Debug)]
pub struct Fd(i32);

impl Fd {
    /// Takes ownership of a descriptor number, for instance one inherited across execve(2).
    ///
    /// The caller must be its only owner: when this `Fd` is dropped the number is closed. A wrong number cannot harm
    /// memory, but may close a descriptor that somebody else uses.
    pub const fn adopt(raw: i32) -> Fd {
        Fd(raw)
    }

    /// The number.
    pub const fn raw(&self) -> i32 {
        self.0
    }

    /// The number; the descriptor stays open and nobody owns it any more.
    pub fn into_raw(self) -> i32 {
        let raw = self.0;
        core::mem::forget(self);
        raw
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        let _ = close(self.0);
    }
}

/// close(2). The descriptor is gone also when an error is returned.
pub(crate) fn close(raw: i32) -> Result<()> {
    // SAFETY: close takes a number and touches no memory of ours.
    check(Call::Close, unsafe {
        arch::syscall6(arch::nr::CLOSE, crate::six([raw as usize]))
    })
    .map(drop)
}

#[cfg(feature = "std")]
mod std_conversions {
    use super::Fd;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

    impl AsRawFd for Fd {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    impl AsFd for Fd {
        fn as_fd(&self) -> BorrowedFd<'_> {
            // SAFETY: the descriptor is open as long as `self` lives.
            unsafe { BorrowedFd::borrow_raw(self.0) }
        }
    }

    impl From<OwnedFd> for Fd {
        fn from(fd: OwnedFd) -> Fd {
            Fd(fd.into_raw_fd())
        }
    }

    impl From<Fd> for OwnedFd {
        fn from(fd: Fd) -> OwnedFd {
            // SAFETY: `into_raw` hands over the only ownership.
            unsafe { OwnedFd::from_raw_fd(fd.into_raw()) }
        }
    }
}
