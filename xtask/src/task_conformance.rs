//! `cargo xtask conformance`: tare through the conformance suite. `--write` writes docs/conformance-matrix.md, in which it
//! stands beside runc and crun. `cargo xtask mutants`: the suite's negative controls.

use std::fs;
use std::path::PathBuf;

use crate::{Answer, call};

/// Where the comparison is kept.
const MATRIX: &str = "docs/conformance-matrix.md";

pub(crate) fn run(arguments: &[String]) -> Answer {
    let suite = build()?;
    let (write, rest): (Vec<&String>, Vec<&String>) = arguments
        .iter()
        .partition(|argument| *argument == "--write");
    if write.is_empty() {
        return call::run(call::program(suite).args(["--runtime", "tare"]).args(rest));
    }
    let mut matrix = call::program(suite);
    // The only view in which Debian's crun works on a machine that has both versions.
    matrix
        .args(["--cgroup", "v1", "--format", "markdown"])
        .args(rest);
    for runtime in ["tare", "runc", "crun"] {
        if runtime == "tare" || call::installed(runtime).is_some() {
            matrix.args(["--runtime", runtime]);
        }
    }
    // The others have rows that fail: that is what the table is for.
    let output = matrix
        .output()
        .map_err(|error| format!("{matrix:?}: {error}"))?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{matrix:?}: {}\n{said}", output.status));
    }
    let path = call::workspace().join(MATRIX);
    fs::write(&path, output.stdout).map_err(|error| format!("{}: {error}", path.display()))?;
    println!(
        "{}{MATRIX} is written",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

pub(crate) fn mutants(arguments: &[String]) -> Answer {
    let mut suite = call::program(build()?);
    call::run(
        suite
            .args(["--runtime", "tare", "--mutants"])
            .args(arguments),
    )
}

/// Builds tare and the suite, which finds tare beside itself.
fn build() -> Result<PathBuf, String> {
    call::build_tare()?;
    call::run(&mut call::cargo([
        "build",
        "--quiet",
        "--package",
        "oci-validation",
    ]))?;
    Ok(call::target().join("debug/oci-validation"))
}
