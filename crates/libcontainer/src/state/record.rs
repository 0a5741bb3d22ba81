//! What is stored about a container: `state.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The facts about one container. Written once, before the effects that it describes; nothing in it is a status. Which
/// process it became stands in the report page, where it can be noted without another file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// The container's id.
    pub id: String,
    /// The container's first process; 0 before there is one.
    #[serde(skip)]
    pub pid: i32,
    /// What tells this process from a later one with the same id: the inode number of its pidfd (unique since boot,
    /// Linux 6.9), or before that its start time in clock ticks (proc_pid_stat(5), field 22).
    #[serde(skip)]
    pub identity: u64,
    /// When it was created: RFC 3339, nanoseconds, UTC.
    pub created: String,
    /// The version that the config complies with.
    pub oci_version: String,
    /// The bundle's directory, absolute.
    pub bundle: String,
    /// The root directory, absolute.
    pub rootfs: String,
    /// Who created it.
    pub owner: u32,
    /// The config's annotations, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<(String, String)>,
    /// Where its cgroup is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<cgroups::Place>,
    /// The same by controller, for tools that read this file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cgroup_paths: BTreeMap<String, String>,
    /// The types of namespaces in which it differs from the runtime, as clone flags.
    pub namespaces: u64,
    /// Its pid namespace is new: whatever is in it dies with its first process.
    #[serde(default)]
    pub owns_pids: bool,
    /// setgroups(2) works in it.
    pub set_groups: bool,
    /// There is a program to start.
    pub has_process: bool,
    /// There are hooks.
    pub has_hooks: bool,
    /// The step of its plan at which it waits for `start`.
    pub fence: u32,
}
