//! `memory`: limits of memory and swap.

use spec::{ConfigPath, LinuxMemory};

use crate::SettingError;
use crate::error::wrong;
use crate::setting::{Dialect, Draft, Old, UsageCheck};
use crate::systemd::Property;

/// Zeros mean "not set", except for swappiness; -1 is unlimited.
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    memory: &LinuxMemory,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    if nothing_asked(memory) {
        return Ok(());
    }
    let dialect = draft.dialect("memory", at)?;
    let set = |value: Option<i64>| value.filter(|&value| value != 0);
    let (limit, swap) = (set(memory.limit), set(memory.swap));
    for (name, value) in [
        ("limit", memory.limit),
        ("swap", memory.swap),
        ("reservation", memory.reservation),
        ("kernel", memory.kernel),
        ("kernelTCP", memory.kernel_tcp),
    ] {
        if value.is_some_and(|value| value < -1) {
            return wrong(
                &at.clone().then(name),
                "must be -1 (unlimited) or a number of bytes",
            );
        }
    }
    if let (Some(limit), Some(swap)) = (limit, swap)
        && swap > 0
        && limit > swap
    {
        return wrong(
            &at.clone().then("swap"),
            "memory+swap limit should be >= memory limit",
        );
    }
    if memory.swappiness.is_some_and(|value| value > 100) {
        return wrong(&at.clone().then("swappiness"), "must be between 0 and 100");
    }
    if memory.check_before_update == Some(true) {
        let bytes = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        draft.settings.check = draft
            .place
            .location_of("memory")
            .map(|location| UsageCheck {
                at: at.clone().then("limit"),
                location,
                memory: bytes(limit),
                total: bytes(swap),
            });
    }
    match dialect {
        Dialect::V1 => v1(draft, memory, limit, swap, at),
        Dialect::V2 => v2(draft, memory, limit, swap, at)?,
    }
    systemd(draft, dialect, memory, limit, swap);
    Ok(())
}

fn nothing_asked(memory: &LinuxMemory) -> bool {
    let zero = |value: Option<i64>| value.is_none_or(|value| value == 0);
    zero(memory.limit)
        && zero(memory.swap)
        && zero(memory.reservation)
        && zero(memory.kernel)
        && zero(memory.kernel_tcp)
        && memory.swappiness.is_none()
        && memory.disable_oom_killer != Some(true)
        && memory.use_hierarchy.is_none()
}

fn v1(
    draft: &mut Draft<'_>,
    memory: &LinuxMemory,
    limit: Option<i64>,
    swap: Option<i64>,
    at: &ConfigPath,
) {
    let name = |name| at.clone().then(name);
    if let Some(hierarchical) = memory.use_hierarchy {
        // Kernels since 5.11 know nothing else, and say so when asked for it.
        let setting = draft.write(
            &name("useHierarchy"),
            "memory",
            "memory.use_hierarchy",
            u8::from(hierarchical),
        );
        if hierarchical {
            setting.fine_without();
        }
    }
    v1_limits(draft, limit, swap, at);
    if let Some(reservation) = memory.reservation.filter(|&value| value != 0) {
        draft.write(
            &name("reservation"),
            "memory",
            "memory.soft_limit_in_bytes",
            reservation,
        );
    }
    // Not recommended by the specification. Kernels since 5.16 refuse it or do nothing about it.
    if memory.kernel.is_some_and(|value| value > 0) {
        let why = "limits of kernel memory are ignored, by newer kernels too";
        draft
            .settings
            .warnings
            .push((name("kernel"), why.to_owned()));
    }
    if let Some(value) = memory.kernel_tcp.filter(|&value| value != 0) {
        let setting = draft.write(
            &name("kernelTCP"),
            "memory",
            "memory.kmem.tcp.limit_in_bytes",
            value,
        );
        match value {
            -1 => setting.fine_without(),
            _ => setting.warn_without(),
        };
    }
    if let Some(swappiness) = memory.swappiness {
        draft.write(
            &name("swappiness"),
            "memory",
            "memory.swappiness",
            swappiness,
        );
    }
    if memory.disable_oom_killer == Some(true) {
        draft
            .write(&name("disableOOMKiller"), "memory", "memory.oom_control", 1)
            .old = Old::Word("oom_kill_disable");
    }
}

/// Neither limit may ever be on the wrong side of the other, so when the first write is refused the second goes first: no
/// need to read the present values.
fn v1_limits(draft: &mut Draft<'_>, limit: Option<i64>, swap: Option<i64>, at: &ConfigPath) {
    let name = |name| at.clone().then(name);
    if let Some(limit) = limit {
        draft
            .write(&name("limit"), "memory", "memory.limit_in_bytes", limit)
            .late()
            .again();
    }
    // Unlimited memory with a limited sum is impossible; who asks for the first means both.
    match (limit, swap) {
        (Some(-1), None) => {
            draft
                .write(&name("limit"), "memory", "memory.memsw.limit_in_bytes", -1)
                .late()
                .again()
                .fine_without();
        }
        (_, Some(swap)) => {
            let setting = draft.write(&name("swap"), "memory", "memory.memsw.limit_in_bytes", swap);
            setting.late().again();
            if swap == -1 {
                // Without accounting of swap nothing is limited anyway.
                setting.fine_without();
            }
        }
        _ => {}
    }
}

fn v2(
    draft: &mut Draft<'_>,
    memory: &LinuxMemory,
    limit: Option<i64>,
    swap: Option<i64>,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    let name = |name| at.clone().then(name);
    // What v2 cannot do is refused, unless the value asks for what v2 does anyway.
    for (property, refused, why) in [
        (
            "kernel",
            memory.kernel.is_some_and(|v| v > 0),
            "cgroup v2 has no limit of kernel memory alone",
        ),
        (
            "kernelTCP",
            memory.kernel_tcp.is_some_and(|v| v > 0),
            "cgroup v2 has no limit of TCP memory",
        ),
        (
            "swappiness",
            memory.swappiness.is_some_and(|v| v != 60),
            "cgroup v2 has no swappiness",
        ),
        (
            "disableOOMKiller",
            memory.disable_oom_killer == Some(true),
            "cgroup v2 cannot disable the OOM killer",
        ),
        (
            "useHierarchy",
            memory.use_hierarchy == Some(false),
            "cgroup v2 is always hierarchical",
        ),
    ] {
        if refused {
            return wrong(&name(property), why);
        }
    }
    // v2 limits swap alone, the config the sum.
    if let Some(only_swap) = swap_alone(limit, swap).map_err(|why| SettingError {
        at: name("swap"),
        why: why.to_owned(),
    })? {
        let setting = draft.write(&name("swap"), "memory", "memory.swap.max", bytes(only_swap));
        setting.late();
        if only_swap == -1 {
            setting.fine_without();
        }
    }
    if let Some(reservation) = memory.reservation.filter(|&value| value != 0) {
        draft.write(
            &name("reservation"),
            "memory",
            "memory.low",
            bytes(reservation),
        );
    }
    // Last: from here on the runtime's own memory is limited.
    if let Some(limit) = limit {
        draft
            .write(&name("limit"), "memory", "memory.max", bytes(limit))
            .late();
    }
    Ok(())
}

fn bytes(value: i64) -> String {
    match value {
        ..0 => "max".to_owned(),
        value => value.to_string(),
    }
}

/// The limit of swap alone (-1: none) from the limits of memory and of the sum.
fn swap_alone(limit: Option<i64>, swap: Option<i64>) -> Result<Option<i64>, &'static str> {
    match (limit, swap) {
        // As v1: unlimited memory implies unlimited swap.
        (Some(-1), None) => Ok(Some(-1)),
        (_, None) => Ok(None),
        (_, Some(-1)) => Ok(Some(-1)),
        (None | Some(-1), Some(_)) => Err("unable to set swap limit without memory limit"),
        (Some(limit), Some(swap)) => match swap.checked_sub(limit) {
            Some(alone) => Ok(Some(alone)),
            None => Err("is out of range"),
        },
    }
}

fn systemd(
    draft: &mut Draft<'_>,
    dialect: Dialect,
    memory: &LinuxMemory,
    limit: Option<i64>,
    swap: Option<i64>,
) {
    // -1 becomes the largest number, which is how systemd spells "infinity".
    let property = |name, value: i64| Property::number(name, value as u64);
    if dialect == Dialect::V1 {
        if let Some(limit) = limit {
            draft.property(property("MemoryLimit", limit));
        }
        return;
    }
    if let Some(limit) = limit {
        draft.property(property("MemoryMax", limit));
    }
    if let Ok(Some(swap)) = swap_alone(limit, swap) {
        draft.property(property("MemorySwapMax", swap));
    }
    if let Some(reservation) = memory.reservation.filter(|&value| value != 0) {
        draft.property(property("MemoryLow", reservation));
    }
}
