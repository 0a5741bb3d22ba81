//! Delete: what a process or a container has left; and Shutdown, the shim itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use containerd_shim_protos::api::{DeleteRequest, DeleteResponse, ShutdownRequest};
use libcontainer::{Container, Obstacle, Store};

use super::{Answer, done, now, parse, to_bytes};
use crate::events::{Event, timestamp};
use crate::poller::Token;
use crate::rootfs;
use crate::shim::{Caller, Key, Shared, Shim, Source};
use crate::status::Status;
use crate::task::{Ended, Phase};

pub(super) fn delete(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: DeleteRequest = parse(payload)?;
    let key = Key::new(&request.id, &request.exec_id);
    let task = shim.task(&key.id)?;
    let process = task.process(&key.id, &key.exec)?;
    match process.phase {
        Phase::Stopped | Phase::Created => {}
        Phase::Creating => return Err(Status::refused("it is being created")),
        Phase::Deleting => return Err(Status::not_found("it is being deleted")),
        Phase::Starting | Phase::Running => {
            return Err(Status::refused("cannot delete a running process"));
        }
    }
    if !key.exec.is_empty() {
        let answer = response(process.pid, process.ended);
        if let Some(mut process) = task.execs.remove(&key.exec) {
            shim.let_go(&mut process);
        }
        return now(&answer);
    }
    let was = process.phase;
    process.phase = Phase::Deleting;
    let (container, bundle) = (task.container.clone(), task.bundle.clone());
    let store = {
        let options = task.options.clone();
        shim.store(&options)?
    };
    let removal = Removal {
        caller,
        key,
        was,
        store,
        container,
        bundle,
        until: Instant::now() + PATIENCE,
    };
    match shim.go_on(removal) {
        Ok(()) => Ok(Answer::Later),
        Err(status) => {
            if let Ok(task) = shim.task(&request.id) {
                task.init.phase = was;
            }
            Err(status)
        }
    }
}

/// How long a container's last processes may take to end, and the kernel to let go of its cgroup.
const PATIENCE: Duration = Duration::from_secs(10);

const SIGKILL: i32 = 9;

/// A container on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Removal {
    caller: Caller,
    key: Key,
    /// Where it is again if it cannot be removed.
    was: Phase,
    store: Store,
    container: Option<Shared>,
    bundle: PathBuf,
    until: Instant,
}

/// One that something stands in the way of: no thread waits for that, the loop does.
#[derive(Debug)]
pub(crate) struct Waiting {
    removal: Removal,
    token: Token,
    obstacle: Obstacle,
}

impl Waiting {
    pub(crate) fn until(&self) -> Instant {
        self.removal.until
    }
}

impl Removal {
    /// Removes what can be removed now; what is in the way is the answer.
    fn step(&self) -> Result<Option<Obstacle>, Status> {
        let removed = match (&self.container, self.was) {
            (None, _) => Ok(None),
            (Some(container), Phase::Stopped) => match container.try_remove(true) {
                // A start that failed has removed it already.
                Err(error) if error.is_not_found() => Ok(None),
                Ok(Some(obstacle))
                    if !obstacle.processes().is_empty() && !container.record().owns_pids =>
                {
                    container.kill(SIGKILL, true).map(|()| Some(obstacle))
                }
                step => step,
            },
            // It waits to be started, and never will be.
            (Some(_), _) => Container::delete(&self.store, &self.key.id, true).map(|()| None),
        };
        let left = removed.map_err(|error| Status::of("OCI runtime delete failed: ", &error))?;
        if left.is_none() {
            rootfs::unmount(&self.bundle)?;
        }
        Ok(left)
    }
}

impl Shim {
    fn go_on(&mut self, removal: Removal) -> Result<(), Status> {
        self.work(move || {
            let step = removal.step();
            Box::new(move |shim| match step {
                Ok(None) => {
                    let answer = shim.forget(&removal.key);
                    shim.answer(removal.caller, answer);
                }
                Ok(Some(obstacle)) => shim.wait_for(removal, obstacle),
                Err(status) => shim.keep(&removal, status),
            })
        })
    }

    fn wait_for(&mut self, removal: Removal, obstacle: Obstacle) {
        match self.listen(&obstacle, Source::Obstacle) {
            Ok(token) => self.removals.push(Waiting {
                removal,
                token,
                obstacle,
            }),
            Err(status) => self.keep(&removal, status),
        }
    }

    /// What stood in the way of one may have gone.
    pub(crate) fn obstacle_has_gone(&mut self, token: Token) {
        if let Some(at) = self
            .removals
            .iter()
            .position(|waiting| waiting.token == token)
        {
            let removal = self.let_go_of(at);
            if let Err(status) = self.go_on(removal.clone()) {
                self.keep(&removal, status);
            }
        }
    }

    /// Those that have waited for long enough are given up.
    pub(crate) fn give_up_removals(&mut self) {
        let now = Instant::now();
        while let Some(at) = self
            .removals
            .iter()
            .position(|waiting| waiting.until() <= now)
        {
            let inside = self.removals[at].obstacle.processes().to_vec();
            let removal = self.let_go_of(at);
            let text = format!("OCI runtime delete failed: processes {inside:?} do not end");
            self.keep(&removal, Status::failed(text));
        }
    }

    fn let_go_of(&mut self, at: usize) -> Removal {
        let waiting = self.removals.swap_remove(at);
        self.sources.remove(&waiting.token);
        self.poller.remove(&waiting.obstacle);
        waiting.removal
    }

    /// It could not be removed: it is where it was.
    fn keep(&mut self, removal: &Removal, status: Status) {
        if let Some(process) = self.find(&removal.key) {
            process.phase = removal.was;
        }
        self.answer(removal.caller, Err(status));
    }
}

fn response(pid: i32, ended: Option<Ended>) -> DeleteResponse {
    let mut answer = DeleteResponse::new();
    answer.pid = pid as u32;
    if let Some(ended) = ended {
        answer.exit_status = ended.status;
        answer.exited_at = timestamp(ended.at);
    }
    answer
}

impl Shim {
    /// A container is gone.
    fn forget(&mut self, key: &Key) -> Result<Vec<u8>, Status> {
        // Its end comes before its deletion, also where that is what ended it.
        self.ended(key);
        let Some(mut task) = self.tasks.remove(&key.id) else {
            return Err(Status::not_found(format!(
                "container {} does not exist",
                key.id
            )));
        };
        for process in task.processes_mut() {
            self.let_go(process);
        }
        if let Some((token, _)) = &task.memory {
            self.sources.remove(token);
        }
        let ended = task
            .init
            .ended
            .unwrap_or_else(|| Ended::now(libcontainer::Exit::Unknown));
        self.publish(&Event::deleted(&key.id, task.init.pid, ended));
        to_bytes(&response(task.init.pid, Some(ended)))
    }
}

/// It comes after each Delete, also in a group: as long as there are others, it means nothing.
pub(super) fn shutdown(shim: &mut Shim, _: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let _: ShutdownRequest = parse(payload)?;
    if shim.tasks.is_empty() {
        shim.end();
    }
    done()
}
