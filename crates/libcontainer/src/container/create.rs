//! `create`: everything but the user's program.

use std::path::Path;

use kernel::process::Started;
use spec::Spec;

use super::Container;
use super::fence::Fence;
use super::prepare::{CreateOptions, Prepared};
use crate::Error;
use crate::bundle::Bundle;
use crate::perform::{Cgroup, Console, Performed, Setting, run_hooks, walk};
use crate::plan::{self, HookKind};
use crate::state::{Folder, Record, Store, identity_of, judge_id};

/// A bundle with its config, parsed once.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) spec: &'a Spec<'a>,
}

impl Container {
    /// Creates a container: namespaces, mounts, cgroup and all that the config says, up to the user's program, which
    /// waits for [`Container::start`]. (runtime.md, "Create")
    ///
    /// # Errors
    /// An id that is taken or malformed, a config that cannot be planned, or a step that failed. Nothing is left behind
    /// then.
    pub fn create(
        store: &Store,
        id: &str,
        bundle: &Bundle,
        options: &CreateOptions,
    ) -> Result<Container, Error> {
        let spec = bundle.spec()?;
        let terminal = spec
            .process
            .as_ref()
            .is_some_and(|process| process.terminal);
        crate::foreground::judge_terminal(terminal, true, options.console_socket.is_some())?;
        let console = match &options.console_socket {
            Some(path) => Console::Socket(path.clone()),
            None => Console::None,
        };
        let (container, _) = Container::create_with(
            store,
            id,
            &Source {
                bundle,
                spec: &spec,
            },
            options,
            console,
            &Fence::Fifo,
        )?;
        container.folder.unlock();
        Ok(container)
    }

    pub(super) fn create_with(
        store: &Store,
        id: &str,
        source: &Source<'_>,
        options: &CreateOptions,
        console: Console,
        fence: &Fence,
    ) -> Result<(Container, Performed), Error> {
        judge_id(id)?;
        let Source { bundle, spec } = *source;
        let prepared = Prepared::new(id, bundle, spec, options)?;
        for (at, text) in &prepared.plan.warnings {
            log::warn!("{at}: {text}");
        }
        let folder = store.make(id)?;
        let mut record = prepared.record();
        match perform(
            &prepared,
            &folder,
            bundle,
            &mut record,
            options,
            console,
            fence,
        ) {
            Ok(performed) => Ok((Container { folder, record }, performed)),
            Err(error) => {
                clean_up(&prepared, folder, &error);
                Err(error)
            }
        }
    }
}

fn perform(
    prepared: &Prepared<'_>,
    folder: &Folder,
    bundle: &Bundle,
    record: &mut Record,
    options: &CreateOptions,
    console: Console,
    fence: &Fence,
) -> Result<Performed, Error> {
    folder.keep_config(bundle.text())?;
    // The record comes before the effects that it describes.
    folder.store(record)?;
    let setting = Setting {
        host: &prepared.host,
        report: folder.make_report()?,
        fence: Some(fence.make(folder)?),
        console,
        cgroup: prepared.place.as_ref().map(|place| Cgroup::New {
            place,
            settings: &prepared.settings,
            group: None,
        }),
        preserve_fds: options.preserve_fds,
        standard: [None; 3],
        given: Vec::new(),
        state: Some(prepared.hooks()),
    };
    let (mut performed, group) = walk(&prepared.plan, setting, &mut |child: &Started| {
        record.pid = child.pid;
        record.identity = identity_of(child.pid, &child.pidfd).unwrap_or(0);
        Ok(())
    })?;
    warn_about_ambient(performed.missing_ambient);
    let finished = finish(group, prepared, &performed, options);
    if finished.is_err() {
        performed.undo();
        super::kill::end(&performed.child.pidfd);
    }
    finished.map(|()| performed)
}

/// What comes last, when the container is ready: tight limits, then the pid file, whose existence tells that all is done.
fn finish(
    group: Option<cgroups::Group>,
    prepared: &Prepared<'_>,
    performed: &Performed,
    options: &CreateOptions,
) -> Result<(), Error> {
    if let Some(group) = group {
        group.restrict(&prepared.settings)?;
    }
    if let Some(path) = &options.pidfd_socket {
        send_pidfd(path, &performed.child)?;
    }
    match &options.pid_file {
        Some(path) => write_pid_file(path, performed.child.pid),
        None => Ok(()),
    }
}

pub(super) fn send_pidfd(path: &Path, child: &Started) -> Result<(), Error> {
    use std::os::unix::ffi::OsStrExt;
    let sent = kernel::socket::connect(path.as_os_str().as_bytes())
        .and_then(|socket| kernel::socket::send(socket.raw(), b"pidfd", &[child.pidfd.raw()]));
    sent.map(drop)
        .map_err(|fault| Error::file("send the pidfd to", path, fault.into()))
}

/// Written beside and renamed, so that a reader sees a whole number.
pub(super) fn write_pid_file(path: &Path, pid: i32) -> Result<(), Error> {
    let failed = |error| Error::file("write the pid file", path, error);
    let name = path
        .file_name()
        .ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    let beside = path.with_file_name(format!(".{}", name.to_string_lossy()));
    std::fs::write(&beside, pid.to_string()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// The names of these capabilities are missing from the permitted or the inheritable set (capabilities(7)).
pub(super) fn warn_about_ambient(missing: u64) {
    for name in plan::names_of_capabilities(missing) {
        log::warn!("can't raise ambient capability {name}: operation not permitted");
    }
}

/// A failed create leaves nothing. Hooks after the end run also then (runtime.md, "Lifecycle").
fn clean_up(prepared: &Prepared<'_>, folder: Folder, error: &Error) {
    // A group that held others before, or was frozen by somebody, is theirs.
    let taken = matches!(
        error,
        Error::Cgroup(cgroups::Error::NotEmpty(_) | cgroups::Error::Frozen)
    );
    if let Some(place) = &prepared.place
        && !taken
        && let Ok(group) = cgroups::Group::open(place)
        && !group.is_none()
        && let Err(error) = group.remove()
    {
        log::warn!("{error}");
    }
    let mut hooks = prepared.hooks();
    hooks.status = "stopped";
    let _ = run_hooks(&hooks, HookKind::Poststop, None, &prepared.host);
    if let Err(error) = folder.remove() {
        log::warn!("{error}");
    }
}
