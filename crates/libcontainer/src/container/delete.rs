//! `delete`: removes what `create` made.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use kernel::process::signals;
use kernel::{Errno, Fd};

use super::group::group_of;
use super::{Locked, first_process};
use crate::Error;
use crate::container::Container;
use crate::perform::{HookState, run_hooks};
use crate::plan::HookKind;
use crate::process::Process;
use crate::state::observe::{self, Hook};
use crate::state::{Folder, Held, Liveness, Status, Store};
use crate::timings;

impl Container {
    /// Deletes a container that has stopped, or was never started; with `force` any, after killing it. With `force` a
    /// container that does not exist is no error. (runtime.md, "Delete")
    ///
    /// # Errors
    /// The container runs, or something of it cannot be seen or removed: then it can be deleted again.
    pub fn delete(store: &Store, id: &str, force: bool) -> Result<(), Error> {
        let lock = |folder: Folder| match force {
            true => lock_by_force(&folder),
            false => folder.lock(),
        };
        let folder = match store.folder(id).and_then(lock) {
            Err(error) if force && error.is_not_found() => return Ok(()),
            answer => answer?,
        };
        match folder.record()? {
            Some(record) => Locked { folder, record }.destroy(force),
            // The runtime was killed before it recorded anything, so it had not made anything either.
            None if force => folder.remove(),
            None => Err(Error::NotFound { id: id.to_owned() }),
        }
    }

    /// The last part of deleting a container, whose process has ended: removes its cgroup and its state, and runs its
    /// `poststop` hooks. A process is not ended here, and none is waited for: before comes [`Container::kill`], and the end of
    /// [`Container::process`].
    ///
    /// With `force`, hooks that cannot be run and a cgroup that somebody else uses are warnings.
    ///
    /// # Errors
    /// The process has not ended, or something cannot be removed: then it can be tried again.
    pub fn remove(&self, force: bool) -> Result<(), Error> {
        let locked = self.lock()?;
        if let Liveness::Alive(_) = observe::liveness(&locked.record)? {
            return Err(locked.not_stopped(locked.look()?.status));
        }
        locked.destroy(force)
    }

    /// As [`Container::remove`], without waiting for anybody to end or to go on, and nothing is killed: `None` when it is done,
    /// else what stands in the way. (`poststop` hooks are run, and systemd stops its unit: both take their time.)
    ///
    /// So a container is deleted in three parts in a program that never blocks: [`Container::kill`]; this, as often as what it
    /// answers with is readable; and the end of that is `None`.
    ///
    /// # Errors
    /// Something cannot be removed: then it can be tried again.
    pub fn try_remove(&self, force: bool) -> Result<Option<Obstacle>, Error> {
        let Some(folder) = self.folder.try_lock()? else {
            return Obstacle::of(Vec::new()).map(Some);
        };
        let locked = self.held(folder)?;
        if let Liveness::Alive(_) = observe::liveness(&locked.record)? {
            return Obstacle::of(vec![locked.record.pid]).map(Some);
        }
        locked.end_hook()?;
        if let Some(process) = locked.process()? {
            process.try_wait()?;
        }
        let group = locked.remaining_group()?;
        if let Some(group) = &group {
            locked.let_go_who_came_late(group)?;
        }
        if let Some(group) = group
            && let Some(inside) = group.try_remove()?
        {
            let is_strangers = locked.record.owns_pids && !inside.is_empty();
            if !(force && is_strangers) {
                return Obstacle::of(inside).map(Some);
            }
            let count = inside.len();
            let why = format!("the cgroup is left to its user: {count} process(es) still in it");
            locked.folder.warn(why);
        }
        locked.finish(force).map(|()| None)
    }
}

/// What keeps a container from being removed for now: processes, or, where there are none, somebody else who works on the
/// container, or the kernel, which lets go of a cgroup some time after its processes have ended.
///
/// Its descriptor ([`AsFd`]) is readable when it is worth while to try again.
#[derive(Debug)]
pub struct Obstacle {
    processes: Vec<i32>,
    ready: Fd,
}

impl Obstacle {
    fn of(processes: Vec<i32>) -> Result<Obstacle, Error> {
        const PAUSE: Duration = Duration::from_millis(2);
        let failed = |fault| Error::call("wait for what is still in the container", fault);
        for pid in &processes {
            match kernel::process::open(*pid) {
                Ok(ready) => return Ok(Obstacle { processes, ready }),
                // It has ended meanwhile, or is in a pid namespace that is not below the caller's.
                Err(fault) if fault.is(Errno::ESRCH) || fault.is(Errno::EINVAL) => {}
                Err(fault) => return Err(failed(fault)),
            }
        }
        let ready = kernel::watch::timer(PAUSE.as_nanos() as u64).map_err(failed)?;
        Ok(Obstacle { processes, ready })
    }

    /// The processes that are still in the container, by their numbers in the caller's pid namespace.
    pub fn processes(&self) -> &[i32] {
        &self.processes
    }
}

impl AsFd for Obstacle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

impl AsRawFd for Obstacle {
    fn as_raw_fd(&self) -> RawFd {
        self.ready.as_raw_fd()
    }
}

/// Whoever works on the container may be waiting for a hook or for the container's process, which do not go on: they are
/// ended. `poststop` hooks, which clean up behind the container, have some time from their start, and so has the process,
/// for most that is done to a container is done soon.
fn lock_by_force(folder: &Folder) -> Result<Held, Error> {
    const PAUSE: Duration = Duration::from_millis(10);
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(held) = folder.try_lock()? {
            return Ok(held);
        }
        let is_spared =
            |hook: &Hook| hook.kind == HookKind::Poststop.name() && waited.max(hook.age) < PATIENCE;
        if let Some(hook) = observe::hook(folder)?.filter(|hook| !is_spared(hook)) {
            hook.end()?;
        }
        if waited >= PATIENCE
            && let Some(record) = folder.record()?
            && let Some(process) = first_process(&record)?
        {
            process.kill()?;
        }
        std::thread::sleep(PAUSE);
        waited += PAUSE;
    }
}

impl Locked {
    pub(super) fn destroy(self, force: bool) -> Result<(), Error> {
        self.end_hook()?;
        if let Some(process) = self.process()?
            && process.try_wait()?.is_none()
        {
            if !force {
                self.refuse_running()?;
            }
            let _part = timings::part("end the process");
            self.end(&process)?;
        }
        let part = timings::part("remove the cgroup");
        if let Some(group) = self.remaining_group()? {
            self.empty_and_remove(group, force)?;
        }
        drop(part);
        self.finish(force)
    }

    /// Who waited for it would have the lock: it has lost its runtime.
    fn end_hook(&self) -> Result<(), Error> {
        match self.record.has_hooks {
            true => observe::hook(&self.folder)?.map_or(Ok(()), |hook| hook.end()),
            false => Ok(()),
        }
    }

    /// The cgroup, if it could not be removed at once.
    fn remaining_group(&self) -> Result<Option<cgroups::Group>, Error> {
        match &self.record.cgroup {
            Some(place) if !place.remove_if_empty() => group_of(&self.record),
            _ => Ok(None),
        }
    }

    /// Removes the rest, without a cgroup.
    fn finish(self, force: bool) -> Result<(), Error> {
        if let Some(group) = &self.record.resctrl {
            group.remove()?;
        }
        if self.record.has_hooks {
            let _part = timings::part("run poststop hooks");
            match self.run_poststop() {
                Err(error) if force => {
                    let why = format!("poststop hooks are not run: {error}");
                    self.folder.warn(why);
                }
                answer => answer?,
            }
        }
        let _part = timings::part("remove the state");
        self.folder.remove()
    }

    fn refuse_running(&self) -> Result<(), Error> {
        let status = self.look()?.status;
        if matches!(status, Status::Stopped | Status::Created | Status::Creating) {
            return Ok(());
        }
        Err(self.not_stopped(status))
    }

    fn not_stopped(&self, status: Status) -> Error {
        let id = self.id();
        let text = format!("cannot delete container {id} that is not stopped: {status}");
        Error::wrong_status(id, text)
    }

    fn end(&self, process: &Process) -> Result<(), Error> {
        // On v1 a frozen process does not even die, at whatever point of its life it was frozen.
        if observe::is_frozen(&self.record)?
            && let Some(group) = group_of(&self.record)?
        {
            process.kill()?;
            group.thaw()?;
        }
        if super::kill::end(process)? {
            return Ok(());
        }
        Err(Error::wrong_status(
            self.id(),
            "container init still running",
        ))
    }

    fn empty_and_remove(&self, group: cgroups::Group, force: bool) -> Result<(), Error> {
        if self.record.pid == 0 {
            // The runtime was killed before it had told who the container is. Its child died with it; whatever else is
            // in that cgroup was there before, and would have been the reason to refuse it.
            if let Err(error) = group.remove() {
                self.folder.warn(format_args!("left to its user: {error}"));
            }
            return Ok(());
        }
        // Processes outlive the first one where the pid namespace is somebody else's. In one of its own they died with it:
        // who is there now has come since, from a container that was given the same cgroup.
        if !self.record.owns_pids && !group.processes()?.is_empty() {
            group.kill(signals::KILL)?;
        }
        self.let_go_who_came_late(&group)?;
        match group.remove() {
            Err(error @ (cgroups::Error::Busy { .. } | cgroups::Error::Claimed))
                if force && self.record.owns_pids =>
            {
                self.folder.warn(format_args!("left to its user: {error}"));
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Whoever was about to join a container (`exec`) when that was frozen, and then ended, does not go on any more, nor end by a
    /// signal, and keeps the cgroup. Once it goes on, there is nothing to join, and it ends. Where somebody else is inside, the
    /// cgroup was given to another container.
    fn let_go_who_came_late(&self, group: &cgroups::Group) -> Result<(), Error> {
        if !self.record.owns_pids || !group.is_frozen()? {
            return Ok(());
        }
        for pid in group.processes()? {
            if !observe::is_runtimes(pid)? {
                return Ok(());
            }
        }
        Ok(group.thaw()?)
    }

    /// Runs after a failed start or the end of a foreground run: failures are warnings here.
    pub(super) fn discard(self) {
        let (warnings, id) = (self.folder.store().warnings().clone(), self.id().to_owned());
        if let Err(error) = self.destroy(true) {
            warnings.warn(&id, error);
        }
    }

    fn run_poststop(&self) -> Result<(), Error> {
        let config = observe::config(&self.folder)?;
        let spec = config.spec()?;
        let state = HookState {
            folder: Some(&self.folder),
            ..HookState::new(self.folder.store(), &spec, &self.record, "stopped")
        };
        // Each failure of a hook is a warning of its own.
        let host = self.folder.store().known().facts()?;
        run_hooks(&state, HookKind::Poststop, None, host)
    }
}
