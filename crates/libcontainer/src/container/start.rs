//! `start`: the user's program runs.

use kernel::{Fault, Fd};
use spec::Spec;

use super::Container;
use crate::Error;
use crate::perform::{HookState, forbidden, forbids, release, run_hooks};
use crate::plan::HookKind;
use crate::state::{Liveness, Status};

impl Container {
    /// Runs the user's program in a created container. (runtime.md, "Start")
    ///
    /// # Errors
    /// The container is not in the state `created`, it has no process, a hook failed, or the program cannot be executed:
    /// then the container is stopped.
    pub fn start(&self) -> Result<(), Error> {
        let _locked = self.locked()?;
        let text = match self.status()? {
            Status::Created => "",
            Status::Running => "cannot start an already running container",
            Status::Paused => "cannot start a container in the paused state",
            Status::Stopped => "cannot start a container that has stopped",
            Status::Creating => "cannot start a container that is being created",
        };
        if !text.is_empty() {
            return Err(Error::wrong_status(self.id(), text));
        }
        if !self.record.has_process {
            return Err(Error::wrong_status(
                self.id(),
                "process is required to start a container (process)",
            ));
        }
        match self.folder.open_fence()? {
            Some(fence) => {
                self.release(&fence)?;
                self.folder.remove_fence();
                Ok(())
            }
            None => Err(Error::wrong_status(
                self.id(),
                "cannot start an already running container",
            )),
        }
    }

    /// Lets the program run, with the hooks before and after.
    pub(super) fn release(&self, fence: &Fd) -> Result<(), Error> {
        let config = if self.record.has_hooks {
            self.folder.config()?
        } else {
            String::new()
        };
        let spec = Spec::parse(&config).unwrap_or_default();
        self.run_start_hooks(&spec, HookKind::StartContainer, "created")?;
        let process = self.process()?;
        release(fence, &process.pidfd)
            .map_err(|fault| crate::perform::own("let the container go", fault))?;
        if let Some(fault) = self.folder.report()?.fault {
            return Err(self.execution_failed(fault)?);
        }
        self.run_start_hooks(&spec, HookKind::Poststart, "running")
    }

    /// A hook that fails here stops the container.
    fn run_start_hooks(&self, spec: &Spec<'_>, kind: HookKind, status: &str) -> Result<(), Error> {
        if !self.record.has_hooks {
            return Ok(());
        }
        let state = HookState {
            spec,
            id: self.id(),
            bundle: &self.record.bundle,
            status,
            namespaces: self.record.namespaces,
            init: None,
        };
        run_hooks(&state, kind, Some(self.record.pid), &self.facts()).inspect_err(|_| {
            if let Liveness::Alive(pidfd) = Liveness::of(&self.record) {
                super::kill::end(&pidfd);
            }
        })
    }

    /// Init waits, then executes: nothing else can fail at this end of the plan.
    fn execution_failed(&self, fault: Fault) -> Result<Error, Error> {
        let config = self.folder.config()?;
        let spec = Spec::parse(&config).unwrap_or_default();
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
