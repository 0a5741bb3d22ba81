//! `cargo xtask conformance`: tare through the conformance suite. `--write` writes docs/conformance-matrix.md, in which it
//! stands beside runc and crun. `cargo xtask mutants`: the suite's negative controls.
//!
//! What tare does otherwise on purpose is listed with its decision; anything else that fails is a failure, and so is what is
//! listed and passes.

use std::fs;
use std::path::PathBuf;

use crate::{Answer, call};

/// Where the comparison is kept.
const MATRIX: &str = "docs/conformance-matrix.md";

/// What tare does otherwise on purpose.
const DEVIATIONS: &str = "docs/conformance/deviations.txt";

pub(crate) fn run(arguments: &[String]) -> Answer {
    judge_decisions()?;
    let suite = build()?;
    let (write, rest): (Vec<&String>, Vec<&String>) = arguments
        .iter()
        .partition(|argument| *argument == "--write");
    if write.is_empty() {
        return call::run(
            call::program(suite)
                .args(["--runtime", "tare", "--deviations", &deviations()])
                .args(rest),
        );
    }
    let mut matrix = call::program(suite);
    matrix.args(["--deviations", &deviations()]);
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

fn deviations() -> String {
    format!("tare={}", call::workspace().join(DEVIATIONS).display())
}

/// Every decision that the list names is a page.
fn judge_decisions() -> Answer {
    let read = |path: PathBuf| {
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let pages = read(call::workspace().join("docs/decisions/README.md"))?;
    let list = read(call::workspace().join(DEVIATIONS))?;
    let mut decisions = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(": ").nth(1));
    match decisions.find(|decision| !pages.contains(&format!("[{decision}]"))) {
        Some(decision) => Err(format!("{DEVIATIONS}: no decision {decision}")),
        None => Ok(()),
    }
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
