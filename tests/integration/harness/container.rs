//! A container that was created, as its caller sees it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{Invocation, Output, Sandbox, wait_until};

/// A container of a sandbox.
#[derive(Debug)]
pub struct Container<'a> {
    sandbox: &'a Sandbox,
    /// Its id.
    pub id: String,
    /// Its first process.
    pub pid: i32,
    output: PathBuf,
}

impl<'a> Container<'a> {
    #[track_caller]
    pub(crate) fn new(
        sandbox: &'a Sandbox,
        id: String,
        pid_file: &Path,
        output: Output,
    ) -> Container<'a> {
        let text = fs::read_to_string(pid_file).expect("the pid file");
        let pid = text
            .parse()
            .unwrap_or_else(|_| panic!("the pid file holds {text:?}"));
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "create printed something: {output:?}"
        );
        sandbox.reap.borrow_mut().push(pid);
        Container {
            sandbox,
            id,
            pid,
            output: output.file().to_owned(),
        }
    }

    /// The sandbox that it is in.
    pub fn sandbox(&self) -> &'a Sandbox {
        self.sandbox
    }

    /// A call of the runtime whose last argument is this container's id.
    pub fn call(&self, command: &str, flags: &[impl AsRef<OsStr>]) -> Invocation {
        self.sandbox.runtime([command]).args(flags).arg(&self.id)
    }

    /// `start`, which must succeed.
    #[track_caller]
    pub fn start(&self) {
        let output = self.call("start", &[] as &[&str]).output().ok();
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "start printed something: {output:?}"
        );
    }

    /// `state`.
    #[track_caller]
    pub fn state(&self) -> Value {
        self.call("state", &[] as &[&str]).output().ok().json()
    }

    /// The status in `state`.
    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"]
            .as_str()
            .expect("a status")
            .to_owned()
    }

    /// `kill`.
    #[track_caller]
    pub fn kill(&self, signal: &str) -> Output {
        self.sandbox.runtime(["kill", &self.id, signal]).output()
    }

    /// `exec` of commands of the probe in the foreground.
    #[track_caller]
    pub fn exec(&self, commands: &str) -> Output {
        self.exec_with(&[] as &[&str], commands)
    }

    /// `exec` with flags.
    #[track_caller]
    pub fn exec_with(&self, flags: &[impl AsRef<OsStr>], commands: &str) -> Output {
        self.call("exec", flags)
            .arg("/bin/probe")
            .args(commands.split_whitespace())
            .output()
    }

    /// `exec --detach` of commands of the probe; returns the new process.
    #[track_caller]
    pub fn exec_detached(&self, commands: &str) -> i32 {
        let pid_file = self.sandbox.path.join("io/detached.pid");
        let call = self
            .sandbox
            .runtime(["exec", "--detach", "--pid-file"])
            .arg(&pid_file);
        call.arg(&self.id)
            .arg("/bin/probe")
            .args(commands.split_whitespace())
            .output()
            .ok();
        self.sandbox.adopt(&pid_file)
    }

    /// `delete`.
    #[track_caller]
    pub fn delete(&self) -> Output {
        self.call("delete", &[] as &[&str]).output()
    }

    /// Everything that the container has printed.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Waits until the container has printed the text.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until(text, || self.printed().contains(text));
    }

    /// Waits until the first process has ended, reaps it and returns its status as a shell shows it.
    #[track_caller]
    pub fn wait(&self) -> i32 {
        let mut status = None;
        wait_until("the end of the container", || {
            status = exit_status(self.pid);
            status.is_some()
        });
        self.sandbox
            .reap
            .borrow_mut()
            .retain(|pid| *pid != self.pid);
        status.expect("set above")
    }

    /// Waits until the first process has ended without reaping it.
    #[track_caller]
    pub fn wait_zombie(&self) {
        let stat = format!("/proc/{}/stat", self.pid);
        wait_until("a zombie", || {
            fs::read_to_string(&stat).is_ok_and(|text| text.contains(") Z "))
        });
    }

    /// Kills everything and deletes the container.
    #[track_caller]
    pub fn force_delete(&self) {
        self.call("delete", &["--force"]).output().ok();
    }

    /// What `/proc/PID/NAME` on the host says about the first process.
    #[track_caller]
    pub fn proc(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.pid);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn exit_status(pid: i32) -> Option<i32> {
    match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG))
        .expect("the container is our child")
    {
        WaitStatus::Exited(_, code) => Some(code),
        WaitStatus::Signaled(_, signal, _) => Some(128 + signal as i32),
        _ => None,
    }
}
