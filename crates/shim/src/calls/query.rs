//! Questions: what runs, how it ended, what it uses.

use containerd_shim_protos::api::{
    ConnectRequest, ConnectResponse, PidsRequest, PidsResponse, ProcessInfo, StateRequest,
    StateResponse, StatsRequest, StatsResponse, Status as TaskStatus, WaitRequest,
};
use containerd_shim_protos::shim::oci::ProcessDetails;
use protobuf::MessageField;

use super::{Answer, metrics, now, parse, to_bytes};
use crate::ends::wait_response;
use crate::events::{any, timestamp};
use crate::shim::{Caller, Shim};
use crate::status::Status;
use crate::task::Phase;

pub(super) fn state(shim: &mut Shim, _: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: StateRequest = parse(payload)?;
    let task = shim.task(&request.id)?;
    let (bundle, is_paused) = (task.bundle.to_string_lossy().into_owned(), task.is_paused);
    let process = task.process(&request.id, &request.exec_id)?;
    let mut answer = StateResponse::new();
    answer.id = match request.exec_id.is_empty() {
        true => request.id,
        false => request.exec_id.clone(),
    };
    answer.bundle = bundle;
    answer.pid = process.pid as u32;
    answer.status = match process.phase {
        Phase::Creating | Phase::Created | Phase::Starting => TaskStatus::CREATED,
        Phase::Running if is_paused => TaskStatus::PAUSED,
        Phase::Running => TaskStatus::RUNNING,
        Phase::Stopped | Phase::Deleting => TaskStatus::STOPPED,
    }
    .into();
    answer.stdin = process.names.stdin.clone();
    answer.stdout = process.names.stdout.clone();
    answer.stderr = process.names.stderr.clone();
    answer.terminal = process.names.terminal;
    answer.exec_id = request.exec_id;
    if let Some(ended) = process.ended {
        answer.exit_status = ended.status;
        answer.exited_at = timestamp(ended.at);
    }
    now(&answer)
}

pub(super) fn pids(shim: &mut Shim, _: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: PidsRequest = parse(payload)?;
    let container = shim.running(&request.id)?;
    let mut pids = container
        .processes()
        .map_err(|error| Status::of("", &error))?;
    let task = shim.task(&request.id)?;
    // containerd, from 1.7 on, takes a shim without processes for one that it has lost, and ends it: after a restart of containerd's
    // nobody would be told how the container ended that did so meanwhile.
    if pids.is_empty() {
        pids.push(task.init.pid);
    }
    let mut answer = PidsResponse::new();
    for pid in pids {
        let mut info = ProcessInfo::new();
        info.pid = pid as u32;
        let added = task
            .execs
            .iter()
            .find(|(_, process)| process.pid == pid && process.handle.is_some());
        if let Some((name, _)) = added {
            let mut details = ProcessDetails::new();
            details.exec_id = name.clone();
            info.info = MessageField::some(any("containerd.runc.v1", &details));
        }
        answer.processes.push(info);
    }
    now(&answer)
}

/// Those who have given up waiting do not say so: there may be many.
const MOST_WAITERS: usize = 1 << 18;

pub(super) fn wait(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: WaitRequest = parse(payload)?;
    let process = shim
        .task(&request.id)?
        .process(&request.id, &request.exec_id)?;
    match process.ended {
        // Until its end is told, it comes first that it has started.
        Some(ended) if process.phase != Phase::Starting => Ok(Answer::Now(wait_response(ended))),
        _ if process.waiters.len() >= MOST_WAITERS => Err(Status::too_much(format!(
            "{MOST_WAITERS} wait for it already"
        ))),
        _ => {
            process.waiters.push(caller);
            Ok(Answer::Later)
        }
    }
}

pub(super) fn stats(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: StatsRequest = parse(payload)?;
    let container = shim.running(&request.id)?;
    let init = &shim.task(&request.id)?.init;
    // Here, where its end has not been collected, its number is nobody else's. Afterwards it has no network.
    let network = init.handle.as_ref().map(|_| {
        let text = std::fs::read_to_string(format!("/proc/{}/net/dev", init.pid));
        metrics::interfaces(&text.unwrap_or_default())
    });
    shim.work(move || {
        let stats = container.stats().map_err(|error| Status::of("", &error));
        let answer = stats.and_then(|mut stats| {
            stats.network_interfaces = network;
            let mut answer = StatsResponse::new();
            answer.stats = MessageField::some(metrics::of(&stats));
            to_bytes(&answer)
        });
        Box::new(move |shim| shim.answer(caller, answer))
    })?;
    Ok(Answer::Later)
}

pub(super) fn connect(shim: &mut Shim, _: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: ConnectRequest = parse(payload)?;
    let mut answer = ConnectResponse::new();
    answer.shim_pid = std::process::id();
    answer.version = env!("CARGO_PKG_VERSION").to_owned();
    // It comes before Create, too.
    if let Ok(task) = shim.task(&request.id) {
        answer.task_pid = task.init.pid as u32;
    }
    now(&answer)
}
