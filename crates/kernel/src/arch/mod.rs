//! The system call instruction and the call numbers, one file per architecture.

#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod generic;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod machine;
#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod machine;
#[cfg(target_arch = "riscv64")]
#[path = "riscv64.rs"]
mod machine;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use generic as nr;
#[cfg(target_arch = "x86_64")]
pub(crate) use machine::nr;

#[cfg(miri)]
mod interpreted;

#[cfg(miri)]
pub(crate) use interpreted::syscall6;
#[cfg(not(miri))]
pub(crate) use machine::syscall6;
pub(crate) use machine::{clone_onto_stack, ticks, trap};

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
)))]
compile_error!("tare supports x86_64, aarch64 and riscv64");
