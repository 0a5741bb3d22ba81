//! `process`: from namespaces that are ready to the user's program. Shared by `create` and `exec`.

pub(crate) mod capabilities;
mod command;
mod identity;
mod limits;
pub(crate) mod scheduling;
mod security;

use init::step::{
    AwaitStart, CloseWorking, Dumpable, NoProgram, Session, SessionKeyring, StandardStreams,
    Undumpable,
};
use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Hook, Process};

use command::Command;

use super::{Creation, Draft, IdMaps, Namespaces, PlanError, RuntimeStep};

/// Where `process` stands: `exec` reads it from elsewhere, but users know the fields by these names.
pub(crate) fn field(name: &'static str) -> ConfigPath {
    ConfigPath::of("process").then(name)
}

/// What a process needs to know about the container around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    /// It lives in a user namespace other than the runtime's.
    pub(crate) user_namespace: bool,
    /// setgroups(2) works there.
    pub(crate) set_groups: bool,
    /// It is the container's first process, and so waits for `start`.
    pub(crate) waits: bool,
    /// Tell it of descriptors passed by socket activation.
    pub(crate) listen_fds: u32,
}

/// Writes to this process's own files in procfs, which are no longer its own once it is undumpable.
pub(crate) fn before_joining(draft: &mut Draft<'_>, lenient: bool) -> Result<(), PlanError> {
    match draft.spec.process.as_ref() {
        Some(process) => limits::oom_score(draft, process, lenient),
        None => Ok(()),
    }
}

/// As [`before_joining`] for a process added to a container, then closes it to those inside.
pub(crate) fn before_joining_for(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
) -> Result<(), PlanError> {
    let lenient = draft.host.rootless();
    limits::oom_score(draft, process, lenient)?;
    draft.child(&ConfigPath::none(), Undumpable {});
    Ok(())
}

/// Root of a user namespace has no rights to pipes of those outside, so the runtime gives them away. `joined`: only the
/// mapping of the user namespace that the child is in tells to whom.
pub(crate) fn give_streams(draft: &mut Draft<'_>, requested: &Namespaces, joined: bool) {
    let Some(process) = &draft.spec.process else {
        return;
    };
    let (user, empty) = (process.user.uid, Vec::new());
    let mappings = draft.spec.linux.as_ref().map(|linux| &linux.uid_mappings);
    let mappings = mappings.unwrap_or(&empty);
    let unknown = requested.joins(NEWUSER) && mappings.is_empty();
    if !requested.has(NEWUSER) || unknown != joined {
        return;
    }
    // Running the program as a user who is not mapped fails anyway.
    match IdMaps::outside(mappings, user) {
        None if !joined => {}
        outside => give_streams_to(draft, process, outside),
    }
}

/// As [`give_streams`], for a process added to a container.
pub(crate) fn give_streams_to(draft: &mut Draft<'_>, process: &Process<'_>, outside: Option<u32>) {
    // With a terminal of its own it inherits none.
    if draft.host.privileged && !process.terminal {
        let user = process.user.uid;
        draft.runtime(&field("user"), RuntimeStep::GiveStreams { user, outside });
    }
}

/// A session of its own, and a keyring.
pub(crate) fn begin(draft: &mut Draft<'_>, creation: &Creation) -> Result<(), PlanError> {
    begin_for(draft, &creation.id, creation.no_new_keyring, false)
}

pub(crate) fn begin_for(
    draft: &mut Draft<'_>,
    id: &str,
    no_keyring: bool,
    join: bool,
) -> Result<(), PlanError> {
    let none = ConfigPath::none();
    draft.child(&none, Session {});
    if !no_keyring {
        let name = draft.text(&none, &format!("_ses.{id}"))?;
        draft.child(&none, SessionKeyring { name, join });
    }
    Ok(())
}

/// The end of a plan for a container's first process. There may be none: then only `start` fails.
pub(crate) fn prepare_first(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
) -> Result<(), PlanError> {
    let surroundings = Surroundings {
        user_namespace: requested.has(NEWUSER),
        set_groups: super::namespaces::can_set_groups(draft, requested),
        waits: true,
        listen_fds: creation.listen_fds,
    };
    let spec = draft.spec;
    let kept = draft.kept_slots();
    draft.child(&ConfigPath::none(), CloseWorking { kept });
    match &spec.process {
        Some(process) => prepare(draft, process, surroundings),
        None => {
            await_start(draft)?;
            draft.child(&ConfigPath::of("process"), NoProgram {});
            Ok(())
        }
    }
}

fn await_start(draft: &mut Draft<'_>) -> Result<(), PlanError> {
    let none = ConfigPath::none();
    let slot = draft.slot(&none)?;
    draft.child(&none, AwaitStart { slot });
    Ok(())
}

pub(crate) fn prepare(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    around: Surroundings,
) -> Result<(), PlanError> {
    let command = command::read(draft, process, around.listen_fds);
    run(draft, process, around, command)
}

/// A hook that runs exactly as the process does: only what is executed is its own.
pub(crate) fn prepare_hook(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    around: Surroundings,
    hook: &Hook<'_>,
    at: &ConfigPath,
) -> Result<(), PlanError> {
    let command = command::read_hook(draft, process, hook, at);
    run(draft, process, around, command)
}

fn run(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    around: Surroundings,
    command: Result<Command, PlanError>,
) -> Result<(), PlanError> {
    let uid = process.user.uid;
    draft.child(&field("user"), StandardStreams { uid });
    scheduling::schedule(draft, process, around.waits);
    limits::limit(draft, process);
    draft.part(|draft| security::label(draft, process));
    draft.part(|draft| identity::umask(draft, process));
    let command = &command.inspect_err(|_| {
        // What follows has to be in order; the rest is validated before that.
        draft.part(|draft| command::directory(draft, process, false));
        draft.part(|draft| security::filter(draft).map(drop));
    })?;
    command::home(draft, process, command);
    draft.part(|draft| command::directory(draft, process, false));
    let sets = capabilities::read(draft, process, around.user_namespace);
    capabilities::bound(draft, &sets);
    let filter = security::filter(draft)?;
    if process.no_new_privileges {
        security::no_new_privileges(draft);
    } else if let Some(filter) = &filter {
        // Without no_new_privs a filter needs CAP_SYS_ADMIN, so it is loaded while that is there.
        command::find(draft, command);
        security::load(draft, filter)?;
    }
    identity::become_user(draft, process, around.set_groups)?;
    capabilities::set(draft, &sets);
    if around.waits && around.user_namespace && !draft.host.may_trace() {
        // Such a caller could neither run hooks nor other processes in a created container.
        draft.child(&ConfigPath::none(), Dumpable {});
    }
    command::directory(draft, process, true)?;
    if process.no_new_privileges || filter.is_none() {
        command::find(draft, command);
    }
    if let (true, Some(filter)) = (process.no_new_privileges, &filter) {
        security::load(draft, filter)?;
    }
    // A filter that notifies needs its agent before the program runs, so its process waits as the first one does.
    if around.waits || filter.is_some_and(|filter| filter.notify) {
        await_start(draft)?;
    }
    command::execute(draft, command, around.waits);
    Ok(())
}
