//! `root` and `mounts` (config.md, "Root" and "Mounts").

use crate::object::object;
use crate::{IdMapping, Text};

/// `root`.
#[derive(Clone, Debug, Default)]
pub struct Root<'a> {
    /// Directory, absolute or relative to the bundle.
    pub path: Text<'a>,
    /// Whether the root file system is read-only inside.
    pub readonly: bool,
}

object! { Root<'a> in "root" {
    "path" => path: optional,
    "readonly" => readonly: optional,
} }

/// `mounts[]`.
#[derive(Clone, Debug, Default)]
pub struct Mount<'a> {
    /// Where, inside the container.
    pub destination: Text<'a>,
    /// What: a device, a file or directory for bind mounts, or a dummy.
    pub source: Option<Text<'a>>,
    /// File system type; a dummy for bind mounts.
    pub kind: Option<Text<'a>>,
    /// Options as in fstab(5), without the comma.
    pub options: Vec<Text<'a>>,
    /// User ids for an id-mapped mount.
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids for an id-mapped mount.
    pub gid_mappings: Vec<IdMapping>,
}

object! { Mount<'a> in "mounts[]" {
    "destination" => destination: required,
    "source" => source: optional,
    "type" => kind: optional,
    "options" => options: optional,
    "uidMappings" => uid_mappings: optional,
    "gidMappings" => gid_mappings: optional,
} }
