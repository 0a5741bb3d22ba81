//! `root` and `mounts` (config.md, "Root" and "Mounts").

use serde::Deserialize;

use crate::{IdMapping, Text, linux::nullable};

/// `root`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Root<'a> {
    /// Directory, absolute or relative to the bundle.
    #[serde(borrow)]
    pub path: Text<'a>,
    /// Whether the root file system is read-only inside.
    pub readonly: bool,
}

/// `mounts[]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount<'a> {
    /// Where, inside the container.
    #[serde(borrow)]
    pub destination: Text<'a>,
    /// What: a device, a file or directory for bind mounts, or a dummy.
    pub source: Option<Text<'a>>,
    /// File system type; a dummy for bind mounts.
    #[serde(rename = "type")]
    pub kind: Option<Text<'a>>,
    /// Options as in fstab(5), without the comma.
    #[serde(deserialize_with = "nullable")]
    pub options: Vec<Text<'a>>,
    /// User ids for an id-mapped mount.
    #[serde(deserialize_with = "nullable")]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids for an id-mapped mount.
    #[serde(deserialize_with = "nullable")]
    pub gid_mappings: Vec<IdMapping>,
}
