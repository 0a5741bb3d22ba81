//! `process`: what runs in the container, as whom, and how it is scheduled (config.md, "Process").

use crate::object::object;
use crate::{Remark, Text};

/// `process`.
#[derive(Clone, Debug, Default)]
pub struct Process<'a> {
    /// Whether the process gets a pseudoterminal.
    pub terminal: bool,
    /// Size of the terminal; ignored without one.
    pub console_size: Option<ConsoleSize>,
    /// Working directory, absolute.
    pub cwd: Option<Text<'a>>,
    /// Environment, `NAME=value`.
    pub env: Vec<Text<'a>>,
    /// Program and arguments, as execvp(3) takes them.
    pub args: Vec<Text<'a>>,
    /// Windows only.
    pub command_line: Option<Text<'a>>,
    /// Resource limits.
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
    pub io_priority: Option<IoPriority<'a>>,
    /// Processors for processes added by exec.
    pub exec_cpu_affinity: Option<ExecCpuAffinity<'a>>,
    /// User and groups.
    pub user: User<'a>,
    /// What was noticed while parsing this object alone.
    pub remarks: Vec<Remark>,
}

object! { Process<'a> in "process" {
    "terminal" => terminal: optional,
    "consoleSize" => console_size: optional,
    "cwd" => cwd: optional,
    "env" => env: optional,
    "args" => args: optional,
    "commandLine" => command_line: optional,
    "rlimits" => rlimits: optional,
    "apparmorProfile" => apparmor_profile: optional,
    "capabilities" => capabilities: optional,
    "noNewPrivileges" => no_new_privileges: optional,
    "oomScoreAdj" => oom_score_adj: optional,
    "scheduler" => scheduler: optional,
    "selinuxLabel" => selinux_label: optional,
    "ioPriority" => io_priority: optional,
    "execCPUAffinity" => exec_cpu_affinity: optional,
    "user" => user: required,
} remarks }

/// `process.consoleSize`, in characters.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

object! { ConsoleSize in "process.consoleSize" {
    "height" => height: required,
    "width" => width: required,
} }

/// `process.rlimits[]`.
#[derive(Clone, Debug, Default)]
pub struct Rlimit<'a> {
    /// Name, such as `RLIMIT_NOFILE`.
    pub kind: Text<'a>,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

object! { Rlimit<'a> in "process.rlimits[]" {
    "type" => kind: required,
    "soft" => soft: required,
    "hard" => hard: required,
} }

/// `process.capabilities`: names, such as `CAP_CHOWN`.
#[derive(Clone, Debug, Default)]
pub struct Capabilities<'a> {
    /// Bounding set.
    pub bounding: Vec<Text<'a>>,
    /// Effective set.
    pub effective: Vec<Text<'a>>,
    /// Inheritable set.
    pub inheritable: Vec<Text<'a>>,
    /// Permitted set.
    pub permitted: Vec<Text<'a>>,
    /// Ambient set.
    pub ambient: Vec<Text<'a>>,
}

object! { Capabilities<'a> in "process.capabilities" {
    "bounding" => bounding: optional,
    "effective" => effective: optional,
    "inheritable" => inheritable: optional,
    "permitted" => permitted: optional,
    "ambient" => ambient: optional,
} }

/// `process.scheduler` (sched_setattr(2)).
#[derive(Clone, Debug, Default)]
pub struct Scheduler<'a> {
    /// `SCHED_…`.
    pub policy: Text<'a>,
    /// Nice value.
    pub nice: i32,
    /// Static priority.
    pub priority: i32,
    /// `SCHED_FLAG_…`.
    pub flags: Vec<Text<'a>>,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

object! { Scheduler<'a> in "process.scheduler" {
    "policy" => policy: required,
    "nice" => nice: optional,
    "priority" => priority: optional,
    "flags" => flags: optional,
    "runtime" => runtime: optional,
    "deadline" => deadline: optional,
    "period" => period: optional,
} }

/// `process.ioPriority` (ioprio_set(2)).
#[derive(Clone, Debug, Default)]
pub struct IoPriority<'a> {
    /// `IOPRIO_CLASS_…`.
    pub class: Text<'a>,
    /// Level within the class.
    pub priority: i64,
}

object! { IoPriority<'a> in "process.ioPriority" {
    "class" => class: required,
    "priority" => priority: required,
} }

/// `process.execCPUAffinity`: lists of processors, such as `0-3,7`.
#[derive(Clone, Debug, Default)]
pub struct ExecCpuAffinity<'a> {
    /// Before the process is moved to the container's cgroup.
    pub initial: Option<Text<'a>>,
    /// Afterwards.
    pub last: Option<Text<'a>>,
}

object! { ExecCpuAffinity<'a> in "process.execCPUAffinity" {
    "initial" => initial: optional,
    "final" => last: optional,
} }

/// `process.user`: ids inside the container.
#[derive(Clone, Debug, Default)]
pub struct User<'a> {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// File mode creation mask; unset: the caller's.
    pub umask: Option<u32>,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
    /// Windows only.
    pub username: Option<Text<'a>>,
}

object! { User<'a> in "process.user" {
    "uid" => uid: required,
    "gid" => gid: required,
    "umask" => umask: optional,
    "additionalGids" => additional_gids: optional,
    "username" => username: optional,
} }
