//! A container that was created: the operations on it, and what the kernel says about its process.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

use crate::case::Case;
use crate::runtime::{self, Output};
use crate::verdict::{Setup, Stop, Verdict, ensure, fail};

/// How long something may take that ought to happen at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same for negative controls, in which much never happens.
const SHORT: Duration = Duration::from_secs(2);

/// Whether this run is one of negative controls.
pub static CONTROLS: AtomicBool = AtomicBool::new(false);

/// What time limits are multiplied by.
pub static SLOW: AtomicU32 = AtomicU32::new(1);

/// How long to wait in this run.
fn patience() -> Duration {
    let limit = match CONTROLS.load(Ordering::Relaxed) {
        true => SHORT,
        false => PATIENCE,
    };
    limit * SLOW.load(Ordering::Relaxed)
}

/// What a container's process said and how it ended.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Standard output and standard error.
    pub text: String,
    /// Exit status; 128 and the signal's number for a signal; `None` when the kernel tells only its parent.
    pub code: Option<i32>,
}

impl Seen {
    /// Fails unless a text occurs.
    pub fn has(&self, text: &str) -> Verdict {
        ensure(self.text.contains(text), || {
            format!("the container said {:?}, not {text:?}", short(&self.text))
        })
    }

    /// Fails unless a text is missing.
    pub fn lacks(&self, text: &str) -> Verdict {
        ensure(!self.text.contains(text), || {
            format!("the container said {text:?}: {:?}", short(&self.text))
        })
    }

    /// Fails unless there are just these lines.
    pub fn is(&self, lines: &[&str]) -> Verdict {
        let found: Vec<&str> = self.text.lines().collect();
        ensure(found == lines, || {
            format!("the container said {:?}, not {lines:?}", short(&self.text))
        })
    }

    /// What follows a word at the beginning of a line, without blanks around it.
    pub fn after(&self, word: &str) -> Verdict<String> {
        let mut lines = self.text.lines();
        match lines.find_map(|line| line.strip_prefix(word)) {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => fail(format!("no line {word:?} in {:?}", short(&self.text))),
        }
    }
}

/// A text's beginning.
pub fn short(text: &str) -> String {
    text.chars().take(400).collect()
}

/// Waits until something is so.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Verdict<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if begin.elapsed() > patience() {
            return fail(format!("waited in vain for {what}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A container.
#[derive(Debug)]
pub struct Container<'a> {
    case: &'a Case,
    /// Its id.
    pub id: String,
    /// Its process, as this process sees it.
    pub pid: i32,
    before: Vec<String>,
    out: PathBuf,
    ended: Cell<Option<Option<i32>>>,
}

impl<'a> Container<'a> {
    /// What `create` has made, by its output.
    ///
    /// # Errors
    /// `state` does not know its process.
    pub fn new(
        case: &'a Case,
        id: String,
        before: Vec<String>,
        output: Output,
    ) -> Verdict<Container<'a>> {
        let mut container = Container {
            case,
            id,
            pid: 0,
            before,
            out: output.file,
            ended: Cell::new(None),
        };
        let state = container.state()?;
        let pid = state["pid"].as_i64().unwrap_or(0);
        ensure(pid > 1, || format!("state has no pid: {state}"))?;
        container.pid = i32::try_from(pid).setup("read the pid")?;
        if let Some(entry) = case.open.borrow_mut().last_mut() {
            entry.2 = container.pid;
        }
        Ok(container)
    }

    /// Calls an operation on it, with more words after the id.
    pub fn call(&self, operation: &[&str], rest: &[&str]) -> Verdict<Output> {
        let mut words = operation.to_vec();
        words.push(&self.id);
        words.extend(rest);
        runtime::call(self.case, &self.before, &words)
    }

    /// Calls an operation that must go well.
    pub fn does(&self, operation: &[&str], rest: &[&str]) -> Verdict<Output> {
        let output = self.call(operation, rest)?;
        let name = operation.first().copied().unwrap_or_default();
        ensure(output.ok(), || format!("{name}: {}", output.said()))?;
        Ok(output)
    }

    /// Fails unless an operation gives an error.
    pub fn refuses(&self, operation: &[&str], rest: &[&str]) -> Verdict<String> {
        let output = self.call(operation, rest)?;
        let name = operation.first().copied().unwrap_or_default();
        ensure(!output.ok(), || format!("{name} gave no error"))?;
        Ok(output.said())
    }

    /// Its state.
    pub fn state(&self) -> Verdict<Value> {
        let output = self.does(&["state"], &[])?;
        serde_json::from_str(&output.out).setup("read what `state` printed")
    }

    /// Its status.
    pub fn status(&self) -> Verdict<String> {
        let state = self.state()?;
        Ok(state["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Starts it.
    pub fn start(&self) -> Verdict {
        let output = self.call(&["start"], &[])?;
        match output.ok() {
            true => Ok(()),
            false => Err(Stop::Refused(format!("start: {}", output.said()))),
        }
    }

    /// Sends a signal.
    pub fn kill(&self, signal: &str) -> Verdict {
        self.does(&["kill"], &[signal]).map(drop)
    }

    /// Deletes it.
    pub fn delete(&self) -> Verdict {
        self.does(&["delete"], &[]).map(drop)
    }

    /// Kills it and waits for its end.
    pub fn end(&self) -> Verdict {
        self.kill("KILL")?;
        self.exit().map(drop)
    }

    /// Waits for its process to end; how it ended, where this process is its parent.
    pub fn exit(&self) -> Verdict<Option<i32>> {
        if let Some(code) = self.ended.get() {
            return Ok(code);
        }
        let pid = Pid::from_raw(self.pid);
        let code = wait_for("the end of the container's process", || {
            match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(Some(code)),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(Some(128 + signal as i32)),
                Err(Errno::ECHILD) => {
                    let gone = !fs::exists(format!("/proc/{pid}")).unwrap_or(true);
                    gone.then_some(None)
                }
                _ => None,
            }
        })?;
        self.ended.set(Some(code));
        Ok(code)
    }

    /// Waits for its end; what it said.
    pub fn finish(&self) -> Verdict<Seen> {
        let code = self.exit()?;
        Ok(Seen {
            text: self.said(),
            code,
        })
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        let mut text = fs::read(&self.out).unwrap_or_default();
        text.extend(fs::read(self.out.with_extension("err")).unwrap_or_default());
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits until it has said a text.
    pub fn says(&self, text: &str) -> Verdict {
        wait_for(&format!("the container to say {text:?}"), || {
            self.said().contains(text).then_some(())
        })
    }

    /// A file of its process in /proc.
    pub fn proc(&self, name: &str) -> Verdict<String> {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid))
            .setup("read /proc of the container")
    }

    /// Path of a file of its process in /proc.
    pub fn proc_path(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid)
    }

    /// One of its namespaces, as `kind:[number]`.
    pub fn namespace(&self, kind: &str) -> Verdict<String> {
        namespace(&self.pid.to_string(), kind)
    }

    /// Runs a process of the probe inside, by `exec`.
    pub fn exec(&self, process: &Value, flags: &[&str]) -> Verdict<Output> {
        let file = self.case.path(&format!("process-{}.json", self.id));
        fs::write(&file, process.to_string()).setup("write a process")?;
        let file = file.display().to_string();
        let mut words = vec!["exec", "--process", &file];
        words.extend(flags);
        self.call(&words, &[])
    }
}

/// A namespace of a process, as `kind:[number]`.
pub fn namespace(pid: &str, kind: &str) -> Verdict<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).setup("look at a namespace")?;
    Ok(link.display().to_string())
}
