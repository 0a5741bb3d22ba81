//! AArch64: `svc 0`, number in x8, arguments in x0 to x5.

use core::arch::asm;

use super::generic as nr;

/// Makes one system call and returns the kernel's raw answer (a value, or minus errno).
///
/// # Safety
/// The arguments must be what the call with this number expects; pointers must be valid for it.
#[inline]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the caller vouches for the arguments.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] => answer, in("x1") a[1], in("x2") a[2], in("x3") a[3],
             in("x4") a[4], in("x5") a[5], options(nostack));
    }
    answer
}

/// clone3(2) where the child runs `entry(argument)` on the stack that `args` names, and never returns.
///
/// # Safety
/// As on x86-64: a valid `clone_args` with a stack, and an `entry` that does not return.
#[inline(never)]
pub(crate) unsafe fn clone_onto_stack(
    args: usize,
    size: usize,
    entry: extern "C" fn(usize) -> !,
    argument: usize,
) -> isize {
    let answer: isize;
    // SAFETY: in the child x0 is 0 and sp is the new stack's top; it calls `entry` and never comes back here.
    unsafe {
        asm!("svc 0", "cbnz x0, 2f", "mov x29, xzr", "mov x0, x20", "blr x21", "brk 1", "2:",
             in("x8") nr::CLONE3, inlateout("x0") args => answer, in("x1") size, in("x20") argument, in("x21") entry);
    }
    answer
}

/// The virtual counter of the generic timer.
#[inline]
pub(crate) fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: no pointers; Linux lets user space read this register.
    unsafe { asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// An illegal instruction.
pub(crate) fn trap() -> ! {
    // SAFETY: it touches nothing, and does not return.
    unsafe { asm!("udf #0", options(noreturn)) }
}
