//! Namespaces, id mappings and clock offsets (config-linux.md).

use serde::{Deserialize, Serialize};

use crate::Text;

/// `linux.namespaces[]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Namespace<'a> {
    /// `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup` or `time`.
    #[serde(rename = "type", borrow)]
    pub kind: Text<'a>,
    /// The namespace file to join; absent or empty: a new one.
    pub path: Option<Text<'a>>,
}

/// One line of `linux.uidMappings`, `linux.gidMappings`, or of a mount's mappings (user_namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct IdMapping {
    /// First id inside.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// First id outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// `linux.timeOffsets.<clock>` (time_namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TimeOffset {
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds.
    pub nanosecs: u32,
}
