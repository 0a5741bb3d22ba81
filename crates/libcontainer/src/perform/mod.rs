//! Walking the runtime's half of a plan.

pub(crate) mod child;
mod hooks;
mod id_maps;
mod listener;
#[cfg(test)]
mod tests;
mod trees;

use std::path::PathBuf;

use init::{ChildStep, Report, Slot};
use kernel::process::{Exit, Started, Watch};
use kernel::{Call, Errno, Fault, Fd, file, namespace, process};
use spec::ConfigPath;

use crate::Error;
use crate::host::HostFacts;
use crate::plan::{Plan, RuntimeStep, Step};

pub(crate) use hooks::{HookState, run_all as run_hooks};

/// Where a terminal's master goes.
#[derive(Debug)]
pub(crate) enum Console {
    /// There is none.
    None,
    /// To whoever listens at this socket.
    Socket(PathBuf),
    /// To the other end of this pair.
    Connected(Fd),
}

/// What a walk needs besides the plan.
pub(crate) struct Setting<'a> {
    pub(crate) host: &'a HostFacts,
    pub(crate) report: Fd,
    /// The pipe or FIFO at which the child waits: its end, and ours.
    pub(crate) fence: Option<(Fd, Fd)>,
    pub(crate) console: Console,
    pub(crate) cgroup: Option<Cgroup<'a>>,
    pub(crate) preserve_fds: u32,
    /// Standard input, output and error, where they are not the caller's.
    pub(crate) standard: [Option<i32>; 3],
    /// Descriptors for slots that are filled from the beginning.
    pub(crate) given: Vec<(Slot, Fd)>,
    /// What hooks, and the agent of a filter that notifies, get to read.
    pub(crate) state: Option<HookState<'a>>,
}

/// The container's cgroup, and how it is entered.
pub(crate) struct Cgroup<'a> {
    pub(crate) place: &'a cgroups::Place,
    pub(crate) host: &'a cgroups::Host,
    pub(crate) settings: &'a cgroups::Settings,
    pub(crate) group: Option<cgroups::Group>,
    /// For exec: where the process goes instead of the group itself.
    pub(crate) seat: Option<cgroups::Seat>,
}

impl Cgroup<'_> {
    fn entry(&self) -> Option<i32> {
        use std::os::fd::AsRawFd;
        let entry = match &self.seat {
            Some(seat) => seat.entry(),
            None => self.group.as_ref().and_then(cgroups::Group::entry),
        };
        entry.map(|fd| fd.as_raw_fd())
    }
}

/// A walk in progress.
pub(crate) struct Walk<'a> {
    plan: &'a Plan,
    setting: Setting<'a>,
    report: Report,
    slots: Vec<(Slot, Fd)>,
    /// Slots that the child has not been sent yet.
    fresh: Vec<Slot>,
    peer: Option<Fd>,
    child: Option<Started>,
}

/// What a finished walk leaves.
#[derive(Debug)]
pub(crate) struct Performed {
    /// The container's process.
    pub(crate) child: Started,
    /// Our end of the fence.
    pub(crate) fence: Option<Fd>,
    /// Capabilities that could not be raised in the ambient set.
    pub(crate) missing_ambient: u64,
    report: Report,
}

impl Performed {
    /// Lets a process go that waits at its fence and watches it execute. The answer is how that failed, if it did.
    pub(crate) fn release(&self) -> kernel::Result<Option<Fault>> {
        let Some(fence) = &self.fence else {
            return Ok(None);
        };
        release(fence)?;
        Ok(self.report.fault())
    }
}

/// Lets whoever waits at the fence go, and waits until it has executed its program or is gone: then nobody is at the
/// other end any more.
pub(crate) fn release(fence: &Fd) -> kernel::Result<()> {
    file::write(fence.raw(), b"g")?;
    let mut watch = [Watch {
        fd: fence.raw(),
        events: 0,
        came: 0,
    }];
    loop {
        match process::poll(&mut watch, None) {
            Err(fault) if fault.is(Errno::EINTR) => {}
            answer => return answer.map(drop),
        }
    }
}

/// Walks the plan: performs the runtime's steps and waits for the child to perform its own, up to the fence, or, where
/// there is none, up to execve(2). `record` is told the process as soon as it is known.
///
/// On an error the child is gone when this returns.
pub(crate) fn walk(
    plan: &Plan,
    setting: Setting<'_>,
    record: &mut dyn FnMut(&Started) -> Result<(), Error>,
) -> Result<(Performed, Option<cgroups::Group>), Error> {
    let report =
        Report::map(setting.report.raw()).map_err(|fault| own("map the report page", fault))?;
    let mut walk = Walk {
        plan,
        setting,
        report,
        slots: Vec::new(),
        fresh: Vec::new(),
        peer: None,
        child: None,
    };
    match walk.run(record) {
        Ok(()) => {}
        Err(error) => {
            walk.end_child();
            if let Some(group) = walk
                .setting
                .cgroup
                .as_mut()
                .and_then(|cgroup| cgroup.group.take())
            {
                drop(group);
            }
            return Err(error);
        }
    }
    let missing_ambient = walk.report.missing_ambient();
    let fence = walk.setting.fence.take().map(|(_, ours)| ours);
    let group = walk.setting.cgroup.and_then(|cgroup| cgroup.group);
    match walk.child {
        Some(child) => Ok((
            Performed {
                child,
                fence,
                missing_ambient,
                report: walk.report,
            },
            group,
        )),
        None => Err(own(
            "start child",
            Fault::found(Call::Clone3, Errno::ECHILD),
        )),
    }
}

/// A failure of something that comes from no field.
pub(crate) fn own(step: &str, fault: Fault) -> Error {
    Error::step(&ConfigPath::none(), step, fault)
}

impl Walk<'_> {
    fn run(&mut self, record: &mut dyn FnMut(&Started) -> Result<(), Error>) -> Result<(), Error> {
        self.slots.append(&mut self.setting.given);
        let plan = self.plan;
        let mut index = 0;
        let start = plan.start().unwrap_or(0);
        while index < plan.entries.len() {
            match &plan.entries[index].step {
                Step::Runtime(step) => {
                    self.perform(index, step, record)?;
                    index += 1;
                    let next_is_child = matches!(
                        plan.entries.get(index).map(|entry| &entry.step),
                        Some(Step::Child(_))
                    );
                    // Right after the start the child only waits if there was a step of ours in between.
                    if next_is_child && index > start + 1 {
                        self.hand_over()?;
                    }
                }
                Step::Child(_) => {
                    let next = plan.entries[index..]
                        .iter()
                        .position(|entry| matches!(entry.step, Step::Runtime(_)));
                    match next {
                        Some(distance) => {
                            self.receive()?;
                            index += distance;
                        }
                        None => return self.finish(),
                    }
                }
            }
        }
        Ok(())
    }

    fn perform(
        &mut self,
        index: usize,
        step: &RuntimeStep,
        record: &mut dyn FnMut(&Started) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let at = &self.plan.entries[index].from;
        let failed = |fault| Error::step(at, step, fault);
        match step {
            RuntimeStep::OpenNamespace { path, flag, slot } => {
                let fd = open_namespace(path, *flag).map_err(failed)?;
                self.fill(*slot, fd);
            }
            RuntimeStep::CopyTree(tree) => {
                let fd = trees::copy(tree).map_err(failed)?;
                self.fill(tree.slot, fd);
            }
            RuntimeStep::MapTree {
                slot,
                recursive,
                maps,
                ..
            } => {
                let namespace = match maps {
                    Some(maps) => id_maps::namespace_with(maps, at)?,
                    None => id_maps::namespace_of(self.pid()?).map_err(failed)?,
                };
                let tree = self.raw(*slot).map_err(failed)?;
                trees::map(tree, *recursive, &namespace).map_err(failed)?;
                if self.child.is_some() {
                    self.fresh.push(*slot);
                }
            }
            RuntimeStep::ConnectConsole { slot } => {
                let fd = match std::mem::replace(&mut self.setting.console, Console::None) {
                    Console::Connected(fd) => fd,
                    Console::Socket(path) => {
                        use std::os::unix::ffi::OsStrExt;
                        kernel::socket::connect(path.as_os_str().as_bytes()).map_err(failed)?
                    }
                    Console::None => {
                        return Err(failed(Fault::found(Call::Connect, Errno::ENOENT)));
                    }
                };
                self.fill(*slot, fd);
            }
            RuntimeStep::MakeCgroup { .. } => {
                if let Some(cgroup) = &mut self.setting.cgroup {
                    let group = cgroups::Group::create(cgroup.place, cgroup.host, cgroup.settings)?;
                    for skipped in group.skipped() {
                        log::debug!("cgroup: without {skipped}");
                    }
                    cgroup.group = Some(group);
                }
            }
            RuntimeStep::StartChild { namespaces } => self.start(*namespaces).map_err(failed)?,
            RuntimeStep::PlaceChild => {
                let pid = self.pid()?;
                if let Some(cgroup) = &mut self.setting.cgroup {
                    match (&cgroup.seat, &mut cgroup.group) {
                        (Some(seat), _) => seat.place(pid)?,
                        (None, Some(group)) => group.place(pid)?,
                        (None, None) => {}
                    }
                }
            }
            RuntimeStep::MapIds(maps) => id_maps::write(self.pid()?, maps, at)?,
            RuntimeStep::OffsetClocks { lines } => {
                id_maps::write_file(self.pid()?, "timens_offsets", lines).map_err(failed)?;
            }
            RuntimeStep::Record => {
                if let Some(child) = &self.child {
                    let identity = crate::state::identity_of(child.pid, &child.pidfd).unwrap_or(0);
                    self.report.identify(child.pid, identity);
                    record(child)?;
                }
            }
            RuntimeStep::RunHook { kind, index, .. } => {
                let namespaces = self.shared_namespaces();
                if let (Some(hooks), Some(child)) = (&self.setting.state, &self.child) {
                    hooks::run(
                        hooks,
                        *kind,
                        *index,
                        Some(child.pid),
                        &namespaces,
                        self.setting.host,
                    )?;
                }
            }
        }
        Ok(())
    }

    fn fill(&mut self, slot: Slot, fd: Fd) {
        self.slots.push((slot, fd));
        if self.child.is_some() {
            self.fresh.push(slot);
        }
    }

    fn raw(&self, slot: Slot) -> kernel::Result<i32> {
        let found = self.slots.iter().find(|(filled, _)| *filled == slot);
        found
            .map(|(_, fd)| fd.raw())
            .ok_or(Fault::found(Call::Fcntl, Errno::EBADF))
    }

    fn pid(&self) -> Result<i32, Error> {
        match &self.child {
            Some(child) => Ok(child.pid),
            None => Err(own(
                "find the child",
                Fault::found(Call::Clone3, Errno::ECHILD),
            )),
        }
    }

    /// Namespace files that the child shared, in order.
    fn shared_namespaces(&self) -> Vec<i32> {
        let shared = self
            .plan
            .entries
            .iter()
            .find_map(|entry| match &entry.step {
                Step::Child(ChildStep::ShareNamespaces(step)) => {
                    Some((step.first, step.flags.count_ones() as u8))
                }
                _ => None,
            });
        shared.map_or_else(Vec::new, |(first, count)| {
            (0..count)
                .filter_map(|offset| self.raw(Slot(first.0 + offset)).ok())
                .collect()
        })
    }

    fn start(&mut self, namespaces: u64) -> kernel::Result<()> {
        let (ours, theirs) = kernel::socket::pair()?;
        let fence_slot = self
            .plan
            .entries
            .iter()
            .find_map(|entry| match &entry.step {
                Step::Child(ChildStep::AwaitStart(step)) => Some(step.slot),
                _ => None,
            });
        let mut raw = vec![-1; init::slots::COUNT];
        for (slot, fd) in &self.slots {
            raw[usize::from(slot.0)] = fd.raw();
        }
        raw[usize::from(Slot::REPORT.0)] = self.setting.report.raw();
        raw[usize::from(Slot::PEER.0)] = theirs.raw();
        if let (Some(slot), Some((child_end, _))) = (fence_slot, &self.setting.fence) {
            raw[usize::from(slot.0)] = child_end.raw();
        }
        let used = raw
            .iter()
            .rposition(|fd| *fd >= 0)
            .map_or(0, |last| last + 1);
        let cgroup = self.setting.cgroup.as_ref().and_then(Cgroup::entry);
        let started = child::start(
            self.plan,
            &raw[..used],
            namespaces,
            cgroup,
            self.setting.preserve_fds,
            self.setting.standard,
        )?;
        self.peer = Some(ours);
        self.child = Some(started);
        Ok(())
    }

    /// Gives the child the turn, with the descriptors that it has not got yet.
    fn hand_over(&mut self) -> Result<(), Error> {
        let Some(peer) = &self.peer else {
            return Ok(());
        };
        let fresh: Vec<(Slot, i32)> = self
            .fresh
            .iter()
            .filter_map(|slot| self.raw(*slot).ok().map(|raw| (*slot, raw)))
            .collect();
        let answer = init::turn::send(peer.raw(), 0, &fresh);
        self.fresh.clear();
        match answer {
            Ok(()) => Ok(()),
            Err(_) => Err(self.died()),
        }
    }

    /// Waits for the child to give us the turn.
    fn receive(&mut self) -> Result<(), Error> {
        let Some(peer) = &self.peer else {
            return Ok(());
        };
        let slots = &mut self.slots;
        match init::turn::receive(peer.raw(), |slot, fd| slots.push((slot, fd))) {
            Ok(0) => Ok(()),
            Ok(pid) => self.forked(pid),
            Err(_) => Err(self.died()),
        }
    }

    /// The child has become a new process: what was started by us leaves.
    fn forked(&mut self, pid: i32) -> Result<(), Error> {
        let pidfd = self.slots.pop().map(|(_, fd)| fd);
        if let (Some(pidfd), Some(old)) = (pidfd, self.child.take()) {
            let _ = process::wait(old.pidfd.raw(), true);
            self.child = Some(Started { pid, pidfd });
        }
        Ok(())
    }

    /// The last part is the child's: wait until it is at the fence, or has executed.
    fn finish(&mut self) -> Result<(), Error> {
        let fence = self
            .setting
            .fence
            .as_ref()
            .map_or(-1, |(_, ours)| ours.raw());
        let mut agent = self.agent();
        loop {
            let Some(peer) = self.peer.as_ref().map(Fd::raw) else {
                return Ok(());
            };
            let mut watches = [
                Watch {
                    fd: peer,
                    events: Watch::IN,
                    came: 0,
                },
                Watch {
                    fd: fence,
                    events: Watch::OUT,
                    came: 0,
                },
            ];
            // Nobody announces a listener: init may not be able to make any call any more. So look from time to time.
            let pause = agent.is_some().then_some(listener::LOOK_EVERY);
            match process::poll(&mut watches, pause) {
                Err(fault) if fault.is(Errno::EINTR) => continue,
                answer => answer.map_err(|fault| own("wait for the child", fault))?,
            };
            if let (Some(waiting), Some(fd), Some(child)) =
                (&agent, self.report.listener(), &self.child)
            {
                listener::forward(waiting, fd, child, self.setting.state.as_ref())?;
                agent = None;
            }
            if watches[1].came & Watch::OUT != 0 && agent.is_none() {
                return Ok(());
            }
            if watches[0].came == 0 {
                continue;
            }
            let slots = &mut self.slots;
            match init::turn::receive(peer, |slot, fd| slots.push((slot, fd))) {
                Ok(pid) if pid != 0 => self.forked(pid)?,
                Ok(_) => {}
                Err(_) if self.has_executed() => return Ok(()),
                Err(_) => return Err(self.died()),
            }
        }
    }

    /// The agent that waits for the listener of the plan's filter.
    fn agent(&self) -> Option<listener::Agent> {
        use kernel::seccomp::flags::NEW_LISTENER;
        let notifies = |entry: &crate::plan::Entry| matches!(&entry.step, Step::Child(ChildStep::Seccomp(step)) if step.flags & NEW_LISTENER != 0);
        let any = self.plan.entries.iter().any(notifies);
        any.then(|| listener::Agent::of(self.setting.state.as_ref()))
    }

    /// The socket is closed and no fault is noted: by execve, if that was the step.
    fn has_executed(&self) -> bool {
        let last = self.plan.entries.len() as u32 - 1;
        self.setting.fence.is_none()
            && self.report.fault().is_none()
            && self.report.step() == Some(last)
    }

    /// Why the child is no longer there.
    fn died(&mut self) -> Error {
        let exit = self.end_child();
        explain(self.plan, self.report.step(), self.report.fault(), exit)
    }

    fn end_child(&mut self) -> Option<Exit> {
        self.peer = None;
        let child = self.child.take()?;
        // It may have exited already, with a status that says something; a kill does not change that then.
        if let Ok(Some(exit)) = process::wait(child.pidfd.raw(), false) {
            return Some(exit);
        }
        let _ = process::signal(child.pidfd.raw(), nix::libc::SIGKILL);
        process::wait(child.pidfd.raw(), true).ok().flatten()
    }
}

/// The error for a child that did not get to the end of its plan.
fn explain(plan: &Plan, step: Option<u32>, fault: Option<Fault>, exit: Option<Exit>) -> Error {
    let index = step.map_or(0, |step| step as usize);
    let at = plan
        .entries
        .get(index)
        .map_or_else(ConfigPath::none, |entry| entry.from.clone());
    let words = plan.words(index);
    match fault {
        Some(fault) => {
            let text = plan
                .entries
                .get(index)
                .and_then(|entry| known_text(plan, &entry.step, fault));
            let hint = if text.is_some() {
                None
            } else {
                crate::hint::hint(&words, fault)
            };
            Error::Step {
                at,
                step: words,
                text,
                fault,
                hint,
            }
        }
        None => Error::ChildDied {
            at,
            step: words,
            exit: exit.unwrap_or(Exit::Code(0)),
        },
    }
}

/// The error for a program that execve(2) refuses, with the text that callers look for.
pub(crate) fn execution_failed(name: &str, fault: Fault) -> Error {
    Error::Step {
        at: ConfigPath::of("process.args"),
        step: format!("execute {name}"),
        text: Some(format!("exec {name}: {}", fault.errno)),
        fault,
        hint: fault
            .is(Errno::ENOENT)
            .then_some("the program exists: its interpreter may be missing"),
    }
}

/// Texts that callers of runtimes look for.
fn known_text(plan: &Plan, step: &Step, fault: Fault) -> Option<String> {
    let text = init::Text(&plan.text);
    let show = |span| String::from_utf8_lossy(text.bytes(span)).into_owned();
    let Step::Child(step) = step else { return None };
    Some(match step {
        ChildStep::FindProgram(find) => missing_program(&show(find.name), fault),
        ChildStep::Execute(execute) => {
            let name = text
                .strings(execute.arguments)
                .next()
                .map(|name| name.to_string_lossy().into_owned());
            format!("exec {}: {}", name.unwrap_or_default(), fault.errno)
        }
        ChildStep::Directory(directory) => {
            let outside = fault.call == Call::Getcwd;
            let why = if outside {
                "current working directory is outside of container mount namespace root"
            } else {
                fault.errno.text()
            };
            format!(
                "chdir to cwd ({:?}) set in config.json failed: {why}",
                show(directory.path)
            )
        }
        ChildStep::Filesystem(mount)
            if mount.plain && (fault.is(Errno::ELOOP) || fault.is(Errno::ENOTDIR)) =>
        {
            format!(
                "filesystem {:?} must be mounted on ordinary directory {}",
                show(mount.kind),
                show(mount.target)
            )
        }
        _ => return None,
    })
}

/// What engines tell exit statuses 126 and 127 by.
fn missing_program(name: &str, fault: Fault) -> String {
    if !name.contains('/') && fault.is(Errno::ENOENT) {
        return format!("exec: {name:?}: executable file not found in $PATH");
    }
    match fault.errno {
        Errno::ENOENT => format!("exec: {name:?}: stat {name}: no such file or directory"),
        // Engines know no better word for a directory than a missing permission.
        Errno::EISDIR => format!("exec: {name:?}: is a directory: permission denied"),
        errno => format!("exec: {name:?}: {errno}"),
    }
}

fn open_namespace(path: &str, flag: u64) -> kernel::Result<Fd> {
    let path =
        std::ffi::CString::new(path).map_err(|_| Fault::found(Call::Openat, Errno::EINVAL))?;
    let fd = file::open_at(
        file::HERE,
        &path,
        file::open::RDONLY | file::open::NONBLOCK,
        0,
    )?;
    match namespace::kind(fd.raw()) {
        Ok(kind) if kind == flag => Ok(fd),
        _ => Err(Fault::found(Call::Setns, Errno::EINVAL)),
    }
}
