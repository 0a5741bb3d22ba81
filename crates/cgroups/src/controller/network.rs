//! `net_cls`, `net_prio`: classes and priorities of packets. They exist on v1 only.

use spec::{ConfigPath, LinuxNetwork};

use crate::SettingError;
use crate::error::wrong;
use crate::setting::{Dialect, Draft};

/// A class of 0 is the kernel's default.
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    network: &LinuxNetwork<'_>,
    at: &ConfigPath,
) -> Result<(), SettingError> {
    const ONLY_V1: &str = "cgroup v2 has no network controllers";
    if let Some(class) = network.class_id.filter(|&class| class != 0) {
        let at = at.clone().then("classID");
        if draft.dialect("net_cls", &at)? == Dialect::V2 {
            return wrong(&at, ONLY_V1);
        }
        draft.write(&at, "net_cls", "net_cls.classid", class);
    }
    for (index, entry) in network.priorities.iter().enumerate() {
        let at = at.clone().then("priorities").index(index);
        if draft.dialect("net_prio", &at)? == Dialect::V2 {
            return wrong(&at, ONLY_V1);
        }
        let name = entry.name.as_str();
        if name.is_empty() || name.bytes().any(|b| b.is_ascii_whitespace() || b == 0) {
            return wrong(&at.then("name"), "is not the name of an interface");
        }
        draft
            .write(
                &at,
                "net_prio",
                "net_prio.ifpriomap",
                format!("{name} {}", entry.priority),
            )
            .line(name, format!("{name} 0"));
    }
    Ok(())
}
