//! Results, and how they are printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::row::Row;

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Fail(String),
    NotApplicable(String),
    /// It fails, as the runtime's people have decided.
    Deviates(String),
}

impl Outcome {
    /// One word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail(_) => "fail",
            Outcome::NotApplicable(_) => "n/a",
            Outcome::Deviates(_) => "deviates",
        }
    }

    /// The reason.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Outcome::Pass => "",
            Outcome::Fail(reason) | Outcome::NotApplicable(reason) | Outcome::Deviates(reason) => {
                reason
            }
        }
    }

    /// Reads what [`Outcome::word`] and [`Outcome::detail`] wrote.
    pub(crate) fn read(line: &Value) -> Outcome {
        let detail = line["detail"].as_str().unwrap_or_default().to_owned();
        match line["result"].as_str() {
            Some("pass") => Outcome::Pass,
            Some("n/a") => Outcome::NotApplicable(detail),
            _ => Outcome::Fail(detail),
        }
    }
}

/// All results of one runtime.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) outcomes: BTreeMap<String, Outcome>,
    /// What is different on the machine afterwards.
    pub(crate) changed: Vec<String>,
}

impl Report {
    /// How many passed, failed, were not applicable, deviate.
    pub(crate) fn sums(&self) -> [usize; 4] {
        ["pass", "fail", "n/a", "deviates"].map(|word| {
            let all = self.outcomes.values();
            all.filter(|outcome| outcome.word() == word).count()
        })
    }

    fn outcome(&self, row: &Row) -> Outcome {
        let none = || Outcome::Fail("the test gave no result".to_owned());
        self.outcomes.get(row.id).cloned().unwrap_or_else(none)
    }

    /// One line with the sums.
    pub(crate) fn summary(&self) -> String {
        let [pass, fail, none, decided] = self.sums();
        format!(
            "{}: {pass} passed, {fail} failed, {none} not applicable, {decided} deviate by decision ({})",
            self.name, self.version
        )
    }
}

/// A line of the text format.
pub(crate) fn text(row: &Row, outcome: &Outcome) -> String {
    let mut line = format!("{:<8} {:<18} {}", outcome.word(), row.id, row.demand);
    if *outcome != Outcome::Pass {
        let _ = write!(
            line,
            "\n         {} {}: {}",
            row.level.word(),
            row.section,
            outcome.detail()
        );
    }
    line
}

/// Test Anything Protocol, version 13.
pub(crate) fn tap(rows: &[&Row], report: &Report) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", rows.len());
    for (index, row) in rows.iter().enumerate() {
        let number = index + 1;
        let name = format!("{} {} ({})", row.id, row.demand, row.level.word());
        let _ = match report.outcome(row) {
            Outcome::Pass => writeln!(text, "ok {number} {name}"),
            Outcome::NotApplicable(reason) => {
                writeln!(text, "ok {number} {name} # SKIP {}", one_line(&reason))
            }
            Outcome::Deviates(reason) => {
                writeln!(text, "not ok {number} {name} # TODO {}", one_line(&reason))
            }
            Outcome::Fail(reason) => {
                writeln!(text, "not ok {number} {name}\n# {}", one_line(&reason))
            }
        };
    }
    text
}

/// One JSON document.
pub(crate) fn document(rows: &[&Row], reports: &[Report], machine: &Value) -> Value {
    let runtimes = reports.iter().map(|report| {
        let results = rows.iter().map(|row| {
            let outcome = report.outcome(row);
            json!({
                "id": row.id, "level": row.level.word(), "section": row.section, "demand": row.demand,
                "result": outcome.word(), "detail": outcome.detail(),
            })
        });
        json!({
            "runtime": report.name, "version": report.version, "changed": report.changed,
            "results": results.collect::<Vec<_>>(),
        })
    });
    json!({"machine": machine, "runtimes": runtimes.collect::<Vec<_>>()})
}

/// A table with one column for each runtime, and the reasons below it.
pub(crate) fn markdown(rows: &[&Row], reports: &[Report], machine: &Value) -> String {
    let mut text = String::from("# Conformance of runtimes\n\n");
    let word = |key: &str| machine[key].as_str().unwrap_or("?").to_owned();
    let _ = writeln!(
        text,
        "Measured by `oci-validation` against the OCI runtime specification 1.3.0 on {}, Linux {}, control groups: {}.\n",
        word("date"),
        word("kernel"),
        word("view")
    );
    for report in reports {
        let [pass, fail, none, decided] = report.sums();
        let _ = writeln!(
            text,
            "- **{}** ({}): {pass} pass, {fail} fail, {none} not applicable, {decided} deviate by decision",
            report.name, report.version
        );
    }
    let names: Vec<&str> = reports.iter().map(|report| report.name.as_str()).collect();
    for (letter, title, _) in crate::rows::SECTIONS {
        let of = |row: &&&Row| row.id.starts_with(letter);
        if !rows.iter().any(|row| of(&row)) {
            continue;
        }
        let _ = writeln!(text, "\n## {letter}. {title}\n");
        let _ = writeln!(
            text,
            "| test | | what is demanded | {} |",
            names.join(" | ")
        );
        let _ = writeln!(text, "|---|---|---|{}", "---|".repeat(names.len()));
        for row in rows.iter().filter(of) {
            let results = reports.iter().map(|report| match report.outcome(row) {
                Outcome::Fail(_) => "**fail**",
                other => other.word(),
            });
            let _ = writeln!(
                text,
                "| {} | {} | {} (`{}`) | {} |",
                row.id,
                row.level.word(),
                row.demand.replace('|', "\\|"),
                row.section,
                results.collect::<Vec<_>>().join(" | ")
            );
        }
    }
    text.push_str("\n## Reasons\n");
    for report in reports {
        let _ = writeln!(text, "\n### {}\n", report.name);
        for row in rows {
            let outcome = report.outcome(row);
            if outcome != Outcome::Pass {
                let _ = writeln!(
                    text,
                    "- {} {}: {}",
                    row.id,
                    outcome.word(),
                    one_line(outcome.detail())
                );
            }
        }
    }
    text
}

/// A reason in one line, without what differs from run to run: numbers in the suite's own names, and times.
fn one_line(reason: &str) -> String {
    let words = reason.split_whitespace();
    let words = words.filter(|word| !word.starts_with("time=")).map(stable);
    words.collect::<Vec<_>>().join(" ").replace(['`', '|'], "'")
}

/// A word in which the suite's own names have no numbers.
fn stable(word: &str) -> String {
    if !word.contains("validation") {
        return word.to_owned();
    }
    let mut text = String::new();
    for part in word.split_inclusive(|letter: char| !letter.is_ascii_digit() && letter != '-') {
        // A part is a run of digits and dashes with the letter after it.
        let end = part.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '-');
        text.push_str(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn reasons_are_the_same_in_every_run() {
        let reason = "time=\"2026\" msg=\"no /tmp/validation123/case4/x\n in validation123-4-2\"";
        assert_eq!(
            one_line(reason),
            "msg=\"no /tmp/validation/case/x in validation\""
        );
    }
}
