//! Runs the runtime under ptrace(2): lists its system calls and those of the processes that it starts, or harms one.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{Invocation, orphans, skip, slow};

/// Whose system calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The runtime's own, those of its threads among them.
    Runtime,
    /// Those of the processes that it starts and of what they fork, until they execute the user's program.
    Child,
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The process is killed before it.
    Kill,
    /// It is not made and fails with this error number.
    Fail(i32),
}

/// Where something happens.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Whose calls are counted.
    pub whose: Whose,
    /// The number of the call; the first is 1.
    pub at: u64,
    /// Which call that was: where another way was taken, the next of the kind.
    pub number: u64,
    /// What happens there.
    pub harm: Harm,
}

/// How a call of the runtime went.
#[derive(Debug)]
pub struct Traced {
    /// How it ended and what it printed; or who waited where at the time limit, when it was killed.
    pub output: Result<crate::Output, String>,
    /// The system calls by number, if none was to be harmed.
    pub calls: Vec<(Whose, u64)>,
    /// The number of the one that was harmed.
    pub harmed: Option<u64>,
    /// All other processes that were seen: who of them has ended may be ours to reap.
    pub others: Vec<Pid>,
}

/// futex(2), and how it goes on: whether the runtime has to wait for another process depends on which of both is faster. So they
/// count for nothing: a point is to be the same each time.
const BY_CHANCE: [i64; 2] = [nix::libc::SYS_futex, nix::libc::SYS_restart_syscall];

/// PTRACE_SYSCALL_INFO_ENTRY: the call is about to be made.
#[cfg(target_arch = "x86_64")]
const SYSCALL_INFO_ENTRY: u8 = 1;

#[derive(Default)]
struct Tracee {
    failing: Option<i32>,
}

struct Trace {
    runtime: Pid,
    point: Option<Point>,
    counted: u64,
    calls: Vec<(Whose, u64)>,
    harmed: Option<u64>,
    others: Vec<Pid>,
    /// Threads of the runtime's.
    threads: Vec<Pid>,
    begun: bool,
    /// Those that are traced now.
    tracees: HashMap<Pid, Tracee>,
}

/// Makes the call, prepared by [`crate::Caller::stopped`], and harms the system call at the point, or lists them all.
#[track_caller]
pub fn trace(call: Invocation, point: Option<Point>) -> Traced {
    if !CAN_FAIL {
        skip!("where a call begins is not told on this architecture");
    }
    let running = call.limit(120).spawn();
    let runtime = running.pid();
    let stopped = waitpid(runtime, Some(WaitPidFlag::WUNTRACED)).expect("waitpid");
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE;
    if let Err(errno) = ptrace::seize(runtime, options) {
        let _ = kill(runtime, Signal::SIGKILL);
        running.finish();
        crate::skip!("ptrace: {errno}");
    }
    let ended = Arc::new(AtomicBool::new(false));
    let watchdog = std::thread::spawn({
        let ended = ended.clone();
        move || {
            // As in `wait_until`: while the machine stands still, nothing can end.
            let (mut waited, mut last) = (Duration::ZERO, Instant::now());
            while !ended.load(Ordering::Relaxed) {
                if waited > slow(20) {
                    let seen = what_is_seen(&with_descendants(runtime));
                    let _ = kill(runtime, Signal::SIGKILL);
                    return Err(seen);
                }
                std::thread::park_timeout(Duration::from_millis(50));
                waited += last.elapsed().min(Duration::from_millis(100));
                last = Instant::now();
            }
            Ok(())
        }
    });
    let mut trace = Trace {
        runtime,
        point,
        counted: 0,
        calls: Vec::new(),
        harmed: None,
        others: Vec::new(),
        threads: Vec::new(),
        begun: false,
        tracees: HashMap::from([(runtime, Tracee::default())]),
    };
    kill(runtime, Signal::SIGCONT).expect("SIGCONT");
    let code = trace.until_it_ends();
    ended.store(true, Ordering::Relaxed);
    watchdog.thread().unpark();
    let in_time = watchdog.join().expect("the watchdog");
    let all_gone = trace.let_all_go();
    Traced {
        output: in_time.and(all_gone).map(|()| running.ended_with(code)),
        calls: trace.calls,
        harmed: trace.harmed,
        others: trace.others,
    }
}

/// The process and those below it, as far as they can be seen.
pub fn with_descendants(first: Pid) -> Vec<Pid> {
    let mut all = vec![first];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        all.extend(
            (children.split_whitespace())
                .filter_map(|pid| pid.parse().ok())
                .map(Pid::from_raw),
        );
        at += 1;
    }
    all
}

/// What these processes are, and where they wait: the call and the kernel's function.
fn what_is_seen(pids: &[Pid]) -> String {
    let line = |pid: &Pid| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
        let status = read("status").unwrap_or_default();
        let wanted = |line: &&str| {
            let field = line.split(':').next().unwrap_or_default();
            ["Name", "State", "PPid", "TracerPid", "SigPnd", "ShdPnd"].contains(&field)
        };
        let fields: Vec<&str> = status.lines().filter(wanted).collect();
        let place = ["syscall", "wchan", "stack"].map(|name| read(name).unwrap_or_default());
        format!("{pid}: {} {}", fields.join(", "), place.join(" ")).replace(['\t', '\n'], " ")
    };
    pids.iter().map(line).collect::<Vec<_>>().join("; ")
}

const FORKS: [i32; 3] = [
    ptrace::Event::PTRACE_EVENT_FORK as i32,
    ptrace::Event::PTRACE_EVENT_VFORK as i32,
    ptrace::Event::PTRACE_EVENT_CLONE as i32,
];

impl Trace {
    /// Harms or lists calls until the runtime has ended; how it did.
    fn until_it_ends(&mut self) -> i32 {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Ok(status) => {
                    if let Some(pid) = status.pid() {
                        self.meet(pid);
                    }
                    match status {
                        WaitStatus::Exited(pid, code) if self.ended(pid) => return code,
                        WaitStatus::Signaled(pid, signal, _) if self.ended(pid) => {
                            return 128 + signal as i32;
                        }
                        WaitStatus::PtraceSyscall(pid) => self.at_call(pid),
                        WaitStatus::PtraceEvent(pid, _, event) => self.at_event(pid, event),
                        // Signals go where they were sent.
                        WaitStatus::Stopped(pid, signal) => {
                            self.go_on(pid, (signal != Signal::SIGTRAP).then_some(signal));
                        }
                        _ => {}
                    }
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return 255,
            }
        }
    }

    /// The container is left to itself: it goes on untraced from where it is. Who could not be let go, if somebody could not.
    fn let_all_go(&mut self) -> Result<(), String> {
        for pid in self.tracees.keys() {
            let _ = ptrace::interrupt(*pid);
        }
        let (mut waited, mut last) = (Duration::ZERO, Instant::now());
        while !self.tracees.is_empty() {
            if waited > slow(20) {
                let left: Vec<Pid> = self.tracees.keys().copied().collect();
                return Err(format!("traced for ever: {}", what_is_seen(&left)));
            }
            waited += last.elapsed().min(Duration::from_millis(100));
            last = Instant::now();
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD | WaitPidFlag::WNOHANG;
            let status = match waitpid(None, Some(flags)) {
                Ok(WaitStatus::StillAlive) => {
                    // Those that were let go became ours when the runtime ended. The first process of their pid namespace
                    // does not end before they are reaped.
                    for pid in &self.others {
                        if !self.tracees.contains_key(pid) {
                            orphans::has_ended(*pid);
                        }
                    }
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                Ok(status) => status,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(_) => break,
            };
            let Some(pid) = status.pid() else { continue };
            self.meet(pid);
            match status {
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => drop(self.ended(pid)),
                WaitStatus::Stopped(_, signal) if signal != Signal::SIGTRAP => {
                    self.let_go(pid, Some(signal));
                }
                WaitStatus::PtraceEvent(_, _, event) => {
                    self.meet_child_of(pid, event);
                    self.let_go(pid, None);
                }
                _ => self.let_go(pid, None),
            }
        }
        Ok(())
    }

    /// Whether that was the runtime.
    fn ended(&mut self, pid: Pid) -> bool {
        self.tracees.remove(&pid);
        pid == self.runtime
    }

    fn let_go(&mut self, pid: Pid, signal: Option<Signal>) {
        let _ = ptrace::detach(pid, signal);
        self.tracees.remove(&pid);
    }

    /// What a traced process has started is traced from its beginning. Which is told first is not certain, what it does itself
    /// or that the other has started it: it may even have been let go, or have ended, when that is told.
    fn meet(&mut self, pid: Pid) {
        let known = pid == self.runtime || self.threads.contains(&pid);
        if known || self.others.contains(&pid) {
            return;
        }
        match thread_group(pid) == Some(self.runtime) {
            true => self.threads.push(pid),
            false => self.others.push(pid),
        }
        self.tracees.insert(pid, Tracee::default());
    }

    fn meet_child_of(&mut self, pid: Pid, event: i32) {
        if FORKS.contains(&event)
            && let Ok(new) = ptrace::getevent(pid)
        {
            self.meet(Pid::from_raw(new as i32));
        }
    }

    fn at_event(&mut self, pid: Pid, event: i32) {
        self.meet_child_of(pid, event);
        if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 {
            self.begun |= pid == self.runtime;
            if pid != self.runtime && !is_init(pid) {
                return self.let_go(pid, None);
            }
        }
        self.go_on(pid, None);
    }

    fn whose(&self, pid: Pid) -> Whose {
        match pid == self.runtime || self.threads.contains(&pid) {
            true => Whose::Runtime,
            false => Whose::Child,
        }
    }

    /// To its next call, or just on, if its calls do not matter (any more). It may have been killed meanwhile.
    fn go_on(&self, pid: Pid, signal: Option<Signal>) {
        let failing = |tracee: &Tracee| tracee.failing.is_some();
        let matters = match self.point {
            None => true,
            Some(point) if self.harmed.is_none() => self.whose(pid) == point.whose,
            Some(_) => self.tracees.get(&pid).is_some_and(failing),
        };
        let _ = match matters {
            true => ptrace::syscall(pid, signal),
            false => ptrace::cont(pid, signal),
        };
    }

    fn at_call(&mut self, pid: Pid) {
        let whose = self.whose(pid);
        let tracee = self.tracees.entry(pid).or_default();
        if !at_entry(pid) {
            if let Some(errno) = tracee.failing.take() {
                answer(pid, i64::from(-errno));
            }
        } else if self.begun && !is_by_chance(pid) {
            match self.point {
                None => self.calls.extend(number(pid).map(|number| (whose, number))),
                Some(point) if point.whose == whose && self.harmed.is_none() => {
                    self.counted += 1;
                    if self.counted >= point.at && number(pid) == Some(point.number) {
                        self.harmed = number(pid);
                        match point.harm {
                            Harm::Kill => {
                                let _ = kill(pid, Signal::SIGKILL);
                                return;
                            }
                            Harm::Fail(errno) => {
                                leave_out(pid);
                                tracee.failing = Some(errno);
                            }
                        }
                    }
                }
                Some(_) => {}
            }
        }
        self.go_on(pid, None);
    }
}

/// The process that the thread is part of.
fn thread_group(thread: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    process.trim().parse().ok().map(Pid::from_raw)
}

/// Whether the process executes the runtime's init, which is a file in memory; otherwise it has become the user's program.
fn is_init(pid: Pid) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|path| path.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"))
}

#[cfg(target_arch = "x86_64")]
fn at_entry(pid: Pid) -> bool {
    ptrace::syscall_info(pid).is_ok_and(|info| info.op == SYSCALL_INFO_ENTRY)
}

#[cfg(not(target_arch = "x86_64"))]
fn at_entry(_: Pid) -> bool {
    false
}

/// Whether calls can be made to fail: the registers for it are known.
pub const CAN_FAIL: bool = cfg!(target_arch = "x86_64");

#[cfg(target_arch = "x86_64")]
fn leave_out(pid: Pid) {
    if let Ok(mut registers) = ptrace::getregs(pid) {
        registers.orig_rax = u64::MAX;
        let _ = ptrace::setregs(pid, registers);
    }
}

#[cfg(target_arch = "x86_64")]
fn answer(pid: Pid, value: i64) {
    if let Ok(mut registers) = ptrace::getregs(pid) {
        registers.rax = value.cast_unsigned();
        let _ = ptrace::setregs(pid, registers);
    }
}

#[cfg(target_arch = "x86_64")]
fn number(pid: Pid) -> Option<u64> {
    ptrace::getregs(pid)
        .ok()
        .map(|registers| registers.orig_rax)
}

#[cfg(not(target_arch = "x86_64"))]
fn number(_: Pid) -> Option<u64> {
    None
}

fn is_by_chance(pid: Pid) -> bool {
    number(pid).is_some_and(|number| BY_CHANCE.contains(&number.cast_signed()))
}

#[cfg(not(target_arch = "x86_64"))]
fn leave_out(_: Pid) {}

#[cfg(not(target_arch = "x86_64"))]
fn answer(_: Pid, _: i64) {}
