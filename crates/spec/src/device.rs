//! Devices (config-linux.md, "Devices" and "Network Devices").

use crate::Text;
use crate::object::object;

/// `linux.devices[]`.
#[derive(Clone, Debug, Default)]
pub struct Device<'a> {
    /// `c`, `b`, `u` or `p`.
    pub kind: Text<'a>,
    /// Path inside.
    pub path: Text<'a>,
    /// Major number.
    pub major: Option<i64>,
    /// Minor number.
    pub minor: Option<i64>,
    /// Permissions.
    pub file_mode: Option<u32>,
    /// Owner inside.
    pub uid: Option<u32>,
    /// Group inside.
    pub gid: Option<u32>,
}

object! { Device<'a> in "linux.devices[]" {
    "type" => kind: required,
    "path" => path: required,
    "major" => major: optional,
    "minor" => minor: optional,
    "fileMode" => file_mode: optional,
    "uid" => uid: optional,
    "gid" => gid: optional,
} }

/// `linux.netDevices.<host name>`.
#[derive(Clone, Debug, Default)]
pub struct NetDevice<'a> {
    /// Name inside; absent: the same.
    pub name: Option<Text<'a>>,
}

object! { NetDevice<'a> in "linux.netDevices[]" {
    "name" => name: optional,
} }
