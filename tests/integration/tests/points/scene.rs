//! One point: a container is brought to where the command begins, the command is harmed, and what it did is judged.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{
    Bundle, Harm, HostState, Invocation, Output, Point, Sandbox, Traced, Whose, orphans, trace,
};
use nix::unistd::Pid;
use serde_json::Value;

use super::{END, Status, TELL, Trial};

/// One container after the other, all with the same id.
pub(super) struct Scene<'a> {
    sandbox: &'a Sandbox,
    bundle: &'a Bundle,
    trial: Trial,
    flags: &'a [&'a str],
    id: String,
    pid: i32,
    status: Status,
    /// Where the container prints.
    file: PathBuf,
    /// Processes that may be ours to reap.
    others: Vec<Pid>,
    /// What an unharmed container, or the unharmed command, tells.
    told: String,
    /// The host without the container.
    before: Option<HostState>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        sandbox: &'a Sandbox,
        bundle: &'a Bundle,
        trial: Trial,
        flags: &'a [&'a str],
    ) -> Scene<'a> {
        Scene {
            sandbox,
            bundle,
            trial,
            flags,
            id: sandbox.id("a"),
            pid: 0,
            status: Status::Nothing,
            file: PathBuf::new(),
            others: Vec::new(),
            told: String::new(),
            before: None,
        }
    }

    /// From here on nothing else may be left.
    pub(super) fn is_clean(&mut self) {
        self.before = Some(self.sandbox.host(Some(self.bundle)));
    }

    fn words(&self) -> Vec<String> {
        let path = self.bundle.path.to_str().unwrap();
        let images = self.sandbox.path.join("io/images");
        let tell = format!("{TELL} {END}");
        let words = self
            .flags
            .iter()
            .copied()
            .chain(self.trial.words.split_whitespace());
        let words = words.map(|word| match word {
            "BUNDLE" => path,
            "IMAGES" => images.to_str().unwrap(),
            word => word,
        });
        let id = (self.trial.rest != "LIST").then_some(self.id.as_str());
        let rest = self
            .trial
            .rest
            .split_whitespace()
            .filter(|word| *word != "LIST");
        let rest = rest.flat_map(|word| {
            if word == "TELL" {
                tell.split_whitespace().collect()
            } else {
                vec![word]
            }
        });
        words.chain(id).chain(rest).map(str::to_owned).collect()
    }

    /// An unharmed call; processes that are ours are reaped meanwhile, since the kernel does not let a container's first
    /// process go before.
    fn call(&mut self, words: &[&str]) -> Output {
        let call: Invocation = self.sandbox.runtime(self.flags.iter().chain(words));
        let begin = Instant::now();
        let mut running = call.limit(30).spawn();
        while running.child.try_wait().unwrap().is_none() && begin.elapsed() < harness::slow(30) {
            self.reap(begin);
            std::thread::sleep(Duration::from_millis(1));
        }
        running.finish()
    }

    /// Reaps those that are known; after a while also what an init has forked that was killed before its tracer could tell: as
    /// a zombie it keeps the container's pid namespace, and with that the container's first process. Nobody else waits for
    /// one that is still an init, and is not the first.
    fn reap(&mut self, since: Instant) -> bool {
        self.others.retain(|pid| !orphans::has_ended(*pid));
        if since.elapsed() > Duration::from_millis(500) {
            orphans::reap(|zombie| {
                zombie.name.starts_with("memfd:tare-init")
                    && zombie.inside.is_some_and(|pid| pid != 1)
            });
        }
        self.others.is_empty()
    }

    /// Brings the container to where the command begins.
    fn prepare(&mut self) {
        let want = self.trial.before;
        let id = self.id.clone();
        if want == Status::Nothing || want == self.status {
            return;
        }
        if self.status == Status::Nothing {
            let path = self.bundle.path.to_str().unwrap();
            let pid_file = self.sandbox.path.join("io/pid");
            let created = self
                .call(&[
                    "create",
                    "--bundle",
                    path,
                    "--pid-file",
                    pid_file.to_str().unwrap(),
                    &id,
                ])
                .ok();
            self.file = created.file().to_owned();
            self.pid = fs::read_to_string(pid_file).unwrap().parse().unwrap();
            self.others.push(Pid::from_raw(self.pid));
            self.status = Status::Created;
        }
        if self.status == Status::Created && want != Status::Created {
            self.call(&["start", &id]).ok();
            self.status = Status::Running;
        }
        match (self.status, want) {
            (Status::Running, Status::Paused) => drop(self.call(&["pause", &id]).ok()),
            (Status::Paused, Status::Running) => drop(self.call(&["resume", &id]).ok()),
            (Status::Running, Status::Stopped) => {
                self.call(&["kill", &id, "KILL"]).ok();
                harness::wait_until("the end", || !is_alive(self.pid));
            }
            _ => {}
        }
        self.status = want;
    }

    /// Whether the container can be used once more.
    pub(super) fn keeps(&self) -> bool {
        let alive = |status| matches!(status, Status::Running | Status::Paused);
        alive(self.trial.before) && alive(self.trial.after) && alive(self.status)
    }

    /// The command with the harm, and what is wrong with what it did.
    pub(super) fn attempt(&mut self, point: Option<Point>) -> Result<Traced, String> {
        self.prepare();
        let call = self.sandbox.stopped(self.words());
        let mut traced = trace(call, point);
        self.others.append(&mut traced.others);
        let call = traced.harmed;
        let output = match &traced.output {
            Ok(output) => output,
            Err(seen) => {
                self.status = Status::Stopped;
                return Err(format!("hangs (call {call:?}): {seen}"));
            }
        };
        let with = |message: String| {
            format!(
                "(call {call:?}) {message}; it ended with {}: {}",
                output.code,
                output.stderr.trim()
            )
        };
        if self.trial.before == Status::Nothing {
            self.file = output.file().to_owned();
            self.pid = 0;
        }
        let state = self.settled().map_err(with)?;
        // Init reads once more at the fence when `create` has ended: where that fails, what was created ends.
        let at_fence = point.is_some_and(|point| point.whose == Whose::Child)
            && call == Some(nix::libc::SYS_read as u64);
        if output.code == 0
            && at_fence
            && self.trial.words.starts_with("create")
            && self.status == Status::Stopped
        {
            return Ok(traced);
        }
        if output.code == self.trial.code {
            self.succeeded(output, &state, call).map_err(with)?;
        } else {
            self.failed(output, point, call).map_err(with)?;
        }
        Ok(traced)
    }

    /// The same once what was ended with the runtime is dead.
    fn settled(&mut self) -> Result<Value, String> {
        let begin = Instant::now();
        loop {
            match self.state() {
                Err(_) if begin.elapsed() < harness::slow(2) => {
                    self.reap(begin);
                    std::thread::sleep(Duration::from_millis(5));
                }
                answer => return answer,
            }
        }
    }

    /// What `state` says, if it can be true.
    fn state(&mut self) -> Result<Value, String> {
        let id = self.id.clone();
        let output = self.call(&["state", &id]);
        if output.code != 0 {
            self.status = Status::Nothing;
            return match output.stderr.contains("does not exist") {
                true => Ok(Value::Null),
                false => Err(format!("state fails: {}", output.stderr)),
            };
        }
        let state = output.json();
        let pid = i32::try_from(state["pid"].as_i64().unwrap_or(0)).unwrap();
        self.status = match state["status"].as_str().unwrap_or_default() {
            "created" => Status::Created,
            "running" => Status::Running,
            "paused" => Status::Paused,
            "stopped" => Status::Stopped,
            other => return Err(format!("state says {other:?}")),
        };
        if self.pid == 0 && pid > 0 {
            self.pid = pid;
            self.others.push(Pid::from_raw(pid));
        }
        let lives = is_alive(self.pid);
        match (self.status, lives) {
            (Status::Stopped, false) => Ok(state),
            (Status::Stopped, true) => Err("stopped, and it lives".to_owned()),
            (_, false) => Err(format!("{:?}, and it is dead", self.status)),
            (_, true) if pid == self.pid => Ok(state),
            _ => Err(format!("state names {pid}, not {}", self.pid)),
        }
    }

    /// The command said that all is done.
    fn succeeded(
        &mut self,
        output: &Output,
        state: &Value,
        call: Option<u64>,
    ) -> Result<(), String> {
        let name = self.trial.words.split(' ').next().unwrap();
        if name == "kill" {
            harness::wait_until("the end", || !is_alive(self.pid));
            self.state()?;
        }
        // What is left of a container that ended may be a warning.
        let warned = name == "run" && output.stderr.contains("level=warning");
        if warned && self.status == Status::Stopped {
            return Ok(());
        }
        if self.status != self.trial.after {
            return Err(format!(
                "it is {:?}, not {:?}",
                self.status, self.trial.after
            ));
        }
        let told = match name {
            "run" | "exec" => output.stdout.clone(),
            "create" | "start" => {
                if name == "create" {
                    let id = self.id.clone();
                    self.call(&["start", &id]).ok();
                    self.status = Status::Running;
                }
                let read = || fs::read_to_string(&self.file).unwrap_or_default();
                harness::wait_until("what it tells", || {
                    read().contains("told\n") || !is_alive(self.pid)
                });
                read()
            }
            "state" if output.json()["pid"] != state["pid"] => return Err(output.stdout.clone()),
            // What it cannot look at it says, and goes on.
            "list" if output.stderr.contains("load container") => String::new(),
            "list" if !output.stdout.contains(&format!("\"pid\":{},", self.pid)) => {
                return Err(output.stdout.clone());
            }
            "update" => self.limit(),
            _ => String::new(),
        };
        // Who may not make a keyring goes without.
        let keyring = call.is_some_and(|call| i64::try_from(call) == Ok(nix::libc::SYS_keyctl));
        if self.told.is_empty() {
            self.told = told;
        } else if self.told != told && !(keyring && told.contains("keyring;")) {
            let new = told
                .lines()
                .filter(|line| !self.told.lines().any(|old| old == *line));
            let gone = self
                .told
                .lines()
                .filter(|line| !told.lines().any(|new| new == *line));
            let (new, gone): (Vec<_>, Vec<_>) = (new.collect(), gone.collect());
            return Err(format!("it told {new:?}, not {gone:?}"));
        }
        Ok(())
    }

    /// What the kernel says about the limit that `update` has set, which is given up for the next time.
    fn limit(&mut self) -> String {
        let groups = self.sandbox.host(None);
        let files = groups
            .groups()
            .iter()
            .filter(|group| group.ends_with(&self.id))
            .map(|group| group.join("pids.max"));
        let read: Vec<String> = files
            .filter_map(|file| fs::read_to_string(file).ok())
            .collect();
        let id = self.id.clone();
        self.call(&["update", "--pids-limit", "-1", &id]).ok();
        read.concat()
    }

    /// The command said that it has failed, or was killed.
    fn failed(
        &mut self,
        output: &Output,
        point: Option<Point>,
        call: Option<u64>,
    ) -> Result<(), String> {
        let Some(Point { whose, harm, .. }) = point else {
            return Err("without harm".to_owned());
        };
        let name = self.trial.words.split(' ').next().unwrap();
        // Without memory a program may just end, with what it had made; if it says why, so much the better.
        let ended = output.code >= 128 || output.stderr.contains("out of memory");
        let aborted = call.is_some_and(may_abort) && ended;
        if whose == Whose::Runtime && (harm == Harm::Kill || aborted) {
            return Ok(());
        }
        let errors = output
            .stderr
            .lines()
            .filter(|line| !line.contains("level=warning"))
            .count();
        // Whoever kills the user's program makes no error of the runtime's.
        let killed = harm == Harm::Kill && matches!(name, "run" | "exec");
        if errors != 1 && !(killed && errors == 0) {
            return Err(format!("{errors} lines of error"));
        }
        // Of what could not be removed there is something to remove again.
        if matches!(name, "create" | "run") && !call.is_some_and(removes) {
            return self.nothing_left();
        }
        let harmless = matches!(
            name,
            "exec" | "update" | "pause" | "resume" | "state" | "list" | "checkpoint"
        );
        match harmless && !matches!(self.status, Status::Running | Status::Paused) {
            true => Err(format!("it is {:?}", self.status)),
            false => Ok(()),
        }
    }

    fn nothing_left(&mut self) -> Result<(), String> {
        let Some(before) = self.before.take() else {
            return Ok(());
        };
        let mut left = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < harness::slow(10) {
            let reaped = self.reap(begin);
            left = self.sandbox.host(Some(self.bundle)).difference(&before);
            if left.is_empty() && reaped {
                break;
            }
            left.extend(self.others.iter().map(|pid| format!("process {pid}")));
            std::thread::sleep(Duration::from_millis(2));
        }
        self.before = Some(before);
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("left: {left:?}")),
        }
    }

    /// Deletes the container.
    pub(super) fn clean(&mut self, point: Option<Point>) -> Result<(), String> {
        let id = self.id.clone();
        let deleted = self.call(&["delete", "--force", &id]);
        self.status = Status::Nothing;
        let removed = self.nothing_left();
        if deleted.code != 0 {
            return Err(format!("delete after {point:?}: {}", deleted.stderr));
        }
        removed
    }
}

/// Whether the failure of this call may mean that something could not be removed.
fn removes(call: u64) -> bool {
    use nix::libc;
    let all = [
        libc::SYS_unlinkat,
        libc::SYS_ppoll,
        libc::SYS_pidfd_send_signal,
        libc::SYS_waitid,
        libc::SYS_openat,
    ];
    i64::try_from(call).is_ok_and(|call| all.contains(&call))
}

/// Whether memory is asked for, or it is the standard library's first look at the standard streams.
fn may_abort(call: u64) -> bool {
    use nix::libc;
    let all = [
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_brk,
        libc::SYS_mremap,
        libc::SYS_sigaltstack,
        // Elsewhere that is ppoll(2), and there is no tracer.
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll,
    ];
    i64::try_from(call).is_ok_and(|call| all.contains(&call))
}

fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}
