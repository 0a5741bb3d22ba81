//! Device programs of cgroup v2: bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE.

use crate::{BorrowedFd, Fd, Result, syscall};

/// One eBPF instruction, `struct bpf_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination register (low four bits) and source register (high four bits).
    pub registers: u8,
    /// Jump distance or memory offset.
    pub offset: i16,
    /// Immediate operand.
    pub immediate: i32,
}

const PROG_LOAD: usize = 5;
const PROG_ATTACH: usize = 8;
const PROG_DETACH: usize = 9;
const PROG_GET_FD_BY_ID: usize = 13;
const OBJ_GET_INFO_BY_FD: usize = 15;
const PROG_QUERY: usize = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;

/// Attach flags.
#[allow(missing_docs, reason = "the names of bpf(2)")]
pub mod flags {
    pub const ALLOW_MULTI: u32 = 2;
    pub const REPLACE: u32 = 4;
}

/// What programs loaded here are called, to tell them from those of others.
pub const NAME: [u8; 16] = *b"tare_devices\0\0\0\0";

#[repr(C, align(8))]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

#[repr(C, align(8))]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replace: u32,
    padding: u32,
}

#[repr(C, align(8))]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// How often a program is offered to the kernel while signals come.
const MOST_ATTEMPTS: u32 = 100;

/// Loads a device program and returns its descriptor. The verifier's log is not asked for.
pub fn load_device_program(instructions: &[Instruction]) -> Result<Fd> {
    let attributes = Load {
        kind: PROG_TYPE_CGROUP_DEVICE,
        count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: NAME,
    };
    // The verifier gives up with EAGAIN when a signal comes, be it one to stop and go on; it is not restarted by itself.
    let mut attempts = 0;
    loop {
        attempts += 1;
        // SAFETY: `attributes` and what it points at live until the call returns.
        let answer = unsafe {
            syscall!(
                Bpf,
                BPF,
                PROG_LOAD,
                &raw const attributes,
                size_of::<Load>()
            )
        };
        match answer {
            Err(fault) if fault.is(crate::Errno::EAGAIN) && attempts < MOST_ATTEMPTS => {}
            answer => return answer.map(Fd::fresh),
        }
    }
}

/// Attaches a device program to a cgroup directory; `replace` names an attached program to be replaced atomically.
pub fn attach_device_program(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replace: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let attributes = Attach {
        target: cgroup.raw() as u32,
        program: program.raw() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags: flags::ALLOW_MULTI | if replace.is_some() { flags::REPLACE } else { 0 },
        replace: replace.map_or(0, |program| program.raw() as u32),
        padding: 0,
    };
    // SAFETY: `attributes` lives until the call returns.
    unsafe {
        syscall!(
            Bpf,
            BPF,
            PROG_ATTACH,
            &raw const attributes,
            size_of::<Attach>()
        )
    }
    .map(drop)
}

/// Detaches a device program from a cgroup directory.
pub fn detach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let attributes = Attach {
        target: cgroup.raw() as u32,
        program: program.raw() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        ..Attach::default()
    };
    // SAFETY: `attributes` lives until the call returns.
    unsafe {
        syscall!(
            Bpf,
            BPF,
            PROG_DETACH,
            &raw const attributes,
            size_of::<Attach>()
        )
    }
    .map(drop)
}

/// Writes the ids of the device programs attached to a cgroup directory into `ids`; the answer is how many there are.
///
/// `ENOSPC` means that `ids` is too short.
pub fn attached_device_programs(cgroup: BorrowedFd<'_>, ids: &mut [u32]) -> Result<usize> {
    let mut attributes = Query {
        target: cgroup.raw() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        ..Query::default()
    };
    // SAFETY: the kernel writes at most `count` ids, and the fields of `attributes`.
    unsafe {
        syscall!(
            Bpf,
            BPF,
            PROG_QUERY,
            &raw mut attributes,
            size_of::<Query>()
        )
    }?;
    Ok(attributes.count as usize)
}

/// A descriptor for the loaded program with this id.
pub fn program_by_id(id: u32) -> Result<Fd> {
    let attributes: [u32; 4] = [id, 0, 0, 0];
    // SAFETY: `attributes` lives until the call returns.
    unsafe {
        syscall!(
            Bpf,
            BPF,
            PROG_GET_FD_BY_ID,
            attributes.as_ptr(),
            size_of_val(&attributes)
        )
    }
    .map(Fd::fresh)
}

#[repr(C, align(8))]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    lengths: [u32; 2],
    instructions: [u64; 2],
    load_time: u64,
    creator: u32,
    map_count: u32,
    maps: u64,
    name: [u8; 16],
}

/// The name that a loaded program was given.
pub fn program_name(program: BorrowedFd<'_>) -> Result<[u8; 16]> {
    let mut info = Info::default();
    let attributes: [u64; 2] = [
        u64::from(program.raw() as u32) | (size_of::<Info>() as u64) << 32,
        &raw mut info as u64,
    ];
    // SAFETY: the kernel writes at most `size_of::<Info>()` bytes to `info`, which lives until the call returns.
    unsafe {
        syscall!(
            Bpf,
            BPF,
            OBJ_GET_INFO_BY_FD,
            attributes.as_ptr(),
            size_of_val(&attributes)
        )
    }?;
    Ok(info.name)
}
