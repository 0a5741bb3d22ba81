//! `unified`: files of cgroup v2 by name, for everything that the config has no property for.

use spec::{ConfigPath, Words};

use crate::SettingError;
use crate::error::wrong;
use crate::setting::{Draft, When};
use crate::systemd::{Property, Value};

/// One write for each line: most files take one line at a time. Files that this crate does not know are written too.
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    words: &Words<'_>,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    for (file, value) in words.iter() {
        let at = at.clone().key(file);
        if file.contains(['/', '\0']) {
            return wrong(&at, "must be a file name (no slashes)");
        }
        if value.contains('\0') {
            return wrong(&at, "holds a NUL byte");
        }
        let Some((controller, _)) = file.split_once('.').filter(|(name, _)| !name.is_empty())
        else {
            return wrong(&at, "must be in the form CONTROLLER.PARAMETER");
        };
        let Some(location) = draft.place.unified() else {
            return wrong(&at, "cannot use unified on cgroup v1");
        };
        if let Some(v1) = draft
            .place
            .locations
            .iter()
            .find(|l| l.has(v1_name(controller)))
        {
            let why = format!(
                "the {controller} controller of this host is on cgroup v1 ({})",
                v1.mount.display()
            );
            return wrong(&at, why);
        }
        let late = matches!(
            file,
            "memory.max"
                | "memory.high"
                | "memory.swap.max"
                | "memory.swap.high"
                | "memory.zswap.max"
                | "pids.max"
        );
        for line in value.lines().filter(|line| !line.trim().is_empty()) {
            let key = line
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned();
            let setting = draft.write(&at, controller.to_owned(), file.to_owned(), line);
            setting.location = location;
            setting.when = if late { When::Late } else { When::Early };
            // Keyed files are restored by their line.
            if key.contains(':') || matches!(file, "rdma.max" | "misc.max") {
                let absent = absent(file, &key);
                setting.line(key, absent);
            }
        }
        systemd(draft, file, value.trim());
    }
    Ok(())
}

/// v2 renamed one controller.
fn v1_name(controller: &str) -> &str {
    match controller {
        "io" => "blkio",
        name => name,
    }
}

fn absent(file: &str, key: &str) -> String {
    match file {
        "io.max" => format!("{key} rbps=max wbps=max riops=max wiops=max"),
        "io.latency" => format!("{key} target=0"),
        "rdma.max" => format!("{key} hca_handle=max hca_object=max"),
        "misc.max" => format!("{key} max"),
        _ => format!("{key} default"),
    }
}

/// Best effort: so that a reload of systemd does not put back its own idea. The file has the last word.
fn systemd(draft: &mut Draft<'_>, file: &str, value: &str) {
    let number = match value {
        "max" => Some(u64::MAX),
        value => value.parse().ok(),
    };
    let by_number = match file {
        "memory.max" => "MemoryMax",
        "memory.high" => "MemoryHigh",
        "memory.low" => "MemoryLow",
        "memory.min" => "MemoryMin",
        "memory.swap.max" => "MemorySwapMax",
        "pids.max" => "TasksMax",
        "cpu.weight" => "CPUWeight",
        _ => "",
    };
    if let (false, Some(number)) = (by_number.is_empty(), number) {
        let number = if file == "pids.max" {
            number.max(1)
        } else {
            number
        };
        return draft.property(Property::number(by_number, number));
    }
    match (file, value) {
        ("memory.oom.group", "0") => {
            draft.property(Property::new("OOMPolicy", Value::Text("continue".into())))
        }
        ("memory.oom.group", "1") => {
            draft.property(Property::new("OOMPolicy", Value::Text("kill".into())))
        }
        ("cpu.idle", "1") => draft.property(Property::number("CPUWeight", 0)),
        ("cpu.max", value) => {
            let mut words = value.split_whitespace();
            let quota = words.next().and_then(|word| word.parse::<u64>().ok());
            let period = words
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(100_000);
            let per_second = quota.map_or(u64::MAX, |quota| {
                crate::systemd::quota_per_second(i64::try_from(quota).unwrap_or(-1), period)
            });
            draft.property(Property::number("CPUQuotaPeriodUSec", period));
            draft.property(Property::number("CPUQuotaPerSecUSec", per_second));
        }
        ("cpuset.cpus" | "cpuset.mems", value) => {
            let name = if file == "cpuset.cpus" {
                "AllowedCPUs"
            } else {
                "AllowedMemoryNodes"
            };
            if let Some(mask) = super::cpuset::mask(value) {
                draft.property(Property::bytes(name, mask));
            }
        }
        _ => {}
    }
}
