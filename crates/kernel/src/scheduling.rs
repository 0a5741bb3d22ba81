//! Scheduling, priorities, affinity, memory policy, resource limits.

use crate::{Result, syscall};

/// ioprio_set(2) for the calling process: class 1 (real-time), 2 (best effort) or 3 (idle), level 0..=7.
pub fn set_io_priority(class: u32, level: u32) -> Result<()> {
    const WHO_PROCESS: usize = 1;
    // SAFETY: no pointers.
    unsafe { syscall!(IoprioSet, IOPRIO_SET, WHO_PROCESS, 0, (class << 13) | level) }.map(drop)
}

/// ioprio_get(2) for the calling process: class and level, as set by [`set_io_priority`].
pub fn io_priority() -> Result<(u32, u32)> {
    const WHO_PROCESS: usize = 1;
    // SAFETY: no pointers.
    let value = unsafe { syscall!(IoprioGet, IOPRIO_GET, WHO_PROCESS, 0) }? as u32;
    Ok((value >> 13, value & 0x1fff))
}

/// `struct sched_attr` of sched_setattr(2), up to the fields of Linux 5.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs, reason = "the fields of sched_setattr(2)")]
pub struct Attributes {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
    pub util_min: u32,
    pub util_max: u32,
}

/// sched_setattr(2) for the calling thread.
pub fn set_scheduler(attributes: Attributes) -> Result<()> {
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        ..attributes
    };
    // SAFETY: `attributes` is a whole struct of the size that it names.
    unsafe { syscall!(SchedSetattr, SCHED_SETATTR, 0, &raw const attributes, 0) }.map(drop)
}

/// sched_setaffinity(2) for `pid` (0: the calling thread): one bit per processor, least significant first.
pub fn set_affinity(pid: i32, mask: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `mask.len()` bytes.
    unsafe {
        syscall!(
            SchedSetaffinity,
            SCHED_SETAFFINITY,
            pid,
            mask.len(),
            mask.as_ptr()
        )
    }
    .map(drop)
}

/// set_mempolicy(2): mode with flags, and one bit per node, least significant first.
pub fn set_memory_policy(mode: u32, nodes: &[u8]) -> Result<()> {
    // The kernel reads whole longs, and (for historical reasons) one bit less than it is told.
    let mut mask = [0u64; 16];
    for (index, byte) in nodes.iter().enumerate().take(128) {
        mask[index / 8] |= u64::from(*byte) << (index % 8 * 8);
    }
    let (pointer, bits) = if nodes.is_empty() {
        (core::ptr::null(), 0)
    } else {
        (mask.as_ptr(), 1024 + 1)
    };
    // SAFETY: the kernel reads at most 1024 bits, all of `mask`.
    unsafe { syscall!(SetMempolicy, SET_MEMPOLICY, mode, pointer, bits) }.map(drop)
}

/// prlimit(2): sets a resource limit of the calling process.
pub fn set_limit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = [soft, hard];
    // SAFETY: the kernel reads one `struct rlimit64`.
    unsafe { syscall!(Prlimit, PRLIMIT64, 0, resource, limit.as_ptr(), 0) }.map(drop)
}

/// prlimit(2): soft and hard limit of the calling process.
pub fn limit(resource: u32) -> Result<(u64, u64)> {
    let mut limit = [0u64; 2];
    // SAFETY: the kernel writes one `struct rlimit64`.
    unsafe { syscall!(Prlimit, PRLIMIT64, 0, resource, 0, limit.as_mut_ptr()) }?;
    Ok((limit[0], limit[1]))
}

/// personality(2): the execution domain.
pub fn set_personality(persona: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Personality, PERSONALITY, persona) }.map(drop)
}
