//! What is waited for: descriptors, each with a token, which is never used twice.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::connection::Interest;

/// Names a source of events. A descriptor's number comes back once it is closed; this does not: what is told about something
/// that has gone is about nothing.
pub(crate) type Token = u64;

/// epoll(7), level-triggered.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: Epoll,
    next: Token,
}

impl Poller {
    pub(crate) fn new() -> nix::Result<Poller> {
        Ok(Poller {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            next: 0,
        })
    }

    /// A token that nothing else has had.
    pub(crate) fn token(&mut self) -> Token {
        self.next += 1;
        self.next
    }

    /// Waits for this descriptor, too.
    pub(crate) fn add(&self, fd: impl AsFd, token: Token, interest: Interest) -> nix::Result<()> {
        self.epoll.add(fd, EpollEvent::new(flags(interest), token))
    }

    /// Waits for something else at it.
    pub(crate) fn change(
        &self,
        fd: impl AsFd,
        token: Token,
        interest: Interest,
    ) -> nix::Result<()> {
        let mut event = EpollEvent::new(flags(interest), token);
        self.epoll.modify(fd, &mut event)
    }

    /// Waits for it no more. Needed before it is closed: a copy of it elsewhere would keep it in the set.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        // It fails only for one that is not in it.
        let _ = self.epoll.delete(fd);
    }

    /// Waits until something has come or this moment, and says at which tokens.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> nix::Result<Vec<Token>> {
        let timeout = match deadline {
            None => EpollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                // Rounded up: a moment too early would be waited for again, and again.
                let left = left.saturating_add(Duration::from_micros(999)).as_millis();
                EpollTimeout::try_from(left.min(i32::MAX as u128) as i32)
                    .unwrap_or(EpollTimeout::NONE)
            }
        };
        let mut events = [EpollEvent::empty(); 32];
        match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => Ok(Vec::new()),
            answer => Ok(events[..answer?].iter().map(EpollEvent::data).collect()),
        }
    }
}

fn flags(interest: Interest) -> EpollFlags {
    let mut flags = EpollFlags::empty();
    flags.set(EpollFlags::EPOLLIN, interest.read);
    flags.set(EpollFlags::EPOLLOUT, interest.write);
    flags
}
