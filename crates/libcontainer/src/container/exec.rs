//! `exec`: one more process in a container.

use std::path::PathBuf;

use kernel::Fd;
use kernel::namespace::flags::NEWUSER;
use spec::{Capabilities, Process as ProcessSpec, Spec, Text, User};

use super::cgroup::seat_of;
use super::create::{judge_preserved, send_pidfd, warn_about_ambient};
use super::pid_file;
use super::{Container, Look};
use crate::Error;
use crate::foreground::{self, Terminal};
use crate::host::HostFacts;
use crate::perform::{
    Cgroup, Console, Given, HookState, Performed, WayIn, execution_failed, fence, walk,
};
use crate::plan::{self, Joining};
use crate::state::{Liveness, Status, Store, observe};
use crate::timings;

/// What is to run, and how.
#[derive(Clone, Debug, Default)]
pub struct ExecRequest {
    /// A whole `process` object as JSON. Without it, the container's own process with the changes below.
    pub process_json: Option<String>,
    /// Where that comes from, for messages.
    pub process_file: PathBuf,
    /// Program and arguments.
    pub args: Vec<String>,
    /// Working directory instead of the container's.
    pub cwd: Option<String>,
    /// Environment in addition to the container's.
    pub env: Vec<String>,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// User and perhaps group instead of the container's.
    pub user: Option<(u32, Option<u32>)>,
    /// Supplementary groups in addition.
    pub additional_gids: Vec<u32>,
    /// SELinux label instead of the container's.
    pub process_label: Option<String>,
    /// AppArmor profile instead of the container's.
    pub apparmor: Option<String>,
    /// Set no_new_privs.
    pub no_new_privileges: bool,
    /// Capabilities in addition to the container's.
    pub capabilities: Vec<String>,
    /// Cgroups below the container's: `PATH` or `CONTROLLER,…:PATH`.
    pub cgroup: Vec<String>,
    /// Do it even if the container is paused.
    pub ignore_paused: bool,
    /// Return when it runs, instead of when it has ended.
    pub detach: bool,
    /// The socket that gets the terminal.
    pub console_socket: Option<PathBuf>,
    /// A socket that gets a pidfd of the process.
    pub pidfd_socket: Option<PathBuf>,
    /// A file that gets the number of the process.
    pub pid_file: Option<PathBuf>,
    /// How many descriptors from 3 on it gets.
    pub preserve_fds: u32,
}

/// Runs a process in a container and, unless it is detached, waits for it. The answer is its status as a shell shows it.
///
/// # Errors
/// The container does not run, the process cannot be planned, or a step failed.
pub fn exec(store: &Store, id: &str, request: &ExecRequest) -> Result<i32, Error> {
    let container = Container::open(store, id)?;
    judge_preserved(request.preserve_fds)?;
    let Look {
        status, liveness, ..
    } = container.look()?;
    let text = match status {
        Status::Stopped => "cannot exec in a stopped container",
        Status::Creating => "cannot exec in a container that is being created",
        Status::Paused if !request.ignore_paused => {
            "cannot exec in a paused container (use --ignore-paused to override)"
        }
        _ => "",
    };
    let Liveness::Alive(pidfd) = liveness else {
        return Err(Error::wrong_status(
            id,
            "cannot exec in a stopped container",
        ));
    };
    if !text.is_empty() {
        return Err(Error::wrong_status(id, text));
    }
    container.execute(pidfd, request)
}

/// How a process gets into the container.
struct Way {
    /// The container's first process, whose namespaces are joined.
    pidfd: Fd,
    /// The cgroup to enter.
    seat: Option<cgroups::Seat>,
    /// Where its terminal goes.
    console: Console,
}

impl Container {
    fn execute(&self, pidfd: Fd, request: &ExecRequest) -> Result<i32, Error> {
        let config = observe::config(&self.folder)?;
        let mut spec = config.spec()?;
        let mut process = match &request.process_json {
            Some(json) => ProcessSpec::parse(json).map_err(|error| Error::Config {
                path: request.process_file.clone(),
                error,
            })?,
            None => changed(spec.process.take().unwrap_or_default(), request),
        };
        let wants_terminal = process.terminal;
        foreground::judge_terminal(
            wants_terminal,
            request.detach,
            request.console_socket.is_some(),
        )?;
        foreground::size_as_ours(Some(&mut process), request.console_socket.as_deref());
        spec.process = Some(process);
        let part = timings::part("look at the host, and plan");
        let host = HostFacts::probe()?;
        let seat = self.seat(request)?;
        let joining = Joining {
            id: self.record.id.clone(),
            namespaces: self.record.namespaces,
            set_groups: self.record.set_groups,
            has_cgroup: seat.is_some(),
            cloned_into_cgroup: seat
                .as_ref()
                .is_some_and(|seat| seat.entry().is_some() && !seat.has_rest()),
            relays_terminal: request.console_socket.is_none(),
            no_keyring: false,
            outside: self.outside(&spec)?,
        };
        let plan = plan::exec(&spec, &joining, &host)?;
        drop(part);
        log::debug!(
            "setns_init: about to exec {:?}",
            spec.process.iter().flat_map(|process| &process.args).next()
        );
        for (at, text) in &plan.warnings {
            log::warn!("{at}: {text}");
        }
        let (console, terminal) =
            Terminal::prepare(wants_terminal, request.console_socket.as_deref())?;
        let waiting = if request.detach {
            None
        } else {
            Some(foreground::Waiting::begin()?)
        };
        let performed = self.perform(
            &plan,
            &spec,
            Way {
                pidfd,
                seat,
                console,
            },
            request,
        )?;
        warn_about_ambient(performed.missing_ambient);
        if let Err(error) = tell_caller(request, &performed) {
            // Nobody knows of the program: it does not run on.
            super::kill::end(&performed.child.pidfd)?;
            return Err(error);
        }
        match waiting {
            None => Ok(0),
            Some(waiting) => waiting.wait(&performed.child, terminal, None),
        }
    }

    fn perform(
        &self,
        plan: &plan::Plan,
        spec: &Spec<'_>,
        way: Way,
        request: &ExecRequest,
    ) -> Result<Performed, Error> {
        let Way {
            pidfd,
            seat,
            console,
        } = way;
        let way = WayIn {
            pid: self.record.pid,
            pidfd: &pidfd,
            shared: &[],
        };
        let inputs = way.inputs(plan)?;
        let failed = |fault| crate::perform::own("make the report page", fault);
        let report = crate::perform::child::report_page().map_err(failed)?;
        let state = HookState {
            init: Some(self.record.pid),
            ..HookState::new(spec, &self.record, "running")
        };
        let given = Given {
            report,
            fence: plan.waits().then(fence::pipe).transpose()?,
            console,
            cgroup: seat.map(Cgroup::Existing),
            resctrl: self.record.resctrl.as_ref(),
            preserve_fds: request.preserve_fds,
            standard: [None; 3],
            inputs,
            state: Some(state),
            run_hook: None,
        };
        let (performed, _) = walk(plan, given, &mut |_| Ok(()))?;
        let failed = |fault| crate::perform::own("let the process go", fault);
        match performed.release().map_err(failed)? {
            Some(fault) => {
                let program = spec.process.iter().flat_map(|process| &process.args).next();
                Err(execution_failed(
                    program.map_or("", |name| name.as_str()),
                    fault,
                ))
            }
            None => Ok(performed),
        }
    }

    /// What the process's user is outside, in a container with a user namespace.
    fn outside(&self, spec: &Spec<'_>) -> Result<Option<u32>, Error> {
        match &spec.process {
            Some(process) if self.record.namespaces & NEWUSER != 0 => {
                crate::perform::outside(self.record.pid, process.user.uid)
            }
            _ => Ok(None),
        }
    }

    /// The cgroup that the process goes to: the one asked for, else the container's.
    fn seat(&self, request: &ExecRequest) -> Result<Option<cgroups::Seat>, Error> {
        match &self.record.cgroup {
            Some(place) if !request.cgroup.is_empty() => {
                let group = cgroups::Group::open(place)?;
                Ok(Some(group.sub(&request.cgroup)?))
            }
            _ => seat_of(&self.record),
        }
    }
}

/// Tells the caller which process it is, in the ways asked for.
fn tell_caller(request: &ExecRequest, performed: &Performed) -> Result<(), Error> {
    if let Some(path) = &request.pidfd_socket {
        send_pidfd(path, &performed.child)?;
    }
    match &request.pid_file {
        Some(path) => pid_file::write(path, performed.child.pid),
        None => Ok(()),
    }
}

/// The container's process with the changes asked for.
fn changed<'a>(mut process: ProcessSpec<'a>, request: &'a ExecRequest) -> ProcessSpec<'a> {
    process.terminal = request.terminal;
    process.console_size = None;
    process.args = request
        .args
        .iter()
        .map(|argument| Text::from(argument.as_str()))
        .collect();
    process
        .env
        .extend(request.env.iter().map(|entry| Text::from(entry.as_str())));
    if let Some(cwd) = &request.cwd {
        process.cwd = Some(Text::from(cwd.as_str()));
    }
    if let Some((uid, gid)) = request.user {
        process.user = User {
            uid,
            gid: gid.unwrap_or(0),
            umask: process.user.umask,
            ..User::default()
        };
    }
    process
        .user
        .additional_gids
        .extend(&request.additional_gids);
    if let Some(label) = &request.process_label {
        process.selinux_label = Some(Text::from(label.as_str()));
    }
    if let Some(profile) = &request.apparmor {
        process.apparmor_profile = Some(Text::from(profile.as_str()));
    }
    process.no_new_privileges |= request.no_new_privileges;
    if !request.capabilities.is_empty() {
        let sets = process
            .capabilities
            .get_or_insert_with(Capabilities::default);
        let added = || {
            request
                .capabilities
                .iter()
                .map(|name| Text::from(name.as_str()))
        };
        // Not the inheritable set: files could raise them from there (CVE-2022-29162).
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.extend(added());
        }
        // Ambient ones are only those that are inheritable, too.
        let inheritable = &sets.inheritable;
        let ambient = added().filter(|name| inheritable.contains(name));
        sets.ambient.extend(ambient);
    }
    process
}
