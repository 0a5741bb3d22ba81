//! The calls of containerd's task service, one table for both of its versions: their messages are the same.

mod checkpoint;
mod control;
mod create;
mod delete;
mod exec;
mod metrics;
mod query;
mod start;

use containerd_shim_protos::ttrpc::Request;
use protobuf::Message;
use protobuf::well_known_types::any::Any;

pub(crate) use delete::Waiting;

use crate::shim::{Caller, Key, Shim};
use crate::status::Status;

/// What becomes of a call.
pub(crate) enum Answer {
    /// This message is the answer.
    Now(Vec<u8>),
    /// It is answered when something else has happened.
    Later,
}

pub(crate) type Call = fn(&mut Shim, Caller, &[u8]) -> Result<Answer, Status>;

pub(crate) const SERVICES: [&str; 2] = ["containerd.task.v2.Task", "containerd.task.v3.Task"];

pub(crate) const CALLS: [(&str, Call); 17] = [
    ("State", query::state),
    ("Create", create::create),
    ("Start", start::start),
    ("Delete", delete::delete),
    ("Pids", query::pids),
    ("Pause", control::pause),
    ("Resume", control::resume),
    ("Checkpoint", checkpoint::checkpoint),
    ("Kill", control::kill),
    ("Exec", exec::exec),
    ("ResizePty", control::resize),
    ("CloseIO", control::close_io),
    ("Update", control::update),
    ("Wait", query::wait),
    ("Stats", query::stats),
    ("Connect", query::connect),
    ("Shutdown", delete::shutdown),
];

/// Makes the call that a request names.
pub(crate) fn dispatch(
    shim: &mut Shim,
    caller: Caller,
    request: &Request,
) -> Result<Answer, Status> {
    let Request {
        service,
        method,
        payload,
        ..
    } = request;
    if !SERVICES.contains(&service.as_str()) {
        return Err(Status::unimplemented(format!(
            "service {service} is not known"
        )));
    }
    let call = CALLS.iter().find(|(name, _)| name == method);
    let (_, call) = call.ok_or_else(|| {
        Status::unimplemented(format!("method {method} of {service} is not known"))
    })?;
    call(shim, caller, payload)
}

/// Reads the message of a call.
fn parse<M: Message>(payload: &[u8]) -> Result<M, Status> {
    M::parse_from_bytes(payload).map_err(|error| Status::invalid(format!("{}: {error}", M::NAME)))
}

fn now<M: Message>(message: &M) -> Result<Answer, Status> {
    to_bytes(message).map(Answer::Now)
}

fn to_bytes<M: Message>(message: &M) -> Result<Vec<u8>, Status> {
    let failed = |error| Status::failed(format!("write the answer: {error}"));
    message.write_to_bytes().map_err(failed)
}

/// The answer that says nothing but that it is done.
fn done() -> Result<Answer, Status> {
    Ok(Answer::Now(Vec::new()))
}

/// The JSON in a value of the runtime specification's; `kind` is its type's name there.
fn json<'a>(value: Option<&'a Any>, kind: &str, field: &str) -> Result<&'a str, Status> {
    let missing = || Status::invalid(format!("{field} is missing"));
    let value = value
        .filter(|value| !value.type_url.is_empty())
        .ok_or_else(missing)?;
    let mut names = value.type_url.rsplit('/');
    if names.next() != Some(kind) || !value.type_url.contains("runtime-spec") {
        let text = format!(
            "{field} is of type {}: a {kind} of the runtime specification is wanted",
            value.type_url
        );
        return Err(Status::invalid(text));
    }
    std::str::from_utf8(&value.value).map_err(|_| Status::invalid(format!("{field} is not UTF-8")))
}

impl Key {
    fn new(id: &str, exec: &str) -> Key {
        Key {
            id: id.to_owned(),
            exec: exec.to_owned(),
        }
    }
}

impl Shim {
    fn task(&mut self, id: &str) -> Result<&mut crate::task::Task, Status> {
        let missing = || Status::not_found(format!("container {id} does not exist"));
        self.tasks.get_mut(id).ok_or_else(missing)
    }
}
