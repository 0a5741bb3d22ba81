//! What the shim knows of its containers and their processes.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use libcontainer::cgroups::Watch;
use libcontainer::{Container, Exit, Process, Terminal};

use crate::console::Copying;
use crate::options::Options;
use crate::poller::Token;
use crate::shim::Caller;
use crate::status::Status;
use crate::streams::{Ends, Names};

/// A container, from Create to Delete.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) bundle: PathBuf,
    pub(crate) options: Options,
    /// As soon as there is one.
    pub(crate) container: Option<Arc<Container>>,
    /// Its first process.
    pub(crate) init: Running,
    /// The others, by their names.
    pub(crate) execs: BTreeMap<String, Running>,
    pub(crate) is_paused: bool,
    /// Where it is restored from instead of started.
    pub(crate) checkpoint: String,
    /// Tells when memory runs out.
    pub(crate) memory: Option<(Token, Watch)>,
}

/// A process, before, while and after it runs.
#[derive(Debug, Default)]
pub(crate) struct Running {
    pub(crate) phase: Phase,
    pub(crate) names: Names,
    /// The `process` object of one that is added, until it is started.
    pub(crate) spec: String,
    pub(crate) pid: i32,
    /// As long as it has not ended.
    pub(crate) handle: Option<(Token, Process)>,
    pub(crate) ended: Option<Ended>,
    /// Who waits for its end.
    pub(crate) waiters: Vec<Caller>,
    pub(crate) ends: Ends,
    /// Whoever writes to its standard input has closed it, perhaps before the process was there.
    pub(crate) is_input_closed: bool,
    pub(crate) terminal: Option<Terminal>,
    /// Its terminal's output and input.
    pub(crate) copies: Vec<Copy>,
    /// Its outputs after its end, as long as nobody has read them.
    pub(crate) unread: Vec<OwnedFd>,
}

/// One direction of a terminal on its way.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) token: Token,
    pub(crate) copying: Copying,
    /// The end that is waited for.
    pub(crate) waits: Option<File>,
    pub(crate) is_output: bool,
}

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being made.
    #[default]
    Creating,
    /// It waits to be started.
    Created,
    /// It is being started: its end, if it comes, is told afterwards.
    Starting,
    Running,
    Stopped,
    /// It is being removed.
    Deleting,
}

/// How and when a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// As a shell shows it.
    pub(crate) status: u32,
    pub(crate) at: SystemTime,
}

impl Ended {
    pub(crate) fn now(exit: Exit) -> Ended {
        Ended {
            // Nobody can say how it ended.
            status: exit.shell_status().map_or(255, |status| status as u32),
            at: SystemTime::now(),
        }
    }
}

impl Running {
    /// How much memory is kept for one that is added under this name, of what the caller chooses.
    pub(crate) fn kept(&self, name: &str) -> usize {
        let names = &self.names;
        let words = [name, &self.spec, &names.stdin, &names.stdout, &names.stderr];
        size_of::<Running>() + words.into_iter().map(str::len).sum::<usize>()
    }
}

impl Task {
    /// A process by its name, the empty one for the first.
    pub(crate) fn process(&mut self, id: &str, exec: &str) -> Result<&mut Running, Status> {
        if exec.is_empty() {
            return Ok(&mut self.init);
        }
        self.execs.get_mut(exec).ok_or_else(|| {
            Status::not_found(format!("process {exec} does not exist in container {id}"))
        })
    }

    /// All its processes.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Running> {
        std::iter::once(&self.init).chain(self.execs.values())
    }

    /// All its processes, to be changed.
    pub(crate) fn processes_mut(&mut self) -> impl Iterator<Item = &mut Running> {
        std::iter::once(&mut self.init).chain(self.execs.values_mut())
    }
}
