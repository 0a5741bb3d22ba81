//! Who a process is: ids, groups, capabilities, securebits, names.

use core::ffi::CStr;

use crate::{Result, syscall};

/// setresuid(2) with the same id three times.
pub fn set_user(uid: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Setresuid, SETRESUID, uid, uid, uid) }.map(drop)
}

/// setresgid(2) with the same id three times.
pub fn set_group(gid: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Setresgid, SETRESGID, gid, gid, gid) }.map(drop)
}

/// setgroups(2) with ids given as native-endian bytes, four each.
pub fn set_groups(gids: &[u8]) -> Result<()> {
    // SAFETY: the kernel copies `gids.len() / 4` ids (copy_from_user: no alignment needed).
    unsafe { syscall!(Setgroups, SETGROUPS, gids.len() / 4, gids.as_ptr()) }.map(drop)
}

/// getuid(2).
pub fn user() -> u32 {
    // SAFETY: no arguments; it cannot fail.
    unsafe { syscall!(Stat, GETUID) }.unwrap_or(0) as u32
}

/// geteuid(2).
pub fn effective_user() -> u32 {
    // SAFETY: no arguments; it cannot fail.
    unsafe { syscall!(Stat, GETEUID) }.unwrap_or(0) as u32
}

/// getegid(2).
pub fn effective_group() -> u32 {
    // SAFETY: no arguments; it cannot fail.
    unsafe { syscall!(Stat, GETEGID) }.unwrap_or(0) as u32
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// capset(2): effective, permitted and inheritable sets of the calling thread, one bit per capability.
pub fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let data = [
        [effective as u32, permitted as u32, inheritable as u32],
        [
            (effective >> 32) as u32,
            (permitted >> 32) as u32,
            (inheritable >> 32) as u32,
        ],
    ];
    // SAFETY: version 3 means two data structs.
    unsafe { syscall!(CapSet, CAPSET, &raw const header, data.as_ptr()) }.map(drop)
}

/// capget(2): effective, permitted and inheritable sets of the calling thread.
pub fn capabilities() -> Result<(u64, u64, u64)> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data = [[0u32; 3]; 2];
    // SAFETY: version 3 means two data structs.
    unsafe { syscall!(CapGet, CAPGET, &raw const header, data.as_mut_ptr()) }?;
    let set = |index: usize| u64::from(data[0][index]) | u64::from(data[1][index]) << 32;
    Ok((set(0), set(1), set(2)))
}

const PR_SET_PDEATHSIG: usize = 1;
const PR_SET_DUMPABLE: usize = 4;
const PR_SET_KEEPCAPS: usize = 8;
const PR_SET_NAME: usize = 15;
const PR_CAPBSET_READ: usize = 23;
const PR_CAPBSET_DROP: usize = 24;
const PR_SET_CHILD_SUBREAPER: usize = 36;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const PR_CAP_AMBIENT: usize = 47;
const PR_CAP_AMBIENT_RAISE: usize = 2;
const PR_CAP_AMBIENT_CLEAR_ALL: usize = 4;

fn prctl(option: usize, argument: usize, argument3: usize) -> Result<usize> {
    // SAFETY: the options used here take numbers, except PR_SET_NAME, whose caller passes a valid string.
    unsafe { syscall!(Prctl, PRCTL, option, argument, argument3) }
}

/// Drops one capability from the bounding set; `EINVAL` for a number the kernel does not know.
pub fn drop_bounding(capability: u32) -> Result<()> {
    prctl(PR_CAPBSET_DROP, capability as usize, 0).map(drop)
}

/// Whether a capability is in the bounding set; `EINVAL` for a number the kernel does not know.
pub fn in_bounding(capability: u32) -> Result<bool> {
    prctl(PR_CAPBSET_READ, capability as usize, 0).map(|answer| answer == 1)
}

/// Raises one capability in the ambient set.
pub fn raise_ambient(capability: u32) -> Result<()> {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability as usize).map(drop)
}

/// Empties the ambient set.
pub fn clear_ambient() -> Result<()> {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0).map(drop)
}

/// PR_SET_KEEPCAPS: whether permitted capabilities survive a change of user id away from 0.
pub fn keep_capabilities(keep: bool) -> Result<()> {
    prctl(PR_SET_KEEPCAPS, keep.into(), 0).map(drop)
}

/// PR_SET_NO_NEW_PRIVS.
pub fn no_new_privileges() -> Result<()> {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// PR_SET_DUMPABLE 0 or 1: whether others of the same user may look into this process.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    prctl(PR_SET_DUMPABLE, dumpable.into(), 0).map(drop)
}

/// PR_SET_PDEATHSIG: the signal to get when the parent *thread* ends; 0 for none.
pub fn set_parent_death_signal(signal: i32) -> Result<()> {
    prctl(PR_SET_PDEATHSIG, signal as usize, 0).map(drop)
}

/// PR_SET_CHILD_SUBREAPER: orphaned descendants become children of the calling process.
pub fn set_child_subreaper(on: bool) -> Result<()> {
    prctl(PR_SET_CHILD_SUBREAPER, on.into(), 0).map(drop)
}

/// PR_SET_NAME: the thread's name, at most 15 bytes are kept.
pub fn set_name(name: &CStr) -> Result<()> {
    prctl(PR_SET_NAME, name.as_ptr() as usize, 0).map(drop)
}

/// sethostname(2).
pub fn set_hostname(name: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `name.len()` bytes.
    unsafe { syscall!(Sethostname, SETHOSTNAME, name.as_ptr(), name.len()) }.map(drop)
}

/// setdomainname(2).
pub fn set_domainname(name: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `name.len()` bytes.
    unsafe { syscall!(Setdomainname, SETDOMAINNAME, name.as_ptr(), name.len()) }.map(drop)
}
