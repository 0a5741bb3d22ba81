//! The walk itself: the plan from its first step to its last, and how each step of ours is performed.

use std::os::unix::ffi::OsStrExt;

use init::slots::Slots;
use init::{ChildStep, Slot};
use kernel::process::Started;
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, file};
use spec::ConfigPath;

use super::{
    Cgroup, Console, Given, Inside, Performed, WayIn, bring_back, id_maps, namespace, net_devices,
    own, streams, trees,
};
use crate::Error;
use crate::plan::{HookKind, IdMaps, Plan, RuntimeStep, Step};
use crate::timings;

/// A walk in progress.
pub(super) struct Walk<'a> {
    pub(super) plan: &'a Plan,
    pub(super) given: Given<'a>,
    pub(super) slots: Slots,
    /// Slots that the child has not been sent yet.
    pub(super) fresh: Vec<Slot>,
    pub(super) peer: Option<Fd>,
    pub(super) child: Option<Started>,
    /// It has left for a new process, which has not announced itself yet.
    pub(super) has_left: bool,
    /// Who that is.
    pub(super) announced: Option<i32>,
    /// It has taken the child's place.
    pub(super) has_forked: bool,
    /// Whether it was started in the cgroup of v2.
    pub(super) cloned_into_cgroup: bool,
    /// Whether it has entered those of v1 by itself.
    pub(super) entered_tasks: bool,
    devices: Vec<net_devices::Moved>,
}

/// Walks the plan: performs the runtime's steps and waits for the child to perform its own, up to the fence, or, where
/// there is none, up to execve(2). `record` is told the process as soon as it is known.
///
/// On an error the child is gone when this returns.
pub(crate) fn walk(
    plan: &Plan,
    given: Given<'_>,
    record: &mut dyn FnMut(&Started) -> Result<(), Error>,
) -> Result<Performed, Error> {
    if timings::is_on() {
        file::set_length(given.report.borrow(), init::report::STAMPED_LENGTH as u64)
            .map_err(unseen)?;
    }
    let mut walk = Walk {
        plan,
        given,
        slots: Slots::default(),
        fresh: Vec::new(),
        peer: None,
        child: None,
        has_left: false,
        announced: None,
        has_forked: false,
        cloned_into_cgroup: false,
        entered_tasks: false,
        devices: Vec::new(),
    };
    let walked = walk.run(record).and_then(|()| walk.seen());
    timings::child(plan, &walk.given.report);
    let seen = match walked {
        Ok(seen) => seen,
        Err(error) => {
            bring_back(&mut walk.devices);
            walk.end_child();
            return Err(error);
        }
    };
    let fence = walk.given.fence.take().and_then(|(_, ours)| ours);
    match walk.child {
        Some(child) => Ok(Performed {
            child,
            fence,
            seen,
            devices: walk.devices,
            report: walk.given.report,
        }),
        None => Err(own(
            "start child",
            Fault::found(Call::Clone3, Errno::ECHILD),
        )),
    }
}

pub(super) fn unseen(fault: Fault) -> Error {
    own("use the report page", fault)
}

impl Walk<'_> {
    fn run(&mut self, record: &mut dyn FnMut(&Started) -> Result<(), Error>) -> Result<(), Error> {
        for (slot, fd) in std::mem::take(&mut self.given.inputs) {
            self.slots.set(slot, fd);
        }
        let plan = self.plan;
        let mut index = 0;
        let start = plan.start().unwrap_or(0);
        while index < plan.entries.len() {
            match &plan.entries[index].step {
                Step::Runtime(step) => {
                    let part = timings::step(plan, index);
                    self.perform(index, step, record)?;
                    drop(part);
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
                    let mut rest = plan.entries.iter().enumerate().skip(index);
                    let next = rest.find_map(|(index, entry)| match &entry.step {
                        Step::Runtime(step) => Some((index, step)),
                        Step::Child(_) => None,
                    });
                    let Some((ours, step)) = next else {
                        return self.finish();
                    };
                    if !step.is_ahead() {
                        self.receive()?;
                    }
                    index = ours;
                }
            }
        }
        Ok(())
    }

    /// Whether the step records which process the child is, and follows its start: then it is performed while the child is on its
    /// way.
    fn records_beside_start(&self, index: usize) -> bool {
        let step = self.plan.entries.get(index).map(|entry| &entry.step);
        matches!(step, Some(Step::Runtime(RuntimeStep::RecordProcess)))
            && self.plan.start().is_some_and(|start| start + 1 == index)
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
                self.fill(*slot, namespace::to_join(path, *flag, at)?);
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
                let namespace = self.namespace_of(maps.as_ref(), at, failed)?;
                let tree = self.slots.get(*slot).map_err(failed)?;
                trees::map(tree, *recursive, &namespace).map_err(failed)?;
                self.is_new(slot.any());
            }
            RuntimeStep::MakeIdMapping {
                slot, maps, nested, ..
            } => {
                let below = match nested {
                    true => Some(id_maps::namespace_of(self.pid()?).map_err(failed)?),
                    false => None,
                };
                self.fill(
                    *slot,
                    id_maps::namespace_with(
                        self.given.store.environment(),
                        maps,
                        below.as_ref(),
                        at,
                    )?,
                );
            }
            RuntimeStep::ConnectConsole { slot } => {
                let fd = self.connect_console(failed)?;
                self.fill(*slot, fd);
            }
            RuntimeStep::MakeCgroup { devices } => {
                if let Some(cgroup) = &mut self.given.cgroup {
                    cgroup.make(*devices)?;
                }
            }
            RuntimeStep::LimitDevices { .. } => {
                if let Some(cgroup) = &mut self.given.cgroup {
                    cgroup.limit_devices()?;
                }
            }
            RuntimeStep::MakeResctrlGroup(requested) => {
                self.given
                    .resctrl
                    .map_or(Ok(()), |group| group.make(requested))?;
            }
            RuntimeStep::StartChild { namespaces } => {
                let records = self.records_beside_start(index + 1);
                let mut recorded = Ok(());
                let mut meanwhile = |child: &Started| {
                    if records {
                        recorded = record(child);
                    }
                };
                self.start(*namespaces, &mut meanwhile).map_err(failed)?;
                recorded?;
            }
            RuntimeStep::PlaceChild => {
                let pid = self.pid()?;
                if let Some(cgroup) = &mut self.given.cgroup
                    && !self.entered_tasks
                {
                    cgroup.place(pid, self.cloned_into_cgroup)?;
                }
            }
            RuntimeStep::PlaceInResctrlGroup => {
                if let Some(group) = self.given.resctrl {
                    group.place(self.pid()?)?;
                }
            }
            RuntimeStep::DelegateCgroup { user, outside } => self.delegate(*user, *outside)?,
            RuntimeStep::GiveStreams { user, outside } => {
                if let Some(owner) = self.owner(*user, *outside)? {
                    streams::give(owner, self.given.standard);
                }
            }
            RuntimeStep::MapIds(maps) => {
                id_maps::write(self.given.store.environment(), self.pid()?, maps, at)?;
            }
            RuntimeStep::CompareIds(maps) => id_maps::compare(self.pid()?, maps)?,
            RuntimeStep::OffsetClocks { lines } => {
                id_maps::write_file(self.pid()?, "timens_offsets", lines).map_err(failed)?;
            }
            RuntimeStep::MoveDevice { name, new_name } => {
                let moved = net_devices::take(name, new_name, self.pid()?);
                self.devices.push(moved.map_err(failed)?);
            }
            RuntimeStep::RecordProcess if self.records_beside_start(index) => {}
            RuntimeStep::RecordProcess => self.child.as_ref().map_or(Ok(()), record)?,
            RuntimeStep::RunHook { kind, index, .. } => {
                let shared = self.shared_namespaces().map_err(failed)?;
                self.run_hook(*kind, *index, &shared)?;
            }
        }
        Ok(())
    }

    fn connect_console(&mut self, failed: impl Fn(Fault) -> Error) -> Result<Fd, Error> {
        match std::mem::replace(&mut self.given.console, Console::None) {
            Console::Connected(fd) => Ok(fd),
            Console::Socket(path) => super::connect(path.as_os_str().as_bytes())
                .map_err(|fault| Error::file("connect to the console socket", &path, fault.into())),
            Console::None => Err(failed(Fault::found(Call::Connect, Errno::ENOENT))),
        }
    }

    /// The user namespace with such mappings; without any, the child's.
    fn namespace_of(
        &self,
        maps: Option<&IdMaps>,
        at: &ConfigPath,
        failed: impl Fn(Fault) -> Error,
    ) -> Result<Fd, Error> {
        match maps {
            Some(maps) => id_maps::namespace_with(self.given.store.environment(), maps, None, at),
            None => id_maps::namespace_of(self.pid()?).map_err(failed),
        }
    }

    fn delegate(&self, user: u32, outside: Option<u32>) -> Result<(), Error> {
        let group = self.given.cgroup.as_ref().and_then(Cgroup::group);
        match (group, self.owner(user, outside)?) {
            (Some(group), Some(owner)) => Ok(group.delegate(owner)?),
            _ => Ok(()),
        }
    }

    /// What a user of the container is outside, if the plan or the child's mapping tells.
    fn owner(&self, user: u32, outside: Option<u32>) -> Result<Option<u32>, Error> {
        match outside {
            Some(id) => Ok(Some(id)),
            None => id_maps::outside(self.pid()?, user),
        }
    }

    fn run_hook(
        &self,
        kind: HookKind,
        index: usize,
        shared: &[(u64, BorrowedFd<'_>)],
    ) -> Result<(), Error> {
        let (Some(run), Some(child)) = (self.given.run_hook, &self.child) else {
            return Ok(());
        };
        let (pid, pidfd) = (child.pid, &child.pidfd);
        let way = WayIn { pid, pidfd, shared };
        let group = self.given.cgroup.as_ref().and_then(Cgroup::group);
        let seat = || Ok(group.map(cgroups::Group::seat).transpose()?);
        run(kind, index, &Inside { way, seat: &seat })
    }

    fn fill<K: Copy>(&mut self, slot: Slot<K>, fd: Fd) {
        self.slots.set(slot, fd);
        self.is_new(slot.any());
    }

    /// A slot has something that the child has not.
    fn is_new(&mut self, slot: Slot) {
        if self.child.is_some() {
            self.fresh.push(slot);
        }
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

    /// Namespace files that the child shared, by type.
    fn shared_namespaces(&self) -> kernel::Result<Vec<(u64, BorrowedFd<'_>)>> {
        let shared = self.plan.find(|step| match step {
            ChildStep::ShareNamespaces(step) => Some(step.each()),
            _ => None,
        });
        let shared = shared.into_iter().flatten();
        let held = |(flag, slot)| Ok((flag, self.slots.get(slot)?));
        shared.map(held).collect()
    }
}
