//! Loop devices: block devices that are files, loop(4).

use crate::{BorrowedFd, Result, syscall};

const LOOP_CTL_GET_FREE: usize = 0x4c82;
const LOOP_CONFIGURE: usize = 0x4c0a;

/// Flags of a loop device.
#[allow(missing_docs, reason = "the names of loop(4)")]
pub mod flags {
    pub const READ_ONLY: u32 = 1;
    pub const AUTOCLEAR: u32 = 4;
    pub const DIRECT_IO: u32 = 16;
}

/// `struct loop_config`, of which what is not named stays 0.
#[repr(C)]
struct Configuration {
    fd: u32,
    block_size: u32,
    places: [u64; 5],
    numbers: [u32; 3],
    flags: u32,
    names: [u64; 22],
    reserved: [u64; 8],
}

/// LOOP_CTL_GET_FREE: the number N of a `/dev/loopN` that nobody uses, for the moment. `control` is `/dev/loop-control`.
pub fn free(control: BorrowedFd<'_>) -> Result<u32> {
    // SAFETY: this request takes no argument.
    unsafe { syscall!(Ioctl, IOCTL, control.raw(), LOOP_CTL_GET_FREE) }.map(|number| number as u32)
}

/// LOOP_CONFIGURE: the device is this file from now on; with [`flags::AUTOCLEAR`] until its last user closes or unmounts it.
/// `EBUSY` if it is one already.
pub fn configure(device: BorrowedFd<'_>, file: BorrowedFd<'_>, flags: u32) -> Result<()> {
    let configuration = Configuration {
        fd: file.raw() as u32,
        block_size: 0,
        places: [0; 5],
        numbers: [0; 3],
        flags,
        names: [0; 22],
        reserved: [0; 8],
    };
    // SAFETY: the kernel reads a whole `struct loop_config`.
    unsafe {
        syscall!(
            Ioctl,
            IOCTL,
            device.raw(),
            LOOP_CONFIGURE,
            &raw const configuration
        )
    }
    .map(drop)
}
