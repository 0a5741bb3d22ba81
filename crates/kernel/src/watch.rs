//! Descriptors that become readable when something happens: epoll(7), eventfd(2), timerfd_create(2).

use crate::{BorrowedFd, Fd, Result, syscall};

/// epoll_create1(2), close-on-exec, with files added that say EPOLLPRI when their text has changed (cgroups(7)): readable from a
/// change of any of them until that one is read.
///
/// Unlike an inotify instance, closing it waits for nothing: the kernel takes 10 to 20 ms to end one of those.
pub fn changes_of(files: &[BorrowedFd<'_>]) -> Result<Fd> {
    const CLOEXEC: usize = 0o2000000;
    const ADD: usize = 1;
    const PRI: u32 = 2;
    // SAFETY: no pointers.
    let all = unsafe { syscall!(EpollCreate, EPOLL_CREATE1, CLOEXEC) }.map(Fd::fresh)?;
    for file in files {
        // `struct epoll_event`: after the events stand 64 bits for the caller, on some architectures with a gap before them.
        let event = [PRI, 0, 0, 0];
        // SAFETY: the kernel reads one event, of at most 16 bytes.
        unsafe {
            syscall!(
                EpollCtl,
                EPOLL_CTL,
                all.raw(),
                ADD,
                file.raw(),
                event.as_ptr()
            )
        }?;
    }
    Ok(all)
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
