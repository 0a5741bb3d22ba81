//! Session keyrings: keyrings(7), keyctl(2).

use core::ffi::CStr;

use crate::{Result, syscall};

const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
const KEYCTL_SETPERM: usize = 5;
const KEYCTL_DESCRIBE: usize = 6;

/// Creates (or joins) the session keyring `name` and returns its serial number.
pub fn join_session(name: &CStr) -> Result<i32> {
    // SAFETY: `name` is a valid string.
    unsafe { syscall!(Keyctl, KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) }
        .map(|serial| serial as i32)
}

/// Reads the description `type;uid;gid;perm;name` of a key into `buffer` and returns its length.
pub fn describe(serial: i32, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    unsafe {
        syscall!(
            Keyctl,
            KEYCTL,
            KEYCTL_DESCRIBE,
            serial,
            buffer.as_mut_ptr(),
            buffer.len()
        )
    }
    .map(|length| length.min(buffer.len()))
}

/// Sets the permission mask of a key.
pub fn set_permissions(serial: i32, mask: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Keyctl, KEYCTL, KEYCTL_SETPERM, serial, mask) }.map(drop)
}
