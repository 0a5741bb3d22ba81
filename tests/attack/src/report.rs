//! What became of the attacks, and how it is printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::attack::Attack;

/// What became of an attack.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// It changed nothing and learned nothing.
    Held,
    /// The host was changed or shown, or the container has what it may not have.
    Broken(String),
    /// The runtime did not end.
    Hung(String),
    /// It says nothing here.
    NotApplicable(String),
}

impl Found {
    /// One word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Found::Held => "held",
            Found::Broken(_) => "BROKEN",
            Found::Hung(_) => "HUNG",
            Found::NotApplicable(_) => "n/a",
        }
    }

    fn detail(&self) -> &str {
        match self {
            Found::Held => "",
            Found::Broken(reason) | Found::Hung(reason) | Found::NotApplicable(reason) => reason,
        }
    }

    /// The reason, as the end of a line.
    pub(crate) fn reason(&self) -> String {
        match self.detail() {
            "" => String::new(),
            reason => format!(": {reason}"),
        }
    }

    /// As one line from the frame to the outside.
    pub(crate) fn line(&self, id: &str) -> Value {
        json!({"id": id, "verdict": self.word(), "detail": self.detail()})
    }

    /// Reads such a line.
    pub(crate) fn read(line: &Value) -> Found {
        let detail = line["detail"].as_str().unwrap_or_default().to_owned();
        match line["verdict"].as_str() {
            Some("held") => Found::Held,
            Some("n/a") => Found::NotApplicable(detail),
            Some("HUNG") => Found::Hung(detail),
            _ => Found::Broken(detail),
        }
    }
}

/// All that became of the attacks on one runtime.
#[derive(Debug)]
pub(crate) struct Report {
    name: String,
    version: String,
    pub(crate) found: BTreeMap<String, Found>,
    /// What is different on the machine afterwards.
    pub(crate) changed: Vec<String>,
}

impl Report {
    pub(crate) fn new(name: String, version: String) -> Report {
        Report {
            name,
            version,
            found: BTreeMap::new(),
            changed: Vec::new(),
        }
    }

    fn count(&self, word: &str) -> usize {
        self.found
            .values()
            .filter(|found| found.word() == word)
            .count()
    }

    /// Whether an attack was not held.
    pub(crate) fn is_broken(&self) -> bool {
        self.count("BROKEN") + self.count("HUNG") > 0
    }

    /// One line.
    pub(crate) fn summary(&self) -> String {
        let [held, broken, hung, none] =
            ["held", "BROKEN", "HUNG", "n/a"].map(|word| self.count(word));
        format!(
            "{} ({}): {held} held, {broken} broken, {hung} hung, {none} not applicable",
            self.name, self.version
        )
    }
}

/// Test Anything Protocol.
pub(crate) fn tap(attacks: &[Attack], report: &Report) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", attacks.len());
    for (number, attack) in attacks.iter().enumerate() {
        let found = report.found.get(&attack.id);
        let (word, end) = match found {
            Some(Found::Held) => ("ok", String::new()),
            Some(Found::NotApplicable(reason)) => ("ok", format!(" # SKIP {reason}")),
            other => ("not ok", other.map(Found::reason).unwrap_or_default()),
        };
        let _ = writeln!(
            text,
            "{word} {} - {} {}{end}",
            number + 1,
            attack.id,
            attack.what
        );
    }
    text
}

/// One document.
pub(crate) fn document(attacks: &[Attack], reports: &[Report]) -> Value {
    let all = attacks.iter().map(|attack| {
        let found = reports.iter().map(|report| {
            let found = report.found.get(&attack.id);
            (report.name.clone(), json!({"verdict": found.map(Found::word), "detail": found.map(Found::detail)}))
        });
        json!({"id": attack.id, "what": attack.what, "advisories": attack.advisories, "runtimes": found.collect::<serde_json::Map<_, _>>()})
    });
    let runtimes = reports
        .iter()
        .map(|report| json!({"name": report.name, "version": report.version}));
    json!({"runtimes": runtimes.collect::<Vec<_>>(), "attacks": all.collect::<Vec<_>>()})
}

/// What stands before the table.
const HEAD: &str = "\
# What was attacked, and what became of it

Written by `cargo xtask attack --write` from the [attack suite](../tests/attack/README.md), which runs on any runtime. Each attack is *held*
(nothing outside was changed or seen, and the runtime ended in time: by an error, or by doing it inside), *BROKEN*, *HUNG*, or *n/a*.

Advisories are published ones of the same kind, each with the runtime that it is about. Other runtimes stand here as negative controls, in the
versions of Debian 12: where an old one breaks, the attack is shown to attack. Cells are empty where no advisory names the runtime. Of all shapes of a path one that breaks is enough, such as a
`/dev` that is a link: of several advisories it may be only one that was met.

";

/// A table. Of other runtimes only what was published is told: where no advisory names a runtime, its cell stays empty.
pub(crate) fn markdown(attacks: &[Attack], reports: &[Report]) -> String {
    let mut text = String::from(HEAD);
    text += "| attack | what is tried | advisories |";
    let shown = |name: &str| name.starts_with("tare");
    for report in reports {
        let _ = write!(text, " {} |", report.name);
    }
    text += "\n|---|---|---|";
    text += &"---|".repeat(reports.len());
    text.push('\n');
    for attack in attacks {
        let _ = write!(
            text,
            "| {} | {} | {} |",
            attack.id,
            attack.what,
            attack.advisories.join(", ")
        );
        for report in reports {
            let found = report
                .found
                .get(&attack.id)
                .filter(|_| shown(&report.name) || attack.concerns(&report.name));
            let _ = write!(text, " {} |", found.map_or("", Found::word));
        }
        text.push('\n');
    }
    let versions: Vec<String> = reports
        .iter()
        .map(|report| format!("{} ({})", report.name, report.version))
        .collect();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let date = std::process::Command::new("date")
        .args(["-u", "+%Y-%m-%d"])
        .output();
    let date = date
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    let _ = writeln!(
        text,
        "\n{}; Linux {}, {date}.",
        versions.join(", "),
        kernel.trim()
    );
    text
}
