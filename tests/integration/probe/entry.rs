//! The entry point, the few functions that the compiler expects from a C library, and calls that the kernel crate has not.
//!
//! The only file of the probe with `unsafe`: what the kernel hands over at start is turned into safe types here.

use core::arch::global_asm;
use core::ffi::{CStr, c_char};

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {enter}", "ud2",
    enter = sym enter
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start", "_start:", "mov x29, #0", "mov x30, #0", "mov x0, sp", "bl {enter}", "brk #1",
    enter = sym enter
);
#[cfg(target_arch = "riscv64")]
global_asm!(
    ".globl _start", "_start:", ".option push", ".option norelax", "lla gp, __global_pointer$", ".option pop",
    "mv a0, sp", "andi sp, sp, -16", "call {enter}", "ebreak",
    enter = sym enter
);

/// The strings that the program was started with.
#[derive(Clone, Copy)]
pub struct Strings(*const *const c_char);

impl Iterator for Strings {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        // SAFETY: the kernel ends the list with a null pointer, behind which `next` never goes; strings live for ever.
        unsafe {
            let string = *self.0;
            if string.is_null() {
                return None;
            }
            self.0 = self.0.add(1);
            Some(CStr::from_ptr(string))
        }
    }
}

extern "C" fn enter(stack: *const usize) -> ! {
    // SAFETY: at start the stack holds argc, argc pointers, null, the environment's pointers, null (System V ABI).
    let (arguments, environment) = unsafe {
        let first = stack.add(1).cast::<*const c_char>();
        (Strings(first), Strings(first.add(*stack + 1)))
    };
    kernel::process::exit(crate::run(arguments, environment))
}

/// mkdir(2) of no path, called in another way than the machine's own; the raw answer. None where programs cannot do that.
pub fn mkdir_as(entry: &[u8]) -> Option<isize> {
    match entry {
        #[cfg(target_arch = "x86_64")]
        b"i386" => Some(mkdir_as_i386()),
        #[cfg(target_arch = "x86_64")]
        b"x32" => Some(mkdir_as_x32()),
        _ => None,
    }
}

/// mkdir(2) of no path through the kernel's entry for i386; the raw answer: minus EFAULT where nothing forbids it.
#[cfg(target_arch = "x86_64")]
fn mkdir_as_i386() -> isize {
    let answer: i32;
    // SAFETY: the pointer is null, which the kernel refuses; rbx, which the compiler keeps to itself, is put back.
    unsafe {
        core::arch::asm!("xchg {path}, rbx", "int 0x80", "xchg {path}, rbx", path = inout(reg) 0_usize => _,
            inlateout("eax") 39 => answer, in("ecx") 0o777, lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    answer as isize
}

/// The same through the entry for x32: minus ENOSYS where nothing forbids it and the kernel was built without.
#[cfg(target_arch = "x86_64")]
fn mkdir_as_x32() -> isize {
    let answer: isize;
    // SAFETY: the pointer is null, which the kernel refuses.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") 0x4000_0000_isize + 83 => answer, in("rdi") 0, in("rsi") 0o777,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crate::out::Out::to(kernel::Stream::ERROR.borrow()).line(format_args!("probe: {info}"));
    kernel::process::exit(134)
}

/// Named by the unwinding tables of the precompiled core library; nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// getauxval(3), by which the compiler's helpers ask for newer atomic instructions: none are claimed.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
extern "C" fn getauxval(_: u64) -> u64 {
    0
}

/// memcpy(3). Volatile writes keep the compiler from turning the loop into a call of the function it is in.
///
/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    for index in 0..length {
        // SAFETY: in bounds as the caller vouches.
        unsafe { to.add(index).write_volatile(from.add(index).read()) };
    }
    to
}

/// memmove(3).
///
/// # Safety
/// As memmove(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    for step in 0..length {
        // Overlapping blocks are copied from the end that is overwritten last.
        let index = if (to as usize) < from as usize {
            step
        } else {
            length - 1 - step
        };
        // SAFETY: in bounds as the caller vouches.
        unsafe {
            to.add(index)
                .write_volatile(from.add(index).read_volatile())
        };
    }
    to
}

/// memset(3).
///
/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
    for index in 0..length {
        // SAFETY: in bounds as the caller vouches.
        unsafe { to.add(index).write_volatile(byte as u8) };
    }
    to
}

/// memcmp(3).
///
/// # Safety
/// As memcmp(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    for index in 0..length {
        // SAFETY: in bounds as the caller vouches.
        let (a, b) = unsafe {
            (
                left.add(index).read_volatile(),
                right.add(index).read_volatile(),
            )
        };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// bcmp(3): memcmp without order.
///
/// # Safety
/// As memcmp(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, length) }
}

/// strlen(3).
///
/// # Safety
/// As strlen(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(string: *const c_char) -> usize {
    let mut length = 0;
    // SAFETY: the caller vouches for the final NUL.
    while unsafe { string.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
