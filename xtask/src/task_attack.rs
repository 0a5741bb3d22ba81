//! `cargo xtask attack`: tare through the attack suite (`tests/attack`). `--write` writes docs/security-results.md, in which
//! tare stands beside runc and crun. `--mutants` takes checks out of a copy of the sources (`mutant.rs`), and shows that the
//! suite notices. `--controls` says of each attack what has broken by it: a mutant, another runtime, or nothing yet.

use std::fs;
use std::path::PathBuf;

use crate::{Answer, call, mutant};

/// Where the comparison is kept.
const DOCUMENT: &str = "docs/security-results.md";

pub(crate) fn run(arguments: &[String]) -> Answer {
    match arguments {
        [mode, rest @ ..] if mode == "--controls" => {
            let families: Vec<&str> = rest.iter().map(String::as_str).collect();
            return mutant::controls(&build()?, &families);
        }
        [mode] if mode == "--mutants" => return mutant::mutants(build()?, ""),
        [mode, word] if mode == "--mutants" => return mutant::mutants(build()?, word),
        _ => {}
    }
    let tare = call::build_tare()?;
    let suite = build()?;
    let (write, rest): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|word| *word == "--write");
    let mut command = call::program(&suite);
    command.arg("--runtime").arg(tare).args(&rest);
    if write.is_empty() {
        return call::run(&mut command);
    }
    for peer in ["runc", "crun"] {
        if call::installed(peer).is_some() {
            command.args(["--runtime", peer]);
        }
    }
    // Where a peer breaks the status says so, which is what the table is for.
    let output = command
        .args(["--cgroup", "v2", "--format", "markdown"])
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    if !table.starts_with('|') && !table.starts_with('#') {
        return Err(format!("the suite said: {table}"));
    }
    let path = call::workspace().join(DOCUMENT);
    fs::write(&path, table).map_err(|error| format!("{}: {error}", path.display()))
}

fn build() -> Result<PathBuf, String> {
    call::run(&mut call::cargo([
        "build",
        "--quiet",
        "--package",
        "attack",
    ]))?;
    Ok(call::target().join("debug/attack"))
}
