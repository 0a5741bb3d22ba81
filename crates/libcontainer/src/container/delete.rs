//! `delete`: removes what `create` made.

use nix::libc::SIGKILL;
use spec::Spec;

use super::Container;
use crate::Error;
use crate::host::HostFacts;
use crate::perform::{HookState, run_hooks};
use crate::plan::HookKind;
use crate::state::{Folder, Liveness, Status, Store};

impl Container {
    /// Deletes a container that has stopped, or was never started; with `force` any, after killing it. With `force` a
    /// container that does not exist is no error. (runtime.md, "Delete")
    ///
    /// # Errors
    /// The container runs, or something of it cannot be removed: then it can be deleted again.
    pub fn delete(store: &Store, id: &str, force: bool) -> Result<(), Error> {
        let folder = match store
            .folder(id)
            .and_then(|folder| folder.lock().map(|()| folder))
        {
            Err(error) if force && error.is_not_found() => return Ok(()),
            answer => answer?,
        };
        match folder.record()? {
            Some(record) => Container { folder, record }.destroy(force),
            // The runtime was killed before it recorded anything, so it had not made anything either.
            None if force => folder.remove(),
            None => Err(Error::NotFound { id: id.to_owned() }),
        }
    }

    fn destroy(self, force: bool) -> Result<(), Error> {
        let (status, liveness) = self.status_and_liveness()?;
        if !force && !matches!(status, Status::Stopped | Status::Created | Status::Creating) {
            let text = format!(
                "cannot delete container {} that is not stopped: {status}",
                self.id()
            );
            return Err(Error::wrong_status(self.id(), text));
        }
        if let Liveness::Alive(pidfd) = liveness {
            // On v1 a frozen process does not even die, at whatever point of its life it was frozen.
            if self.is_frozen()
                && let Some(group) = self.group()?
            {
                let _ = kernel::process::signal(pidfd.raw(), SIGKILL);
                group.thaw()?;
            }
            if !super::kill::end(&pidfd) {
                return Err(Error::wrong_status(
                    self.id(),
                    "container init still running",
                ));
            }
        }
        if let Some(place) = &self.record.cgroup
            && !place.remove_if_empty()
            && let Some(group) = self.group()?
        {
            self.empty_and_remove(group, force)?;
        }
        let Container { folder, record } = self;
        if record.has_hooks {
            run_poststop(&folder, &record.bundle, record.namespaces);
        }
        folder.remove()
    }

    fn empty_and_remove(&self, group: cgroups::Group, force: bool) -> Result<(), Error> {
        if self.record.pid == 0 {
            // The runtime was killed before it had told who the container is. Its child died with it; whatever else is
            // in that cgroup was there before, and would have been the reason to refuse it.
            if let Err(error) = group.remove() {
                log::warn!("left to its user: {error}");
            }
            return Ok(());
        }
        // Processes outlive the first one where the pid namespace is somebody else's. In one of its own they died with it:
        // who is there now has come since, from a container that was given the same cgroup.
        if !self.record.owns_pids && !group.processes()?.is_empty() {
            group.kill(SIGKILL)?;
        }
        match group.remove() {
            Err(error @ cgroups::Error::Busy { .. }) if force && self.record.owns_pids => {
                log::warn!("left to its user: {error}");
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Runs after a failed start or the end of a foreground run: nobody is told of failures here, they are logged.
    pub(super) fn discard(self) {
        if let Err(error) = self.destroy(true) {
            log::warn!("{error}");
        }
    }
}

fn run_poststop(folder: &Folder, bundle: &str, namespaces: u64) {
    let Ok(config) = folder.config() else { return };
    let spec = Spec::parse(&config).unwrap_or_default();
    let state = HookState {
        spec: &spec,
        id: folder.id(),
        bundle,
        status: "stopped",
        namespaces,
        init: None,
    };
    // Each failure is a warning of its own.
    let _ = run_hooks(&state, HookKind::Poststop, None, &HostFacts::probe());
}
