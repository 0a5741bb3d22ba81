//! `cargo xtask conformance`: tare through the conformance suite. `--write` writes docs/conformance.md, which says where each
//! test was shown, and docs/conformance-matrix.md, in which tare stands beside runc and crun. `cargo xtask mutants`: the suite's negative controls.
//!
//! What tare does otherwise on purpose is listed with its decision; anything else that fails is a failure, and so is what is
//! listed and passes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Answer, call};

/// Where the comparison is kept.
const MATRIX: &str = "docs/conformance-matrix.md";

/// What tare does otherwise on purpose.
const DEVIATIONS: &str = "docs/conformance/deviations.txt";

/// What the suite says of each test, and where it was shown.
const DOCUMENT: &str = "docs/conformance.md";

/// Its beginning, written by hand.
const HEAD: &str = "docs/conformance/head.md";

/// Tests that nothing here can run.
const UNPROVEN: &str = "docs/conformance/unproven.txt";

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
    write_document(&suite)?;
    write_matrix(&suite, &rest)
}

/// Result and reason of each test.
type Results = BTreeMap<String, (String, String)>;

/// Runs tests in all views, those that these do not show in a guest, too.
fn write_document(suite: &Path) -> Answer {
    let mut views: Vec<(&str, Results)> = Vec::new();
    for view in ["host", "v1", "v2"] {
        let mut command = call::program(suite);
        command.args(["--runtime", "tare", "--deviations", &deviations()]);
        views.push((view, results(command.args(["--cgroup", view]))?));
    }
    let tests = listed(suite)?;
    let shown = |views: &[(&str, Results)], id: &str| {
        let mut all = views.iter();
        all.any(|(_, results)| results.get(id).is_some_and(|(word, _)| word != "n/a"))
    };
    let left: Vec<&[String; 4]> = (tests.iter())
        .filter(|[id, ..]| !shown(&views, id))
        .collect();
    if !left.is_empty() {
        let left = left.iter().map(|[id, ..]| id.as_str());
        views.push(("guest", in_guest(suite, "v2", left)?));
    }
    // All controllers of version 1, which this machine need not have.
    let rows = ["E", "F", "K"].into_iter();
    views.push(("guest v1", in_guest(suite, "v1", rows)?));
    let unproven = read(UNPROVEN)?;
    let reasons: BTreeMap<&str, &str> = unproven
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once("  # "))
        .collect();
    let mut text = read(HEAD)?;
    text += "\n| test | | what is demanded | tare | shown |\n|---|---|---|---|---|\n";
    let mut wrong = Vec::new();
    for [id, level, section, demand] in &tests {
        let all = views.iter().filter_map(|(view, results)| {
            let (word, detail) = results.get(id)?;
            (word != "n/a").then_some((*view, word.as_str(), detail.as_str()))
        });
        let all: Vec<(&str, &str, &str)> = all.collect();
        wrong.extend(
            (all.iter().filter(|(_, word, _)| *word == "fail"))
                .map(|(view, _, detail)| format!("{id} fails ({view}): {detail}")),
        );
        let word = match (all.first(), reasons.get(id.as_str())) {
            (None, Some(reason)) => format!("not shown: {reason}"),
            (None, None) => {
                wrong.push(format!(
                    "{id} is shown nowhere, and {UNPROVEN} does not say why"
                ));
                continue;
            }
            (Some(_), Some(_)) => {
                wrong.push(format!("{id} is shown, and stands in {UNPROVEN}"));
                continue;
            }
            (Some((_, word, _)), None) => (*word).to_owned(),
        };
        let shown: Vec<&str> = all.iter().map(|(view, ..)| *view).collect();
        let demand = demand.replace('|', "\\|");
        let shown = shown.join(", ");
        text += &format!("| {id} | {level} | {demand} (`{section}`) | {word} | {shown} |\n");
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let path = call::workspace().join(DOCUMENT);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{DOCUMENT} is written");
    Ok(())
}

/// Runs some tests in a guest with this version of control groups.
fn in_guest<'t>(
    suite: &Path,
    version: &str,
    tests: impl Iterator<Item = &'t str>,
) -> Result<Results, String> {
    let mut lab = call::program(call::workspace().join("tests/lab/lab"));
    lab.args(["--cgroup", version, "--timeout", "1500", "--"]);
    lab.arg(suite);
    lab.arg("--runtime").arg(call::target().join("debug/tare"));
    lab.args(["--slow", "6", "--deviations", &deviations()]);
    for test in tests {
        lab.args(["--filter", test]);
    }
    results(&mut lab)
}

/// What the suite prints as text.
fn results(command: &mut Command) -> Result<Results, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut all = Results::new();
    let mut last = String::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if line.starts_with(' ') {
            if let Some((_, detail)) = all.get_mut(&last) {
                line.trim().clone_into(detail);
            }
        } else if let (Some(word @ ("pass" | "fail" | "n/a" | "deviates")), Some(id)) =
            (words.next(), words.next())
        {
            id.clone_into(&mut last);
            all.insert(last.clone(), (word.to_owned(), String::new()));
        }
    }
    match all.is_empty() || !matches!(output.status.code(), Some(0 | 1)) {
        false => Ok(all),
        true => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{command:?}: {}\n{said}", output.status))
        }
    }
}

/// Id, level, section and demand of each test.
fn listed(suite: &Path) -> Result<Vec<[String; 4]>, String> {
    let text = call::output(call::program(suite).arg("--list"))?;
    let test = |line: &str| {
        let mut rest = line;
        let mut word = || {
            let (word, after) = rest.trim_start().split_once(' ')?;
            rest = after;
            Some(word.to_owned())
        };
        let (id, level, section) = (word()?, word()?, word()?);
        Some([id, level, section, rest.trim().to_owned()])
    };
    Ok(text.lines().filter_map(test).collect())
}

/// The comparison with others.
fn write_matrix(suite: &Path, rest: &[&String]) -> Answer {
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

fn read(name: &str) -> Result<String, String> {
    let path = call::workspace().join(name);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

pub(crate) fn mutants(arguments: &[String]) -> Answer {
    let mut suite = call::program(build()?);
    call::run(
        suite
            .args(["--runtime", "tare", "--mutants"])
            .args(arguments),
    )
}

pub(crate) fn deviations() -> String {
    format!("tare={}", call::workspace().join(DEVIATIONS).display())
}

/// Every decision that the list names is a page.
fn judge_decisions() -> Answer {
    let pages = read("docs/decisions/README.md")?;
    let list = read(DEVIATIONS)?;
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
pub(crate) fn build() -> Result<PathBuf, String> {
    call::build_tare()?;
    call::run(&mut call::cargo([
        "build",
        "--quiet",
        "--package",
        "oci-validation",
    ]))?;
    Ok(call::target().join("debug/oci-validation"))
}
