//! `exec`: one more process in a container.

use std::path::PathBuf;

use kernel::namespace::flags::NEWUSER;
use kernel::{BorrowedFd, Fd};
use spec::{Capabilities, Process as ProcessSpec, Spec, Text, User};

use super::create::{send_pidfd, warn_about_ambient};
use super::group::seat_of;
use super::pid_file;
use super::{Container, Look};
use crate::perform::{
    Cgroup, Console as Way, Given, HookState, Performed, WayIn, execution_failed, fence, walk,
};
use crate::plan::{self, Joining};
use crate::process::Process;
use crate::state::{Liveness, Status, observe};
use crate::streams::Streams;
use crate::terminal::{Console, Expected};
use crate::timings;
use crate::{Error, argument};

/// What is to run in a container, and how.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ExecRequest {
    /// The whole process. Without it, the container's own with the changes below.
    pub process: Option<ProcessSource>,
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
    /// Its standard streams. Those that are anonymous pipes become its user's, who could not open `/dev/stdout` again
    /// otherwise.
    pub streams: Streams,
    /// Where its terminal goes; needed if it has one.
    pub console: Option<Console>,
    /// A socket that gets a pidfd of the process.
    pub pidfd_socket: Option<PathBuf>,
    /// A file that gets the number of the process.
    pub pid_file: Option<PathBuf>,
    /// How many of the caller's descriptors from 3 on it gets. They must not be close-on-exec.
    pub preserve_fds: u32,
}

/// A whole `process` object of the specification.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProcessSource {
    /// As JSON.
    Json {
        /// The text.
        text: String,
        /// Where it comes from, for messages.
        path: PathBuf,
    },
    /// As values.
    Typed(Box<ProcessSpec<'static>>),
}

impl ProcessSource {
    fn parse(&self) -> Result<ProcessSpec<'_>, Error> {
        match self {
            ProcessSource::Typed(process) => Ok((**process).clone()),
            ProcessSource::Json { text, path } => {
                ProcessSpec::parse(text).map_err(|error| Error::Config {
                    path: path.clone(),
                    error,
                })
            }
        }
    }
}

impl Container {
    /// Starts a process in a running container. When this returns, it runs; its end can be waited for at the handle that comes
    /// back.
    ///
    /// # Errors
    /// The container does not run, the process cannot be planned, or a step failed.
    pub fn exec(&self, request: ExecRequest) -> Result<Process, Error> {
        argument::preserved(request.preserve_fds)?;
        argument::paths([
            ("pid_file", &request.pid_file),
            ("pidfd_socket", &request.pidfd_socket),
        ])?;
        let Look {
            status, liveness, ..
        } = self.look()?;
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
                self.id(),
                "cannot exec in a stopped container",
            ));
        };
        if !text.is_empty() {
            return Err(Error::wrong_status(self.id(), text));
        }
        self.execute(pidfd, request, status == Status::Paused)
    }
}

/// How a process gets into the container.
struct Entrance<'a> {
    /// The container's first process, whose namespaces are joined.
    pidfd: Fd,
    /// The cgroup to enter.
    seat: Option<cgroups::Seat>,
    /// Where its terminal goes.
    console: Way,
    /// Its standard streams.
    standard: [Option<BorrowedFd<'a>>; 3],
    preserve_fds: u32,
}

impl Container {
    fn execute(
        &self,
        pidfd: Fd,
        mut request: ExecRequest,
        is_paused: bool,
    ) -> Result<Process, Error> {
        let config = observe::config(&self.folder)?;
        let mut spec = config.spec()?;
        let streams = std::mem::take(&mut request.streams);
        let console = request.console.take();
        let relays_terminal = console.as_ref().is_some_and(Console::relays);
        let mut process = match &request.process {
            Some(source) => source.parse()?,
            None => changed(spec.process.take().unwrap_or_default(), &request),
        };
        let (console, expected) = Console::open(console, Some(&mut process))?;
        let ends = streams.open(process.terminal)?;
        spec.process = Some(process);
        let part = timings::part("look at the host, and plan");
        let host = self.folder.store().known().facts()?;
        let seat = self.seat(&request)?.map(|seat| match is_paused {
            true => seat.frozen(),
            false => seat,
        });
        let joining = Joining {
            id: self.record.id.clone(),
            namespaces: self.record.namespaces,
            set_groups: self.record.set_groups,
            has_cgroup: seat.is_some(),
            cloned_into_cgroup: seat
                .as_ref()
                .is_some_and(|seat| seat.entry().is_some() && !seat.has_rest()),
            relays_terminal,
            no_keyring: false,
            outside: self.outside(&spec)?,
        };
        let plan = plan::exec(&spec, &joining, host)?;
        drop(part);
        log::debug!(
            "setns_init: about to exec {:?}",
            spec.process.iter().flat_map(|process| &process.args).next()
        );
        self.folder.warn_at(&plan.warnings);
        let entrance = Entrance {
            pidfd,
            seat,
            console,
            standard: ends.theirs(),
            preserve_fds: request.preserve_fds,
        };
        let performed = self.perform(&plan, &spec, entrance)?;
        warn_about_ambient(&self.folder, performed.seen.missing_ambient);
        let terminal = expected.map(Expected::receive).transpose();
        let told =
            terminal.and_then(|terminal| report_process(&request, &performed).map(|()| terminal));
        match told {
            Ok(terminal) => {
                let (child, _) = performed.keep();
                let process = Process::started(child, self.record.identity, false);
                Ok(process.with(ends, terminal))
            }
            Err(error) => {
                // Nobody knows of the program: it does not run on.
                performed.end()?;
                Err(error)
            }
        }
    }

    fn perform(
        &self,
        plan: &plan::Plan,
        spec: &Spec<'_>,
        entrance: Entrance<'_>,
    ) -> Result<Performed, Error> {
        let Entrance {
            pidfd,
            seat,
            console,
            standard,
            preserve_fds,
        } = entrance;
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
            ..HookState::new(self.folder.store(), spec, &self.record, "running")
        };
        let given = Given {
            store: self.folder.store(),
            report,
            fence: plan.waits().then(fence::pipe).transpose()?,
            console,
            cgroup: seat.map(Cgroup::Existing),
            resctrl: self.record.resctrl.as_ref(),
            preserve_fds,
            standard,
            inputs,
            state: Some(state),
            run_hook: None,
        };
        let performed = walk(plan, given, &mut |_| Ok(()))?;
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
fn report_process(request: &ExecRequest, performed: &Performed) -> Result<(), Error> {
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
