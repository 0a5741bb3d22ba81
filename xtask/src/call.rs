//! Calls of other programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Answer;

/// The workspace's root.
pub(crate) fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// A call of cargo in the workspace.
pub(crate) fn cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace());
    command
}

/// A call of a program without arguments yet.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(workspace());
    command
}

/// Runs a command to its end; its failure is ours.
pub(crate) fn run(command: &mut Command) -> Answer {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}"))
    }
}

/// Runs a command and returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The path of an installed program.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut all = std::env::split_paths(&folders).chain(usual);
    all.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
}

/// The caller's user and group.
pub(crate) fn ids() -> (u32, u32) {
    (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    )
}

/// Builds `tare` and returns its path.
pub(crate) fn build_tare() -> Result<PathBuf, String> {
    run(&mut cargo(["build", "--quiet", "--bin", "tare"]))?;
    Ok(target().join("debug/tare"))
}

/// Builds containerd's shim; the answer is the program.
pub(crate) fn build_shim() -> Result<PathBuf, String> {
    run(&mut cargo(["build", "--quiet", "--package", "tare-shim"]))?;
    Ok(target().join("debug/containerd-shim-tare-v2"))
}

/// Tracked and new source files below a folder, relative to the workspace.
pub(crate) fn rust_files() -> Result<Vec<String>, String> {
    let arguments = [
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ];
    let mut files: Vec<String> = output(program("git").args(arguments))?
        .lines()
        .map(str::to_owned)
        .collect();
    files.retain(|file| workspace().join(file).exists());
    Ok(files)
}
