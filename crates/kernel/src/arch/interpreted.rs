//! Under Miri, which executes no instruction of any machine: of all system calls those that give and take memory.

use core::ffi::c_void;

use super::nr;

unsafe extern "C" {
    fn mmap(
        at: *mut c_void,
        length: usize,
        access: i32,
        flags: i32,
        fd: i32,
        offset: i64,
    ) -> *mut c_void;
    fn munmap(at: *mut c_void, length: usize) -> i32;
}

/// As the machine's.
///
/// # Safety
/// As the machine's.
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> isize {
    match number {
        // SAFETY: the caller vouches for the arguments, which the C library hands on as they are.
        nr::MMAP => unsafe {
            mmap(
                a[0] as *mut c_void,
                a[1],
                a[2] as i32,
                a[3] as i32,
                a[4] as i32,
                a[5] as i64,
            ) as isize
        },
        // SAFETY: as above.
        nr::MUNMAP => unsafe { munmap(a[0] as *mut c_void, a[1]) as isize },
        other => panic!("there is no system call {other} under Miri"),
    }
}
