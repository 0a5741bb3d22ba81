//! Devices (config-linux.md, "Devices" and "Network Devices").

use serde::Deserialize;

use crate::Text;

/// `linux.devices[]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Device<'a> {
    /// `c`, `b`, `u` or `p`.
    #[serde(rename = "type", borrow)]
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

/// `linux.netDevices.<host name>`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NetDevice<'a> {
    /// Name inside; absent: the same.
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
}
