//! What the kernel and the caller can do, as data: the planner sees the host only through this.
#![cfg_attr(
    not(test),
    deny(clippy::disallowed_methods, clippy::let_underscore_must_use)
)]

#[cfg(any(test, fuzzing))]
pub(crate) use info::fuzzing;

mod info;
mod known;
mod probe;
pub(crate) mod subordinate_ids;

use serde::Deserialize;

pub use info::{Fact, Value, info};
pub(crate) use known::Known;
pub(crate) use probe::is_own_namespace;

/// Facts about the host and the caller, on which plans depend. At most sixteen.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostFacts {
    /// The caller's effective user id.
    pub uid: u32,
    /// The caller's effective group id.
    pub gid: u32,
    /// Whether the caller has CAP_SYS_ADMIN in its user namespace.
    pub privileged: bool,
    /// Whether the caller may write any id mapping (CAP_SETUID and CAP_SETGID).
    pub maps_any_id: bool,
    /// Whether the caller is in the initial user namespace, where device nodes can be made.
    pub initial_user_namespace: bool,
    /// Whether the caller may copy mounts: its mount namespace belongs to its user namespace, or both are the machine's.
    pub copies_mounts: bool,
    /// Whether setgroups(2) is denied, as where ids were mapped without privileges: in the user namespace that the config
    /// joins, else in the caller's.
    pub denies_groups: bool,
    /// Capabilities that the caller can pass on: one bit each.
    pub capabilities: u64,
    /// How cgroups are mounted: 1, 2, or 12 for both.
    pub cgroups: u8,
    /// Whether the kernel has AppArmor enabled.
    pub apparmor: bool,
    /// Whether the kernel has SELinux enabled.
    pub selinux: bool,
    /// Mount points of proc and sysfs, the innermost first; only known when asked for.
    pub exposed: Vec<String>,
    /// Types of namespaces that the config joins by a file which is the caller's own namespace.
    pub own_namespaces: Vec<String>,
    /// The mount points and the container's paths of cgroup v1 hierarchies, for mounts of type cgroup.
    pub hierarchies: Vec<Hierarchy>,
}

/// One mounted cgroup hierarchy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hierarchy {
    /// Name of the directory below `/sys/fs/cgroup`, such as `cpu,cpuacct`; empty for v2.
    pub name: String,
    /// Where the container's group in it is on the host.
    pub path: String,
    /// Other names of the same hierarchy, as links.
    pub links: Vec<String>,
}

impl Default for HostFacts {
    /// Root on a current machine with cgroup v2.
    fn default() -> HostFacts {
        HostFacts {
            uid: 0,
            gid: 0,
            privileged: true,
            maps_any_id: true,
            initial_user_namespace: true,
            copies_mounts: true,
            denies_groups: false,
            capabilities: (1 << 41) - 1,
            cgroups: 2,
            apparmor: false,
            selinux: false,
            exposed: Vec::new(),
            own_namespaces: Vec::new(),
            hierarchies: Vec::new(),
        }
    }
}

impl HostFacts {
    /// Asks the kernel.
    ///
    /// # Errors
    /// It does not answer: a fact that is not known is not taken for one that is favourable.
    pub fn probe() -> Result<HostFacts, crate::Error> {
        probe::probe()
    }

    /// Takes note of a namespace that a config joins by this file: whether it is the caller's own and, of a user namespace,
    /// whether it has groups. The kernel tells of processes what they may, so groups are taken to be allowed where the
    /// file is not one of a process.
    pub(crate) fn probe_joined(&mut self, kind: &str, path: &str) -> Result<(), crate::Error> {
        if path.contains('\0') {
            let why = format!("the path {path:?} of the {kind} namespace contains a NUL byte");
            return Err(crate::plan::PlanError::invalid(
                spec::ConfigPath::of("linux.namespaces"),
                why,
            )
            .into());
        }
        if probe::is_own_namespace(kind, path)? {
            self.own_namespaces.push(kind.to_owned());
            return Ok(());
        }
        if kind != "user" {
            return Ok(());
        }
        let process = path.strip_suffix("/ns/user");
        self.denies_groups = match process.filter(|process| process.starts_with("/proc/")) {
            Some(process) => probe::denies_groups(process)?,
            None => false,
        };
        Ok(())
    }

    /// Whether the caller may join the namespaces of a process that is closed to others of the same user (ptrace(2),
    /// "Ptrace access mode checking"): with CAP_SYS_PTRACE in the user namespace in which init was executed, its own.
    pub(crate) fn may_trace(&self) -> bool {
        const CAP_SYS_PTRACE: u32 = 19;
        self.capabilities >> CAP_SYS_PTRACE & 1 == 1
    }

    /// Whether the caller lacks privileges that a container without a user namespace of its own needs.
    pub fn rootless(&self) -> bool {
        !self.privileged || !self.initial_user_namespace
    }
}
