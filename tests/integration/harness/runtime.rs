//! Calls of the runtime under test, with their output and a time limit.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A time limit, longer on slow machines: times the number in `TARE_TEST_SLOW`.
pub fn slow(seconds: u64) -> Duration {
    let factor = std::env::var("TARE_TEST_SLOW")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    Duration::from_secs(seconds * factor)
}

/// Waits until the condition holds; fails when it does not within 20 seconds. Of the time between two looks a second counts
/// at most: while the machine stands still, nothing can come to hold.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let (mut waited, mut last) = (Duration::ZERO, Instant::now());
    while !condition() {
        assert!(waited < slow(20), "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(2));
        waited += last.elapsed().min(Duration::from_secs(1));
        last = Instant::now();
    }
}

/// Where the runtime under test is.
pub(crate) fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("TARE_RUNTIME") {
        return PathBuf::from(path);
    }
    // This program is target/PROFILE/deps/integration-HASH.
    let own = std::env::current_exe().expect("own path");
    let profile = own
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps");
    let tare = profile.join("tare");
    assert!(
        tare.exists(),
        "{} is missing: cargo build --bin tare",
        tare.display()
    );
    tare
}

/// A call of the runtime (or another program) under preparation.
#[derive(Debug)]
pub struct Invocation {
    command: Command,
    folder: PathBuf,
    input: Option<Vec<u8>>,
    limit: Duration,
    captured: bool,
}

impl Invocation {
    /// A call of `program`; what it prints goes to files in `folder`.
    ///
    /// Files, not pipes: a container that was left running keeps its output open, and a pipe would never end.
    pub fn new(program: impl AsRef<OsStr>, folder: &Path) -> Invocation {
        let mut command = Command::new(program);
        command.env_clear().env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        Invocation {
            command,
            folder: folder.to_owned(),
            input: None,
            limit: slow(60),
            captured: true,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Invocation {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Invocation {
        self.command.env(name, value);
        self
    }

    /// Runs it as another user, without supplementary groups.
    pub fn user(mut self, uid: u32, gid: u32) -> Invocation {
        self.command.uid(uid).gid(gid);
        self
    }

    /// Sets the working directory.
    pub fn directory(mut self, path: impl AsRef<Path>) -> Invocation {
        self.command.current_dir(path);
        self
    }

    /// Standard input, `/dev/null` otherwise.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Invocation {
        self.input = Some(bytes.into());
        self
    }

    /// Uses this file for standard input, output and error.
    pub fn standard(mut self, file: &File) -> Invocation {
        let copy = || Stdio::from(file.try_clone().expect("dup"));
        self.command.stdin(copy()).stdout(copy()).stderr(copy());
        self.captured = false;
        self
    }

    /// Changes the time limit.
    pub fn limit(mut self, seconds: u64) -> Invocation {
        self.limit = slow(seconds);
        self
    }

    /// Starts it.
    pub fn spawn(mut self) -> Running {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let [stdout, stderr] =
            ["out", "err"].map(|kind| self.folder.join(format!("{number}.{kind}")));
        if self.captured {
            let open = |path: &Path| {
                let mut options = File::options();
                options
                    .append(true)
                    .create(true)
                    .open(path)
                    .expect("file for output")
            };
            self.command.stdout(open(&stdout)).stderr(open(&stderr));
            self.command.stdin(if self.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            });
        }
        let line = format!("{:?}", self.command);
        let begin = Instant::now();
        let mut child = loop {
            match self.command.spawn() {
                Ok(child) => break child,
                // A copy that was just made: what another thread is starting right now still holds its descriptor.
                Err(error)
                    if error.kind() == ErrorKind::ExecutableFileBusy
                        && begin.elapsed() < slow(5) =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("{line}: {error}"),
            }
        };
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.input.take()) {
            // The program may end without reading all of it.
            let _ = pipe.write_all(&bytes);
        }
        Running {
            child,
            line,
            stdout,
            stderr,
            limit: self.limit,
            begin: Instant::now(),
        }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn output(self) -> Output {
        self.spawn().finish()
    }
}

/// A call that was started.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    line: String,
    stdout: PathBuf,
    stderr: PathBuf,
    limit: Duration,
    begin: Instant,
}

impl Running {
    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for its end; kills it and fails at the time limit.
    #[track_caller]
    pub fn finish(mut self) -> Output {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                break status;
            }
            if self.begin.elapsed() > self.limit {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!(
                    "{} did not end within {:?}; printed: {}",
                    self.line,
                    self.limit,
                    self.stdout()
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        self.ended_with(shell_status(status))
    }

    /// What it printed, for who has waited for its end already.
    pub(crate) fn ended_with(self, code: i32) -> Output {
        Output {
            code,
            stdout: self.stdout(),
            stderr: String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default())
                .into_owned(),
            line: self.line,
            path: self.stdout,
        }
    }
}

fn shell_status(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// What a call printed and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Exit status, 128 plus the signal for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    line: String,
    path: PathBuf,
}

impl Output {
    /// What a call that said nothing and ended with 0 leaves.
    pub fn ended_well() -> Output {
        Output {
            code: 0,
            stdout: String::new(),
            stderr: String::new(),
            line: String::new(),
            path: PathBuf::new(),
        }
    }

    /// Fails unless the call ended well.
    #[track_caller]
    pub fn ok(self) -> Output {
        self.exits(0)
    }

    /// Fails unless the call ended with this status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Output {
        assert!(
            self.code == code,
            "{}\nended with {}, not {code}\nstdout: {}\nstderr: {}",
            self.line,
            self.code,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Fails unless the call ended with this status and one line on standard error that contains all the texts.
    #[track_caller]
    pub fn fails_with(self, code: i32, texts: &[&str]) -> Output {
        let output = self.exits(code);
        for text in texts {
            assert!(
                output.error().contains(text),
                "{}\nwanted: {text}\nstderr: {}",
                output.line,
                output.stderr
            );
        }
        let errors = output
            .stderr
            .lines()
            .filter(|line| !line.contains("level=warning"))
            .count();
        assert!(
            errors == 1,
            "{}\n{errors} lines instead of one: {}",
            output.line,
            output.stderr
        );
        output
    }

    /// Fails unless standard output contains the text.
    #[track_caller]
    pub fn prints(self, text: &str) -> Output {
        assert!(
            self.stdout.contains(text),
            "{}\nwanted: {text}\nstdout: {}\nstderr: {}",
            self.line,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Fails unless standard output is these lines exactly.
    #[track_caller]
    pub fn lines(self, lines: &[&str]) -> Output {
        let found: Vec<&str> = self.stdout.lines().collect();
        assert!(
            found == lines,
            "{}\nwanted: {lines:?}\nfound: {found:?}\nstderr: {}",
            self.line,
            self.stderr
        );
        self
    }

    /// Standard error; quotation marks are not escaped, as they are in the log's text format.
    pub fn error(&self) -> String {
        self.stderr.replace("\\\"", "\"")
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{}\n{error}: {}\n{}", self.line, self.stdout, self.stderr)
        })
    }

    /// The file that holds standard output; what a container that was left running prints is added there.
    pub fn file(&self) -> &Path {
        &self.path
    }
}
