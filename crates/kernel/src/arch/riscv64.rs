//! RISC-V 64: `ecall`, number in a7, arguments in a0 to a5.

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
        asm!("ecall", in("a7") number, inlateout("a0") a[0] => answer, in("a1") a[1], in("a2") a[2], in("a3") a[3],
             in("a4") a[4], in("a5") a[5], options(nostack));
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
    // SAFETY: in the child a0 is 0 and sp is the new stack's top; it calls `entry` and never comes back here.
    unsafe {
        asm!("ecall", "bnez a0, 2f", "mv s0, zero", "mv a0, s2", "jalr s3", "ebreak", "2:",
             in("a7") nr::CLONE3, inlateout("a0") args => answer, in("a1") size, in("s2") argument, in("s3") entry);
    }
    answer
}

/// The timer of the machine.
#[inline]
pub(crate) fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: no pointers; Linux lets user space read this register.
    unsafe { asm!("rdtime {}", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// An illegal instruction.
pub(crate) fn trap() -> ! {
    // SAFETY: it touches nothing, and does not return.
    unsafe { asm!("unimp", options(noreturn)) }
}
