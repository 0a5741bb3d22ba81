//! `run`: create and start, and, in the foreground, wait.

use super::Container;
use super::create::{Manner, Source};
use super::fence::Fence;
use super::prepare::CreateOptions;
use crate::Error;
use crate::bundle::Bundle;
use crate::foreground::{self, Terminal, Waiting};
use crate::notify::{self, Readiness};
use crate::state::Store;

/// How a container is run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// As for `create`.
    pub create: CreateOptions,
    /// Return when it runs, instead of when it has ended.
    pub detach: bool,
    /// Do not delete it when it has ended.
    pub keep: bool,
    /// Do not become the reaper of the container's orphans.
    pub no_subreaper: bool,
}

/// Creates and starts a container; unless it is detached, passes signals and the terminal through, waits for its end and
/// deletes it. The answer is its status as a shell shows it.
///
/// Made for command lines: in the foreground, signals of the calling thread are blocked and passed on.
///
/// # Errors
/// As [`Container::create`] and [`Container::start`]; nothing is left behind then.
pub fn run(store: &Store, id: &str, bundle: &Bundle, options: &RunOptions) -> Result<i32, Error> {
    let mut spec = bundle.spec()?;
    let wants_terminal = spec
        .process
        .as_ref()
        .is_some_and(|process| process.terminal);
    if spec.process.is_none() {
        return Err(Error::invalid(
            "process is required to run a container",
            bundle.directory(),
        ));
    }
    let socket = options.create.console_socket.as_deref();
    foreground::judge_terminal(wants_terminal, options.detach, socket.is_some())?;
    foreground::size_as_ours(spec.process.as_mut(), socket);
    let manager = options.create.notify_socket.as_deref();
    if manager.is_some() {
        notify::show(&mut spec, store, id)?;
    }
    let (console, terminal) = Terminal::prepare(wants_terminal, socket)?;
    // Before there is a child whose end could be missed.
    let waiting = if options.detach {
        None
    } else {
        Some(Waiting::begin()?)
    };
    if !options.detach && !options.no_subreaper {
        kernel::identity::set_child_subreaper(true)
            .map_err(|fault| crate::perform::own("become a subreaper", fault))?;
    }
    let (locked, performed) = Container::create_with(
        store,
        id,
        &Source {
            bundle,
            spec: &spec,
            waited_for: !options.detach && !options.keep,
        },
        &options.create,
        Manner {
            console,
            fence: Fence::Pipe,
        },
    )?;
    let started = (|| {
        let readiness = match manager {
            Some(manager) => Readiness::listen(&locked.folder, manager)?,
            None => None,
        };
        if let Some(fence) = &performed.fence {
            locked.release(fence)?;
        }
        Ok(readiness)
    })();
    let readiness = match started {
        Ok(readiness) => readiness,
        Err(error) => {
            locked.discard();
            return Err(error);
        }
    };
    drop(performed.fence);
    // Others may look at, signal and delete the container while this waits for its end.
    let container = locked.unlock();
    let child = &performed.child;
    let Some(waiting) = waiting else {
        if let Some(readiness) = readiness {
            readiness.wait(&child.pidfd, child.pid)?;
        }
        return Ok(0);
    };
    let status = waiting.wait(child, terminal, readiness.as_ref());
    if !options.keep {
        match container.lock() {
            Ok(locked) => locked.discard(),
            // Somebody else has deleted it.
            Err(error) if error.is_not_found() => {}
            Err(error) => log::warn!("{error}"),
        }
    }
    status
}
