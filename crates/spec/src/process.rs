//! `process`: what runs in the container, as whom, and how it is scheduled (config.md, "Process").

use serde::Deserialize;

use crate::{Text, linux::nullable};

/// `process`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process<'a> {
    /// Whether the process gets a pseudoterminal.
    pub terminal: bool,
    /// Size of the terminal; ignored without one.
    pub console_size: Option<ConsoleSize>,
    /// Working directory, absolute.
    #[serde(borrow)]
    pub cwd: Option<Text<'a>>,
    /// Environment, `NAME=value`.
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<Text<'a>>,
    /// Program and arguments, as execvp(3) takes them.
    #[serde(deserialize_with = "nullable")]
    pub args: Vec<Text<'a>>,
    /// Windows only.
    pub command_line: Option<Text<'a>>,
    /// Resource limits.
    #[serde(deserialize_with = "nullable")]
    pub rlimits: Vec<Rlimit<'a>>,
    /// AppArmor profile.
    pub apparmor_profile: Option<Text<'a>>,
    /// Capability sets.
    pub capabilities: Option<Capabilities<'a>>,
    /// Whether execve may raise privileges.
    pub no_new_privileges: bool,
    /// Value for `oom_score_adj`; unset: leave it.
    pub oom_score_adj: Option<i64>,
    /// Scheduler attributes.
    pub scheduler: Option<Scheduler<'a>>,
    /// SELinux label.
    pub selinux_label: Option<Text<'a>>,
    /// I/O priority.
    #[serde(rename = "ioPriority")]
    pub io_priority: Option<IoPriority<'a>>,
    /// Processors for processes added by exec.
    #[serde(rename = "execCPUAffinity")]
    pub exec_cpu_affinity: Option<ExecCpuAffinity<'a>>,
    /// User and groups.
    pub user: User<'a>,
}

/// `process.consoleSize`, in characters.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

/// `process.rlimits[]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rlimit<'a> {
    /// Name, such as `RLIMIT_NOFILE`.
    #[serde(rename = "type", borrow)]
    pub kind: Text<'a>,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// `process.capabilities`: names, such as `CAP_CHOWN`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Capabilities<'a> {
    /// Bounding set.
    #[serde(borrow, deserialize_with = "nullable")]
    pub bounding: Vec<Text<'a>>,
    /// Effective set.
    #[serde(deserialize_with = "nullable")]
    pub effective: Vec<Text<'a>>,
    /// Inheritable set.
    #[serde(deserialize_with = "nullable")]
    pub inheritable: Vec<Text<'a>>,
    /// Permitted set.
    #[serde(deserialize_with = "nullable")]
    pub permitted: Vec<Text<'a>>,
    /// Ambient set.
    #[serde(deserialize_with = "nullable")]
    pub ambient: Vec<Text<'a>>,
}

/// `process.scheduler` (sched_setattr(2)).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Scheduler<'a> {
    /// `SCHED_…`.
    #[serde(borrow)]
    pub policy: Text<'a>,
    /// Nice value.
    pub nice: i32,
    /// Static priority.
    pub priority: i32,
    /// `SCHED_FLAG_…`.
    #[serde(deserialize_with = "nullable")]
    pub flags: Vec<Text<'a>>,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// `process.ioPriority` (ioprio_set(2)).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IoPriority<'a> {
    /// `IOPRIO_CLASS_…`.
    #[serde(borrow)]
    pub class: Text<'a>,
    /// Level within the class.
    pub priority: i64,
}

/// `process.execCPUAffinity`: lists of processors, such as `0-3,7`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExecCpuAffinity<'a> {
    /// Before the process is moved to the container's cgroup.
    #[serde(borrow)]
    pub initial: Option<Text<'a>>,
    /// Afterwards.
    #[serde(rename = "final")]
    pub last: Option<Text<'a>>,
}

/// `process.user`: ids inside the container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User<'a> {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// File mode creation mask; unset: the caller's.
    pub umask: Option<u32>,
    /// Supplementary groups.
    #[serde(deserialize_with = "nullable")]
    pub additional_gids: Vec<u32>,
    /// Windows only.
    #[serde(borrow)]
    pub username: Option<Text<'a>>,
}
