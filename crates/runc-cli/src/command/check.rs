//! `check`: whether a bundle would run here, and all that is wrong with it at once.

use std::fmt::Write;
use std::path::Path;

use libcontainer::{Bundle, Finding, Verdict};

use super::{Arguments, Command, create};
use crate::failure::Failure;
use crate::flag::{BUNDLE, Flag, NO_PIVOT};
use crate::global::Global;
use crate::invocation::{Invocation, Order, absolute};
use crate::output;

static FORMAT: Flag = Flag::text("format", "FORMAT", "text or json (default: text)")
    .short("f")
    .one_of(&["text", "json"]);

pub(crate) static COMMAND: Command = Command {
    name: "check",
    summary: "say whether a bundle would run here, and what is unwise about it",
    synopsis: "[BUNDLE]",
    about: "\
Reads config.json and lists everything that stands in the way, not only the
first, with file, line and column as compilers do; then what is legal and
likely to be a mistake, or a door from the container to the host. Nothing on
the system changes. Exits with 1 when the bundle would not run.",
    examples: &[
        (
            "check bundle",
            "all that is wrong with bundle/config.json, and what is unwise",
        ),
        (
            "--systemd-cgroup check --format json bundle",
            "as JSON, for cgroups by systemd",
        ),
    ],
    flags: &[&FORMAT, &BUNDLE, &NO_PIVOT],
    order: Order::Anywhere,
    arguments: Arguments::Between(0, 1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let print = match invocation.text(&FORMAT) {
        None | Some("text") => text,
        Some("json") => json,
        Some(_) => return Err(Failure::new("invalid format option")),
    };
    let options = create::options(global, invocation)?;
    let bundle = match invocation.arguments.first() {
        Some(dir) => Bundle::load(absolute(Path::new(dir))?)?,
        None => create::bundle(invocation)?,
    };
    let verdict = libcontainer::check(global.store(), &bundle, &options);
    output::print(&print(&verdict)?)?;
    Ok(i32::from(!verdict.valid))
}

fn json(verdict: &Verdict) -> Result<String, Failure> {
    Ok(output::pretty(verdict, "  ")? + "\n")
}

/// One line for each finding, then the sum.
fn text(verdict: &Verdict) -> Result<String, Failure> {
    let mut text = String::new();
    let file = verdict.file.display();
    let kinds = [("error", &verdict.problems), ("warning", &verdict.warnings)];
    for (kind, findings) in kinds {
        for finding in findings {
            let _ = write!(text, "{file}:");
            if let (Some(line), Some(column)) = (finding.line, finding.column) {
                let _ = write!(text, "{line}:{column}:");
            }
            let _ = writeln!(text, " {kind}: {}", sentence(finding));
        }
    }
    let count = |list: &[Finding], what: &str| match list.len() {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    let would = if verdict.valid {
        "runs"
    } else {
        "does not run"
    };
    let _ = writeln!(
        text,
        "{}, {}: the bundle {would} here",
        count(&verdict.problems, "error"),
        count(&verdict.warnings, "warning")
    );
    Ok(text)
}

/// Property and text in one line, whatever characters the config holds.
fn sentence(finding: &Finding) -> String {
    let text = match finding.config.as_str() {
        "" => finding.text.clone(),
        config => format!("{config}: {}", finding.text),
    };
    text.chars()
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}
