//! Create: the root file system, the streams, and a container whose program waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use containerd_shim_protos::api::{CreateTaskRequest, CreateTaskResponse};
use libcontainer::cgroups::Watch;
use libcontainer::{Bundle, Console, Container, CreateOptions, Created, Process, Store};

use super::{Answer, parse, to_bytes};
use crate::events::Event;
use crate::log_uri::Log;
use crate::options::Options;
use crate::rootfs;
use crate::shim::{Caller, Key, Shared, Shim, Source};
use crate::status::Status;
use crate::streams::{Names, Opened};
use crate::task::{Phase, Running, Task};

const FAILED: &str = "OCI runtime create failed: ";

pub(super) fn create(shim: &mut Shim, caller: Caller, payload: &[u8]) -> Result<Answer, Status> {
    let request: CreateTaskRequest = parse(payload)?;
    let id = request.id.clone();
    if id.is_empty() {
        return Err(Status::invalid("the container has no id"));
    }
    if shim.tasks.contains_key(&id) {
        return Err(Status::exists(format!("container {id} exists already")));
    }
    let options = Options::parse(request.options.as_ref())?;
    let store = shim.store(&options)?;
    let names = Names {
        stdin: request.stdin.clone(),
        stdout: request.stdout.clone(),
        stderr: request.stderr.clone(),
        terminal: request.terminal,
    };
    let bundle = PathBuf::from(&request.bundle);
    let task = Task {
        bundle: bundle.clone(),
        options: options.clone(),
        container: None,
        init: Running {
            names: names.clone(),
            ..Running::default()
        },
        execs: Default::default(),
        is_paused: false,
        checkpoint: request.checkpoint.clone(),
        memory: None,
    };
    shim.tasks.insert(id.clone(), task);
    let namespace = shim.identity.namespace.clone();
    let key = Key::new(&id, "");
    let started = shim.work(move || {
        let made = make(&request, &store, &options, &names, &namespace);
        Box::new(move |shim| {
            let answer = finish(shim, &key, made);
            if answer.is_err() {
                shim.tasks.remove(&key.id);
            }
            shim.answer(caller, answer);
        })
    });
    if started.is_err() {
        shim.tasks.remove(&id);
    }
    started.map(|()| Answer::Later)
}

/// What the thread has made.
struct Made {
    container: Shared,
    process: Process,
    opened: Opened,
    memory: Option<Watch>,
}

fn make(
    request: &CreateTaskRequest,
    store: &Store,
    options: &Options,
    names: &Names,
    namespace: &str,
) -> Result<Option<Made>, Status> {
    let bundle = Path::new(&request.bundle);
    options.keep(bundle)?;
    rootfs::mount(&request.rootfs, bundle)?;
    if !request.checkpoint.is_empty() {
        // It comes to be when it is started.
        return Ok(None);
    }
    let log = Log {
        id: &request.id,
        namespace,
    };
    let made = make_container(request, store, options, names, &log);
    if made.is_err() && !request.rootfs.is_empty() {
        // The error is what there is to say.
        let _ = rootfs::unmount(bundle);
    }
    made.map(Some)
}

fn make_container(
    request: &CreateTaskRequest,
    store: &Store,
    options: &Options,
    names: &Names,
    log: &Log<'_>,
) -> Result<Made, Status> {
    let failed = |error| Status::of(FAILED, &error);
    let bundle = Bundle::load(&request.bundle).map_err(failed)?;
    let mut opened = Opened::new(names, log)?;
    let mut given = CreateOptions::default();
    given.streams = std::mem::take(&mut opened.streams);
    given.console = names.terminal.then_some(Console::Return);
    given.no_pivot = options.no_pivot_root;
    given.no_new_keyring = options.no_new_keyring;
    given.systemd_cgroup = options.systemd_cgroup;
    let created = Container::create(store, &request.id, &bundle, given).map_err(failed)?;
    let Created {
        container, process, ..
    } = created;
    Ok(Made {
        // Without a cgroup, or one without memory, there is nothing to watch.
        memory: container.events().ok(),
        container: Arc::new(container),
        process,
        opened,
    })
}

fn finish(
    shim: &mut Shim,
    key: &Key,
    made: Result<Option<Made>, Status>,
) -> Result<Vec<u8>, Status> {
    let mut answer = CreateTaskResponse::new();
    match made? {
        Some(made) => answer.pid = shim.take_in(key, made)? as u32,
        None => shim.task(&key.id)?.init.phase = Phase::Created,
    }
    let task = shim.task(&key.id)?;
    let bundle = task.bundle.to_string_lossy().into_owned();
    let event = Event::created(
        &key.id,
        &bundle,
        &task.init.names,
        &task.checkpoint,
        task.init.pid,
    );
    shim.publish(&event);
    to_bytes(&answer)
}

impl Shim {
    fn take_in(&mut self, key: &Key, made: Made) -> Result<i32, Status> {
        let pid = made.process.pid();
        let task = self.task(&key.id)?;
        task.container = Some(Arc::clone(&made.container));
        task.init.phase = Phase::Created;
        self.watch_memory(&key.id, made.memory);
        match self.adopt(key, made.process, made.opened) {
            Ok(()) => Ok(pid),
            Err(status) => {
                // It cannot be looked after: nobody would see its end.
                let _ = made.container.kill(9, true);
                Err(status)
            }
        }
    }

    pub(super) fn watch_memory(&mut self, id: &str, memory: Option<Watch>) {
        let Some(watch) = memory else { return };
        if let Ok(token) = self.listen(&watch, Source::Memory(id.to_owned()))
            && let Ok(task) = self.task(id)
        {
            task.memory = Some((token, watch));
        }
    }
}
