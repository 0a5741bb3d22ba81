//! The init program: finds its plan and walks the child's half of it. Built by the build script of libcontainer.
//!
//! It is called as `init "FD OFFSET"`: the plan stands in the file FD from byte OFFSET on. (The file is the sealed
//! memory file that holds this very program, so one file carries both.)
#![no_std]
#![no_main]

use core::arch::global_asm;
use core::ffi::{CStr, c_char};

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {main}", main = sym main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x0, sp", "bl {main}", main = sym main);
#[cfg(target_arch = "riscv64")]
global_asm!(".globl _start", "_start:", "mv s0, zero", "mv a0, sp", "call {main}", main = sym main);

/// # Safety
/// `stack` is the process's initial stack: the argument count, then pointers to the arguments.
unsafe extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: the kernel lays out the initial stack like this (execve(2), the psABI).
    let argument = unsafe {
        if *stack < 2 {
            kernel::process::exit(init::BAD_PLAN);
        }
        CStr::from_ptr(*stack.add(2) as *const c_char)
    };
    // SAFETY: there is one thread, and no code but init's and the kernel crate's.
    let alone = unsafe { kernel::process::Alone::new() };
    init::main(alone, argument.to_bytes())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    kernel::process::exit(init::PANICKED)
}

// The compiler calls these four. Written with string instructions or volatile accesses, so that it does not
// recognise the loops and turn them into calls to themselves.

/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the same contract.
    unsafe { kernel::bytes::copy(to, from, count) }
}

/// # Safety
/// As memmove(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the same contract.
    unsafe { kernel::bytes::copy_overlapping(to, from, count) }
}

/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller gives an area of `count` bytes; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte as u8,
                         options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for index in 0..count {
        // SAFETY: the caller gives an area of `count` bytes.
        unsafe { to.add(index).write_volatile(byte as u8) };
    }
    to
}

/// # Safety
/// As memcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: the caller gives two areas of `count` bytes.
        let (a, b) = unsafe { (left.add(index).read_volatile(), right.add(index).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// # Safety
/// As bcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, count) }
}

/// # Safety
/// As strlen(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    let mut length = 0;
    // SAFETY: the caller gives a string that ends with NUL.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
