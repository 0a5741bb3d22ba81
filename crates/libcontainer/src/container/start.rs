//! `start`: the user's program runs.

use kernel::{Fault, Fd};
use spec::Spec;

use super::{Container, Locked};
use crate::Error;
use crate::host::HostFacts;
use crate::perform::{HookState, forbidden, forbids, release, run_hooks};
use crate::plan::HookKind;
use crate::state::{Liveness, Status, observe};
use crate::timings;

impl Container {
    /// Runs the user's program in a created container. (runtime.md, "Start")
    ///
    /// # Errors
    /// The container is not in the state `created`, it has no process, a hook failed, or the program cannot be executed:
    /// then the container is stopped.
    pub fn start(&self) -> Result<(), Error> {
        let locked = self.lock()?;
        let text = match locked.look()?.status {
            Status::Created => "",
            Status::Running => "cannot start an already running container",
            Status::Paused => "cannot start a container in the paused state",
            Status::Stopped => "cannot start a container that has stopped",
            Status::Creating => "cannot start a container that is being created",
        };
        if !text.is_empty() {
            return Err(Error::wrong_status(self.id(), text));
        }
        if !locked.record.has_process {
            return Err(Error::wrong_status(
                self.id(),
                "process is required to start a container (process)",
            ));
        }
        match locked.folder.open_fence()? {
            Some(fence) => {
                locked.release(&fence)?;
                locked.folder.remove_fence()
            }
            None => Err(Error::wrong_status(
                self.id(),
                "cannot start an already running container",
            )),
        }
    }
}

impl Locked {
    /// Lets the program run, with the hooks before and after.
    pub(super) fn release(&self, fence: &Fd) -> Result<(), Error> {
        let config = match self.record.has_hooks {
            true => Some(observe::config(&self.folder)?),
            false => None,
        };
        let spec = match &config {
            Some(config) => Some(config.spec()?),
            None => None,
        };
        self.run_start_hooks(spec.as_ref(), HookKind::StartContainer, "created")?;
        let part = timings::part("let the program go, and wait until it runs");
        let gone = || Error::wrong_status(self.id(), "container not running");
        let process = observe::held(&self.record)?.ok_or_else(gone)?;
        release(fence, &process)
            .map_err(|fault| crate::perform::own("let the container go", fault))?;
        if let Some(fault) = observe::report(&self.folder)?.and_then(|seen| seen.fault) {
            return Err(self.execution_failed(fault)?);
        }
        drop(part);
        self.run_start_hooks(spec.as_ref(), HookKind::Poststart, "running")
    }

    /// A hook that fails here stops the container.
    fn run_start_hooks(
        &self,
        spec: Option<&Spec<'_>>,
        kind: HookKind,
        status: &str,
    ) -> Result<(), Error> {
        let Some(spec) = spec else { return Ok(()) };
        let _part = timings::part(match kind {
            HookKind::StartContainer => "run startContainer hooks",
            _ => "run poststart hooks",
        });
        let state = HookState {
            spec,
            id: self.id(),
            bundle: &self.record.bundle,
            status,
            namespaces: self.record.namespaces,
            init: None,
        };
        let pid = Some(self.record.pid);
        run_hooks(&state, kind, pid, &HostFacts::probe()?).inspect_err(|_| {
            if let Err(error) = self.end_if_alive() {
                log::warn!("{error}");
            }
        })
    }

    fn end_if_alive(&self) -> Result<(), Error> {
        match observe::liveness(&self.record)? {
            Liveness::Alive(pidfd) => super::kill::end(&pidfd).map(drop),
            Liveness::Gone => Ok(()),
        }
    }

    /// Init waits, then executes: nothing else can fail at this end of the plan.
    fn execution_failed(&self, fault: Fault) -> Result<Error, Error> {
        let config = observe::config(&self.folder)?;
        let spec = config.spec()?;
        let filter = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
        if filter.is_some_and(|filter| forbids(filter, fault.call)) {
            return Ok(forbidden("execute the program".to_owned(), fault));
        }
        let program = spec.process.iter().flat_map(|process| &process.args).next();
        Ok(crate::perform::execution_failed(
            program.map_or("", |name| name.as_str()),
            fault,
        ))
    }
}
