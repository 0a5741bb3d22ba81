//! Which system call failed, and how.

use core::fmt;

use crate::Errno;

/// A failed system call: which one, with which errno. It fits into eight bytes of the report page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The call.
    pub call: Call,
    /// The error number, as in errno(3).
    pub errno: Errno,
}

impl Fault {
    /// A fault that init found itself, without the kernel's help: a value that does not fit, a wrong file type.
    pub const fn found(call: Call, errno: Errno) -> Fault {
        Fault { call, errno }
    }

    /// True when the call failed with this error number.
    pub fn is(self, errno: Errno) -> bool {
        self.errno == errno
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call.name(), self.errno)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call.name(), self.errno.name())
    }
}

#[cfg(feature = "std")]
impl std::error::Error for Fault {}

#[cfg(feature = "std")]
impl From<Fault> for std::io::Error {
    fn from(fault: Fault) -> std::io::Error {
        std::io::Error::from_raw_os_error(fault.errno.0)
    }
}

macro_rules! calls {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A system call by name. The numbers are ours and only live as long as one container's start.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each variant is the call of the same name in section 2 of the manual")]
        pub enum Call { $($variant),+ }

        impl Call {
            const ALL: &[Call] = &[$(Call::$variant),+];
            const NAMES: &[&str] = &[$($name),+];
        }
    };
}

calls! {
    Access = "faccessat2", Bpf = "bpf", CapGet = "capget", CapSet = "capset", Chdir = "chdir", Chroot = "chroot", Clone3 = "clone3",
    Close = "close", CloseRange = "close_range", Connect = "connect", Dup3 = "dup3", Execve = "execve",
    Execveat = "execveat", Fchdir = "fchdir", Fchmod = "fchmod", Fchown = "fchown", Fchownat = "fchownat",
    Fcntl = "fcntl", Flock = "flock", Fsconfig = "fsconfig", Fsmount = "fsmount", Fsopen = "fsopen", Fstat = "fstat",
    Fstatfs = "fstatfs", Ftruncate = "ftruncate", Getcwd = "getcwd", Getdents = "getdents64", Ioctl = "ioctl",
    IoprioGet = "ioprio_get", IoprioSet = "ioprio_set", Keyctl = "keyctl", Kill = "kill", MemfdCreate = "memfd_create", Mkdirat = "mkdirat",
    Mknodat = "mknodat", Mmap = "mmap", Mount = "mount", MountSetattr = "mount_setattr", MoveMount = "move_mount",
    Munmap = "munmap", Nanosleep = "clock_nanosleep", OpenTree = "open_tree", Openat = "openat", Openat2 = "openat2",
    Personality = "personality", PidfdGetfd = "pidfd_getfd", PidfdOpen = "pidfd_open",
    PidfdSendSignal = "pidfd_send_signal", PivotRoot = "pivot_root", Poll = "poll", Prctl = "prctl", Pread = "pread",
    Prlimit = "prlimit", Pwrite = "pwrite", Read = "read", Readlinkat = "readlinkat", Recvmsg = "recvmsg",
    Renameat2 = "renameat2", SchedSetaffinity = "sched_setaffinity", SchedSetattr = "sched_setattr",
    Seccomp = "seccomp", Sendmsg = "sendmsg", SetMempolicy = "set_mempolicy", Setdomainname = "setdomainname",
    Setgroups = "setgroups", Sethostname = "sethostname", Setns = "setns", Setresgid = "setresgid",
    Setresuid = "setresuid", Setsid = "setsid", Setsockopt = "setsockopt", Setxattr = "setxattr", Sigaction = "sigaction",
    Sigprocmask = "sigprocmask", Sigtimedwait = "sigtimedwait", Socket = "socket", Socketpair = "socketpair", Stat = "stat", Symlinkat = "symlinkat",
    Umask = "umask", Umount = "umount", Unlinkat = "unlinkat", Unshare = "unshare", Utimensat = "utimensat", Wait = "wait", Write = "write",
    EpollCreate = "epoll_create1", EpollCtl = "epoll_ctl", Eventfd = "eventfd2",
    Linkat = "linkat", Lseek = "lseek", Sendfile = "sendfile", Pipe = "pipe2",
    ClockGettime = "clock_gettime", TimerfdCreate = "timerfd_create", TimerfdSettime = "timerfd_settime", Futex = "futex",
}

impl Call {
    /// The call's name in section 2 of the manual.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The call with this number, as stored in the report page.
    pub fn from_number(number: u8) -> Option<Call> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
