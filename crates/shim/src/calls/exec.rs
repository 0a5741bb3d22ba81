//! Exec: takes note of a process that is to be added; Start starts it.

use containerd_shim_protos::api::ExecProcessRequest;

use super::{Answer, done, json, parse};
use crate::events::Event;
use crate::shim::{Caller, Shim};
use crate::status::Status;
use crate::streams::Names;
use crate::task::{Phase, Running};

/// The most bytes of what is kept for the processes that are added to a container.
const MOST_KEPT: usize = 16 << 20;

pub(super) fn exec(shim: &mut Shim, _: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: ExecProcessRequest = parse(payload)?;
    let task = shim.task(&request.id)?;
    if request.exec_id.is_empty() {
        return Err(Status::invalid("the process has no name (exec_id)"));
    }
    if task.execs.contains_key(&request.exec_id) {
        let text = format!(
            "process {} exists already in container {}",
            request.exec_id, request.id
        );
        return Err(Status::exists(text));
    }
    if !matches!(
        task.init.phase,
        Phase::Running | Phase::Starting | Phase::Created
    ) {
        return Err(Status::refused("cannot exec in a stopped container"));
    }
    let spec = json(request.spec.as_ref(), "Process", "spec")?;
    let process = Running {
        phase: Phase::Created,
        names: Names {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            terminal: request.terminal,
        },
        spec: spec.to_owned(),
        ..Running::default()
    };
    let added = task.execs.iter().map(|(name, added)| added.kept(name));
    let kept: usize = added.sum();
    if kept + process.kept(&request.exec_id) > MOST_KEPT {
        return Err(Status::too_much(format!(
            "processes that were added take {kept} bytes already: start or delete some"
        )));
    }
    task.execs.insert(request.exec_id.clone(), process);
    shim.publish(&Event::exec_added(&request.id, &request.exec_id));
    done()
}
