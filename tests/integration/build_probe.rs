//! Builds the probe with plain `rustc`. Used by the build script of the integration tests and by `cargo xtask`.
//!
//! No cargo, no C library and no musl target are involved, so this works with any stable toolchain.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directories, below the workspace's root, whose change makes a new build necessary.
pub(crate) const SOURCES: [&str; 2] = ["crates/kernel/src", "tests/integration/probe"];

/// Compiles `crates/kernel` and the probe from `workspace` into `out` and returns the program's path. `other` is the target,
/// where that is not this machine: its linker is then the one that comes with the compiler.
pub(crate) fn build_probe(
    rustc: &OsStr,
    workspace: &Path,
    out: &Path,
    other: Option<&OsStr>,
) -> Result<PathBuf, String> {
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
    let compiler = || {
        let mut command = Command::new(rustc);
        command.args(common);
        // No program holds the paths of the machine that it was built on.
        let mut here = OsString::from("--remap-path-prefix=");
        here.push(workspace);
        here.push("=/tare");
        command.arg(here);
        if let Some(target) = other {
            command.arg("--target").arg(target);
        }
        command
    };
    let mut library = compiler();
    library.args([
        "--crate-name",
        "kernel",
        "--crate-type",
        "rlib",
        "--out-dir",
    ]);
    run(library.arg(out).arg(kernel.join("lib.rs")))?;
    let program = out.join("probe");
    let mut executable = compiler();
    executable.args(["--crate-name", "probe", "-C", "target-feature=+crt-static"]);
    executable.args(["-C", "strip=symbols", "-C", "link-arg=-static"]);
    match other {
        None => executable.args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib"]),
        Some(_) => executable.args([
            "-C",
            "linker=rust-lld",
            "-C",
            "linker-flavor=ld.lld",
            "-C",
            "link-self-contained=no",
            "-C",
            "default-linker-libraries=no",
        ]),
    };
    executable.arg("--extern");
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
