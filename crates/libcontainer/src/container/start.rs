//! `start`: the user's program runs.

use std::path::Path;

use kernel::{Call, Fault, Fd};

use super::group::seat_of;
use super::{Container, Locked};
use crate::Error;
use crate::notify::{self, Readiness};
use crate::perform::{HookState, Inside, WayIn, fence, forbidden, forbids, run_hooks};
use crate::plan::HookKind;
use crate::state::{Status, observe, release_as_runc};
use crate::timings;

impl Container {
    /// Runs the user's program in a created container. (runtime.md, "Start")
    ///
    /// # Errors
    /// The container is not in the state `created`, it has no process, or its filter forbids to execute it. A hook failed:
    /// then the container is deleted.
    pub fn start(&self) -> Result<(), Error> {
        self.start_locked().map(drop)
    }

    /// Where this container, once it is started, says that it is ready (sd_notify(3)), to be told to the service manager at
    /// this socket. To be called before [`Container::start`]; `None` for a container that was created without such a socket.
    ///
    /// # Errors
    /// Nobody can listen in the container's directory.
    pub fn readiness(&self, manager: &Path) -> Result<Option<Readiness>, Error> {
        Readiness::listen(&self.folder, manager)
    }

    fn start_locked(&self) -> Result<Locked, Error> {
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
        if locked.record.is_runcs {
            return release_as_runc(&locked.folder, &locked.record).map(|()| locked);
        }
        if !locked.record.has_process {
            return Err(Error::wrong_status(
                self.id(),
                "process is required to start a container (process)",
            ));
        }
        match locked.folder.open_fence()? {
            Some(fence) => match locked.release(&fence) {
                Ok(()) => locked.folder.remove_fence().map(|()| locked),
                // The container is gone as after `delete` (runtime.md, "Lifecycle", 7, 9, 12, 13).
                Err(error @ Error::Hook { .. }) => {
                    locked.discard();
                    Err(error)
                }
                Err(error) => Err(error),
            },
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
            Some(config) => {
                let mut spec = config.spec()?;
                notify::name_again(&mut spec, &self.folder)?;
                Some(spec)
            }
            None => None,
        };
        let gone = || Error::wrong_status(self.id(), "container not running");
        let process = observe::held(&self.record)?.ok_or_else(gone)?;
        let run_hooks = |kind, status| match &spec {
            Some(spec) => {
                let state = HookState {
                    folder: Some(&self.folder),
                    ..HookState::new(self.folder.store(), spec, &self.record, status)
                };
                self.run_start_hooks(&state, kind, &process)
            }
            None => Ok(()),
        };
        run_hooks(HookKind::StartContainer, "created")?;
        let part = timings::part("let the program go, and wait until it runs");
        fence::release(fence, &process)
            .map_err(|fault| crate::perform::own("let the container go", fault))?;
        self.confirm_program(observe::report(&self.folder)?.and_then(|seen| seen.fault))?;
        drop(part);
        run_hooks(HookKind::Poststart, "running")
    }

    /// Whether the program runs, after init has come to its last step, and told this of it.
    pub(super) fn confirm_program(&self, refused: Option<Fault>) -> Result<(), Error> {
        match refused {
            Some(fault) => self.explain_refusal(fault),
            None => Ok(()),
        }
    }

    fn run_start_hooks(
        &self,
        state: &HookState<'_>,
        kind: HookKind,
        process: &Fd,
    ) -> Result<(), Error> {
        let _part = timings::part(match kind {
            HookKind::StartContainer => "run startContainer hooks",
            _ => "run poststart hooks",
        });
        let inside = Inside {
            way: WayIn {
                pid: self.record.pid,
                pidfd: process,
                shared: &[],
            },
            seat: &|| seat_of(&self.record),
        };
        let host = self.folder.store().known().facts()?;
        run_hooks(state, kind, Some(&inside), host)
    }

    /// The program was refused by execve(2). Init has said so where the program's own words would be, and the container
    /// has run, with that status; only a filter that does not allow the call is the config's fault. Of any other call init
    /// has said nothing: the program was not even reached.
    fn explain_refusal(&self, fault: Fault) -> Result<(), Error> {
        if !matches!(fault.call, Call::Execve | Call::Execveat) {
            return Err(Error::call("begin the program", fault));
        }
        let config = observe::config(&self.folder)?;
        let spec = config.spec()?;
        let filter = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
        match filter.is_some_and(|filter| forbids(filter, fault.call)) {
            true => Err(forbidden("execute the program".to_owned(), fault)),
            false => {
                log::debug!("the program cannot be executed: {fault}");
                Ok(())
            }
        }
    }
}
