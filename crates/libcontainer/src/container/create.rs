//! `create`: everything but the user's program.

use std::os::fd::AsRawFd;
use std::path::Path;

use kernel::process::Started;
use kernel::{Call, Errno, Fault, Fd};

use super::fence::Fence;
use super::prepare::{CreateOptions, Prepared, identity_at};
use super::{Container, Locked, pid_file};
use crate::bundle::Bundle;
use crate::notify::{self, Readiness};
use crate::perform::{
    Cgroup, Console as Way, Given, HookState, Inside, Performed, connect, own, run_hook, run_hooks,
    walk,
};
use crate::plan::{self, HookKind};
use crate::process::Process;
use crate::resctrl;
use crate::state::{Folder, Held, Record, Store, Waiter, observe};
use crate::streams::Ends;
use crate::terminal::{Console, Expected};
use crate::timings;
use crate::{Error, argument};

/// What [`Container::create`] and [`Container::run`] have made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Created {
    /// The container.
    pub container: Container,
    /// Its first process, with the caller's ends of its streams.
    pub process: Process,
    /// Where a running container says that it is ready, if a service manager wants to know
    /// ([`CreateOptions::notify_socket`]).
    pub readiness: Option<Readiness>,
}

/// A container whose program waits at a fence.
pub(super) struct Made {
    pub(super) locked: Locked,
    pub(super) process: Process,
    pub(super) fence: Option<Fd>,
    /// How the program was refused, if nothing held it.
    pub(super) refused: Option<Fault>,
}

/// The container's cgroup while it is created.
#[derive(Default)]
struct OwnGroup {
    has_begun: bool,
    group: Option<cgroups::Group>,
}

/// What a walk needs besides the options.
struct Manner {
    console: Way,
    expected: Option<Expected>,
    ends: Ends,
    fence: Fence,
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
        options: CreateOptions,
    ) -> Result<Created, Error> {
        let Made {
            locked, process, ..
        } = Container::make(store, id, bundle, options, Fence::Fifo)?;
        Ok(Created {
            container: locked.unlock(),
            process,
            readiness: None,
        })
    }

    pub(super) fn make(
        store: &Store,
        id: &str,
        bundle: &Bundle,
        mut options: CreateOptions,
        fence: Fence,
    ) -> Result<Made, Error> {
        argument::id(id)?;
        options.validate()?;
        let mut spec = bundle.spec()?;
        if matches!(fence, Fence::Pipe) && spec.process.is_none() {
            let why = "process is required to run a container";
            return Err(Error::invalid(why, bundle.directory()));
        }
        if options.notify_socket.is_some() {
            notify::show(&mut spec, store, id)?;
        }
        options.relays_terminal = options.console.as_ref().is_some_and(Console::relays);
        let (console, expected) = Console::open(options.console.take(), spec.process.as_mut())?;
        let has_terminal = !matches!(console, Way::None);
        let mut manner = Manner {
            console,
            expected,
            ends: std::mem::take(&mut options.streams).open(has_terminal)?,
            fence,
        };
        let prepared = Prepared::new(store, id, bundle, &spec, &options)?;
        let may_go_on = matches!(manner.fence, Fence::Pipe) && manner.expected.is_none();
        if may_go_on && prepared.goes_on(bundle, &options) {
            manner.fence = Fence::Open;
        }
        for (at, text) in &prepared.plan.warnings {
            store.warnings().warn_at(id, at, text);
        }
        let mut record = prepared.record()?;
        if options.attended {
            record.waiter = Some(this_process()?);
        }
        let folder = store.make(id)?;
        let mut cgroup = OwnGroup::default();
        let performed = perform(
            &prepared,
            &folder,
            bundle,
            &mut record,
            &options,
            manner,
            &mut cgroup,
        );
        // It can be removed only when nobody has it claimed any more.
        let has_begun = cgroup.has_begun;
        drop(cgroup);
        match performed {
            Ok((process, fence, refused)) => Ok(Made {
                locked: Locked { folder, record },
                process,
                fence,
                refused,
            }),
            Err(error) => {
                clean_up(&prepared, folder, &record, has_begun, &error);
                Err(error)
            }
        }
    }
}

pub(super) fn this_process() -> Result<Waiter, Error> {
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
    cgroup: &mut OwnGroup,
) -> Result<(Process, Option<Fd>, Option<Fault>), Error> {
    let Manner {
        console,
        expected,
        ends,
        fence,
    } = manner;
    // The record comes before the effects that it describes.
    let part = timings::part("store the record");
    let stored = folder.keep_record(record)?;
    folder.keep_config(bundle.text())?;
    if options.notify_socket.is_some() {
        folder.make_notify_directory()?;
    }
    let hooks = HookState {
        folder: Some(folder),
        ..prepared.hooks(folder.store())?
    };
    let run_hook = |kind, index, inside: &Inside<'_>| {
        run_hook(&hooks, kind, index, Some(inside), &prepared.host)
    };
    let given = Given {
        store: folder.store(),
        report: folder.make_report()?,
        fence: Some(fence.make(folder)?),
        console,
        cgroup: prepared.place.as_ref().map(|place| Cgroup::New {
            place,
            settings: &prepared.settings,
            has_begun: &mut cgroup.has_begun,
            group: &mut cgroup.group,
        }),
        resctrl: prepared.resctrl.as_ref(),
        preserve_fds: options.preserve_fds,
        standard: ends.theirs(),
        inputs: Vec::new(),
        state: Some(hooks),
        run_hook: Some(&run_hook),
    };
    drop(part);
    let mut performed = walk(&prepared.plan, given, &mut |child: &Started| {
        let failed = |fault| own("see which process the child is", fault);
        let identity = observe::identity_of(child.pid, &child.pidfd).map_err(failed)?;
        let gone = Fault::found(Call::PidfdOpen, Errno::ESRCH);
        record.pid = child.pid;
        record.identity = identity.ok_or_else(|| failed(gone))?;
        stored.identify(record.pid, record.identity)
    })?;
    warn_about_ambient(folder, performed.seen.missing_ambient);
    let part = timings::part("apply late limits, and say which process it is");
    let finished = confirm_root(bundle, &performed)
        .and_then(|()| expected.map(Expected::receive).transpose())
        .and_then(|terminal| {
            finish(folder, cgroup.group.as_ref(), prepared, &performed, options).map(|()| terminal)
        });
    drop(part);
    match finished {
        Ok(terminal) => {
            let refused = performed.seen.fault;
            let (child, fence) = performed.keep();
            let process = Process::started(child, record.identity, true);
            Ok((process.with(ends, terminal), fence, refused))
        }
        Err(error) => {
            performed.undo();
            performed.end()?;
            Err(error)
        }
    }
}

/// A root directory that the caller has opened is the container's now, whatever became of its path meanwhile.
fn confirm_root(bundle: &Bundle, performed: &Performed) -> Result<(), Error> {
    let Some(root) = bundle.root() else {
        return Ok(());
    };
    let given = identity_at(format!("/proc/self/fd/{}", root.as_raw_fd()))?;
    match identity_at(format!("/proc/{}/root", performed.child.pid))? == given {
        true => Ok(()),
        false => Err(Error::argument("root", "its path led elsewhere meanwhile")),
    }
}

/// What comes last, when the container is ready: tight limits, then the pid file, whose existence tells that all is done.
fn finish(
    folder: &Folder,
    group: Option<&cgroups::Group>,
    prepared: &Prepared<'_>,
    performed: &Performed,
    options: &CreateOptions,
) -> Result<(), Error> {
    if let Some(group) = group {
        group.restrict(&prepared.settings)?;
        folder.warn_at(&group.take_warnings());
    }
    if let Some(path) = &options.pidfd_socket {
        send_pidfd(path, &performed.child)?;
    }
    match &options.pid_file {
        Some(path) => pid_file::write(path, performed.child.pid),
        None => Ok(()),
    }
}

pub(super) fn send_pidfd(path: &Path, child: &Started) -> Result<(), Error> {
    use std::os::unix::ffi::OsStrExt;
    let sent = connect(path.as_os_str().as_bytes()).and_then(|socket| {
        kernel::socket::send(socket.borrow(), b"pidfd", &[child.pidfd.borrow()])
    });
    sent.map(drop)
        .map_err(|fault| Error::file("send the pidfd to", path, fault.into()))
}

/// The names of these capabilities are missing from the permitted or the inheritable set (capabilities(7)).
pub(super) fn warn_about_ambient(folder: &Folder, missing: u64) {
    if missing != 0 {
        let list = plan::names_of_capabilities(missing).join(" ");
        folder.warn(format_args!(
            "can't raise ambient capabilities: operation not permitted: [{list}]"
        ));
    }
}

/// A failed create leaves nothing, or, where its cgroup cannot be removed, a record by which `delete` can. Hooks after the
/// end run also then (runtime.md, "Lifecycle"), in the latter case at the end of `delete`.
pub(super) fn clean_up(
    prepared: &Prepared<'_>,
    folder: Held,
    record: &Record,
    has_begun: bool,
    error: &Error,
) {
    // A group that was not come to, that held others before, or was frozen by somebody, is theirs.
    let taken = matches!(
        error,
        Error::Cgroup(
            cgroups::Error::NotEmpty(_) | cgroups::Error::Frozen | cgroups::Error::Claimed
        )
    );
    if let Some(place) = &prepared.place
        && has_begun
        && !taken
        && let Err(left) = cgroups::Group::open(place).and_then(cgroups::Group::remove)
    {
        folder.warn(format_args!("{left}; what is left goes with `delete`"));
        return;
    }
    if let Some(Err(left)) = record.resctrl.as_ref().map(resctrl::Group::remove) {
        folder.warn(format_args!("{left}; what is left goes with `delete`"));
        return;
    }
    let stopped = prepared.hooks(folder.store()).and_then(|mut hooks| {
        (hooks.status, hooks.folder) = ("stopped", Some(&folder));
        run_hooks(&hooks, HookKind::Poststop, None, &prepared.host)
    });
    if let Err(error) = stopped {
        folder.warn(error);
    }
    let warnings = folder.store().warnings().clone();
    if let Err(error) = folder.remove() {
        warnings.warn(prepared.id(), error);
    }
}
