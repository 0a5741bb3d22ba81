//! Namespaces, id mappings and clock offsets (config-linux.md).

use crate::Text;
use crate::object::object;

/// `linux.namespaces[]`.
#[derive(Clone, Debug, Default)]
pub struct Namespace<'a> {
    /// `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup` or `time`.
    pub kind: Text<'a>,
    /// The namespace file to join; absent or empty: a new one.
    pub path: Option<Text<'a>>,
}

object! { Namespace<'a> in "linux.namespaces[]" {
    "type" => kind: required,
    "path" => path: optional,
} }

/// One line of `linux.uidMappings`, `linux.gidMappings`, or of a mount's mappings (user_namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdMapping {
    /// First id inside.
    pub container_id: u32,
    /// First id outside.
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

object! { IdMapping in "linux.uidMappings[]" {
    "containerID" => container_id: required,
    "hostID" => host_id: required,
    "size" => size: required,
} }

/// `linux.timeOffsets.<clock>` (time_namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeOffset {
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds.
    pub nanosecs: u32,
}

object! { TimeOffset in "linux.timeOffsets[]" {
    "secs" => secs: optional,
    "nanosecs" => nanosecs: optional,
} }
