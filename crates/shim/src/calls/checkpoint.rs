//! Checkpoint, and the start of a container that comes from one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use containerd_shim_protos::api::CheckpointTaskRequest;
use containerd_shim_protos::shim::oci::CheckpointOptions as Message;
use libcontainer::cgroups::Watch;
use libcontainer::{
    Bundle, CgroupMode, CheckpointOptions, Console, Container, Created, Error, Process,
    RestoreOptions, Store,
};

use super::{Answer, parse};
use crate::events::Event;
use crate::log_uri::Log;
use crate::options::Options;
use crate::shim::{Caller, Key, Shared, Shim};
use crate::status::Status;
use crate::streams::{Names, Opened};

/// CRIU's logs, in the bundle, unless told otherwise.
const WORK: &str = "work";

pub(super) fn checkpoint(
    shim: &mut Shim,
    caller: Caller,
    payload: &[u8],
) -> Result<Answer, Status> {
    let request: CheckpointTaskRequest = parse(payload)?;
    let container = shim.running(&request.id)?;
    let task = shim.task(&request.id)?;
    let options = checkpoint_options(&request, &task.options, &task.bundle)?;
    shim.work(move || {
        let taken = container.checkpoint(&options);
        Box::new(move |shim| {
            let answer = taken.map_err(|error| failed("checkpoint", &error));
            if answer.is_ok() {
                shim.publish(&Event::checkpointed(&request.id, &request.path));
            }
            shim.answer(caller, answer.map(|()| Vec::new()));
        })
    })?;
    Ok(Answer::Later)
}

fn failed(what: &str, error: &Error) -> Status {
    Status::of(&format!("OCI runtime {what} failed: "), error)
}

fn checkpoint_options(
    request: &CheckpointTaskRequest,
    runtime: &Options,
    bundle: &Path,
) -> Result<CheckpointOptions, Status> {
    let mut options = CheckpointOptions::default();
    options.image_path = PathBuf::from(&request.path);
    options.work_path = Some(work_path(runtime, bundle));
    options.leave_running = true;
    let Some(given) = request
        .options
        .as_ref()
        .filter(|given| !given.type_url.is_empty())
    else {
        return Ok(options);
    };
    if !given
        .type_url
        .ends_with("containerd.runc.v1.CheckpointOptions")
    {
        let text = format!(
            "options of type {}: containerd.runc.v1.CheckpointOptions are wanted",
            given.type_url
        );
        return Err(Status::invalid(text));
    }
    let given: Message = parse(&given.value)?;
    options.leave_running = !given.exit;
    options.tcp_established = given.open_tcp;
    options.ext_unix_sk = given.external_unix_sockets;
    options.shell_job = given.terminal;
    options.file_locks = given.file_locks;
    options.cgroups = match given.cgroups_mode.as_str() {
        "" => CgroupMode::Default,
        "ignore" => CgroupMode::Ignore,
        "soft" => CgroupMode::Soft,
        "full" => CgroupMode::Full,
        "strict" => CgroupMode::Strict,
        other => {
            return Err(Status::invalid(format!(
                "cgroups_mode {other} is not known"
            )));
        }
    };
    if !given.image_path.is_empty() {
        options.image_path = PathBuf::from(given.image_path);
    }
    if !given.work_path.is_empty() {
        options.work_path = Some(PathBuf::from(given.work_path));
    }
    Ok(options)
}

fn work_path(runtime: &Options, bundle: &Path) -> PathBuf {
    match runtime.criu_work_path.is_empty() {
        true => bundle.join(WORK),
        false => PathBuf::from(&runtime.criu_work_path),
    }
}

/// What the thread brings back.
struct Restored {
    container: Shared,
    process: Process,
    opened: Opened,
    memory: Option<Watch>,
}

/// Starts a container that was created from a checkpoint.
pub(super) fn restore(shim: &mut Shim, caller: Caller, key: &Key) -> Result<(), Status> {
    let task = shim.task(&key.id)?;
    let (options, names) = (task.options.clone(), task.init.names.clone());
    let (images, bundle) = (PathBuf::from(&task.checkpoint), task.bundle.clone());
    let store = shim.store(&options)?;
    let namespace = shim.identity.namespace.clone();
    let key = key.clone();
    shim.work(move || {
        let log = Log {
            id: &key.id,
            namespace: &namespace,
        };
        let restored = bring_back(&store, &options, &images, &bundle, &names, &log);
        Box::new(move |shim| {
            let started = restored.and_then(|restored| {
                shim.task(&key.id)?.container = Some(restored.container);
                shim.watch_memory(&key.id, restored.memory);
                shim.adopt(&key, restored.process, restored.opened)
            });
            shim.has_started(caller, &key, started);
        })
    })
}

fn bring_back(
    store: &Store,
    options: &Options,
    images: &Path,
    bundle: &Path,
    names: &Names,
    log: &Log<'_>,
) -> Result<Restored, Status> {
    let failed = |error| failed("restore", &error);
    let mut opened = Opened::new(names, log)?;
    let mut given = RestoreOptions::default();
    given.image_path = images.to_owned();
    given.work_path = Some(work_path(options, bundle));
    given.streams = std::mem::take(&mut opened.streams);
    given.console = names.terminal.then_some(Console::Return);
    given.systemd_cgroup = options.systemd_cgroup;
    let bundle = Bundle::load(bundle).map_err(failed)?;
    let created = Container::restore(store, log.id, &bundle, given).map_err(failed)?;
    let Created {
        container, process, ..
    } = created;
    Ok(Restored {
        memory: container.events().ok(),
        container: Arc::new(container),
        process,
        opened,
    })
}
