//! The child's part of a walk: its start, the turns that it and we take, and its end.

use std::os::fd::AsFd;

use init::{ChildStep, Seen, Slot};
use kernel::process::{Exit, PollFd, Started};
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, process, socket};

use super::child::{self, Launch};
use super::explain::explain;
use super::walk::{Walk, unseen};
use super::{Cgroup, HookState, listener, own};
use crate::Error;
use crate::plan::{Entry, RuntimeStep, Step};

impl Walk<'_> {
    /// Starts the child, and does something for it while it is on its way.
    pub(super) fn start(
        &mut self,
        namespaces: u64,
        meanwhile: &mut dyn FnMut(&Started),
    ) -> kernel::Result<()> {
        let (ours, theirs) = socket::pair()?;
        if self.forks() {
            socket::pass_credentials(ours.borrow())?;
        }
        let mut slots: Vec<(Slot, BorrowedFd<'_>)> = self.slots.filled().collect();
        slots.push((Slot::REPORT.any(), self.given.report.borrow()));
        slots.push((Slot::PEER.any(), theirs.borrow()));
        let fence = self.plan.find(|step| match step {
            ChildStep::AwaitStart(step) => Some(step.slot.any()),
            _ => None,
        });
        if let (Some(slot), Some((child_end, _))) = (fence, &self.given.fence) {
            slots.push((slot, child_end.borrow()));
        }
        // What comes between the start and the place is to happen outside. Right after the start it is about the rest, if
        // v1 has some: in v2 the child can begin.
        let placed = |entry: &Entry| matches!(entry.step, Step::Runtime(RuntimeStep::PlaceChild));
        let (start, place) = (self.plan.start(), self.plan.entries.iter().position(placed));
        let later = place.is_some_and(|place| start.is_none_or(|start| place > start + 1));
        let given = self.given.cgroup.as_ref().filter(|_| !later);
        let cgroup = given.and_then(Cgroup::entry);
        self.cloned_into_cgroup = cgroup.is_some();
        let mut start = |tasks: &[BorrowedFd<'_>]| {
            let launch = Launch {
                plan: self.plan,
                slots: &slots,
                namespaces,
                cgroup,
                tasks,
                preserve_fds: self.given.preserve_fds,
                standard: self.given.standard,
            };
            child::start(&launch, meanwhile)
        };
        let tasks = given.map(Cgroup::tasks).unwrap_or_default();
        let entered: Vec<BorrowedFd<'_>> = tasks.iter().map(|fd| fd.as_fd().into()).collect();
        let started = match start(&entered) {
            // What the kernel has against it, it says when the child is moved.
            Err(fault) if fault.call == Call::Write && !entered.is_empty() => start(&[])?,
            started => {
                self.entered_tasks = !entered.is_empty();
                started?
            }
        };
        self.peer = Some(ours);
        // In words that tools look for in logs of runtimes.
        log::debug!("nsexec container setup: init is process {}", started.pid);
        self.child = Some(started);
        Ok(())
    }

    /// Gives the child the turn, with the descriptors that it has not got yet.
    pub(super) fn hand_over(&mut self) -> Result<(), Error> {
        let Some(peer) = &self.peer else {
            return Ok(());
        };
        let held = |slot: &Slot| Ok((*slot, self.slots.get(*slot)?));
        let fresh: Vec<(Slot, BorrowedFd<'_>)> = (self.fresh.iter().map(held))
            .collect::<kernel::Result<_>>()
            .map_err(|fault| own("hand descriptors over", fault))?;
        let answer = init::turn::send(peer.borrow(), &fresh);
        self.fresh.clear();
        match answer {
            Ok(()) => Ok(()),
            Err(_) => Err(self.died()),
        }
    }

    /// Waits for the child to give us the turn.
    pub(super) fn receive(&mut self) -> Result<(), Error> {
        loop {
            let Some(peer) = &self.peer else {
                return Ok(());
            };
            let what = [(Some(peer.borrow()), PollFd::IN), self.end()];
            let [message, ended] = self.look(what, None)?;
            if message != 0 {
                return match self.take_turn()? {
                    true => Ok(()),
                    false => Err(self.died()),
                };
            }
            if ended != 0 && !self.left() {
                return Err(self.died());
            }
        }
    }

    /// Takes the message that has come; false: it is that the other end was closed. A failed look says neither.
    fn take_turn(&mut self) -> Result<bool, Error> {
        let Some(peer) = &self.peer else {
            return Ok(true);
        };
        let slots = &mut self.slots;
        let received = init::turn::receive(peer.borrow(), |slot, fd| {
            // What is ours stays ours, whatever the child sends.
            if let Err(_empty) = slots.get(slot) {
                slots.set(slot, fd);
            }
        });
        let sender = match received {
            Err(fault) if has_closed(fault) => return Ok(false),
            answer => answer.map_err(|fault| own("take the child's message", fault))?,
        };
        match &self.child {
            Some(child) if sender > 0 && sender != child.pid => self
                .forked(sender)
                .map_err(|fault| own("follow the child to its new process", fault))?,
            _ => {}
        }
        Ok(true)
    }

    /// Ends the new process, if its announcement was read in vain, or has not been read.
    fn end_announced(&self, peer: &Fd, child: i32) -> kernel::Result<()> {
        let mut announced = self.announced;
        while announced.is_none() {
            let mut watches = [PollFd::optional(Some(peer.borrow()), PollFd::IN)];
            if process::poll(&mut watches, Some(0))? == 0 {
                return Ok(());
            }
            match init::turn::receive(peer.borrow(), |_, _| {}) {
                Err(fault) if has_closed(fault) => return Ok(()),
                sender => announced = Some(sender?).filter(|pid| *pid > 0 && *pid != child),
            }
        }
        let Some(pid) = announced else {
            return Ok(());
        };
        let pidfd = process::open(pid)?;
        super::end(&Started { pid, pidfd }).map(drop)
    }

    /// What tells that the child has ended. After it has left for a new process, that one's socket tells.
    fn end(&self) -> (Option<BorrowedFd<'_>>, i16) {
        match &self.child {
            Some(child) if !self.has_left => (Some(child.pidfd.borrow()), PollFd::IN),
            _ => (None, 0),
        }
    }

    /// Waits until something has come, and says which events did.
    fn look<const N: usize>(
        &self,
        what: [(Option<BorrowedFd<'_>>, i16); N],
        limit: Option<u64>,
    ) -> Result<[i16; N], Error> {
        let mut watches = what.map(|(fd, events)| PollFd::optional(fd, events));
        match process::poll(&mut watches, limit) {
            Err(fault) if fault.is(Errno::EINTR) => return Ok([0; N]),
            answer => answer.map_err(|fault| own("wait for the child", fault))?,
        };
        Ok(watches.map(|watch| watch.came))
    }

    fn forks(&self) -> bool {
        let fork = |entry: &Entry| matches!(entry.step, Step::Child(ChildStep::Fork(_)));
        self.plan.entries.iter().any(fork)
    }

    /// The child has ended: true if it has only left for a new process, which will announce itself.
    fn left(&mut self) -> bool {
        // Who has become the program, and has ended as such, is left to whoever waits for that.
        if self.has_forked || !self.forks() {
            return false;
        }
        let Some(child) = &self.child else {
            return false;
        };
        // It is not reaped yet: as long as its number is its own, so is its group's.
        // Where SIGCHLD is ignored nobody is told how it ended, and a tracer is told before us: the socket tells whether
        // somebody is left.
        self.has_left = matches!(
            process::ended(child.pidfd.borrow(), false),
            Ok(Some(Exit::Code(0)) | None) | Err(_)
        );
        self.has_left
    }

    /// The child has become a new process: what was started by us leaves.
    fn forked(&mut self, pid: i32) -> kernel::Result<()> {
        // It is our child, so the number is its own until we reap it.
        self.announced = Some(pid);
        let pidfd = process::open(pid)?;
        if let Some(old) = self.child.replace(Started { pid, pidfd }) {
            // There is nothing left for it to do but to exit.
            process::signal(old.pidfd.borrow(), process::signals::KILL)?;
            super::reap(&old.pidfd)?;
        }
        self.has_left = false;
        self.has_forked = true;
        Ok(())
    }

    /// The last part is the child's: wait until it is at the fence, or has executed.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let mut agent = self.agent();
        let forks = self.forks();
        loop {
            let Some(peer) = &self.peer else {
                return Ok(());
            };
            let fence = self.held_fence();
            // Nobody announces a listener: init may not be able to make any call any more. So look from time to time.
            let pause = agent.is_some().then_some(listener::LOOK_EVERY);
            let what = [
                (Some(peer.borrow()), PollFd::IN),
                (fence, PollFd::OUT),
                self.end(),
            ];
            let [message, room, ended] = self.look(what, pause)?;
            if message != 0 && !self.take_turn()? {
                return match self.has_executed()? {
                    true => Ok(()),
                    false => Err(self.died()),
                };
            }
            // Only the process that loaded the filter has the descriptor, and a new process announces itself before.
            if let (Some(waiting), Some(child)) = (&agent, &self.child)
                && (self.has_forked || !forks)
                && let Some(fd) = self.seen()?.listener
            {
                listener::forward(waiting, fd, child, self.given.state.as_ref())?;
                agent = None;
            }
            // With nobody at the other end there is room, too.
            if room & (PollFd::OUT | PollFd::ERR) == PollFd::OUT && agent.is_none() {
                return Ok(());
            }
            if ended != 0 && message == 0 && !self.left() {
                return match self.has_executed()? {
                    true => Ok(()),
                    false => Err(self.died()),
                };
            }
        }
    }

    /// The agent that waits for the listener of the plan's filter.
    fn agent(&self) -> Option<listener::Agent> {
        use kernel::seccomp::flags::NEW_LISTENER;
        let notifies = |entry: &Entry| matches!(&entry.step, Step::Child(ChildStep::Seccomp(step)) if step.flags & NEW_LISTENER != 0);
        let any = self.plan.entries.iter().any(notifies);
        any.then(|| listener::Agent::of(self.given.state.as_ref()))
    }

    /// Our end of the fence, if the child does not pass it by itself.
    fn held_fence(&self) -> Option<BorrowedFd<'_>> {
        let (_, ours) = self.given.fence.as_ref()?;
        ours.as_ref().map(Fd::borrow)
    }

    /// The socket is closed and no fault is noted: by execve, if that was the step. A container whose program was refused has
    /// said so itself, and has run.
    fn has_executed(&self) -> Result<bool, Error> {
        let last = self.plan.entries.len() - 1;
        let seen = self.seen()?;
        let tells = |step: &Step| matches!(step, Step::Child(ChildStep::Execute(step)) if step.prints_failure);
        Ok(self.held_fence().is_none()
            && seen.step == Some(last as u32)
            && (seen.fault.is_none() || tells(&self.plan.entries[last].step)))
    }

    /// Why the child is no longer there.
    fn died(&mut self) -> Error {
        let exit = self.end_child();
        let profile = self.given.state.as_ref().and_then(HookState::filter);
        match self.seen() {
            Ok(seen) => explain(self.plan, seen, exit, profile),
            Err(error) => error,
        }
    }

    /// What the child reports now.
    pub(super) fn seen(&self) -> Result<Seen, Error> {
        Seen::in_file(self.given.report.borrow()).map_err(unseen)
    }

    pub(super) fn end_child(&mut self) -> Option<Exit> {
        let peer = self.peer.take();
        let child = self.child.take()?;
        let ended = super::kill(&child).and_then(|exit| {
            // The new process leaves the group only after it has announced itself: either it is dead by now, too, or this
            // tells who it is.
            let announced = match &peer {
                Some(peer) if !self.has_forked => self.end_announced(peer, child.pid),
                _ => Ok(()),
            };
            super::bury(&child)?;
            announced.map(|()| exit)
        });
        match ended {
            Ok(exit) => exit,
            Err(fault) => {
                let why = format!("the container's process may be left: {fault}");
                let id = self.given.state.as_ref().map_or("", |state| state.id);
                self.given.store.warnings().warn(id, why);
                None
            }
        }
    }
}

/// Nobody is at the other end any more.
fn has_closed(fault: Fault) -> bool {
    fault.is(Errno::EPIPE) || fault.is(Errno::ECONNRESET)
}
