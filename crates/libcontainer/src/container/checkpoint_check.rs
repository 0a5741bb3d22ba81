//! What would make a checkpoint fail, found before anything is stopped.

use std::collections::BTreeSet;
use std::path::Path;

use super::checkpoint::{LEAST_VERSION, require_version};
use super::{CheckpointOptions, Container, Locked};
use crate::Error;
use crate::criu::{self, Manner, Session, is_gone};
use crate::host::HostFacts;
use crate::state::Status;

impl Container {
    /// What stands in the way of a checkpoint with these options, as far as it can be seen from outside: one sentence each,
    /// with what to do about it. Nothing is stopped or written.
    ///
    /// # Errors
    /// What is to be looked at cannot be read.
    pub fn checkpoint_problems(&self, options: &CheckpointOptions) -> Result<Vec<String>, Error> {
        let locked = self.lock()?;
        let mut problems = Problems {
            locked: &locked,
            options,
            found: Vec::new(),
        };
        problems.criu()?;
        let status = locked.look()?.status;
        if !matches!(status, Status::Running | Status::Paused) {
            problems.add(format!("the container is {status}, not running"));
            return Ok(problems.found);
        }
        problems.config()?;
        problems.processes()?;
        Ok(problems.found)
    }
}

struct Problems<'a> {
    locked: &'a Locked,
    options: &'a CheckpointOptions,
    found: Vec<String>,
}

/// What tells files of the outside from those of the container.
struct Outside {
    mounts: BTreeSet<u32>,
    /// The streams of its first process: those from outside can be taken along.
    streams: Vec<String>,
}

/// A file of a process's below /proc; `None` when it has ended.
fn read(pid: i32, name: &str) -> Result<Option<String>, Error> {
    let path = format!("/proc/{pid}/{name}");
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(Error::file("read", path.as_ref(), error)),
    }
}

impl Problems<'_> {
    fn add(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.found.contains(&text) {
            self.found.push(text);
        }
    }

    fn criu(&mut self) -> Result<(), Error> {
        if HostFacts::probe()?.rootless() {
            self.add("criu needs root: checkpoints of rootless containers are not known to work");
        }
        let environment = self.locked.folder.store().environment();
        let answer = criu::check(environment).and_then(|()| {
            let session = Session::start(environment, &Manner::default())?;
            require_version(session.version()?, LEAST_VERSION, "checkpoint")
        });
        if let Err(error) = answer {
            self.add(error.to_string());
        }
        Ok(())
    }

    fn config(&mut self) -> Result<(), Error> {
        let bundle = self.locked.bundle()?;
        let spec = bundle.spec()?;
        for namespace in criu::namespaces(&spec) {
            if namespace.kind == "cgroup" {
                let at = namespace.index;
                self.add(format!(
                    "linux.namespaces[{at}]: a cgroup namespace that is joined cannot be restored"
                ));
            }
        }
        for (index, mount) in spec.mounts.iter().enumerate() {
            let words = ["idmap", "ridmap"];
            let mapped = mount
                .options
                .iter()
                .any(|word| words.contains(&word.as_str()));
            if mapped || !mount.uid_mappings.is_empty() {
                self.add(format!(
                    "mounts[{index}]: criu does not bring id mappings of mounts back"
                ));
            }
        }
        let filter = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
        if filter.is_some_and(|filter| filter.listener_path.is_some()) {
            self.add("linux.seccomp.listenerPath: a filter with an agent cannot be dumped");
        }
        let terminal = spec
            .process
            .as_ref()
            .is_some_and(|process| process.terminal);
        if terminal && self.locked.record.waiter.is_some() && !self.options.shell_job {
            self.add(
                "process.terminal: the terminal belongs to a `run` in the foreground: --shell-job",
            );
        }
        Ok(())
    }

    fn processes(&mut self) -> Result<(), Error> {
        let record = &self.locked.record;
        let pids = match super::group::group_of(record)? {
            Some(group) => group.processes()?,
            None => vec![record.pid],
        };
        let outside = Outside {
            mounts: criu::mounts(record.pid)?,
            streams: criu::streams(record.pid)?,
        };
        for pid in &pids {
            self.process(*pid, &outside)?;
        }
        if !self.options.file_locks {
            let locks = std::fs::read_to_string("/proc/locks")
                .map_err(|error| Error::file("read", Path::new("/proc/locks"), error))?;
            for pid in locks.lines().filter_map(lock_owner) {
                if pids.contains(&pid) {
                    self.add(format!(
                        "process {pid} holds a lock on a file: --file-locks"
                    ));
                }
            }
        }
        Ok(())
    }

    fn process(&mut self, pid: i32, outside: &Outside) -> Result<(), Error> {
        let Some(status) = read(pid, "status")? else {
            return Ok(());
        };
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.split_whitespace().last())
        };
        if let Some(tracer) = field("TracerPid:").filter(|pid| *pid != "0") {
            self.add(format!(
                "process {pid} is traced by process {tracer}, and only one can do that"
            ));
        }
        if field("NSsid:") == Some("0") && !self.options.shell_job {
            self.add(format!(
                "process {pid} belongs to a session outside of the container: --shell-job"
            ));
        }
        let mut sockets = BTreeSet::new();
        let folder = format!("/proc/{pid}/fd");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(Error::file("list", folder.as_ref(), error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| Error::file("list", folder.as_ref(), error))?;
            let target = match std::fs::read_link(entry.path()) {
                Ok(target) => target.to_string_lossy().into_owned(),
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(Error::file("look at", &entry.path(), error)),
            };
            let number = entry.file_name().to_string_lossy().into_owned();
            if let Some(inode) = target.strip_prefix("socket:[") {
                sockets.insert(inode.trim_end_matches(']').to_owned());
            }
            self.descriptor(pid, &number, &target, outside)?;
        }
        self.connections(pid, &sockets)
    }

    fn descriptor(
        &mut self,
        pid: i32,
        number: &str,
        target: &str,
        outside: &Outside,
    ) -> Result<(), Error> {
        const UNKNOWN: [&str; 4] = ["io_uring", "perf_event", "fanotify", "bpf"];
        let who = format!("descriptor {number} of process {pid} ({target})");
        if let Some(kind) = target.strip_prefix("anon_inode:") {
            if UNKNOWN.iter().any(|unknown| kind.contains(unknown)) {
                self.add(format!("{who}: criu cannot dump that"));
            }
            return Ok(());
        }
        if !target.starts_with('/') {
            return Ok(());
        }
        if target.ends_with(" (deleted)") && !self.options.link_remap {
            self.add(format!(
                "{who} has no name any more: --link-remap, if others have it open"
            ));
        }
        let Ok(number) = number.parse() else {
            return Ok(());
        };
        let foreign = criu::foreign(pid, number, target, &outside.mounts)?;
        if let Some(foreign) = foreign.filter(|found| !outside.streams.contains(&found.key)) {
            let why = "is a file outside of the container's mounts, where a restored process does not find it";
            self.add(format!(
                "{who} {why} (mount {}): use a pipe, or a file of the container's",
                foreign.mount
            ));
        }
        Ok(())
    }

    /// Connections that are open, of this process's sockets.
    fn connections(&mut self, pid: i32, sockets: &BTreeSet<String>) -> Result<(), Error> {
        const ESTABLISHED: &str = "01";
        if self.options.tcp_established || sockets.is_empty() {
            return Ok(());
        }
        for table in ["net/tcp", "net/tcp6"] {
            let text = read(pid, table)?.unwrap_or_default();
            for line in text.lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [_, _, _, state, _, _, _, _, _, inode, ..] = words[..] else {
                    continue;
                };
                if state == ESTABLISHED && sockets.contains(inode) {
                    self.add(format!(
                        "process {pid} has an open TCP connection: --tcp-established"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Of a line of /proc/locks, the process.
pub(crate) fn lock_owner(line: &str) -> Option<i32> {
    // `1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF`; `->` stands behind the number of those who wait.
    let words: Vec<&str> = line
        .split_whitespace()
        .filter(|word| *word != "->")
        .collect();
    match words.get(4)?.parse() {
        Ok(pid) if pid > 0 => Some(pid),
        // Locks of open files have no owner.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::lock_owner;

    #[test]
    fn owners_of_locks() {
        assert_eq!(
            lock_owner("1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF"),
            Some(3568)
        );
        assert_eq!(
            lock_owner("1: -> FLOCK  ADVISORY  READ 12 00:0f:1 0 EOF"),
            Some(12)
        );
        assert_eq!(
            lock_owner("2: OFDLCK ADVISORY  READ -1 00:06:1 0 EOF"),
            None
        );
        assert_eq!(lock_owner(""), None);
    }
}
