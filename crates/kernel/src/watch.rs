//! Descriptors that become readable when something happens: inotify(7), eventfd(2), timerfd_create(2).

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

/// timerfd_create(2) and timerfd_settime(2), non-blocking and close-on-exec: readable once, after this many nanoseconds.
pub fn timer(nanoseconds: u64) -> Result<Fd> {
    const MONOTONIC: usize = 1;
    const CLOEXEC_NONBLOCK: usize = 0o2000000 | 0o4000;
    const SECOND: u64 = 1_000_000_000;
    // SAFETY: no pointers.
    let timer = unsafe { syscall!(TimerfdCreate, TIMERFD_CREATE, MONOTONIC, CLOEXEC_NONBLOCK) }
        .map(Fd::fresh)?;
    // Interval and first time, of which 0 would be never.
    let nanoseconds = nanoseconds.max(1);
    let times = [0, 0, nanoseconds / SECOND, nanoseconds % SECOND];
    // SAFETY: a whole `struct itimerspec`; the old one is not asked for.
    unsafe {
        syscall!(
            TimerfdSettime,
            TIMERFD_SETTIME,
            timer.raw(),
            0,
            times.as_ptr(),
            0
        )
    }?;
    Ok(timer)
}
