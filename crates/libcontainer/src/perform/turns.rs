//! The child's part of a walk: its start, the turns that it and we take, and its end.

use init::{ChildStep, Slot};
use kernel::process::{Exit, Started, Watch};
use kernel::{Errno, Fd, process};

use super::explain::explain;
use super::walk::Walk;
use super::{Cgroup, child, listener, own};
use crate::Error;
use crate::plan::{Entry, RuntimeStep, Step};

impl Walk<'_> {
    pub(super) fn start(&mut self, namespaces: u64) -> kernel::Result<()> {
        let (ours, theirs) = kernel::socket::pair()?;
        let fence_slot = self
            .plan
            .entries
            .iter()
            .find_map(|entry| match &entry.step {
                Step::Child(ChildStep::AwaitStart(step)) => Some(step.slot),
                _ => None,
            });
        let mut raw = vec![-1; init::slots::COUNT];
        for (slot, fd) in &self.slots {
            raw[usize::from(slot.0)] = fd.raw();
        }
        raw[usize::from(Slot::REPORT.0)] = self.setting.report.raw();
        raw[usize::from(Slot::PEER.0)] = theirs.raw();
        if let (Some(slot), Some((child_end, _))) = (fence_slot, &self.setting.fence) {
            raw[usize::from(slot.0)] = child_end.raw();
        }
        let used = raw
            .iter()
            .rposition(|fd| *fd >= 0)
            .map_or(0, |last| last + 1);
        let placed = |entry: &Entry| matches!(entry.step, Step::Runtime(RuntimeStep::PlaceChild));
        let cgroup = match self.plan.entries.iter().any(placed) {
            true => None,
            false => self.setting.cgroup.as_ref().and_then(Cgroup::entry),
        };
        let started = child::start(
            self.plan,
            &raw[..used],
            namespaces,
            cgroup,
            self.setting.preserve_fds,
            self.setting.standard,
        )?;
        self.peer = Some(ours);
        self.child = Some(started);
        Ok(())
    }

    /// Gives the child the turn, with the descriptors that it has not got yet.
    pub(super) fn hand_over(&mut self) -> Result<(), Error> {
        let Some(peer) = &self.peer else {
            return Ok(());
        };
        let fresh: Vec<(Slot, i32)> = self
            .fresh
            .iter()
            .filter_map(|slot| self.raw(*slot).ok().map(|raw| (*slot, raw)))
            .collect();
        let answer = init::turn::send(peer.raw(), 0, &fresh);
        self.fresh.clear();
        match answer {
            Ok(()) => Ok(()),
            Err(_) => Err(self.died()),
        }
    }

    /// Waits for the child to give us the turn.
    pub(super) fn receive(&mut self) -> Result<(), Error> {
        let Some(peer) = &self.peer else {
            return Ok(());
        };
        let slots = &mut self.slots;
        match init::turn::receive(peer.raw(), |slot, fd| slots.push((slot, fd))) {
            Ok(0) => Ok(()),
            Ok(pid) => self.forked(pid),
            Err(_) => Err(self.died()),
        }
    }

    /// The child has become a new process: what was started by us leaves.
    fn forked(&mut self, pid: i32) -> Result<(), Error> {
        let pidfd = self.slots.pop().map(|(_, fd)| fd);
        if let (Some(pidfd), Some(old)) = (pidfd, self.child.take()) {
            let _ = process::wait(old.pidfd.raw(), true);
            self.child = Some(Started { pid, pidfd });
        }
        Ok(())
    }

    /// The last part is the child's: wait until it is at the fence, or has executed.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let fence = self
            .setting
            .fence
            .as_ref()
            .map_or(-1, |(_, ours)| ours.raw());
        let mut agent = self.agent();
        loop {
            let Some(peer) = self.peer.as_ref().map(Fd::raw) else {
                return Ok(());
            };
            let mut watches = [
                Watch {
                    fd: peer,
                    events: Watch::IN,
                    came: 0,
                },
                Watch {
                    fd: fence,
                    events: Watch::OUT,
                    came: 0,
                },
            ];
            // Nobody announces a listener: init may not be able to make any call any more. So look from time to time.
            let pause = agent.is_some().then_some(listener::LOOK_EVERY);
            match process::poll(&mut watches, pause) {
                Err(fault) if fault.is(Errno::EINTR) => continue,
                answer => answer.map_err(|fault| own("wait for the child", fault))?,
            };
            if let (Some(waiting), Some(fd), Some(child)) =
                (&agent, self.report.listener(), &self.child)
            {
                listener::forward(waiting, fd, child, self.setting.state.as_ref())?;
                agent = None;
            }
            if watches[1].came & Watch::OUT != 0 && agent.is_none() {
                return Ok(());
            }
            if watches[0].came == 0 {
                continue;
            }
            let slots = &mut self.slots;
            match init::turn::receive(peer, |slot, fd| slots.push((slot, fd))) {
                Ok(pid) if pid != 0 => self.forked(pid)?,
                Ok(_) => {}
                Err(_) if self.has_executed() => return Ok(()),
                Err(_) => return Err(self.died()),
            }
        }
    }

    /// The agent that waits for the listener of the plan's filter.
    fn agent(&self) -> Option<listener::Agent> {
        use kernel::seccomp::flags::NEW_LISTENER;
        let notifies = |entry: &Entry| matches!(&entry.step, Step::Child(ChildStep::Seccomp(step)) if step.flags & NEW_LISTENER != 0);
        let any = self.plan.entries.iter().any(notifies);
        any.then(|| listener::Agent::of(self.setting.state.as_ref()))
    }

    /// The socket is closed and no fault is noted: by execve, if that was the step.
    fn has_executed(&self) -> bool {
        let last = self.plan.entries.len() as u32 - 1;
        self.setting.fence.is_none()
            && self.report.fault().is_none()
            && self.report.step() == Some(last)
    }

    /// Why the child is no longer there.
    fn died(&mut self) -> Error {
        let exit = self.end_child();
        explain(self.plan, self.report.step(), self.report.fault(), exit)
    }

    pub(super) fn end_child(&mut self) -> Option<Exit> {
        self.peer = None;
        let child = self.child.take()?;
        // It may have exited already, with a status that says something; a kill does not change that then.
        if let Ok(Some(exit)) = process::wait(child.pidfd.raw(), false) {
            return Some(exit);
        }
        let _ = process::signal(child.pidfd.raw(), nix::libc::SIGKILL);
        process::wait(child.pidfd.raw(), true).ok().flatten()
    }
}
