//! `linux.seccomp` (config-linux.md, "Seccomp").

use crate::Text;
use crate::object::object;

/// `linux.seccomp`.
#[derive(Clone, Debug, Default)]
pub struct Seccomp<'a> {
    /// Action for calls that no rule names.
    pub default_action: Text<'a>,
    /// Error number of the default action.
    pub default_errno_ret: Option<u32>,
    /// `SCMP_ARCH_…`.
    pub architectures: Vec<Text<'a>>,
    /// `SECCOMP_FILTER_FLAG_…`; absent differs from empty.
    pub flags: Option<Vec<Text<'a>>>,
    /// Socket of the agent that gets notifications.
    pub listener_path: Option<Text<'a>>,
    /// Opaque data for the agent.
    pub listener_metadata: Option<Text<'a>>,
    /// Rules.
    pub syscalls: Vec<SeccompRule<'a>>,
}

object! { Seccomp<'a> in "linux.seccomp" {
    "defaultAction" => default_action: required,
    "defaultErrnoRet" => default_errno_ret: optional,
    "architectures" => architectures: optional,
    "flags" => flags: optional,
    "listenerPath" => listener_path: optional,
    "listenerMetadata" => listener_metadata: optional,
    "syscalls" => syscalls: optional,
} }

/// `linux.seccomp.syscalls[]`.
#[derive(Clone, Debug, Default)]
pub struct SeccompRule<'a> {
    /// Names of system calls.
    pub names: Vec<Text<'a>>,
    /// `SCMP_ACT_…`.
    pub action: Text<'a>,
    /// Error number (or trace message) of the action.
    pub errno_ret: Option<u32>,
    /// Conditions, all of which must hold.
    pub args: Vec<SeccompArgument<'a>>,
}

object! { SeccompRule<'a> in "linux.seccomp.syscalls[]" {
    "names" => names: required,
    "action" => action: required,
    "errnoRet" => errno_ret: optional,
    "args" => args: optional,
} }

/// `linux.seccomp.syscalls[].args[]`.
#[derive(Clone, Debug, Default)]
pub struct SeccompArgument<'a> {
    /// Which argument, 0..=5.
    pub index: u32,
    /// Value to compare with.
    pub value: u64,
    /// Second value, for `SCMP_CMP_MASKED_EQ`.
    pub value_two: u64,
    /// `SCMP_CMP_…`.
    pub op: Text<'a>,
}

object! { SeccompArgument<'a> in "linux.seccomp.syscalls[].args[]" {
    "index" => index: required,
    "value" => value: required,
    "valueTwo" => value_two: optional,
    "op" => op: required,
} }
