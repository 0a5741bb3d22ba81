//! Asking the kernel for the facts. Every start of the program pays for this, so each fact is one cheap call.

use std::io;
use std::path::Path;

use kernel::file::{self, magic};
use kernel::{Errno, identity, mount, process};

use super::HostFacts;
use crate::Error;

const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const CAP_SYS_ADMIN: u32 = 21;

pub(super) fn probe() -> Result<HostFacts, Error> {
    let failed = |fault| Error::call("look at the caller's capabilities", fault);
    let (effective, permitted, _) = identity::capabilities().map_err(failed)?;
    let has = |capability: u32| effective >> capability & 1 == 1;
    let initial_user_namespace = initial_user_namespace()?;
    let privileged = has(CAP_SYS_ADMIN);
    Ok(HostFacts {
        uid: identity::effective_user(),
        gid: identity::effective_group(),
        privileged,
        maps_any_id: has(CAP_SETUID) && has(CAP_SETGID),
        initial_user_namespace,
        copies_mounts: privileged && (initial_user_namespace || copies_mounts()?),
        // Never denied in the initial one (user_namespaces(7)), and so not worth a look there.
        denies_groups: !initial_user_namespace && denies_groups("/proc/self")?,
        capabilities: passable(permitted).map_err(failed)?,
        cgroups: cgroups()?,
        apparmor: enabled("/sys/module/apparmor/parameters/enabled", "Y")?,
        selinux: look("/sys/fs/selinux/enforce", std::fs::metadata)?.is_some(),
        exposed: Vec::new(),
        own_namespaces: Vec::new(),
        hierarchies: Vec::new(),
    })
}

/// What the caller has and has not dropped from its bounding set.
fn passable(permitted: u64) -> kernel::Result<u64> {
    let mut passable = 0;
    for capability in (0..64).filter(|capability| permitted >> capability & 1 == 1) {
        match identity::in_bounding(capability) {
            Ok(true) => passable |= 1 << capability,
            Ok(false) => {}
            // The kernel does not know it.
            Err(fault) if fault.is(Errno::EINVAL) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(passable)
}

/// The initial user namespace has this inode number since Linux 3.8 (include/linux/proc_ns.h, PROC_USER_INIT_INO).
///
/// Asked through a pidfd where the kernel can: the first look at `/proc/self` costs tens of microseconds.
fn initial_user_namespace() -> Result<bool, Error> {
    const PROC_USER_INIT_INO: u64 = 0xefff_fffd;
    let by_pidfd = process::open(process::id())
        .and_then(|own| process::user_namespace(own.borrow()))
        .and_then(|namespace| file::status(namespace.borrow()));
    match by_pidfd {
        Ok(status) => Ok(status.inode == PROC_USER_INIT_INO),
        // The kernel is older than this request.
        Err(fault) if [Errno::ENOTTY, Errno::EINVAL, Errno::EOPNOTSUPP].contains(&fault.errno) => {
            let path = Path::new("/proc/self/ns/user");
            let metadata =
                std::fs::metadata(path).map_err(|error| Error::file("look at", path, error))?;
            Ok(std::os::unix::fs::MetadataExt::ino(&metadata) == PROC_USER_INIT_INO)
        }
        Err(fault) => Err(Error::call("look at the caller's user namespace", fault)),
    }
}

/// open_tree(2) asks for privileges in the user namespace of the caller's mounts before anything else.
fn copies_mounts() -> Result<bool, Error> {
    match mount::clone_tree(file::HERE, c"/", false) {
        Ok(_) => Ok(true),
        Err(fault) if fault.is(Errno::EPERM) => Ok(false),
        // A root that cannot be copied for another reason says nothing of other mounts.
        Err(fault) if fault.is(Errno::EINVAL) => Ok(true),
        Err(fault) => Err(Error::call("look whether mounts can be copied", fault)),
    }
}

fn cgroups() -> Result<u8, Error> {
    let is_unified = |path: &std::ffi::CStr| match file::filesystem_at(path) {
        Ok(found) => Ok(found.kind == magic::CGROUP2),
        Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => Ok(false),
        Err(fault) => Err(Error::call("look at the cgroup file systems", fault)),
    };
    if is_unified(c"/sys/fs/cgroup")? {
        return Ok(2);
    }
    Ok(if is_unified(c"/sys/fs/cgroup/unified")? {
        12
    } else {
        1
    })
}

/// Whether `path` is the namespace that a child of the calling thread is in anyway (namespaces(7): device and inode number
/// tell namespaces apart). A type that the specification does not know, or a file that is not there, is nobody's.
pub(crate) fn is_own_namespace(kind: &str, path: &str) -> Result<bool, Error> {
    use std::os::unix::fs::MetadataExt;
    let name = match kind {
        "pid" => "pid_for_children",
        "network" => "net",
        "mount" => "mnt",
        "time" => "time_for_children",
        other => other,
    };
    let file = |path: &str| {
        look(path, |path| {
            std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
        })
    };
    let own = file(&format!("/proc/thread-self/ns/{name}"))?;
    Ok(own.is_some() && own == file(path)?)
}

/// Whether a process's user namespace denies setgroups(2) (user_namespaces(7)); `process` is its directory in `/proc`.
pub(super) fn denies_groups(process: &str) -> Result<bool, Error> {
    enabled(&format!("{process}/setgroups"), "deny")
}

fn enabled(path: &str, yes: &str) -> Result<bool, Error> {
    let text = look(path, std::fs::read_to_string)?;
    Ok(text.is_some_and(|text| text.trim() == yes))
}

/// `None` where there is no such file. What the caller may not see it has not either: a config that wants it is refused.
fn look<'a, T>(path: &'a str, how: impl Fn(&'a str) -> io::Result<T>) -> Result<Option<T>, Error> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match how(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if [NotFound, NotADirectory, PermissionDenied].contains(&error.kind()) => {
            Ok(None)
        }
        Err(error) => Err(Error::file("look at", Path::new(path), error)),
    }
}
