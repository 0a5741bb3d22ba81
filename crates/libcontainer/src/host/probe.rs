//! Asking the kernel for the facts. Every start of the program pays for this, so each fact is one cheap call.

use kernel::file::{self, magic};
use kernel::{Errno, identity, mount, process};

use super::HostFacts;

const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const CAP_SYS_ADMIN: u32 = 21;

pub(super) fn probe() -> HostFacts {
    let (effective, permitted, _) = identity::capabilities().unwrap_or_default();
    let has = |capability: u32| effective >> capability & 1 == 1;
    let initial_user_namespace = initial_user_namespace();
    let privileged = has(CAP_SYS_ADMIN);
    HostFacts {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        privileged,
        maps_any_id: has(CAP_SETUID) && has(CAP_SETGID),
        initial_user_namespace,
        copies_mounts: privileged && (initial_user_namespace || copies_mounts()),
        // Never denied in the initial one (user_namespaces(7)), and so not worth a look there.
        denies_groups: !initial_user_namespace && denies_groups("/proc/self"),
        capabilities: passable(permitted),
        cgroups: cgroups(),
        apparmor: enabled("/sys/module/apparmor/parameters/enabled", "Y"),
        selinux: std::path::Path::new("/sys/fs/selinux/enforce").exists(),
        exposed: Vec::new(),
        own_namespaces: Vec::new(),
        hierarchies: Vec::new(),
    }
}

/// What the caller has and has not dropped from its bounding set.
fn passable(permitted: u64) -> u64 {
    let held = (0..64).filter(|capability| permitted >> capability & 1 == 1);
    held.filter(|capability| identity::in_bounding(*capability) == Ok(true))
        .fold(0, |set, capability| set | 1 << capability)
}

/// The initial user namespace has this inode number since Linux 3.8 (include/linux/proc_ns.h, PROC_USER_INIT_INO).
///
/// Asked through a pidfd where the kernel can: the first look at `/proc/self` costs tens of microseconds.
fn initial_user_namespace() -> bool {
    const PROC_USER_INIT_INO: u64 = 0xefff_fffd;
    let by_pidfd = process::open(process::id())
        .and_then(|own| process::user_namespace(own.raw()))
        .and_then(|namespace| file::status(namespace.raw()));
    match by_pidfd {
        Ok(status) => status.inode == PROC_USER_INIT_INO,
        Err(_) => std::fs::metadata("/proc/self/ns/user").is_ok_and(|metadata| {
            std::os::unix::fs::MetadataExt::ino(&metadata) == PROC_USER_INIT_INO
        }),
    }
}

/// open_tree(2) asks for privileges in the user namespace of the caller's mounts before anything else.
fn copies_mounts() -> bool {
    !mount::clone_tree(mount::HERE, c"/", false).is_err_and(|fault| fault.is(Errno::EPERM))
}

fn cgroups() -> u8 {
    match file::filesystem_at(c"/sys/fs/cgroup").map(|found| found.kind) {
        Ok(magic::CGROUP2) => 2,
        _ if file::filesystem_at(c"/sys/fs/cgroup/unified")
            .is_ok_and(|found| found.kind == magic::CGROUP2) =>
        {
            12
        }
        _ => 1,
    }
}

/// Whether `path` is the namespace that a child of the calling thread is in anyway (namespaces(7): device and inode number
/// tell namespaces apart). A type that the specification does not know, or a file that is not there, is nobody's.
pub(crate) fn is_own_namespace(kind: &str, path: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let name = match kind {
        "pid" => "pid_for_children",
        "network" => "net",
        "mount" => "mnt",
        "time" => "time_for_children",
        other => other,
    };
    let file = |path: &str| std::fs::metadata(path).map(|file| (file.dev(), file.ino()));
    match (file(&format!("/proc/thread-self/ns/{name}")), file(path)) {
        (Ok(own), Ok(given)) => own == given,
        _ => false,
    }
}

/// Whether a process's user namespace denies setgroups(2) (user_namespaces(7)); `process` is its directory in `/proc`.
pub(super) fn denies_groups(process: &str) -> bool {
    enabled(&format!("{process}/setgroups"), "deny")
}

fn enabled(path: &str, yes: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.trim() == yes)
}
