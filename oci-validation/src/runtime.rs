//! The runtime under test: its program, what it says about itself, and one call of it.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case::Case;
use crate::verdict::{Setup, Verdict, fail};

/// How long one call may take, on a machine that does other things as well.
const LIMIT: Duration = Duration::from_secs(30);

/// A runtime.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// What the user called it.
    pub name: String,
    /// Its program.
    pub program: PathBuf,
    /// The first line of `--version`.
    pub version: String,
    /// The newest version of the specification that it says it knows.
    pub spec: String,
    /// Its features document, if it has one.
    pub features: Option<Value>,
    /// Whether control groups are to be made through systemd.
    pub systemd: bool,
}

impl Runtime {
    /// Finds a runtime by name (beside this program, then in PATH) or path, and asks what it is.
    pub fn find(name: &str, systemd: bool) -> Result<Runtime, String> {
        let program = path_of(name).ok_or_else(|| format!("{name}: no such program"))?;
        let ask = |argument: &str| {
            let output = Command::new(&program)
                .arg(argument)
                .stdin(Stdio::null())
                .output();
            let text = output.ok().filter(|output| output.status.success())?;
            Some(String::from_utf8_lossy(&text.stdout).into_owned())
        };
        let version = ask("--version").unwrap_or_default();
        let features = ask("features").and_then(|text| serde_json::from_str(&text).ok());
        Ok(Runtime {
            spec: newest(&version, features.as_ref()),
            name: name.rsplit('/').next().unwrap_or(name).to_owned(),
            version: version.lines().next().unwrap_or("?").to_owned(),
            features,
            systemd,
            program,
        })
    }
}

/// What configurations are to say in `ociVersion`: the features document's word, or the line that runtimes print with their
/// version. Properties that are newer are tested all the same.
fn newest(version: &str, features: Option<&Value>) -> String {
    let most = features.and_then(|all| all["ociVersionMax"].as_str());
    let line = version.lines().find_map(|line| line.strip_prefix("spec: "));
    let plain = |text: &str| text.split(['-', '+']).next().unwrap_or_default().to_owned();
    most.or(line).map_or_else(|| "1.0.2".to_owned(), plain)
}

fn path_of(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return fs::canonicalize(name).ok();
    }
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|path| path.parent().map(Path::to_owned));
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let mut all = beside
        .into_iter()
        .chain(std::env::split_paths(&folders))
        .chain(usual);
    all.find_map(|folder| fs::canonicalize(folder.join(name)).ok())
}

/// What a call left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit status; 128 and the signal's number for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The file with standard output, into which a container may still write.
    pub file: PathBuf,
}

impl Output {
    /// Whether it went well.
    pub fn ok(&self) -> bool {
        self.code == 0
    }

    /// The last lines of what was said, short enough for a table.
    pub fn said(&self) -> String {
        let text = if self.err.trim().is_empty() {
            &self.out
        } else {
            &self.err
        };
        match text.trim().lines().last() {
            Some(line) => line.chars().take(300).collect(),
            None => format!("status {}, and nothing was said", self.code),
        }
    }
}

/// Calls the runtime with its state in the case's folder. `before` are words for `launch`.
pub fn call(case: &Case, before: &[String], arguments: &[&str]) -> Verdict<Output> {
    let operation = arguments.first().copied().unwrap_or_default();
    if let Some(crate::mutant::Mutant::Idle(name)) = &case.mutant
        && *name == operation
    {
        return Ok(Output {
            code: 0,
            out: String::new(),
            err: String::new(),
            file: PathBuf::from("/dev/null"),
        });
    }
    let mut command = launched(case, before);
    command.arg(case.program()).arg("--root").arg(case.state());
    if case.runtime.systemd {
        command.arg("--systemd-cgroup");
    }
    command.args(arguments);
    let slow = crate::container::SLOW.load(std::sync::atomic::Ordering::Relaxed);
    let mut output = finish(case, &mut command, LIMIT * slow)?;
    match &case.mutant {
        Some(crate::mutant::Mutant::Mute(name)) if *name == operation => output.code = 0,
        Some(crate::mutant::Mutant::Wail(name)) if *name == operation => output.code = 1,
        Some(mutant) => output.out = mutant.document(operation, output.out),
        None => {}
    }
    Ok(output)
}

/// A command that goes through `launch` when there is something to change before.
pub fn launched(case: &Case, before: &[String]) -> Command {
    let mut command = Command::new(case.helper());
    command.arg("launch").args(before).arg("--");
    command
}

/// Runs a command to its end, its output in files.
pub fn finish(case: &Case, command: &mut Command, limit: Duration) -> Verdict<Output> {
    let (out, err) = case.files();
    let open = |path: &Path| File::create(path).setup("make a file for output");
    command
        .current_dir(&case.folder)
        .env("XDG_RUNTIME_DIR", &case.folder)
        .env("HOME", &case.folder);
    command
        .stdin(Stdio::null())
        .stdout(open(&out)?)
        .stderr(open(&err)?);
    let mut child = command.spawn().setup("start the runtime")?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().setup("wait")? {
            break status;
        }
        if begin.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return fail(format!("{command:?} did not end within {limit:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text =
        |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    Ok(Output {
        code: status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        out: text(&out),
        err: text(&err),
        file: out,
    })
}
