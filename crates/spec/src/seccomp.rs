//! `linux.seccomp` (config-linux.md, "Seccomp").

use serde::Deserialize;

use crate::{Text, linux::nullable};

/// `linux.seccomp`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Seccomp<'a> {
    /// Action for calls that no rule names.
    #[serde(borrow)]
    pub default_action: Text<'a>,
    /// Error number of the default action.
    pub default_errno_ret: Option<u32>,
    /// `SCMP_ARCH_…`.
    #[serde(deserialize_with = "nullable")]
    pub architectures: Vec<Text<'a>>,
    /// `SECCOMP_FILTER_FLAG_…`; absent differs from empty.
    pub flags: Option<Vec<Text<'a>>>,
    /// Socket of the agent that gets notifications.
    pub listener_path: Option<Text<'a>>,
    /// Opaque data for the agent.
    pub listener_metadata: Option<Text<'a>>,
    /// Rules.
    #[serde(deserialize_with = "nullable")]
    pub syscalls: Vec<SeccompRule<'a>>,
}

/// `linux.seccomp.syscalls[]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompRule<'a> {
    /// Names of system calls.
    #[serde(borrow, deserialize_with = "nullable")]
    pub names: Vec<Text<'a>>,
    /// `SCMP_ACT_…`.
    pub action: Text<'a>,
    /// Error number (or trace message) of the action.
    pub errno_ret: Option<u32>,
    /// Conditions, all of which must hold.
    #[serde(deserialize_with = "nullable")]
    pub args: Vec<SeccompArgument<'a>>,
}

/// `linux.seccomp.syscalls[].args[]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompArgument<'a> {
    /// Which argument, 0..=5.
    pub index: u32,
    /// Value to compare with.
    pub value: u64,
    /// Second value, for `SCMP_CMP_MASKED_EQ`.
    pub value_two: u64,
    /// `SCMP_CMP_…`.
    #[serde(borrow)]
    pub op: Text<'a>,
}
