//! What containerd is told: the messages and the topics that they are published under.

use std::time::SystemTime;

use containerd_shim_protos::api::ForwardRequest;
use containerd_shim_protos::events::task::{
    TaskCheckpointed, TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit, TaskIO,
    TaskOOM, TaskPaused, TaskResumed, TaskStart,
};
use containerd_shim_protos::shim::event::Envelope;
use protobuf::well_known_types::any::Any;
use protobuf::well_known_types::timestamp::Timestamp;
use protobuf::{Message, MessageField};

use crate::streams::Names;
use crate::task::Ended;

/// A message of the package `containerd.events` as it is sent: its topic, and the message with its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    topic: &'static str,
    message: Any,
}

/// A message with the name of its type, as containerd names types: the package and the name, without a host. (The library could
/// tell the package, but its reflection takes half a megabyte of memory for that.)
pub(crate) fn any<M: Message>(package: &str, message: &M) -> Any {
    let mut any = Any::new();
    any.type_url = format!("{package}.{}", M::NAME);
    // It fails for messages of more than two gigabytes.
    any.value = message.write_to_bytes().unwrap_or_default();
    any
}

/// A moment as protobuf says it.
pub(crate) fn timestamp(time: SystemTime) -> MessageField<Timestamp> {
    MessageField::some(time.into())
}

impl Event {
    fn new<M: Message>(topic: &'static str, message: &M) -> Event {
        let message = any("containerd.events", message);
        Event { topic, message }
    }

    pub(crate) fn created(
        id: &str,
        bundle: &str,
        names: &Names,
        checkpoint: &str,
        pid: i32,
    ) -> Event {
        let mut io = TaskIO::new();
        io.stdin = names.stdin.clone();
        io.stdout = names.stdout.clone();
        io.stderr = names.stderr.clone();
        io.terminal = names.terminal;
        let mut message = TaskCreate::new();
        message.container_id = id.to_owned();
        message.bundle = bundle.to_owned();
        message.io = MessageField::some(io);
        message.checkpoint = checkpoint.to_owned();
        message.pid = pid as u32;
        Event::new("/tasks/create", &message)
    }

    pub(crate) fn started(id: &str, pid: i32) -> Event {
        let mut message = TaskStart::new();
        message.container_id = id.to_owned();
        message.pid = pid as u32;
        Event::new("/tasks/start", &message)
    }

    /// `process` is the container's id for its first process.
    pub(crate) fn exited(id: &str, process: &str, pid: i32, ended: Ended) -> Event {
        let mut message = TaskExit::new();
        message.container_id = id.to_owned();
        message.id = process.to_owned();
        message.pid = pid as u32;
        message.exit_status = ended.status;
        message.exited_at = timestamp(ended.at);
        Event::new("/tasks/exit", &message)
    }

    pub(crate) fn deleted(id: &str, pid: i32, ended: Ended) -> Event {
        let mut message = TaskDelete::new();
        message.container_id = id.to_owned();
        message.id = id.to_owned();
        message.pid = pid as u32;
        message.exit_status = ended.status;
        message.exited_at = timestamp(ended.at);
        Event::new("/tasks/delete", &message)
    }

    pub(crate) fn out_of_memory(id: &str) -> Event {
        let mut message = TaskOOM::new();
        message.container_id = id.to_owned();
        Event::new("/tasks/oom", &message)
    }

    pub(crate) fn exec_added(id: &str, exec: &str) -> Event {
        let mut message = TaskExecAdded::new();
        message.container_id = id.to_owned();
        message.exec_id = exec.to_owned();
        Event::new("/tasks/exec-added", &message)
    }

    pub(crate) fn exec_started(id: &str, exec: &str, pid: i32) -> Event {
        let mut message = TaskExecStarted::new();
        message.container_id = id.to_owned();
        message.exec_id = exec.to_owned();
        message.pid = pid as u32;
        Event::new("/tasks/exec-started", &message)
    }

    pub(crate) fn paused(id: &str) -> Event {
        let mut message = TaskPaused::new();
        message.container_id = id.to_owned();
        Event::new("/tasks/paused", &message)
    }

    pub(crate) fn resumed(id: &str) -> Event {
        let mut message = TaskResumed::new();
        message.container_id = id.to_owned();
        Event::new("/tasks/resumed", &message)
    }

    pub(crate) fn checkpointed(id: &str, path: &str) -> Event {
        let mut message = TaskCheckpointed::new();
        message.container_id = id.to_owned();
        message.checkpoint = path.to_owned();
        Event::new("/tasks/checkpointed", &message)
    }

    /// The message for `Events.Forward`, with the present time.
    pub(crate) fn to_request(&self, namespace: &str) -> Vec<u8> {
        let mut envelope = Envelope::new();
        envelope.timestamp = timestamp(SystemTime::now());
        envelope.namespace = namespace.to_owned();
        envelope.topic = self.topic.to_owned();
        envelope.event = MessageField::some(self.message.clone());
        let mut request = ForwardRequest::new();
        request.envelope = MessageField::some(envelope);
        request.write_to_bytes().unwrap_or_default()
    }
}
