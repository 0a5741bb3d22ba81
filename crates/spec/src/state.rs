//! The state of a container (runtime.md, "State"): output of `state`, input of hooks.

use serde::Serialize;

use crate::Words;

/// The state as the specification defines it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State<'a> {
    /// Version of the specification.
    pub oci_version: &'a str,
    /// The container's id.
    pub id: &'a str,
    /// `creating`, `created`, `running`, `stopped`, or the runtime's own `paused`.
    pub status: &'a str,
    /// Process id in the reader's pid namespace; left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Absolute path of the bundle.
    pub bundle: &'a str,
    /// Annotations of the config.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub annotations: &'a Words<'a>,
}
