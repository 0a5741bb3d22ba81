//! `linux.namespaces`, `linux.uidMappings`, `linux.gidMappings`, `linux.timeOffsets`: who enters what, and when.

use init::Slot;
use init::slots::kind;
use init::step::{BecomeRoot, Fork, Join, Undumpable, Unshare};
use kernel::namespace::flags::{
    NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS,
};
use spec::{ConfigPath, IdMapping, Linux, Namespace, Spec};

use super::mounts::Outside;
use super::{Creation, Draft, IdMaps, PlanError, RuntimeStep};
use crate::host::{HostFacts, subordinate_ids};

/// Types by their name in the specification.
pub const FLAGS: [(&str, u64); 8] = [
    ("pid", NEWPID),
    ("network", NEWNET),
    ("mount", NEWNS),
    ("ipc", NEWIPC),
    ("uts", NEWUTS),
    ("user", NEWUSER),
    ("cgroup", NEWCGROUP),
    ("time", NEWTIME),
];

/// What the config asks for.
#[derive(Clone, Debug, Default)]
pub struct Namespaces {
    /// To be made, as a set of flags.
    pub new: u64,
    /// To be joined.
    pub joined: Vec<Joined>,
    /// Given by a file that is the caller's own: stayed in, as without an entry.
    own: Vec<(u64, ConfigPath)>,
}

/// One namespace that exists.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Its type.
    pub flag: u64,
    /// Its file.
    pub path: String,
    /// Which entry of the list.
    pub at: ConfigPath,
}

/// One that the runtime opens for the child, which finds it in this slot.
pub(crate) struct Opened<'w> {
    joined: &'w Joined,
    slot: Slot<kind::Joinable>,
}

/// The type's name in the specification.
pub(crate) fn name(flag: u64) -> &'static str {
    FLAGS
        .iter()
        .find(|(_, known)| *known == flag)
        .map_or("?", |(name, _)| name)
}

fn list() -> ConfigPath {
    ConfigPath::of("linux.namespaces")
}

impl Namespaces {
    /// Reads the list.
    ///
    /// # Errors
    /// An unknown type, a type given twice, a relative path: the first thing that is wrong.
    pub fn read(spec: &Spec<'_>, host: &HostFacts) -> Result<Namespaces, PlanError> {
        let (requested, problems) = Namespaces::validated(spec, host);
        problems.into_iter().next().map_or(Ok(requested), Err)
    }

    /// As [`Namespaces::read`], with everything that is wrong; then with those entries that can be read.
    pub(crate) fn validated(spec: &Spec<'_>, host: &HostFacts) -> (Namespaces, Vec<PlanError>) {
        let mut requested = Namespaces::default();
        let entries = spec.linux.iter().flat_map(|linux| &linux.namespaces);
        let mut seen: Vec<(u64, usize)> = Vec::new();
        let mut problems = Vec::new();
        for (index, entry) in entries.enumerate() {
            problems.extend(requested.add(entry, index, host, &mut seen).err());
        }
        for problem in requested.validate(spec) {
            problems.extend(problem.err());
        }
        (requested, problems)
    }

    fn add(
        &mut self,
        entry: &Namespace<'_>,
        index: usize,
        host: &HostFacts,
        seen: &mut Vec<(u64, usize)>,
    ) -> Result<(), PlanError> {
        let at = list().index(index);
        let Some((name, flag)) = FLAGS.iter().find(|(name, _)| entry.kind == *name) else {
            let why = format!("unknown namespace {:?}", entry.kind);
            return Err(PlanError::invalid(at.then("type"), why));
        };
        if let Some((_, first)) = seen.iter().find(|(known, _)| known == flag) {
            let why = format!("duplicated namespace {:?}", entry.kind);
            return Err(PlanError::conflicts(at, list().index(*first), why));
        }
        seen.push((*flag, index));
        let at = at.then("path");
        match entry.path.as_deref().filter(|path| !path.is_empty()) {
            None => self.new |= flag,
            Some(path) if !path.starts_with('/') => {
                // As good as any, for what depends on there being one.
                self.new |= flag;
                return Err(PlanError::invalid(at, format!("{path:?} must be absolute")));
            }
            Some(path) if path.contains('\0') => {
                self.new |= flag;
                return Err(PlanError::invalid(at, "holds a NUL byte"));
            }
            Some(_) if host.own_namespaces.iter().any(|own| own == name) => {
                self.own.push((*flag, at));
            }
            Some(path) => self.joined.push(Joined {
                flag: *flag,
                path: path.to_owned(),
                at,
            }),
        }
        Ok(())
    }

    /// Whether the container is in another namespace of this type than the caller.
    pub(crate) fn has(&self, flag: u64) -> bool {
        self.new & flag != 0 || self.joins(flag)
    }

    pub(crate) fn joins(&self, flag: u64) -> bool {
        self.joined.iter().any(|joined| joined.flag == flag)
    }

    /// All types that differ from the runtime's.
    pub fn all(&self) -> u64 {
        self.joined
            .iter()
            .fold(self.new, |set, joined| set | joined.flag)
    }

    /// As [`Namespaces::all`], with those that were the caller's own when the container was created: who joins later may
    /// be elsewhere. No process can join the user namespace that it is in.
    pub fn named(&self) -> u64 {
        let own = self.own.iter().filter(|(flag, _)| *flag != NEWUSER);
        own.fold(self.all(), |set, (flag, _)| set | flag)
    }

    /// The error for a field that would change a namespace of the caller's: none of this type is listed, or the caller's
    /// own is.
    pub(crate) fn shared(&self, at: ConfigPath, flag: u64, why: &str) -> PlanError {
        match self.own.iter().find(|(own, _)| *own == flag) {
            Some((_, path)) => {
                let why = format!(
                    "{why}: the file is the caller's own {} namespace",
                    name(flag)
                );
                PlanError::conflicts(at, path.clone(), why)
            }
            None => PlanError::conflicts(at, list(), why),
        }
    }

    /// The container lives in the caller's mount namespace. Then nothing may be mounted.
    pub(crate) fn shares_mounts(&self) -> bool {
        !self.has(NEWNS)
    }

    fn validate(&self, spec: &Spec<'_>) -> [Result<(), PlanError>; 3] {
        let Some(linux) = &spec.linux else {
            return [Ok(()), Ok(()), Ok(())];
        };
        let offsets = if !linux.time_offsets.is_empty() && self.new & NEWTIME == 0 {
            let why = "clock offsets need a new time namespace";
            Err(self.shared(ConfigPath::of("linux.timeOffsets"), NEWTIME, why))
        } else {
            Ok(())
        };
        [
            self.validate_ids(ConfigPath::of("linux.uidMappings"), &linux.uid_mappings),
            self.validate_ids(ConfigPath::of("linux.gidMappings"), &linux.gid_mappings),
            offsets,
        ]
    }

    fn validate_ids(&self, at: ConfigPath, mappings: &[IdMapping]) -> Result<(), PlanError> {
        if self.new & NEWUSER != 0 && mappings.is_empty() {
            let why = "a new user namespace needs mappings";
            return Err(PlanError::invalid(at, why));
        }
        if !self.has(NEWUSER) && !mappings.is_empty() {
            return Err(self.shared(at, NEWUSER, "mappings without a user namespace"));
        }
        validate_mappings(&at, mappings)
    }
}

/// The kernel takes at most 340 lines, none of them empty, whose ranges do not overlap on either side (user_namespaces(7)).
pub(crate) fn validate_mappings(at: &ConfigPath, mappings: &[IdMapping]) -> Result<(), PlanError> {
    if mappings.len() > 340 {
        return Err(PlanError::invalid(at.clone(), "more than 340 lines"));
    }
    let meets = |one: u32, size: u32, other: u32, length: u32| {
        u64::from(one) < u64::from(other) + u64::from(length)
            && u64::from(other) < u64::from(one) + u64::from(size)
    };
    for (index, line) in mappings.iter().enumerate() {
        let at_line = at.clone().index(index);
        if line.size == 0 {
            return Err(PlanError::invalid(at_line.then("size"), "must be positive"));
        }
        for (name, first) in [("containerID", line.container_id), ("hostID", line.host_id)] {
            if first.checked_add(line.size).is_none() {
                let why = "the range must fit 32 bits";
                let size = at_line.clone().then("size");
                return Err(PlanError::conflicts(at_line.then(name), size, why));
            }
        }
        let beside = mappings[..index].iter().position(|other| {
            meets(line.container_id, line.size, other.container_id, other.size)
                || meets(line.host_id, line.size, other.host_id, other.size)
        });
        if let Some(other) = beside {
            let why = "the ranges overlap";
            return Err(PlanError::conflicts(at_line, at.clone().index(other), why));
        }
    }
    Ok(())
}

/// Namespace files are opened first, by the runtime, and checked.
pub(crate) fn open<'w>(
    draft: &mut Draft<'_>,
    requested: &'w Namespaces,
) -> Result<Vec<Opened<'w>>, PlanError> {
    let mut all = Vec::with_capacity(requested.joined.len());
    for joined in &requested.joined {
        let slot = draft.slot(&joined.at)?;
        all.push(Opened { joined, slot });
        draft.runtime(
            &joined.at,
            RuntimeStep::OpenNamespace {
                path: joined.path.clone(),
                flag: joined.flag,
                slot,
            },
        );
    }
    Ok(all)
}

/// A child in the runtime's user namespace can be started inside its new namespaces at once: one clone3 instead of an
/// unshare and a fork. Where a user namespace is entered, the others must wait, for they are to belong to it; where a
/// pid namespace is joined, or a time namespace is new, it takes a fork anyway.
fn started_in(requested: &Namespaces) -> u64 {
    if requested.has(NEWUSER) {
        return 0;
    }
    let pid = if needs_fork(requested) { 0 } else { NEWPID };
    requested.new & (NEWNS | NEWUTS | NEWIPC | NEWNET | pid)
}

pub(crate) fn start_child(draft: &mut Draft<'_>, creation: &Creation, requested: &Namespaces) {
    let from = list();
    draft.runtime(
        &from,
        RuntimeStep::StartChild {
            namespaces: started_in(requested),
        },
    );
    super::cgroup::place(draft, creation, requested);
    super::resctrl::place(draft);
    if !needs_fork(requested) {
        draft.runtime(&ConfigPath::none(), RuntimeStep::RecordProcess);
    }
}

/// Being inside a pid or time namespace takes a new process.
fn needs_fork(requested: &Namespaces) -> bool {
    let by_pid = requested.joins(NEWPID)
        || (requested.new & NEWPID != 0
            && (requested.has(NEWUSER) || requested.new & NEWTIME != 0));
    by_pid || requested.has(NEWTIME)
}

/// `opened` are the namespaces that are to be joined, `outside` what the runtime has prepared for mounts.
pub(crate) fn enter(
    draft: &mut Draft<'_>,
    requested: &Namespaces,
    opened: &[Opened<'_>],
    outside: &[Outside],
) -> Result<(), PlanError> {
    let from = list();
    let maps_by_runtime_alone = draft.host.rootless() && requested.new & NEWUSER != 0;
    if !maps_by_runtime_alone {
        draft.child(&from, Undumpable {});
    }
    // With privileges, joining others' namespaces comes before the user namespace, which would take the rights to them
    // away; without, only the user namespace gives those rights.
    if draft.host.privileged {
        join(draft, opened, |flag| flag != NEWUSER);
    }
    enter_user(draft, requested, opened, outside);
    // A runtime without privileges can write the clocks of a process only as long as that is dumpable.
    let clocks = draft
        .spec
        .linux
        .as_ref()
        .is_some_and(|linux| !linux.time_offsets.is_empty());
    if maps_by_runtime_alone && !clocks {
        draft.child(&from, Undumpable {});
    }
    if !draft.host.privileged {
        join(draft, opened, |flag| flag != NEWUSER);
    }
    let rest = requested.new & !NEWUSER & !started_in(requested);
    if rest & !NEWCGROUP != 0 {
        draft.child(
            &from,
            Unshare {
                flags: rest & !NEWCGROUP,
            },
        );
    }
    offset_clocks(draft, requested)?;
    if maps_by_runtime_alone && clocks {
        draft.child(&from, Undumpable {});
    }
    if rest & NEWCGROUP != 0 {
        // The root of a cgroup namespace is where the process is: it has been placed by now.
        draft.child(&from, Unshare { flags: NEWCGROUP });
    }
    if needs_fork(requested) {
        draft.child(&from, Fork {});
        draft.runtime(&ConfigPath::none(), RuntimeStep::RecordProcess);
    }
    Ok(())
}

fn join(draft: &mut Draft<'_>, opened: &[Opened<'_>], which: impl Fn(u64) -> bool) {
    // The mount namespace last: joining it changes root and working directory.
    for last in [false, true] {
        for Opened { joined, slot } in opened {
            if which(joined.flag) && (joined.flag == NEWNS) == last {
                draft.child(
                    &joined.at,
                    Join {
                        slot: *slot,
                        flags: joined.flag,
                    },
                );
            }
        }
    }
}

fn enter_user(
    draft: &mut Draft<'_>,
    requested: &Namespaces,
    opened: &[Opened<'_>],
    outside: &[Outside],
) {
    if requested.joins(NEWUSER) {
        join(draft, opened, |flag| flag == NEWUSER);
        compare_maps(draft);
        super::mounts::map_trees(draft, outside);
        draft.child(&list(), BecomeRoot {});
        return;
    }
    if requested.new & NEWUSER == 0 {
        return;
    }
    let at = ConfigPath::of("linux.uidMappings");
    draft.child(&list(), Unshare { flags: NEWUSER });
    let empty = Linux::default();
    let linux = draft.spec.linux.as_ref().unwrap_or(&empty);
    let maps = id_maps(&linux.uid_mappings, &linux.gid_mappings, draft.host);
    draft.runtime(&at, RuntimeStep::MapIds(maps));
    super::mounts::map_trees(draft, outside);
    draft.child(&at, BecomeRoot {});
}

/// Mappings beside a user namespace that has its own must say the same.
fn compare_maps(draft: &mut Draft<'_>) {
    let Some(linux) = &draft.spec.linux else {
        return;
    };
    if linux.uid_mappings.is_empty() && linux.gid_mappings.is_empty() {
        return;
    }
    let maps = IdMaps {
        uids: linux.uid_mappings.clone(),
        gids: linux.gid_mappings.clone(),
        ..IdMaps::default()
    };
    draft.runtime(
        &ConfigPath::of("linux.uidMappings"),
        RuntimeStep::CompareIds(maps),
    );
}

/// How the mappings get written (user_namespaces(7)).
pub(crate) fn id_maps(uids: &[IdMapping], gids: &[IdMapping], host: &HostFacts) -> IdMaps {
    let own = subordinate_ids::is_own_only(uids, host.uid)
        && subordinate_ids::is_own_only(gids, host.gid);
    IdMaps {
        uids: uids.to_vec(),
        gids: gids.to_vec(),
        by_helper: !host.maps_any_id && !own,
        deny_setgroups: !host.maps_any_id && own,
    }
}

/// Whether setgroups(2) works in the container: not where the group mapping was or is written without privileges. New user
/// namespaces inherit that.
pub(crate) fn can_set_groups(draft: &Draft<'_>, requested: &Namespaces) -> bool {
    if draft.host.denies_groups {
        return false;
    }
    let Some(linux) = &draft.spec.linux else {
        return true;
    };
    let maps = id_maps(&linux.uid_mappings, &linux.gid_mappings, draft.host);
    !(requested.new & NEWUSER != 0 && maps.deny_setgroups)
}

fn offset_clocks(draft: &mut Draft<'_>, requested: &Namespaces) -> Result<(), PlanError> {
    let at = ConfigPath::of("linux.timeOffsets");
    let offsets = draft
        .spec
        .linux
        .as_ref()
        .map_or(&[][..], |linux| &linux.time_offsets);
    if offsets.is_empty() || requested.new & NEWTIME == 0 {
        return Ok(());
    }
    let mut lines = String::new();
    for (clock, offset) in offsets {
        let at = at.clone().key(clock);
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return Err(PlanError::invalid(
                at,
                "only monotonic and boottime have offsets",
            ));
        }
        if offset.nanosecs >= 1_000_000_000 {
            return Err(PlanError::invalid(
                at.then("nanosecs"),
                "must be below one second",
            ));
        }
        lines.push_str(&format!("{clock} {} {}\n", offset.secs, offset.nanosecs));
    }
    draft.runtime(&at, RuntimeStep::OffsetClocks { lines });
    Ok(())
}
