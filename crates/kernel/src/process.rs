//! Processes: starting one without fork's costs, waiting, signals, pidfds.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::{
    BorrowedFd, Call, Errno, Fault, Fd, Result, Stream, StringList, arch, check, file, namespace,
    syscall,
};

/// Flags of clone3(2) that are not namespaces.
#[allow(missing_docs, reason = "the names of clone(2)")]
pub mod flags {
    pub const VM: u64 = 0x100;
    pub const PIDFD: u64 = 0x1000;
    pub const PARENT: u64 = 0x8000;
    pub const CHILD_CLEARTID: u64 = 0x20_0000;
    pub const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    pub const INTO_CGROUP: u64 = 0x2_0000_0000;
}

/// Signals that a runtime knows by name (signal(7)).
#[allow(missing_docs, reason = "the names of signal(7)")]
pub mod signals {
    pub const KILL: i32 = 9;
    pub const SYS: i32 = 31;
}

const SIGCHLD: u64 = 17;

#[repr(C, align(8))]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What [`start`] runs.
#[derive(Debug)]
pub struct Program<'a> {
    /// The executable, run by descriptor.
    pub executable: BorrowedFd<'a>,
    /// Arguments.
    pub arguments: StringList<'a>,
    /// Environment.
    pub environment: StringList<'a>,
    /// No signal is blocked in the program; else those that are blocked in the caller.
    pub unblocked: bool,
    /// Descriptors from this one on are closed in the program, whoever opened them,
    pub closed_from: u32,
    /// except these.
    pub keep: &'a [BorrowedFd<'a>],
    /// Where the program's standard input, output and error come from; `None` keeps the caller's.
    pub standard: [Option<BorrowedFd<'a>>; 3],
    /// A cgroup v2 directory to start in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Files `tasks` of cgroup v1 directories, which it enters before it is executed. A thread that moves itself does not
    /// wait for the rest of the machine, as whoever moves another process does.
    pub tasks: &'a [BorrowedFd<'a>],
    /// Namespaces to start in, as [`namespace::flags`]; `EINVAL` for other flags, which would share what must not be.
    pub namespaces: u64,
}

impl<'a> Program<'a> {
    /// With an empty environment, the caller's streams and no other descriptors, where the caller is.
    pub const fn new(executable: BorrowedFd<'a>, arguments: StringList<'a>) -> Program<'a> {
        Program {
            executable,
            arguments,
            environment: StringList::EMPTY,
            unblocked: false,
            closed_from: 3,
            keep: &[],
            standard: [None; 3],
            cgroup: None,
            tasks: &[],
            namespaces: 0,
        }
    }
}

/// A process that [`start`] made.
#[derive(Debug)]
pub struct Started {
    /// Its id in the caller's pid namespace.
    pub pid: i32,
    /// A pidfd for it.
    pub pidfd: Fd,
}

struct Launch<'a> {
    program: &'a Program<'a>,
    old_mask: u64,
    fault: Option<Fault>,
}

/// As [`start_beside`], with nothing to be done meanwhile.
pub fn start(program: &Program<'_>) -> Result<Started> {
    start_beside(program, &mut |_| {})
}

/// Starts a program with `clone3(CLONE_VM)` and execveat(2), much as posix_spawn(3) does.
///
/// Nothing is copied, so the cost does not depend on the caller's size. While the child is on its way to the program, the caller
/// does what there is to do for a child that may fail yet, and waits for it then. Between the two calls the child only enters
/// cgroups, marks descriptors and sets its signal mask: it cannot allocate, take a lock or unwind, which makes this safe in programs
/// with threads.
pub fn start_beside(program: &Program<'_>, meanwhile: &mut dyn FnMut(&Started)) -> Result<Started> {
    const STACK: usize = 16 * 1024;
    if program.namespaces & !namespace::flags::ALL != 0 {
        return Err(Fault::found(Call::Clone3, Errno::EINVAL));
    }
    // Not zeroed: the child touches little of it, and what is touched is memory that the caller has to have.
    let mut stack = [core::mem::MaybeUninit::<u128>::uninit(); STACK / 16];
    let mut pidfd: i32 = -1;
    let is_here = AtomicU32::new(1);
    let mut launch = Launch {
        program,
        old_mask: 0,
        fault: None,
    };
    // Raw and for all signals: the C library keeps two signals to itself that must not reach the child either.
    let old_mask = set_signal_mask(!0)?;
    launch.old_mask = old_mask;
    let arguments = CloneArguments {
        flags: flags::VM
            | flags::CHILD_CLEARTID
            | flags::PIDFD
            | flags::CLEAR_SIGHAND
            | program.namespaces
            | if program.cgroup.is_some() {
                flags::INTO_CGROUP
            } else {
                0
            },
        pidfd: &raw mut pidfd as u64,
        child_tid: is_here.as_ptr() as u64,
        exit_signal: SIGCHLD,
        stack: stack.as_mut_ptr() as u64,
        stack_size: STACK as u64,
        cgroup: program.cgroup.map_or(0, |cgroup| cgroup.raw() as u64),
        ..CloneArguments::default()
    };
    // SAFETY: `arguments` names a stack that lives until the child has left it (`Leaving` waits for that); `run_child` does not return
    // and touches only `launch`, which nobody else does until then.
    let answer = check(Call::Clone3, unsafe {
        arch::clone_onto_stack(
            &raw const arguments as usize,
            size_of::<CloneArguments>(),
            run_child,
            &raw mut launch as usize,
        )
    });
    let restored = set_signal_mask(old_mask);
    let pid = answer? as i32;
    let started = Started {
        pid,
        pidfd: Fd::fresh(pidfd as usize),
    };
    let leaving = Leaving {
        is_here: &is_here,
        child: &started,
    };
    if restored.is_ok() {
        meanwhile(&started);
    }
    drop(leaving);
    // SAFETY: the child wrote this field, if it did, before it left; it is read afresh.
    let refused = unsafe { core::ptr::read_volatile(&raw const launch.fault) };
    match refused.or(restored.err()) {
        None => Ok(started),
        Some(fault) => {
            // It may run, where it is ours that failed.
            let _ = signal(started.pidfd.borrow(), signals::KILL);
            let _ = wait(started.pidfd.borrow(), true);
            Err(fault)
        }
    }
}

/// Waits, when it is dropped, until the child uses no memory of ours any more: it has executed its program, or has ended.
struct Leaving<'a> {
    /// The kernel writes 0 (CLONE_CHILD_CLEARTID), and wakes who waits for that.
    is_here: &'a AtomicU32,
    child: &'a Started,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        const SECOND: [u64; 2] = [1, 0];
        const FUTEX_WAIT: usize = 0;
        while self.is_here.load(Ordering::Acquire) != 0 {
            let word = self.is_here.as_ptr();
            // SAFETY: the word is ours, and a whole timespec.
            let waited =
                unsafe { syscall!(Futex, FUTEX, word, FUTEX_WAIT, 1, SECOND.as_ptr(), 0, 0) };
            let is_late = |fault: Fault| !fault.is(Errno::EAGAIN) && !fault.is(Errno::EINTR);
            let mut end = [PollFd::new(self.child.pidfd.borrow(), PollFd::IN)];
            // Some kernels write nothing when a child dumps core.
            if waited.is_err_and(is_late) && poll(&mut end, Some(0)) == Ok(1) {
                return;
            }
        }
    }
}

extern "C" fn run_child(launch: usize) -> ! {
    // SAFETY: the address of the `Launch` that `start_beside` keeps alive until the child has left.
    let launch = unsafe { &mut *(launch as *mut Launch<'_>) };
    launch.fault = Some(prepare_and_execute(launch));
    exit(127)
}

fn prepare_and_execute(launch: &Launch<'_>) -> Fault {
    let program = launch.program;
    let prepare = || -> Result<()> {
        // Sources below 3 are first moved away, so that none is overwritten before it was used.
        let mut sources = program.standard;
        for source in sources.iter_mut().flatten() {
            if Stream::has(source.raw()) {
                *source = file::duplicate_above(*source, 3)?.leak();
            }
        }
        for (source, stream) in sources.iter().zip(Stream::all()) {
            if let Some(source) = source {
                file::duplicate_onto(*source, stream)?;
            }
        }
        for tasks in program.tasks {
            file::write(*tasks, b"0")?;
        }
        file::close_from_on_exec(program.closed_from)?;
        for fd in program.keep {
            file::set_close_on_exec(*fd, false)?;
        }
        let mask = if program.unblocked {
            0
        } else {
            launch.old_mask
        };
        set_signal_mask(mask).map(drop)
    };
    match prepare() {
        Err(fault) => fault,
        Ok(()) => execute_file(program),
    }
}

fn execute_file(program: &Program<'_>) -> Fault {
    const AT_EMPTY_PATH: usize = 0x1000;
    // SAFETY: both lists end with null and their strings are alive.
    let answer = unsafe {
        syscall!(
            Execveat,
            EXECVEAT,
            program.executable.raw(),
            c"".as_ptr(),
            program.arguments.as_ptr(),
            program.environment.as_ptr(),
            AT_EMPTY_PATH
        )
    };
    answer
        .err()
        .unwrap_or(Fault::found(Call::Execveat, Errno::EINVAL))
}

/// execve(2). Returns only when it failed.
pub fn execute(path: &CStr, arguments: StringList<'_>, environment: StringList<'_>) -> Fault {
    // SAFETY: both lists end with null and their strings are alive.
    let answer = unsafe {
        syscall!(
            Execve,
            EXECVE,
            path.as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr()
        )
    };
    answer
        .err()
        .unwrap_or(Fault::found(Call::Execve, Errno::EINVAL))
}

/// Which of the two processes returned from [`Alone::fork_sibling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The old one.
    Parent,
    /// The new one.
    Child,
}

/// F_GETFD: whether a program that is executed finds a descriptor at this number: it is open, and not close-on-exec.
pub fn passes_on(number: i32) -> bool {
    fcntl(number, F_GETFD, 0) == 0
}

const F_GETFD: usize = 1;
const F_SETFD: usize = 2;
const FD_CLOEXEC: usize = 1;

fn fcntl(number: i32, command: usize, flags: usize) -> isize {
    // SAFETY: no pointers.
    unsafe {
        arch::syscall6(
            arch::nr::FCNTL,
            crate::six([number as usize, command, flags]),
        )
    }
}

/// Vouches that nothing else goes on in a program: it has one thread, nothing but this crate opens descriptors, and nobody
/// writes to the file that it is executed from.
#[derive(Debug)]
pub struct Alone(());

impl Alone {
    /// # Safety
    /// That is so. (Init is such a program: without the standard library, and of this crate's calls alone.)
    pub const unsafe fn new() -> Alone {
        Alone(())
    }

    /// Takes a descriptor that was open before the program began, and makes it close-on-exec.
    ///
    /// `None` when there is none: not open, a standard stream, or close-on-exec, as is what was taken or opened since.
    pub fn inherit(&self, number: i32) -> Option<Fd> {
        if Stream::has(number) || !passes_on(number) {
            return None;
        }
        // It is open, so this fails only below a filter: then whoever needs it goes without, and ends.
        (fcntl(number, F_SETFD, FD_CLOEXEC) == 0).then(|| Fd::fresh(number as usize))
    }

    /// clone3(2) as fork(2); the new process is a child of the caller's parent.
    pub fn fork_sibling(&self) -> Result<Forked> {
        let arguments = CloneArguments {
            flags: flags::PARENT,
            ..CloneArguments::default()
        };
        // SAFETY: without CLONE_VM the new process has its own copy of everything, this stack included.
        let pid = unsafe {
            syscall!(
                Clone3,
                CLONE3,
                &raw const arguments,
                size_of::<CloneArguments>()
            )
        }?;
        Ok(if pid == 0 {
            Forked::Child
        } else {
            Forked::Parent
        })
    }
}

/// exit_group(2). Where a filter forbids even that, an illegal instruction ends the process.
pub fn exit(status: i32) -> ! {
    // SAFETY: no pointers; it does not return, but for a filter.
    let _ = unsafe { syscall!(Kill, EXIT_GROUP, status) };
    arch::trap()
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It called exit with this status, 0..=255.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// A status as wait(2) gives it, and `exit_code` of proc_pid_stat(5) is.
    pub fn of(status: i32) -> Exit {
        match status & 0x7f {
            0 => Exit::Code(status >> 8 & 0xff),
            signal => Exit::Signal(signal),
        }
    }

    /// The status as a shell shows it: the code, or 128 plus the signal.
    pub fn shell_status(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

const WNOHANG: usize = 1;
const WNOWAIT: usize = 0x0100_0000;

/// `how` is 0, which blocks, or flags.
fn wait_for(kind: usize, id: i32, how: usize) -> Result<Option<(i32, Exit)>> {
    const WEXITED: usize = 4;
    const CLD_EXITED: i32 = 1;
    // siginfo_t: signo, errno, code, padding, pid, uid, status.
    let mut info = [0i32; 32];
    let options = WEXITED | how;
    // SAFETY: `info` is a whole `siginfo_t` (128 bytes).
    unsafe { syscall!(Wait, WAITID, kind, id, info.as_mut_ptr(), options, 0) }?;
    let (code, pid, status) = (info[2], info[4], info[6]);
    Ok((pid != 0).then_some((
        pid,
        if code == CLD_EXITED {
            Exit::Code(status)
        } else {
            Exit::Signal(status & 0x7f)
        },
    )))
}

const P_PIDFD: usize = 3;

/// waitid(2) P_PIDFD: reaps a child. `None` when it has not ended and `block` is false; `ECHILD` when it is not ours.
pub fn wait(pidfd: BorrowedFd<'_>, block: bool) -> Result<Option<Exit>> {
    let how = if block { 0 } else { WNOHANG };
    Ok(wait_for(P_PIDFD, pidfd.raw(), how)?.map(|(_, exit)| exit))
}

/// As [`wait`], but the child stays a zombie whose number is its own.
pub fn ended(pidfd: BorrowedFd<'_>, block: bool) -> Result<Option<Exit>> {
    let how = if block { 0 } else { WNOHANG };
    Ok(wait_for(P_PIDFD, pidfd.raw(), how | WNOWAIT)?.map(|(_, exit)| exit))
}

/// waitid(2) P_PGID: waits for a child that is in this process group, and reaps it; `ECHILD` when there is none.
pub fn wait_group(group: i32) -> Result<()> {
    const P_PGID: usize = 2;
    wait_for(P_PGID, group, 0).map(drop)
}

/// waitid(2) P_ALL without blocking: reaps any child that has ended. `ECHILD` when there are no children.
pub fn wait_any() -> Result<Option<(i32, Exit)>> {
    const P_ALL: usize = 0;
    wait_for(P_ALL, 0, WNOHANG)
}

/// pidfd_open(2).
pub fn open(pid: i32) -> Result<Fd> {
    // SAFETY: no pointers.
    unsafe { syscall!(PidfdOpen, PIDFD_OPEN, pid, 0) }.map(Fd::fresh)
}

/// PIDFD_GET_USER_NAMESPACE (Linux 6.11): the user namespace of a process; `ENOTTY` or `EINVAL` on older kernels.
pub fn user_namespace(pidfd: BorrowedFd<'_>) -> Result<Fd> {
    const PIDFD_GET_USER_NAMESPACE: usize = 0xff09;
    // SAFETY: this request takes no argument.
    unsafe { syscall!(Ioctl, IOCTL, pidfd.raw(), PIDFD_GET_USER_NAMESPACE) }.map(Fd::fresh)
}

/// `struct pidfd_info`, as Linux 6.15 has it.
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// PIDFD_GET_INFO with PIDFD_INFO_EXIT (Linux 6.15): how a process has ended, whosever child it was; `None` as long as its parent
/// has not waited for it. On older kernels `ENOTTY`, or `ESRCH` when it is gone.
pub fn exit_info(pidfd: BorrowedFd<'_>) -> Result<Option<Exit>> {
    const PIDFD_GET_INFO: usize = 0xc040_ff0b;
    const PIDFD_INFO_EXIT: u64 = 8;
    let mut info = PidfdInfo {
        mask: PIDFD_INFO_EXIT,
        cgroup: 0,
        ids: [0; 11],
        exit_code: 0,
    };
    // SAFETY: `info` is a whole `struct pidfd_info` of the size that the request's number says.
    unsafe { syscall!(Ioctl, IOCTL, pidfd.raw(), PIDFD_GET_INFO, &raw mut info) }?;
    Ok((info.mask & PIDFD_INFO_EXIT != 0).then(|| Exit::of(info.exit_code)))
}

/// pidfd_send_signal(2); signal 0 only asks whether the process exists (a zombie does).
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    send_signal(pidfd, signal, 0)
}

/// pidfd_send_signal(2) to the process group whose leader this is, or was; `EINVAL` before Linux 6.9, `ESRCH` when nobody is
/// left in it.
pub fn signal_group(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    const PIDFD_SIGNAL_PROCESS_GROUP: usize = 4;
    send_signal(pidfd, signal, PIDFD_SIGNAL_PROCESS_GROUP)
}

fn send_signal(pidfd: BorrowedFd<'_>, signal: i32, flags: usize) -> Result<()> {
    // SAFETY: a null siginfo is allowed.
    unsafe {
        syscall!(
            PidfdSendSignal,
            PIDFD_SEND_SIGNAL,
            pidfd.raw(),
            signal,
            0,
            flags
        )
    }
    .map(drop)
}

/// pidfd_getfd(2): a copy of another process's descriptor.
pub fn descriptor_of(pidfd: BorrowedFd<'_>, number: i32) -> Result<Fd> {
    // SAFETY: no pointers.
    unsafe { syscall!(PidfdGetfd, PIDFD_GETFD, pidfd.raw(), number, 0) }.map(Fd::fresh)
}

/// kill(2).
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Kill, KILL, pid, signal) }.map(drop)
}

/// getpid(2).
pub fn id() -> i32 {
    // SAFETY: no arguments; it cannot fail.
    unsafe { syscall!(Kill, GETPID) }.unwrap_or(0) as i32
}

/// setpgid(2): the calling process becomes the first of a process group of its own. `EPERM` for the leader of a session, which
/// is that already.
pub fn new_group() -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Setsid, SETPGID, 0, 0) }.map(drop)
}

/// kill(2) for all processes of a group; `ESRCH` when there are none.
pub fn kill_group(group: i32, signal: i32) -> Result<()> {
    kill(-group, signal)
}

/// setsid(2).
pub fn new_session() -> Result<()> {
    // SAFETY: no pointers.
    unsafe { syscall!(Setsid, SETSID) }.map(drop)
}

/// rt_sigprocmask(2): sets the mask of blocked signals (bit n-1 is signal n) and returns the old one.
pub fn set_signal_mask(mask: u64) -> Result<u64> {
    const SIG_SETMASK: usize = 2;
    let mut old = 0u64;
    // SAFETY: the kernel's signal set is eight bytes.
    unsafe {
        syscall!(
            Sigprocmask,
            RT_SIGPROCMASK,
            SIG_SETMASK,
            &raw const mask,
            &raw mut old,
            8
        )
    }?;
    Ok(old)
}

/// rt_sigtimedwait(2): takes the next pending signal out of `mask`, whose signals must be blocked. Waits for ever.
pub fn next_signal(mask: u64) -> Result<i32> {
    // SAFETY: the kernel's signal set is eight bytes; information and time-out may be null.
    unsafe { syscall!(Sigtimedwait, RT_SIGTIMEDWAIT, &raw const mask, 0, 0, 8) }
        .map(|signal| signal as i32)
}

/// rt_sigaction(2): the default action for one signal. (Ignored signals would stay ignored across execve.)
pub fn default_action(signal: i32) -> Result<()> {
    set_action(signal, [0; 4])
}

/// rt_sigaction(2): the signal ends the program with the status that a shell shows for it, also where the kernel would not
/// let its default action happen: to the first process of a pid namespace (pid_namespaces(7)). Gone after execve.
pub fn end_on(signal: i32) -> Result<()> {
    extern "C" fn end(signal: i32) -> ! {
        exit(128 + signal)
    }
    let handler = end as extern "C" fn(i32) -> ! as usize as u64;
    // x86-64 wants an address to return to, even if nothing returns; elsewhere this word is the mask.
    #[cfg(target_arch = "x86_64")]
    let action = [handler, 0x0400_0000, handler, 0];
    #[cfg(not(target_arch = "x86_64"))]
    let action = [handler, 0, 0, 0];
    set_action(signal, action)
}

const SIG_IGN: u64 = 1;

/// rt_sigaction(2): the signal is ignored, here and, unless they change it, by programs that are executed.
pub fn ignore(signal: i32) -> Result<()> {
    set_action(signal, [SIG_IGN, 0, 0, 0])
}

/// rt_sigaction(2): whether this process ignores the signal.
pub fn ignores(signal: i32) -> Result<bool> {
    let mut action = [0u64; 4];
    // SAFETY: a whole `struct kernel_sigaction` to be written, and nothing is changed.
    unsafe { syscall!(Sigaction, RT_SIGACTION, signal, 0, action.as_mut_ptr(), 8) }?;
    Ok(action[0] == SIG_IGN)
}

fn set_action(signal: i32, action: [u64; 4]) -> Result<()> {
    // SAFETY: a whole `struct kernel_sigaction`: the default or to be ignored, without flags, or a handler that never returns.
    unsafe { syscall!(Sigaction, RT_SIGACTION, signal, action.as_ptr(), 0, 8) }.map(drop)
}

/// What [`poll`] waits for.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PollFd<'a> {
    fd: i32,
    events: i16,
    /// Which events came, `POLL…`.
    pub came: i16,
    owner: PhantomData<BorrowedFd<'a>>,
}

impl<'a> PollFd<'a> {
    /// Waits for these events, `POLL…`, besides errors and hang-ups, which always come.
    pub const fn new(fd: BorrowedFd<'a>, events: i16) -> PollFd<'a> {
        PollFd {
            fd: fd.raw(),
            events,
            came: 0,
            owner: PhantomData,
        }
    }

    /// As [`PollFd::new`]; where there is no descriptor, nothing comes.
    pub fn optional(fd: Option<BorrowedFd<'a>>, events: i16) -> PollFd<'a> {
        PollFd::new(fd.unwrap_or(BorrowedFd::of(-1)), events)
    }
}

#[allow(missing_docs, reason = "the names of poll(2)")]
impl PollFd<'_> {
    pub const IN: i16 = 1;
    pub const OUT: i16 = 4;
    pub const ERR: i16 = 8;
    pub const HUP: i16 = 16;
}

/// ppoll(2). `timeout` in nanoseconds; `None` waits for ever. Returns how many descriptors have events.
pub fn poll(watches: &mut [PollFd<'_>], timeout: Option<u64>) -> Result<usize> {
    let time =
        timeout.map(|nanoseconds| [nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000]);
    let pointer = time
        .as_ref()
        .map_or(core::ptr::null(), |time| time.as_ptr());
    // SAFETY: a whole array of `struct pollfd`, and a timespec or null.
    unsafe {
        syscall!(
            Poll,
            PPOLL,
            watches.as_mut_ptr(),
            watches.len(),
            pointer,
            0,
            0
        )
    }
}

/// clock_nanosleep(2) on the monotonic clock.
pub fn sleep(nanoseconds: u64) -> Result<()> {
    const CLOCK_MONOTONIC: usize = 1;
    let time = [nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000];
    // SAFETY: a whole timespec.
    unsafe {
        syscall!(
            Nanosleep,
            CLOCK_NANOSLEEP,
            CLOCK_MONOTONIC,
            0,
            time.as_ptr(),
            0
        )
    }
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_inherited_twice() {
        // SAFETY: not so, but the only descriptor that is asked for is this test's own.
        let alone = unsafe { Alone::new() };
        let (ours, _peer) = crate::socket::pair().unwrap();
        assert!(alone.inherit(ours.raw()).is_none(), "opened since");
        file::set_close_on_exec(ours.borrow(), false).unwrap();
        let inherited = alone.inherit(ours.into_raw()).unwrap();
        assert!(alone.inherit(inherited.raw()).is_none(), "taken before");
        let number = inherited.raw();
        drop(inherited);
        assert!(alone.inherit(number).is_none(), "closed, or opened since");
        assert!(alone.inherit(-1).is_none());
        for stream in Stream::all() {
            assert!(alone.inherit(stream.borrow().raw()).is_none());
        }
    }

    #[test]
    fn what_is_not_there_has_no_events() {
        let (ours, theirs) = crate::socket::pair().unwrap();
        drop(theirs);
        let watches = [None, Some(ours.borrow())];
        let mut watches = watches.map(|fd| PollFd::optional(fd, PollFd::OUT));
        assert_eq!(poll(&mut watches, Some(0)), Ok(1));
        assert_eq!(watches[0].came, 0);
        assert_ne!(watches[1].came & PollFd::HUP, 0);
    }

    /// Starts true(1), which enters a "cgroup" before that is executed: a pipe, which tells that it is about to be.
    #[cfg(not(miri))]
    fn start_true(tasks: BorrowedFd<'_>, meanwhile: &mut dyn FnMut(&Started)) -> Result<Started> {
        let path = c"/bin/true";
        let executable = file::open_at(file::HERE, path, file::open::PATH, 0)?;
        let mut room = [core::ptr::null(); 2];
        let (arguments, _) = StringList::lay_out([path].into_iter(), &mut room)?;
        let program = Program {
            tasks: &[tasks],
            ..Program::new(executable.borrow(), arguments)
        };
        start_beside(&program, meanwhile)
    }

    #[test]
    #[cfg(not(miri))]
    fn caller_and_child_are_at_work_at_the_same_time() {
        let (read, write) = file::pipe().unwrap();
        let mut told = (0, [0; 4]);
        let started = start_true(write.borrow(), &mut |child| {
            told.0 = child.pid;
            // Waits for the child.
            assert_eq!(file::read(read.borrow(), &mut told.1), Ok(1));
        });
        let started = started.unwrap();
        assert_eq!(told, (started.pid, *b"0\0\0\0"));
        assert_eq!(wait(started.pidfd.borrow(), true), Ok(Some(Exit::Code(0))));
    }

    #[test]
    #[cfg(not(miri))]
    fn what_the_child_says_comes_back_after_what_is_done_meanwhile() {
        let (read, write) = file::pipe().unwrap();
        let mut pid = 0;
        // Nobody can write to that end.
        let refused = start_true(read.borrow(), &mut |child| pid = child.pid).unwrap_err();
        drop(write);
        assert_eq!(refused, Fault::found(Call::Write, Errno::EBADF));
        // It was reaped.
        assert!(open(pid).unwrap_err().is(Errno::ESRCH));
    }

    #[test]
    #[cfg(all(feature = "std", not(miri)))]
    fn nobody_goes_from_where_the_child_may_be() {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        let (read, write) = file::pipe().unwrap();
        // The child waits for room in a pipe that is full.
        set_full(write.borrow());
        let (mut pid, mut reader) = (0, None);
        let mut panics = |child: &Started| {
            pid = child.pid;
            let end = file::duplicate_above(read.borrow(), 3).unwrap();
            reader = Some(std::thread::spawn(move || {
                sleep(100_000_000).unwrap();
                file::read(end.borrow(), &mut [0; 8192]).unwrap();
            }));
            panic!("meanwhile");
        };
        let gone = AssertUnwindSafe(|| start_true(write.borrow(), &mut panics));
        assert!(catch_unwind(gone).is_err());
        let link = std::fs::read_link(format!("/proc/{pid}/exe"));
        let own = std::env::current_exe().unwrap();
        assert!(link.map_or(true, |link| link != own), "still here");
        reader.unwrap().join().unwrap();
    }

    #[cfg(all(feature = "std", not(miri)))]
    fn set_full(pipe: BorrowedFd<'_>) {
        file::set_nonblocking(pipe, true).unwrap();
        while file::write(pipe, &[0; 4096]).is_ok() {}
        file::set_nonblocking(pipe, false).unwrap();
    }
}
