//! Descriptors that become readable when something happens: inotify(7) and eventfd(2).

use core::ffi::CStr;

use crate::{BorrowedFd, Fd, Result, syscall};

/// inotify_init1(2), non-blocking and close-on-exec.
pub fn notifier() -> Result<Fd> {
    const CLOEXEC_NONBLOCK: usize = 0o2000000 | 0o4000;
    // SAFETY: no pointers.
    unsafe { syscall!(InotifyInit, INOTIFY_INIT1, CLOEXEC_NONBLOCK) }.map(Fd::fresh)
}

/// inotify_add_watch(2) with IN_MODIFY and IN_DELETE_SELF.
pub fn notify_of_changes(notifier: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    const MODIFY: usize = 2;
    const DELETE_SELF: usize = 0x400;
    // SAFETY: a valid string.
    unsafe {
        syscall!(
            InotifyAddWatch,
            INOTIFY_ADD_WATCH,
            notifier.raw(),
            path.as_ptr(),
            MODIFY | DELETE_SELF
        )
    }
    .map(drop)
}

/// eventfd2(2), non-blocking and close-on-exec, starting at 0.
pub fn event_counter() -> Result<Fd> {
    const CLOEXEC_NONBLOCK: usize = 0o2000000 | 0o4000;
    // SAFETY: no pointers.
    unsafe { syscall!(Eventfd, EVENTFD2, 0, CLOEXEC_NONBLOCK) }.map(Fd::fresh)
}
