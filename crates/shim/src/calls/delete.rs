//! Delete: what a process or a container has left; and Shutdown, the shim itself.

use containerd_shim_protos::api::{DeleteRequest, DeleteResponse, ShutdownRequest};
use libcontainer::{Container, Store};

use super::{Answer, done, now, parse, to_bytes};
use crate::events::{Event, timestamp};
use crate::rootfs;
use crate::shim::{Caller, Key, Shared, Shim};
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
    let id = key.id.clone();
    let started = shim.work(move || {
        let removed = remove(&store, &id, container, was).and_then(|()| rootfs::unmount(&bundle));
        Box::new(move |shim| {
            let answer = removed.and_then(|()| shim.forget(&key));
            if answer.is_err()
                && let Some(process) = shim.find(&key)
            {
                process.phase = was;
            }
            shim.answer(caller, answer);
        })
    });
    if started.is_err()
        && let Ok(task) = shim.task(&request.id)
    {
        task.init.phase = was;
    }
    started.map(|()| Answer::Later)
}

fn remove(store: &Store, id: &str, container: Option<Shared>, was: Phase) -> Result<(), Status> {
    let removed = match (container, was) {
        (None, _) => return Ok(()),
        (Some(container), Phase::Stopped) => match container.remove(true) {
            // A start that failed has removed it already.
            Err(error) if error.is_not_found() => Ok(()),
            removed => removed,
        },
        // It waits to be started, and never will be.
        (Some(_), _) => Container::delete(store, id, true),
    };
    removed.map_err(|error| Status::of("OCI runtime delete failed: ", &error))
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
        let processes = std::iter::once(&mut task.init).chain(task.execs.values_mut());
        for process in processes {
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
