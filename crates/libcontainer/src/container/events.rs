//! `events`: what the container uses, and when it runs out of memory.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use kernel::process::PollFd;
use kernel::{Errno, process};

use super::Container;
use super::group::group_of;
use crate::Error;
use crate::state::{Liveness, Status, observe};

/// Something that happened in a container.
#[derive(Debug)]
pub enum Event {
    /// Time for statistics.
    Stats(Box<cgroups::Stats>),
    /// Memory ran out.
    Oom,
}

impl Container {
    /// What the container uses now.
    ///
    /// # Errors
    /// It does not run, or has no cgroup.
    pub fn stats(&self) -> Result<cgroups::Stats, Error> {
        Ok(self.watched_group()?.stats()?)
    }

    /// What happens in the container's cgroup, for a program with a loop of its own: when the descriptor is readable, ask it what
    /// happened. It says whether memory ran out and, on cgroup v2, whether the last process has left.
    ///
    /// # Errors
    /// As [`Container::stats`].
    pub fn events(&self) -> Result<cgroups::Watch, Error> {
        Ok(self.watched_group()?.watch()?)
    }

    /// The form of [`Container::events`] and [`Container::stats`] that blocks. Hands events to `tell` until the container ends or `tell` answers false: statistics at once and after each
    /// `interval`, and whenever memory runs out.
    ///
    /// # Errors
    /// As [`Container::stats`].
    pub fn watch(
        &self,
        interval: Duration,
        tell: &mut dyn FnMut(Event) -> bool,
    ) -> Result<(), Error> {
        let group = self.watched_group()?;
        let Liveness::Alive(pidfd) = observe::liveness(&self.record)? else {
            return Err(self.not_running());
        };
        let mut watch = group.watch()?;
        let mut next = Some(Instant::now());
        loop {
            // Asked each time, also when statistics are due: an interval may be shorter than reading them takes.
            let left = next.map(|next| next.saturating_duration_since(Instant::now()));
            let mut watches =
                [pidfd.borrow(), watch.as_fd().into()].map(|fd| PollFd::new(fd, PollFd::IN));
            let left = left.map(|left| left.as_nanos().min(u64::MAX.into()) as u64);
            match process::poll(&mut watches, left) {
                Err(fault) if fault.is(Errno::EINTR) => continue,
                answer => answer.map_err(|fault| Error::call("wait for events", fault))?,
            };
            let [ended, told] = watches.map(|watch| watch.came != 0);
            if told && watch.events()?.oom > 0 && !tell(Event::Oom) {
                return Ok(());
            }
            if ended {
                return Ok(());
            }
            let Some(due) = next.filter(|&next| next <= Instant::now()) else {
                continue;
            };
            next = due.checked_add(interval);
            let stats = match group.stats() {
                Ok(stats) => stats,
                // Ended and deleted since it was asked.
                Err(error) => match observe::liveness(&self.record)? {
                    Liveness::Gone => return Ok(()),
                    Liveness::Alive(_) => return Err(error.into()),
                },
            };
            if !tell(Event::Stats(Box::new(stats))) {
                return Ok(());
            }
        }
    }

    /// In runc's words for this command.
    fn not_running(&self) -> Error {
        let text = format!("container with id {} is not running", self.id());
        Error::wrong_status(self.id(), text)
    }

    fn watched_group(&self) -> Result<cgroups::Group, Error> {
        if self.status()? == Status::Stopped {
            return Err(self.not_running());
        }
        group_of(&self.record)?.ok_or_else(|| {
            Error::wrong_status(
                self.id(),
                "the container has no cgroup to read statistics of",
            )
        })
    }
}
