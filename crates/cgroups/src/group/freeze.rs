//! Stopping everything inside, and letting it go on.

use std::time::{Duration, Instant};

use kernel::process::{self, PollFd};

use super::Group;
use crate::Error;
use crate::dir::Dir;
use crate::patience::Patience;

/// How long a process may take to stop. One in an uninterruptible wait (a dead NFS server) never does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Before a signal only little is waited: the signal matters more than the order.
const BRIEFLY: Duration = Duration::from_millis(500);

impl Group {
    /// The directory of v1 with the freezer.
    pub(super) fn freezer(&self) -> Option<&Dir> {
        let index = self
            .place
            .locations
            .iter()
            .position(|location| location.has("freezer"))?;
        self.dirs[index].as_ref()
    }

    /// Stops every process inside, and waits until they stand still.
    ///
    /// # Errors
    /// [`Error::NotFrozen`] after some seconds, with a report of what does not stop; then everything runs on.
    pub fn freeze(&self) -> Result<(), Error> {
        self.freeze_within(PATIENCE)
    }

    /// True when frozen, as good as it can be had quickly.
    pub(super) fn freeze_briefly(&self) -> bool {
        match self.freeze_within(BRIEFLY) {
            Ok(()) => true,
            Err(error) => {
                log::debug!("signals are sent without stopping the processes: {error}");
                false
            }
        }
    }

    fn freeze_within(&self, patience: Duration) -> Result<(), Error> {
        let (dir, result) = match (self.freezer(), self.unified()) {
            (Some(dir), _) => (dir, freeze_v1(dir, patience)),
            (None, Some(dir)) => (dir, freeze_v2(dir, patience)),
            (None, None) => return Err(Error::None("freeze it")),
        };
        match result {
            Ok(true) => Ok(()),
            Ok(false) => {
                let report = self.who_runs();
                self.thaw()?;
                let path = dir.path().to_owned();
                Err(Error::NotFrozen { path, report })
            }
            Err(error) => Err(error),
        }
    }

    /// Lets everything inside go on.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    pub fn thaw(&self) -> Result<(), Error> {
        match (self.freezer(), self.unified()) {
            (Some(dir), _) => dir.write("freezer.state", "THAWED"),
            (None, Some(dir)) => dir.write("cgroup.freeze", "0"),
            (None, None) => Err(Error::None("thaw it")),
        }
    }

    /// Whether it was frozen, by whomever. A cgroup that is gone is not.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    pub fn is_frozen(&self) -> Result<bool, Error> {
        let state = match (self.freezer(), self.unified()) {
            (Some(dir), _) => dir.read_if_there("freezer.state"),
            (None, Some(dir)) => dir.read_if_there("cgroup.freeze"),
            (None, None) => return Ok(false),
        };
        match state {
            Ok(state) => Ok(state.is_some_and(|state| crate::frozen::is_frozen(&state))),
            Err(error) if error.is(kernel::Errno::ENODEV) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Each process and its state, for the error.
    #[expect(
        clippy::disallowed_methods,
        reason = "words of a message, which go without what cannot be seen"
    )]
    fn who_runs(&self) -> String {
        let stopped = "stopped in time, but not all of the cgroup below it";
        let list: Vec<String> = self
            .processes()
            .unwrap_or_default()
            .into_iter()
            .filter_map(|pid| {
                let stat = crate::dir::read_path(format!("/proc/{pid}/stat").as_ref()).ok()?;
                let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
                Some(format!(
                    "process {pid} ({name}) is in state {}",
                    rest.chars().next()?
                ))
            })
            .collect();
        if list.is_empty() {
            stopped.to_owned()
        } else {
            list.join(", ")
        }
    }
}

/// The kernel tells by an event in `cgroup.events`; false when it did not come in time.
fn freeze_v2(dir: &Dir, patience: Duration) -> Result<bool, Error> {
    const POLLPRI: i16 = 2;
    const STEP: Duration = Duration::from_millis(100);
    let mut patience = Patience::of(patience);
    let events = dir.open_to_read("cgroup.events")?;
    let fail = |fault| Error::file("watch", dir.path().join("cgroup.events"), fault);
    dir.write("cgroup.freeze", "1")?;
    let mut buffer = [0; 256];
    loop {
        // Reading arms the next event, so nothing between the read and the poll is missed.
        let length = kernel::file::read_at(events.borrow(), &mut buffer, 0).map_err(fail)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        if text.lines().any(|line| line == "frozen 1") {
            return Ok(true);
        }
        let step = patience.step(STEP);
        let mut watch = [PollFd::new(events.borrow(), POLLPRI)];
        let begin = Instant::now();
        match process::poll(&mut watch, Some(step.as_nanos() as u64)) {
            Err(fault) if !fault.is(kernel::Errno::EINTR) => return Err(fail(fault)),
            _ if !patience.waited(begin, step) => return Ok(false),
            _ => {}
        }
    }
}

/// v1 has no event, and may stay in `FREEZING` for ever when a process is forked at the wrong moment: thawing and
/// freezing again helps (the kernel's freezer-subsystem.rst).
fn freeze_v1(dir: &Dir, patience: Duration) -> Result<bool, Error> {
    let mut patience = Patience::of(patience);
    let mut pause = Duration::from_micros(50);
    let mut tries = 0;
    dir.write("freezer.state", "FROZEN")?;
    loop {
        if dir.read("freezer.state")?.trim() == "FROZEN" {
            return Ok(true);
        }
        if !patience.wait(pause) {
            return Ok(false);
        }
        pause = (pause * 2).min(Duration::from_millis(10));
        tries += 1;
        if tries % 25 == 0 {
            dir.write("freezer.state", "THAWED")?;
            std::thread::sleep(Duration::from_millis(1));
        }
        dir.write("freezer.state", "FROZEN")?;
    }
}
