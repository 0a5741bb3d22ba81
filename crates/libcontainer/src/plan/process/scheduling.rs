//! `process.scheduler`, `process.ioPriority`, `process.execCPUAffinity`, `linux.memoryPolicy`, `linux.personality`.

use init::step::{Affinity, IoPriority, MemoryPolicy, Personality, Scheduler};
use spec::{ConfigPath, Process};

use super::{Draft, PlanError, field};

/// Policies by their number (sched(7)); SCHED_ISO is reserved and never was implemented, the kernel says so itself.
const POLICIES: [(&str, u32); 7] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_ISO", 4),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
];

const SCHEDULER_FLAGS: [(&str, u64); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

const IO_CLASSES: [(&str, u32); 3] = [
    ("IOPRIO_CLASS_RT", 1),
    ("IOPRIO_CLASS_BE", 2),
    ("IOPRIO_CLASS_IDLE", 3),
];

/// Modes of set_mempolicy(2).
pub(crate) const MEMORY_MODES: [(&str, u32); 7] = [
    ("MPOL_DEFAULT", 0),
    ("MPOL_PREFERRED", 1),
    ("MPOL_BIND", 2),
    ("MPOL_INTERLEAVE", 3),
    ("MPOL_LOCAL", 4),
    ("MPOL_PREFERRED_MANY", 5),
    ("MPOL_WEIGHTED_INTERLEAVE", 6),
];

/// Flags of set_mempolicy(2).
pub(crate) const MEMORY_FLAGS: [(&str, u32); 3] = [
    ("MPOL_F_STATIC_NODES", 1 << 15),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
];

fn lookup<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

pub(super) fn schedule(draft: &mut Draft<'_>, process: &Process<'_>, first: bool) {
    draft.part(|draft| affinity(draft, process, first));
    draft.part(|draft| scheduler(draft, process));
    draft.part(|draft| io_priority(draft, process));
    draft.part(memory_policy);
    draft.part(personality);
}

/// The processors of a process on its way to a container's cgroup; whether any are given.
pub(crate) fn initial_affinity(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
) -> Result<bool, PlanError> {
    let Some(processors) = ExecAffinity::read(process)?.initial else {
        return Ok(false);
    };
    processors.run(draft);
    Ok(true)
}

/// The processors of the program: those of a process that joins can be given. Else it gets all that the cgroup allows: the
/// caller's own restriction is not the container's.
fn affinity(draft: &mut Draft<'_>, process: &Process<'_>, first: bool) -> Result<(), PlanError> {
    let given = ExecAffinity::read(process)?;
    match given.last.filter(|_| !first) {
        Some(processors) => processors.run(draft),
        // Kept as they are.
        None if given.initial.is_some() && !first => {}
        None => {
            let (mask, list) = (draft.bytes(&[0xff; 128]), draft.own_text("of the cgroup"));
            draft.child(&field("execCPUAffinity"), Affinity { mask, list });
        }
    }
    Ok(())
}

/// A list of processors in the config.
struct Processors {
    at: ConfigPath,
    list: String,
    mask: Vec<u8>,
}

/// The two lists of `process.execCPUAffinity`.
struct ExecAffinity {
    initial: Option<Processors>,
    last: Option<Processors>,
}

impl ExecAffinity {
    fn read(process: &Process<'_>) -> Result<ExecAffinity, PlanError> {
        let given = process.exec_cpu_affinity.as_ref();
        let initial = given.and_then(|both| both.initial.as_deref());
        let last = given.and_then(|both| both.last.as_deref());
        Ok(ExecAffinity {
            initial: Processors::read("initial", initial)?,
            last: Processors::read("final", last)?,
        })
    }
}

impl Processors {
    fn read(name: &'static str, list: Option<&str>) -> Result<Option<Processors>, PlanError> {
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            return Ok(None);
        };
        let at = field("execCPUAffinity").then(name);
        match mask_of(list) {
            Some(mask) => Ok(Some(Processors {
                at,
                list: list.to_owned(),
                mask,
            })),
            None => Err(PlanError::invalid(
                at,
                format!("invalid CPU list {list:?}: CPUs below 1024, such as 0-3,7"),
            )),
        }
    }

    fn run(&self, draft: &mut Draft<'_>) {
        let (mask, list) = (draft.bytes(&self.mask), draft.own_text(&self.list));
        draft.child(&self.at, Affinity { mask, list });
    }
}

/// The bits of a list such as `0-3,7`, as bytes.
pub(crate) fn mask_of(list: &str) -> Option<Vec<u8>> {
    let mut mask = vec![0u8; 128];
    for part in list.split(',') {
        let (first, last) = part
            .trim()
            .split_once('-')
            .unwrap_or((part.trim(), part.trim()));
        // `parse` would take a sign.
        let number = |text: &str| -> Option<usize> {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok())?
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last || last >= mask.len() * 8 {
            return None;
        }
        for bit in first..=last {
            mask[bit / 8] |= 1 << (bit % 8);
        }
    }
    Some(mask)
}

fn scheduler(draft: &mut Draft<'_>, process: &Process<'_>) -> Result<(), PlanError> {
    let Some(given) = &process.scheduler else {
        return Ok(());
    };
    let at = field("scheduler");
    let policy = lookup(&POLICIES, &given.policy).ok_or_else(|| {
        PlanError::invalid(
            at.clone().then("policy"),
            format!("unknown policy {:?}", given.policy),
        )
    })?;
    let mut flags = 0;
    for (index, flag) in given.flags.iter().enumerate() {
        let at = at.clone().then("flags").index(index);
        flags |= lookup(&SCHEDULER_FLAGS, flag)
            .ok_or_else(|| PlanError::invalid(at, format!("unknown flag {flag:?}")))?;
    }
    let normal = matches!(policy, 0 | 3);
    if normal && !(-20..=19).contains(&given.nice) {
        return Err(PlanError::invalid(
            at.then("nice"),
            "must be within -20 and 19",
        ));
    }
    if !matches!(policy, 1 | 2) && given.priority != 0 {
        return Err(PlanError::conflicts(
            at.clone().then("priority"),
            at.then("policy"),
            "only SCHED_FIFO and SCHED_RR have priorities",
        ));
    }
    let (runtime, deadline, period) = (given.runtime, given.deadline, given.period);
    let times = [
        ("runtime", runtime),
        ("deadline", deadline),
        ("period", period),
    ];
    if let Some((name, _)) = times
        .into_iter()
        .find(|(_, time)| policy != 6 && *time != 0)
    {
        return Err(PlanError::conflicts(
            at.clone().then(name),
            at.then("policy"),
            "only SCHED_DEADLINE has runtime, deadline and period",
        ));
    }
    let priority = u32::try_from(given.priority).unwrap_or(0);
    if matches!(policy, 1 | 2) && !(1..=99).contains(&priority) {
        return Err(PlanError::conflicts(
            at.clone().then("priority"),
            at.then("policy"),
            "must be within 1 and 99",
        ));
    }
    draft.child(
        &at,
        Scheduler {
            policy,
            nice: given.nice,
            priority,
            flags,
            runtime,
            deadline,
            period,
        },
    );
    Ok(())
}

fn io_priority(draft: &mut Draft<'_>, process: &Process<'_>) -> Result<(), PlanError> {
    let Some(given) = &process.io_priority else {
        return Ok(());
    };
    let at = field("ioPriority");
    let class = lookup(&IO_CLASSES, &given.class).ok_or_else(|| {
        PlanError::invalid(
            at.clone().then("class"),
            format!("unknown class {:?}", given.class),
        )
    })?;
    let level = u32::try_from(given.priority)
        .ok()
        .filter(|level| *level <= 7)
        .ok_or_else(|| PlanError::invalid(at.clone().then("priority"), "must be within 0 and 7"))?;
    draft.child(&at, IoPriority { class, level });
    Ok(())
}

fn memory_policy(draft: &mut Draft<'_>) -> Result<(), PlanError> {
    let Some(given) = draft
        .spec
        .linux
        .as_ref()
        .and_then(|linux| linux.memory_policy.as_ref())
    else {
        return Ok(());
    };
    let at = ConfigPath::of("linux.memoryPolicy");
    let mut mode = lookup(&MEMORY_MODES, &given.mode).ok_or_else(|| {
        PlanError::invalid(
            at.clone().then("mode"),
            format!("invalid memory policy mode {:?}", given.mode),
        )
    })?;
    let nodes = match given.nodes.as_deref().filter(|nodes| !nodes.is_empty()) {
        None => Vec::new(),
        Some(list) => mask_of(list).ok_or_else(|| {
            PlanError::invalid(
                at.clone().then("nodes"),
                format!("invalid memory policy node list {list:?}"),
            )
        })?,
    };
    let count: u32 = nodes.iter().map(|byte| byte.count_ones()).sum();
    let none = matches!(mode, 0 | 4);
    if none && !given.flags.is_empty() {
        return Err(PlanError::conflicts(
            at.clone().then("flags"),
            at.then("mode"),
            "invalid memory policy: the mode has no flags",
        ));
    }
    if none && count > 0 {
        let why = format!("invalid memory policy: mode requires 0 nodes but got {count}");
        return Err(PlanError::conflicts(
            at.clone().then("nodes"),
            at.then("mode"),
            why,
        ));
    }
    // MPOL_PREFERRED without nodes means the local node.
    if !none && mode != 1 && count == 0 {
        let why = "invalid memory policy: mode requires at least one node";
        return Err(PlanError::conflicts(
            at.clone().then("nodes"),
            at.then("mode"),
            why,
        ));
    }
    for (index, flag) in given.flags.iter().enumerate() {
        let at = at.clone().then("flags").index(index);
        mode |= lookup(&MEMORY_FLAGS, flag).ok_or_else(|| {
            PlanError::invalid(at, format!("invalid memory policy flag {flag:?}"))
        })?;
    }
    let words = format!(
        "{} nodes {}",
        given.mode,
        given.nodes.as_deref().unwrap_or("none")
    );
    let (nodes, words) = (draft.bytes(&nodes), draft.text(&at, &words)?);
    draft.child(&at, MemoryPolicy { mode, nodes, words });
    Ok(())
}

fn personality(draft: &mut Draft<'_>) -> Result<(), PlanError> {
    let Some(given) = draft
        .spec
        .linux
        .as_ref()
        .and_then(|linux| linux.personality.as_ref())
    else {
        return Ok(());
    };
    let at = ConfigPath::of("linux.personality");
    if !given.flags.is_empty() {
        return Err(PlanError::invalid(at.then("flags"), "no flag is defined"));
    }
    let persona = lookup(&[("LINUX", 0u32), ("LINUX32", 8)], &given.domain).ok_or_else(|| {
        PlanError::invalid(
            at.clone().then("domain"),
            format!("{:?} is none of LINUX, LINUX32", given.domain),
        )
    })?;
    draft.child(&at, Personality { persona });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::mask_of;

    #[test]
    fn lists_become_bits() {
        let bits = |list: &str| {
            mask_of(list).map(|mask| u32::from_le_bytes([mask[0], mask[1], mask[2], mask[3]]))
        };
        assert_eq!(bits("0"), Some(1));
        assert_eq!(bits("0-3,7"), Some(0b1000_1111));
        assert_eq!(bits("31"), Some(1 << 31));
        for bad in ["", "a", "3-1", "-1", "+1", "1-", "1024", "0,,1"] {
            assert_eq!(bits(bad), None, "{bad}");
        }
    }
}
