//! Runs the runtime under ptrace(2): lists its system calls and those of the processes that it starts, or harms one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{Invocation, skip, slow};

/// Whose system calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The runtime's own.
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
    /// How it ended and what it printed; `None`: it had not ended at the time limit and was killed.
    pub output: Option<crate::Output>,
    /// The system calls by number, if none was to be harmed.
    pub calls: Vec<(Whose, u64)>,
    /// The number of the one that was harmed.
    pub harmed: Option<u64>,
    /// All other processes that were seen: who of them has ended may be ours to reap.
    pub others: Vec<Pid>,
}

/// PTRACE_SYSCALL_INFO_ENTRY: the call is about to be made.
#[cfg(target_arch = "x86_64")]
const SYSCALL_INFO_ENTRY: u8 = 1;

#[derive(Default)]
struct Tracee {
    executed: u32,
    failing: Option<i32>,
}

struct Trace {
    runtime: Pid,
    point: Option<Point>,
    counted: u64,
    calls: Vec<(Whose, u64)>,
    harmed: Option<u64>,
    others: Vec<Pid>,
    begun: bool,
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
                    let _ = kill(runtime, Signal::SIGKILL);
                    return true;
                }
                std::thread::park_timeout(Duration::from_millis(50));
                waited += last.elapsed().min(Duration::from_millis(100));
                last = Instant::now();
            }
            false
        }
    });
    let mut trace = Trace {
        runtime,
        point,
        counted: 0,
        calls: Vec::new(),
        harmed: None,
        others: Vec::new(),
        begun: false,
        tracees: HashMap::from([(runtime, Tracee::default())]),
    };
    kill(runtime, Signal::SIGCONT).expect("SIGCONT");
    let code = trace.run();
    ended.store(true, Ordering::Relaxed);
    watchdog.thread().unpark();
    let hung = watchdog.join().expect("the watchdog");
    Traced {
        output: (!hung).then(|| running.ended_with(code)),
        calls: trace.calls,
        harmed: trace.harmed,
        others: trace.others,
    }
}

const FORKS: [i32; 3] = [
    ptrace::Event::PTRACE_EVENT_FORK as i32,
    ptrace::Event::PTRACE_EVENT_VFORK as i32,
    ptrace::Event::PTRACE_EVENT_CLONE as i32,
];

impl Trace {
    fn run(&mut self) -> i32 {
        let mut code = None;
        let mut ended = None;
        while code.is_none() || !self.tracees.is_empty() {
            let mut flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            if code.is_some() {
                flags |= WaitPidFlag::WNOHANG;
                if ended.get_or_insert_with(Instant::now).elapsed() > slow(20) {
                    break;
                }
            }
            match waitpid(None, Some(flags)) {
                Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
                Ok(WaitStatus::Exited(pid, status)) => self.ended(pid, status, &mut code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    self.ended(pid, 128 + signal as i32, &mut code);
                }
                Ok(WaitStatus::PtraceSyscall(pid)) if code.is_none() => self.at_call(pid),
                Ok(WaitStatus::PtraceEvent(pid, _, event)) if code.is_none() => {
                    self.at_event(pid, event);
                }
                // Signals go where they were sent.
                Ok(WaitStatus::Stopped(pid, signal)) if signal != Signal::SIGTRAP => {
                    self.go_on(pid, Some(signal));
                }
                Ok(status) => match status.pid() {
                    Some(pid) if code.is_some() => {
                        // What it has just started is traced as well.
                        if let WaitStatus::PtraceEvent(_, _, event) = status
                            && FORKS.contains(&event)
                        {
                            self.started(pid);
                        }
                        self.let_go(pid);
                    }
                    Some(pid) => self.go_on(pid, None),
                    None => {}
                },
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        code.unwrap_or(255)
    }

    fn ended(&mut self, pid: Pid, status: i32, code: &mut Option<i32>) {
        self.tracees.remove(&pid);
        if pid == self.runtime {
            *code = Some(status);
            // The container is left to itself: it goes on untraced from where it is.
            for pid in self.tracees.keys() {
                let _ = ptrace::interrupt(*pid);
            }
        }
    }

    fn let_go(&mut self, pid: Pid) {
        let _ = ptrace::detach(pid, None);
        self.tracees.remove(&pid);
    }

    /// The process that a traced one has started, which is traced from its beginning.
    fn started(&mut self, pid: Pid) -> Option<Pid> {
        let new = Pid::from_raw(ptrace::getevent(pid).ok()? as i32);
        self.others.push(new);
        self.tracees.entry(new).or_default();
        Some(new)
    }

    fn at_event(&mut self, pid: Pid, event: i32) {
        let executed = self.tracees.get(&pid).map_or(0, |tracee| tracee.executed);
        if FORKS.contains(&event) {
            if let Some(new) = self.started(pid) {
                let inherited = if pid == self.runtime { 0 } else { executed };
                self.tracees.entry(new).or_default().executed += inherited;
            }
        } else if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 {
            self.begun |= pid == self.runtime;
            self.tracees.entry(pid).or_default().executed += 1;
            // The first time it becomes init, the second time the user's program.
            if pid != self.runtime && executed > 0 {
                return self.let_go(pid);
            }
        } else {
            self.tracees.entry(pid).or_default();
        }
        self.go_on(pid, None);
    }

    fn whose(&self, pid: Pid) -> Whose {
        match pid == self.runtime {
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
        } else if self.begun {
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

#[cfg(not(target_arch = "x86_64"))]
fn leave_out(_: Pid) {}

#[cfg(not(target_arch = "x86_64"))]
fn answer(_: Pid, _: i64) {}
