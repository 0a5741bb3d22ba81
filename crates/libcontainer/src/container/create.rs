//! `create`: everything but the user's program.

use std::path::Path;

use kernel::process::Started;
use kernel::{Call, Errno, Fault, process};
use spec::Spec;

use super::fence::Fence;
use super::prepare::{CreateOptions, Prepared};
use super::{Container, Locked, pid_file};
use crate::Error;
use crate::bundle::Bundle;
use crate::notify;
use crate::perform::{
    Cgroup, Console, Given, HookState, Inside, Performed, own, run_hook, run_hooks, walk,
};
use crate::plan::{self, HookKind};
use crate::resctrl;
use crate::state::{Held, Record, Store, Waiter, judge_id, observe};
use crate::timings;

/// A bundle with its config, parsed once.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) spec: &'a Spec<'a>,
    /// This process waits for its end to delete it then.
    pub(super) waited_for: bool,
}

/// What the caller of a creation gives besides the options.
pub(super) struct Manner {
    pub(super) console: Console,
    pub(super) fence: Fence,
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
        let mut spec = bundle.spec()?;
        if options.notify_socket.is_some() {
            notify::show(&mut spec, store, id)?;
        }
        let terminal = spec
            .process
            .as_ref()
            .is_some_and(|process| process.terminal);
        crate::foreground::judge_terminal(terminal, true, options.console_socket.is_some())?;
        let console = match &options.console_socket {
            Some(path) => Console::Socket(path.clone()),
            None => Console::None,
        };
        let (locked, _) = Container::create_with(
            store,
            id,
            &Source {
                bundle,
                spec: &spec,
                waited_for: false,
            },
            options,
            Manner {
                console,
                fence: Fence::Fifo,
            },
        )?;
        Ok(locked.unlock())
    }

    pub(super) fn create_with(
        store: &Store,
        id: &str,
        source: &Source<'_>,
        options: &CreateOptions,
        manner: Manner,
    ) -> Result<(Locked, Performed), Error> {
        judge_id(id)?;
        judge_preserved(options.preserve_fds)?;
        let Source {
            bundle,
            spec,
            waited_for,
        } = *source;
        let prepared = Prepared::new(id, bundle, spec, options)?;
        for (at, text) in &prepared.plan.warnings {
            log::warn!("{at}: {text}");
        }
        let mut record = prepared.record()?;
        if waited_for {
            record.waiter = Some(this_process()?);
        }
        let folder = store.make(id)?;
        match perform(&prepared, &folder, bundle, &mut record, options, manner) {
            Ok(performed) => Ok((Locked { folder, record }, performed)),
            Err(error) => {
                clean_up(&prepared, folder, &record, &error);
                Err(error)
            }
        }
    }
}

fn this_process() -> Result<Waiter, Error> {
    let failed = |fault| own("see which process this is", fault);
    let pid = kernel::process::id();
    let pidfd = kernel::process::open(pid).map_err(failed)?;
    let identity = observe::identity_of(pid, &pidfd).map_err(failed)?;
    Ok(Waiter {
        pid,
        identity: identity.unwrap_or_default(),
    })
}

fn perform(
    prepared: &Prepared<'_>,
    folder: &Held,
    bundle: &Bundle,
    record: &mut Record,
    options: &CreateOptions,
    manner: Manner,
) -> Result<Performed, Error> {
    // The record comes before the effects that it describes.
    let part = timings::part("store the record");
    let stored = folder.store(record)?;
    folder.keep_config(bundle.text())?;
    if options.notify_socket.is_some() {
        folder.make_notify_directory()?;
    }
    let hooks = HookState {
        folder: Some(folder),
        ..prepared.hooks()?
    };
    let given = Given {
        report: folder.make_report()?,
        fence: Some(manner.fence.make(folder)?),
        console: manner.console,
        cgroup: prepared.place.as_ref().map(|place| Cgroup::New {
            place,
            settings: &prepared.settings,
            group: None,
        }),
        resctrl: prepared.resctrl.as_ref(),
        preserve_fds: options.preserve_fds,
        standard: [None; 3],
        inputs: Vec::new(),
        state: Some(hooks),
        run_hook: Some(&|kind, index, inside: &Inside<'_>| {
            run_hook(&hooks, kind, index, Some(inside), &prepared.host)
        }),
    };
    drop(part);
    let (mut performed, group) = walk(&prepared.plan, given, &mut |child: &Started| {
        let failed = |fault| own("see which process the child is", fault);
        let identity = observe::identity_of(child.pid, &child.pidfd).map_err(failed)?;
        let gone = Fault::found(Call::PidfdOpen, Errno::ESRCH);
        record.pid = child.pid;
        record.identity = identity.ok_or_else(|| failed(gone))?;
        stored.identify(record.pid, record.identity)
    })?;
    warn_about_ambient(performed.missing_ambient);
    let part = timings::part("apply late limits, and say which process it is");
    let finished = finish(group, prepared, &performed, options);
    drop(part);
    match finished {
        Ok(()) => Ok(performed),
        Err(error) => {
            performed.undo();
            super::kill::end(&performed.child.pidfd)?;
            Err(error)
        }
    }
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
        Some(path) => pid_file::write(path, performed.child.pid),
        None => Ok(()),
    }
}

/// Descriptors that a container is to get must be there: a number that is too high would open what is not meant.
pub(super) fn judge_preserved(count: u32) -> Result<(), Error> {
    // Of those that are open this program's own are not meant: they are closed at the next execve.
    let missing = (3..=i32::MAX)
        .zip(0..count)
        .find(|(number, _)| !process::passes_on(*number));
    match missing {
        None => Ok(()),
        Some((fd, _)) => Err(Error::Invalid {
            text: format!("--preserve-fds {count}: descriptor {fd} was not passed"),
            what: String::new(),
        }),
    }
}

pub(super) fn send_pidfd(path: &Path, child: &Started) -> Result<(), Error> {
    use std::os::unix::ffi::OsStrExt;
    let sent = kernel::socket::connect(path.as_os_str().as_bytes()).and_then(|socket| {
        kernel::socket::send(socket.borrow(), b"pidfd", &[child.pidfd.borrow()])
    });
    sent.map(drop)
        .map_err(|fault| Error::file("send the pidfd to", path, fault.into()))
}

/// The names of these capabilities are missing from the permitted or the inheritable set (capabilities(7)).
pub(super) fn warn_about_ambient(missing: u64) {
    if missing != 0 {
        let list = plan::names_of_capabilities(missing).join(" ");
        log::warn!("can't raise ambient capabilities: operation not permitted: [{list}]");
    }
}

/// A failed create leaves nothing, or, where its cgroup cannot be removed, a record by which `delete` can. Hooks after the
/// end run also then (runtime.md, "Lifecycle"), in the latter case at the end of `delete`.
fn clean_up(prepared: &Prepared<'_>, folder: Held, record: &Record, error: &Error) {
    // A group that held others before, or was frozen by somebody, is theirs.
    let taken = matches!(
        error,
        Error::Cgroup(cgroups::Error::NotEmpty(_) | cgroups::Error::Frozen)
    );
    if let Some(place) = &prepared.place
        && !taken
        && let Err(left) = cgroups::Group::open(place).and_then(cgroups::Group::remove)
    {
        log::warn!("{left}; what is left goes with `delete`");
        return;
    }
    if let Some(Err(left)) = record.resctrl.as_ref().map(resctrl::Group::remove) {
        log::warn!("{left}; what is left goes with `delete`");
        return;
    }
    let stopped = prepared.hooks().and_then(|mut hooks| {
        (hooks.status, hooks.folder) = ("stopped", Some(&folder));
        run_hooks(&hooks, HookKind::Poststop, None, &prepared.host)
    });
    if let Err(error) = stopped {
        log::warn!("{error}");
    }
    if let Err(error) = folder.remove() {
        log::warn!("{error}");
    }
}
