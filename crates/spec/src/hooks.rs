//! `hooks` (config.md, "POSIX-platform Hooks").

use serde::{Deserialize, Serialize};

use crate::{Text, linux::nullable};

/// `hooks`, one list for each point of the life cycle.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hooks<'a> {
    /// Deprecated; as `createRuntime`, before it.
    #[serde(
        borrow,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub prestart: Vec<Hook<'a>>,
    /// After the namespaces exist, before pivot_root; in the runtime's namespaces.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub create_runtime: Vec<Hook<'a>>,
    /// As `createRuntime`, after it; in the container's namespaces.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub create_container: Vec<Hook<'a>>,
    /// At start, before the program; in the container.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub start_container: Vec<Hook<'a>>,
    /// After the program has been started; in the runtime's namespaces.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub poststart: Vec<Hook<'a>>,
    /// After the container was deleted; in the runtime's namespaces.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub poststop: Vec<Hook<'a>>,
}

/// One program.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Hook<'a> {
    /// Absolute path.
    #[serde(borrow)]
    pub path: Text<'a>,
    /// Arguments, the name first; passed as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Text<'a>>,
    /// The whole environment, if it is given: none is not the same as an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<Text<'a>>>,
    /// Seconds after which it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}
