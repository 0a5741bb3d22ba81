//! x86-64: `syscall`, arguments in rdi rsi rdx r10 r8 r9; rcx and r11 are lost.

use core::arch::asm;

/// Makes one system call and returns the kernel's raw answer (a value, or minus errno).
///
/// # Safety
/// The arguments must be what the call with this number expects; pointers must be valid for it.
#[inline]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the caller vouches for the arguments; the clobbers are those of the instruction.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => answer, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
             in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer
}

/// clone3(2) where the child runs `entry(argument)` on the stack that `args` names, and never returns.
///
/// # Safety
/// `args` and `size` describe a valid `clone_args` with a stack; `entry` must not return, and with `CLONE_VM` must
/// touch nothing that the suspended parent would not expect to change.
#[inline(never)]
pub(crate) unsafe fn clone_onto_stack(
    args: usize,
    size: usize,
    entry: extern "C" fn(usize) -> !,
    argument: usize,
) -> isize {
    let answer: isize;
    // SAFETY: in the child rax is 0 and rsp is the new stack's top; it calls `entry` and never comes back here.
    unsafe {
        asm!("syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r12", "call r13", "ud2", "2:",
             inlateout("rax") nr::CLONE3 as isize => answer, in("rdi") args, in("rsi") size,
             in("r12") argument, in("r13") entry, lateout("rcx") _, lateout("r11") _);
    }
    answer
}

/// The time-stamp counter.
#[inline]
pub(crate) fn ticks() -> u64 {
    // SAFETY: no pointers; the instruction is there on every x86-64.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// An illegal instruction.
pub(crate) fn trap() -> ! {
    // SAFETY: it touches nothing, and does not return.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// Call numbers, from the kernel's `arch/x86/entry/syscalls/syscall_64.tbl`.
pub(crate) mod nr {
    macro_rules! numbers { ($($name:ident = $n:expr),+ $(,)?) => { $(pub(crate) const $name: usize = $n;)+ } }
    numbers! {
        READ = 0, WRITE = 1, CLOSE = 3, FSTAT = 5, MMAP = 9, MUNMAP = 11, RT_SIGACTION = 13,
        RT_SIGPROCMASK = 14, IOCTL = 16, PREAD64 = 17, PWRITE64 = 18, GETPID = 39, SOCKET = 41, CONNECT = 42,
        SENDMSG = 46, RECVMSG = 47, SOCKETPAIR = 53, SETSOCKOPT = 54, EXECVE = 59, KILL = 62, FCNTL = 72, FLOCK = 73,
        FTRUNCATE = 77, GETCWD = 79, CHDIR = 80, FCHDIR = 81, FCHMOD = 91, FCHOWN = 93, UMASK = 95, GETUID = 102,
        SETPGID = 109, SETSID = 112, SETGROUPS = 116, SETRESUID = 117, SETRESGID = 119, CAPGET = 125, CAPSET = 126,
        PERSONALITY = 135, STATFS = 137, FSTATFS = 138, PIVOT_ROOT = 155, PRCTL = 157, CHROOT = 161, MOUNT = 165,
        UMOUNT2 = 166, SETHOSTNAME = 170, SETDOMAINNAME = 171, FUTEX = 202, SCHED_SETAFFINITY = 203, GETDENTS64 = 217,
        EXIT_GROUP = 231, SET_MEMPOLICY = 238, WAITID = 247, KEYCTL = 250, IOPRIO_SET = 251, OPENAT = 257,
        MKDIRAT = 258, MKNODAT = 259, FCHOWNAT = 260, NEWFSTATAT = 262, UNLINKAT = 263, SYMLINKAT = 266,
        READLINKAT = 267, FCHMODAT = 268, PPOLL = 271, UNSHARE = 272, UTIMENSAT = 280, DUP3 = 292, PRLIMIT64 = 302, SETNS = 308,
        SCHED_SETATTR = 314, RENAMEAT2 = 316, SECCOMP = 317, MEMFD_CREATE = 319, BPF = 321, EXECVEAT = 322,
        PIDFD_SEND_SIGNAL = 424, OPEN_TREE = 428, MOVE_MOUNT = 429, FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432,
        PIDFD_OPEN = 434, CLONE3 = 435, CLOSE_RANGE = 436, OPENAT2 = 437, PIDFD_GETFD = 438, FACCESSAT2 = 439, MOUNT_SETATTR = 442,
        CLOCK_NANOSLEEP = 230, SETXATTR = 188, RT_SIGTIMEDWAIT = 128, IOPRIO_GET = 252,
        EPOLL_CTL = 233, EVENTFD2 = 290, EPOLL_CREATE1 = 291, TIMERFD_CREATE = 283, TIMERFD_SETTIME = 286,
        LSEEK = 8, SENDFILE = 40, LINKAT = 265, GETEUID = 107, GETEGID = 108, CLOCK_GETTIME = 228, PIPE2 = 293,
    }
}
