//! What is done to a container that runs: signals, the freezer, limits, the size of a terminal, the end of its input.

use containerd_shim_protos::api::{
    CloseIORequest, KillRequest, PauseRequest, ResizePtyRequest, ResumeRequest, UpdateTaskRequest,
};
use libcontainer::{Error, ErrorKind, Resources, TerminalSize};

use super::{Answer, done, json, parse};
use crate::events::Event;
use crate::shim::{Caller, Shared, Shim};
use crate::status::Status;
use crate::task::Phase;

const NOT_RUNNING: &str = "process already finished: container not running";

pub(super) fn kill(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: KillRequest = parse(payload)?;
    let task = shim.task(&request.id)?;
    let container = task.container.clone();
    let process = task.process(&request.id, &request.exec_id)?;
    let signal = i32::try_from(request.signal)
        .map_err(|_| Status::invalid(format!("signal {} is not known", request.signal)))?;
    let failed = |error: Error| match error.kind() {
        ErrorKind::WrongStatus => Status::not_found(NOT_RUNNING),
        _ => Status::of("", &error),
    };
    if !request.exec_id.is_empty() {
        let Some((_, handle)) = &process.handle else {
            return Err(match process.phase {
                Phase::Stopped => Status::not_found(NOT_RUNNING),
                _ => Status::refused(format!("process {} does not run yet", request.exec_id)),
            });
        };
        handle
            .signal(signal)
            .map_err(|error| match handle.try_wait() {
                Ok(Some(_)) => Status::not_found(NOT_RUNNING),
                _ => Status::of("", &error),
            })?;
        return done();
    }
    let Some(container) = container else {
        return Err(Status::refused("the container is not there yet"));
    };
    // Whoever is to reach all of them stops them meanwhile, and waits for that.
    if request.all || !container.record().owns_pids {
        shim.work(move || {
            let killed = container.kill(signal, request.all).map_err(failed);
            Box::new(move |shim| shim.answer(caller, killed.map(|()| Vec::new())))
        })?;
        return Ok(Answer::Later);
    }
    container.kill(signal, false).map_err(failed)?;
    done()
}

pub(super) fn pause(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: PauseRequest = parse(payload)?;
    freeze(shim, caller, request.id, true)
}

pub(super) fn resume(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: ResumeRequest = parse(payload)?;
    freeze(shim, caller, request.id, false)
}

fn freeze(shim: &mut Shim, caller: Caller, id: String, pause: bool) -> Result<Answer, Status> {
    let container = shim.running(&id)?;
    shim.work(move || {
        let done = match pause {
            true => container.pause(),
            false => container.resume(),
        };
        Box::new(move |shim| {
            let prefix = if pause {
                "OCI runtime pause failed: "
            } else {
                "OCI runtime resume failed: "
            };
            let answer = done.map_err(|error| Status::of(prefix, &error));
            if answer.is_ok() {
                if let Ok(task) = shim.task(&id) {
                    task.is_paused = pause;
                }
                shim.publish(&if pause {
                    Event::paused(&id)
                } else {
                    Event::resumed(&id)
                });
            }
            shim.answer(caller, answer.map(|()| Vec::new()));
        })
    })?;
    Ok(Answer::Later)
}

pub(super) fn update(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: UpdateTaskRequest = parse(payload)?;
    let container = shim.running(&request.id)?;
    json(request.resources.as_ref(), "LinuxResources", "resources")?;
    shim.work(move || {
        let updated =
            json(request.resources.as_ref(), "LinuxResources", "resources").and_then(|text| {
                Resources::from_json(text)
                    .and_then(|resources| container.update(&resources))
                    .map_err(|error| Status::of("OCI runtime update failed: ", &error))
            });
        Box::new(move |shim| shim.answer(caller, updated.map(|()| Vec::new())))
    })?;
    Ok(Answer::Later)
}

pub(super) fn resize(shim: &mut Shim, _: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: ResizePtyRequest = parse(payload)?;
    let process = shim
        .task(&request.id)?
        .process(&request.id, &request.exec_id)?;
    // One without a terminal, or that does not run (any more), has no size: nothing is missing.
    let Some(terminal) = &process.terminal else {
        return done();
    };
    let clip = |number: u32| number.min(u16::MAX.into()) as u16;
    let size = TerminalSize {
        rows: clip(request.height),
        columns: clip(request.width),
    };
    terminal
        .set_size(size)
        .map_err(|error| Status::of("", &error))?;
    done()
}

pub(super) fn close_io(shim: &mut Shim, _: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: CloseIORequest = parse(payload)?;
    let process = shim
        .task(&request.id)?
        .process(&request.id, &request.exec_id)?;
    if request.stdin {
        process.is_input_closed = true;
        process.ends.close_stdin();
    }
    done()
}

impl Shim {
    /// A container that is there.
    pub(super) fn running(&mut self, id: &str) -> Result<Shared, Status> {
        let container = self.task(id)?.container.clone();
        container.ok_or_else(|| Status::refused(format!("container {id} is not there yet")))
    }
}
