//! Walking the runtime's half of a plan: what a walk needs, and what it leaves.
#![cfg_attr(
    not(test),
    deny(clippy::disallowed_methods, clippy::let_underscore_must_use)
)]

pub(crate) mod child;
mod explain;
pub(crate) mod fence;
mod hook_process;
mod hook_state;
mod hooks;
pub(crate) mod id_maps;
mod image;
mod listener;
mod membership;
mod namespace;
mod net_devices;
mod netlink;
mod network;
mod streams;
#[cfg(test)]
mod tests;
pub(crate) mod trees;
mod turns;
mod walk;

use std::path::PathBuf;

use init::{Seen, Slot};
use kernel::process::{Exit, Started, signals};
use kernel::{BorrowedFd, Errno, Fault, Fd, process};
use spec::ConfigPath;

use crate::Error;
use crate::plan::HookKind;
use crate::state::Store;

pub(crate) use explain::{execution_failed, forbidden, forbids};
pub(crate) use hook_state::{HookState, Inside};
pub(crate) use hooks::{run as run_hook, run_all as run_hooks};
pub(crate) use id_maps::outside;
pub(crate) use image::is_named_so;
pub(crate) use membership::Cgroup;
pub(crate) use namespace::WayIn;
pub(crate) use network::Network;
pub(crate) use walk::walk;

/// Where a terminal's master goes.
#[derive(Debug)]
pub(crate) enum Console {
    /// There is none.
    None,
    /// To whoever listens at this socket.
    Socket(PathBuf),
    /// To the other end of this pair.
    Connected(Fd),
}

/// What a walk needs besides the plan.
pub(crate) struct Given<'a> {
    pub(crate) store: &'a Store,
    pub(crate) report: Fd,
    /// The pipe or FIFO at which the child waits.
    pub(crate) fence: Option<fence::Ends>,
    pub(crate) console: Console,
    pub(crate) cgroup: Option<Cgroup<'a>>,
    /// The container's resctrl group.
    pub(crate) resctrl: Option<&'a crate::resctrl::Group>,
    pub(crate) preserve_fds: u32,
    /// Standard input, output and error, where they are not the caller's.
    pub(crate) standard: [Option<BorrowedFd<'a>>; 3],
    /// Descriptors for slots that are filled from the beginning.
    pub(crate) inputs: Vec<(Slot, Fd)>,
    /// What the agent of a filter that notifies gets to read.
    pub(crate) state: Option<HookState<'a>>,
    /// Runs a hook of this kind, by its place in the list, while the child waits.
    pub(crate) run_hook: Option<&'a RunHook<'a>>,
}

pub(crate) type RunHook<'a> = dyn Fn(HookKind, usize, &Inside<'_>) -> Result<(), Error> + 'a;

/// What a finished walk leaves.
#[derive(Debug)]
pub(crate) struct Performed {
    /// The container's process.
    pub(crate) child: Started,
    /// Our end of the fence.
    pub(crate) fence: Option<Fd>,
    /// What the child had reported by then.
    pub(crate) seen: Seen,
    /// Devices that go back if the container is not to be after all.
    devices: Vec<net_devices::Moved>,
    report: Fd,
}

impl Performed {
    /// The process, and our end of the fence, of a walk that is not taken back.
    pub(crate) fn keep(self) -> (Started, Option<Fd>) {
        (self.child, self.fence)
    }

    /// Ends the process for good, and reaps it.
    pub(crate) fn end(&self) -> Result<(), Error> {
        end(&self.child)
            .map(drop)
            .map_err(|fault| Error::call("end the process", fault))
    }

    /// Takes back what does not go away with the child.
    pub(crate) fn undo(&mut self) {
        bring_back(&mut self.devices);
    }

    /// Lets a process go that waits at its fence and watches it execute. The answer is how that failed, if it did.
    pub(crate) fn release(&self) -> kernel::Result<Option<Fault>> {
        let Some(fence) = &self.fence else {
            return Ok(None);
        };
        fence::release(fence, &self.child.pidfd)?;
        Ok(Seen::in_file(self.report.borrow())?.fault)
    }
}

/// Connects to a socket of the caller's, where somebody is to accept before long: a container that waits for ever cannot
/// be deleted.
pub(crate) fn connect(path: &[u8]) -> kernel::Result<Fd> {
    const PATIENCE: u64 = 5;
    kernel::socket::connect(path, PATIENCE).map_err(|fault| match fault.is(Errno::EAGAIN) {
        true => Fault::found(fault.call, Errno::ETIMEDOUT),
        false => fault,
    })
}

/// Kills a child with all of its process group, if it leads one, waits until it is dead and reaps what of that is ours:
/// what a hook has started, or the process that the child may have become without saying so, which nobody else knows, and
/// which would keep its pid namespace for ever as a zombie.
///
/// The answer is how the child ended, also if it had before; that is not known where the caller ignores SIGCHLD.
fn end(child: &Started) -> kernel::Result<Option<Exit>> {
    let exit = kill(child)?;
    bury(child)?;
    Ok(exit)
}

/// The first part of [`end`]: afterwards all are dead, and as long as they are not reaped their numbers are their own.
fn kill(child: &Started) -> kernel::Result<Option<Exit>> {
    let gone = |answer: kernel::Result<()>| match answer {
        Err(fault) if !fault.is(Errno::ESRCH) => Err(fault),
        _ => Ok(()),
    };
    gone(process::signal(child.pidfd.borrow(), signals::KILL))?;
    let exit = patiently(|| process::ended(child.pidfd.borrow(), true))?;
    // It is dead and not reaped: nobody else can be in a group of this number.
    gone(process::kill_group(child.pid, signals::KILL))?;
    Ok(exit.flatten())
}

/// The second.
fn bury(child: &Started) -> kernel::Result<()> {
    while patiently(|| process::wait_group(child.pid).map(Some))?.is_some() {}
    reap(&child.pidfd)
}

/// Waits for the end of a child and reaps it, if it has not been.
fn reap(pidfd: &Fd) -> kernel::Result<()> {
    patiently(|| process::wait(pidfd.borrow(), true)).map(drop)
}

/// Waits, whatever interrupts that; `None` when there is no such child (any more).
fn patiently<T>(wait: impl Fn() -> kernel::Result<T>) -> kernel::Result<Option<T>> {
    loop {
        match wait() {
            Err(fault) if fault.is(Errno::EINTR) => {}
            Err(fault) if fault.is(Errno::ECHILD) => return Ok(None),
            answer => return answer.map(Some),
        }
    }
}

/// The last one first.
fn bring_back(devices: &mut Vec<net_devices::Moved>) {
    while let Some(device) = devices.pop() {
        device.bring_back();
    }
}

/// A failure of something that comes from no field.
pub(crate) fn own(step: &str, fault: Fault) -> Error {
    Error::step(&ConfigPath::none(), step, fault)
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! Ways in for [`crate::fuzzing`].
    pub(crate) use super::id_maps::any_text as id_maps;
    pub use super::netlink::fuzzing::any_bytes;

    /// proc_pid_status(5).
    pub(crate) fn status(text: &str) {
        let _ = super::hooks::pid_in(text);
    }
}
