//! File descriptors, owned and borrowed, as `std::os::fd` has them, for programs without the standard library.

use core::marker::PhantomData;

use crate::{Call, arch, check};

/// A file descriptor that is closed when dropped.
#[derive(Debug)]
pub struct Fd(i32);

impl Fd {
    /// Takes ownership of a descriptor number.
    ///
    /// # Safety
    /// It is open, and nobody else owns it: it is closed when the `Fd` is dropped.
    ///
    /// ```compile_fail,E0133
    /// let fd = tare_kernel::Fd::adopt(7);
    /// ```
    pub const unsafe fn adopt(raw: i32) -> Fd {
        Fd(raw)
    }

    /// The descriptor that the kernel has just answered with: nobody else knows it yet.
    pub(crate) const fn fresh(answer: usize) -> Fd {
        Fd(answer as i32)
    }

    /// The descriptor, for as long as this one lives.
    pub const fn borrow(&self) -> BorrowedFd<'_> {
        BorrowedFd::of(self.0)
    }

    /// The number, to be shown or sent to another process.
    pub const fn raw(&self) -> i32 {
        self.0
    }

    /// The number; the descriptor stays open and nobody owns it any more.
    pub const fn into_raw(self) -> i32 {
        let raw = self.0;
        core::mem::forget(self);
        raw
    }

    /// The descriptor, which stays open for the rest of the program's life.
    pub const fn leak(self) -> BorrowedFd<'static> {
        BorrowedFd::of(self.into_raw())
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: close takes a number and touches no memory of ours. The descriptor is gone also when an error is returned.
        let _ = check(Call::Close, unsafe {
            arch::syscall6(arch::nr::CLOSE, crate::six([self.0 as usize]))
        });
    }
}

/// A file descriptor that somebody keeps open for `'a`.
///
/// A number is none, and none outlives its owner:
///
/// ```compile_fail,E0308
/// tare_kernel::file::status(7);
/// ```
/// ```compile_fail,E0505
/// let (ours, theirs) = tare_kernel::socket::pair().unwrap();
/// let watch = [tare_kernel::process::PollFd::new(ours.borrow(), 1)];
/// drop(ours);
/// tare_kernel::process::poll(&mut { watch }, None);
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct BorrowedFd<'a> {
    raw: i32,
    owner: PhantomData<&'a Fd>,
}

impl BorrowedFd<'_> {
    /// For numbers that this crate knows to be open, or to stand for something.
    pub(crate) const fn of(raw: i32) -> Self {
        BorrowedFd {
            raw,
            owner: PhantomData,
        }
    }

    /// The number, to be shown or sent to another process.
    pub const fn raw(self) -> i32 {
        self.raw
    }

    /// The numbers of several.
    pub(crate) const fn numbers(fds: &[Self]) -> &[i32] {
        // SAFETY: a borrowed descriptor is nothing but its number (`repr(transparent)`).
        unsafe { core::slice::from_raw_parts(fds.as_ptr().cast(), fds.len()) }
    }
}

/// A standard stream. Nobody owns these three, so they can be used at any time; where one is closed, calls answer `EBADF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(i32);

impl Stream {
    /// Standard input.
    pub const INPUT: Stream = Stream(0);
    /// Standard output.
    pub const OUTPUT: Stream = Stream(1);
    /// Standard error.
    pub const ERROR: Stream = Stream(2);
    /// All, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Stream> {
        (0..3).map(Stream)
    }

    /// The descriptor.
    pub const fn borrow(self) -> BorrowedFd<'static> {
        BorrowedFd::of(self.0)
    }

    /// Whether this number is that of a standard stream.
    pub fn has(number: i32) -> bool {
        (0..3).contains(&number)
    }
}

#[cfg(feature = "std")]
mod std_conversions {
    use super::{BorrowedFd, Fd};
    use std::os::fd::{self, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

    impl AsRawFd for Fd {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    impl fd::AsFd for Fd {
        fn as_fd(&self) -> fd::BorrowedFd<'_> {
            self.borrow().into()
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

    impl<'a> From<fd::BorrowedFd<'a>> for BorrowedFd<'a> {
        fn from(fd: fd::BorrowedFd<'a>) -> BorrowedFd<'a> {
            BorrowedFd::of(fd.as_raw_fd())
        }
    }

    impl<'a> From<BorrowedFd<'a>> for fd::BorrowedFd<'a> {
        fn from(fd: BorrowedFd<'a>) -> fd::BorrowedFd<'a> {
            // SAFETY: the descriptor is open as long as `'a` lasts, and never -1.
            unsafe { fd::BorrowedFd::borrow_raw(fd.raw) }
        }
    }
}
