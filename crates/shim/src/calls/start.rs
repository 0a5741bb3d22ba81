//! Start: a container's program, or a process that was added.

use std::sync::Arc;

use containerd_shim_protos::api::{StartRequest, StartResponse};
use libcontainer::{Console, Error, ExecRequest, Process, ProcessSource};

use super::{Answer, checkpoint, parse, to_bytes};
use crate::events::Event;
use crate::log_uri::Log;
use crate::shim::{Caller, Key, Shared, Shim};
use crate::status::Status;
use crate::streams::{Names, Opened};
use crate::task::Phase;

pub(super) fn start(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: StartRequest = parse(payload)?;
    let key = Key::new(&request.id, &request.exec_id);
    let task = shim.task(&key.id)?;
    let process = task.process(&key.id, &key.exec)?;
    match process.phase {
        Phase::Created => process.phase = Phase::Starting,
        Phase::Creating => return Err(Status::refused("it is being created")),
        Phase::Starting | Phase::Running => {
            return Err(Status::refused("cannot start an already running process"));
        }
        Phase::Stopped | Phase::Deleting => {
            return Err(Status::refused("cannot start a process that has stopped"));
        }
    }
    let started = match (task.container.clone(), key.exec.is_empty()) {
        (None, true) => checkpoint::restore(shim, caller, &key),
        (None, false) => Err(Status::refused("the container does not run")),
        (Some(container), true) => start_first(shim, caller, &key, container),
        (Some(container), false) => start_added(shim, caller, &key, container),
    };
    if started.is_err()
        && let Some(process) = shim.find(&key)
    {
        process.phase = Phase::Created;
    }
    started.map(|()| Answer::Later)
}

fn start_first(
    shim: &mut Shim,
    caller: Caller,
    key: &Key,
    container: Shared,
) -> Result<(), Status> {
    let key = key.clone();
    shim.work(move || {
        let started = container.start();
        Box::new(move |shim| {
            let answer = started.map_err(|error| Status::of("OCI runtime start failed: ", &error));
            shim.has_started(caller, &key, answer);
        })
    })
}

fn start_added(
    shim: &mut Shim,
    caller: Caller,
    key: &Key,
    container: Shared,
) -> Result<(), Status> {
    let namespace = shim.identity.namespace.clone();
    let process = shim.task(&key.id)?.process(&key.id, &key.exec)?;
    let (names, spec) = (process.names.clone(), process.spec.clone());
    let key = key.clone();
    shim.work(move || {
        let log = Log {
            id: &key.id,
            namespace: &namespace,
        };
        let started = run(&container, spec, &key.exec, &names, &log);
        // The last copy elsewhere may be gone.
        let container = Arc::clone(&container);
        Box::new(move |shim| {
            let adopted = started.and_then(|(process, opened)| {
                let adopted = shim.adopt(&key, process, opened);
                if adopted.is_err() {
                    let _ = container.kill(9, true);
                }
                adopted
            });
            shim.has_started(caller, &key, adopted);
        })
    })
}

fn run(
    container: &Shared,
    spec: String,
    name: &str,
    names: &Names,
    log: &Log<'_>,
) -> Result<(Process, Opened), Status> {
    let mut opened = Opened::new(names, log)?;
    let mut request = ExecRequest::default();
    request.process = Some(ProcessSource::Json {
        text: spec,
        path: format!("process {name}").into(),
    });
    request.streams = std::mem::take(&mut opened.streams);
    request.console = names.terminal.then_some(Console::Return);
    let failed = |error: Error| Status::of("OCI runtime exec failed: exec failed: ", &error);
    let process = container.exec(request).map_err(failed)?;
    Ok((process, opened))
}

impl Shim {
    /// A process runs, or does not; if it has ended meanwhile, that is told after its start.
    pub(super) fn has_started(&mut self, caller: Caller, key: &Key, started: Result<(), Status>) {
        let Some(process) = self.find(key) else {
            return self.answer(caller, started.map(|()| Vec::new()));
        };
        let ended = process.ended.is_some();
        let mut answer = StartResponse::new();
        answer.pid = process.pid as u32;
        if let Err(status) = started {
            process.phase = if ended {
                Phase::Starting
            } else {
                Phase::Created
            };
            self.answer(caller, Err(status));
        } else {
            process.phase = Phase::Running;
            process.spec = String::new();
            let pid = process.pid;
            self.publish(&match key.exec.is_empty() {
                true => Event::started(&key.id, pid),
                false => Event::exec_started(&key.id, &key.exec, pid),
            });
            self.answer(caller, to_bytes(&answer));
        }
        if ended {
            self.tell_end(key);
        }
    }
}
