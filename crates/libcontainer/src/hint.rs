//! What to try next, for failures whose errno alone does not say it.

use kernel::{Call, Errno, Fault};

/// A hint for a failed step; `step` is the step in words.
pub(crate) fn hint(step: &str, fault: Fault) -> Option<&'static str> {
    let Fault { call, errno } = fault;
    Some(match (call, errno) {
        (Call::Unshare | Call::Clone3, Errno::ENOSPC) => {
            "a limit in /proc/sys/user/ is reached: raise max_*_namespaces"
        }
        (Call::Unshare, Errno::EPERM) if step.contains("user") => {
            "unprivileged user namespaces are disabled: see kernel.unprivileged_userns_clone, user.max_user_namespaces \
             and kernel.apparmor_restrict_unprivileged_userns"
        }
        (Call::Unshare | Call::Clone3, Errno::EPERM) => {
            "new namespaces need CAP_SYS_ADMIN: add a user namespace with mappings to the config"
        }
        (Call::Mount | Call::Fsopen, Errno::ENODEV) => "the kernel does not know this file system",
        (Call::Mount, Errno::EPERM) if step.contains("sysfs") => {
            "sysfs needs a network namespace of the container's own: bind /sys instead"
        }
        (Call::Mount, Errno::EPERM) if step.contains("proc") => {
            "procfs needs a pid namespace of the container's own, and a /proc outside of which nothing is hidden"
        }
        (Call::Mount | Call::Fsconfig, Errno::EINVAL)
            if step.contains("devpts") && (step.contains("gid=") || step.contains("uid=")) =>
        {
            "is the id of gid= or uid= mapped in the user namespace? map it (linux.gidMappings), or leave the option out"
        }
        (Call::Mount | Call::Fsconfig, Errno::EINVAL) => {
            "an option that the file system does not know? see dmesg"
        }
        (Call::MountSetattr, Errno::EPERM)
            if step.contains("map ids") || step.contains("with ids mapped") =>
        {
            "it takes root of the user namespace that the file system was mounted in"
        }
        (Call::MountSetattr, Errno::EPERM) => {
            "the flag is locked: the source is mounted with it by a more privileged user"
        }
        (Call::MountSetattr, Errno::EINVAL)
            if step.contains("map ids") || step.contains("with ids mapped") =>
        {
            "the file system does not support id-mapped mounts"
        }
        (Call::Mount | Call::MoveMount | Call::OpenTree, Errno::ENOSPC) => {
            "the mount namespace has as many mounts as fs.mount-max allows"
        }
        (Call::MoveMount, Errno::EINVAL) if step.starts_with("bind ") => {
            "is one of them a directory and the other a file?"
        }
        (Call::MoveMount, Errno::EBUSY) if step.starts_with("hide ") => {
            "the root cannot be hidden from who is in it"
        }
        (Call::Openat, Errno::ESTALE) => "somebody changed what is copied while it was copied",
        (Call::MountSetattr, Errno::EINVAL) if step.starts_with("change mount at") => {
            "nothing is mounted there"
        }
        (Call::Prlimit, Errno::EPERM) => "raising a hard limit needs CAP_SYS_RESOURCE",
        (Call::SchedSetattr, Errno::EPERM) if step.contains("policy 6") => {
            "SCHED_DEADLINE needs CAP_SYS_NICE; such a process scheduler can't be used together with AllowedCPUs \
             (linux.resources.cpu.cpus)"
        }
        (Call::SchedSetattr, Errno::EPERM)
            if !step.contains("policy 1 ") && !step.contains("policy 2 ") =>
        {
            "a nice value below the present one needs CAP_SYS_NICE or RLIMIT_NICE (process.scheduler.nice)"
        }
        (Call::SchedSetattr, Errno::EPERM) => {
            "it needs CAP_SYS_NICE or RLIMIT_RTPRIO; and where the kernel allots real-time scheduling by cgroup \
             (CONFIG_RT_GROUP_SCHED), linux.resources.cpu.realtimeRuntime on version 1, or rt_group_sched=0 on the \
             kernel's command line"
        }
        (Call::Write, Errno::EACCES) if step.contains("oom") => {
            "lowering the score needs CAP_SYS_RESOURCE"
        }
        (Call::PivotRoot, Errno::EINVAL) => {
            "the root may be on an initial RAM disk: try --no-pivot"
        }
        (Call::Fstat, Errno::EPERM) if step.starts_with("require device ") => {
            "the host's node is bound, and it has another one: leave the field out, or run as root of the machine"
        }
        (Call::Mknodat, Errno::EPERM) => "device nodes need CAP_MKNOD and no user namespace",
        (Call::Setgroups, Errno::EPERM) => {
            "groups cannot be set where the group mapping was written without privileges"
        }
        (Call::Setresuid | Call::Setresgid, Errno::EINVAL) => {
            "the id is not mapped in the user namespace"
        }
        (Call::Keyctl, Errno::EDQUOT) => {
            "too many keyrings: raise kernel.keys.maxkeys or use --no-new-keyring"
        }
        (Call::Fstatfs, Errno::ENODEV) => "a terminal needs a devpts mounted at /dev/pts",
        (Call::Openat2, Errno::ENOSYS) => "Linux 5.14 or newer is needed",
        (Call::Execveat | Call::MemfdCreate, Errno::EACCES) => {
            "memory files may not be executed here: see vm.memfd_noexec"
        }
        _ => return None,
    })
}
