//! Builds the probe with plain `rustc`. Used by the build script of the integration tests and by `cargo xtask`.
//!
//! No cargo, no C library and no musl target are involved, so this works with any stable toolchain.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directories, below the workspace's root, whose change makes a new build necessary.
pub(crate) const SOURCES: [&str; 2] = ["crates/kernel/src", "tests/integration/probe"];

/// Compiles `crates/kernel` and the probe from `workspace` into `out` and returns the program's path.
pub(crate) fn build_probe(rustc: &OsStr, workspace: &Path, out: &Path) -> Result<PathBuf, String> {
    let [kernel, probe] = SOURCES.map(|folder| workspace.join(folder));
    let common = [
        "--edition",
        "2024",
        "-O",
        "-C",
        "panic=abort",
        "-C",
        "relocation-model=static",
    ];
    let mut library = Command::new(rustc);
    library.args(common).args([
        "--crate-name",
        "kernel",
        "--crate-type",
        "rlib",
        "--out-dir",
    ]);
    run(library.arg(out).arg(kernel.join("lib.rs")))?;
    let program = out.join("probe");
    let mut executable = Command::new(rustc);
    executable
        .args(common)
        .args(["--crate-name", "probe", "-C", "target-feature=+crt-static"]);
    executable.args([
        "-C",
        "strip=symbols",
        "-C",
        "link-arg=-nostartfiles",
        "-C",
        "link-arg=-nostdlib",
    ]);
    executable.args(["-C", "link-arg=-static", "--extern"]);
    executable.arg(format!("kernel={}", out.join("libkernel.rlib").display()));
    run(executable
        .arg("-o")
        .arg(&program)
        .arg(probe.join("main.rs")))?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    ))
}
