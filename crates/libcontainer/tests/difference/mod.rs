//! A plan as its difference from another, the form in which most golden plans are kept (`tests/plan/README.md`).
//!
//! What stays is not written at all, except for the name of the step before which something is added. So a step that
//! changes its words, or that all plans get, changes the plan from which the others differ, and not the others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use tare_libcontainer::plan::{Plan, Step};

/// One line of a golden plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// A step: its name in the sources, who performs it, what it does, the config field.
    Step {
        name: String,
        by: String,
        words: String,
        field: String,
    },
    /// Anything else.
    Line(String),
}

use Row::{Line, Step as StepRow};

impl Row {
    /// By what another plan calls it.
    fn name(&self) -> &str {
        match self {
            StepRow { name, .. } => name,
            Line(line) => line.trim(),
        }
    }

    /// As an added line; steps have a tab before the field, which their words never have.
    fn text(&self) -> String {
        match self {
            StepRow {
                by, words, field, ..
            } => format!("{by:<7}  {words}\t{field}"),
            Line(line) => line.clone(),
        }
    }

    /// The row of an added line. Its name is not written.
    fn read(text: &str) -> Row {
        for by in ["runtime", "child"] {
            if let Some(rest) = text.strip_prefix(&format!("{by:<7}  ")) {
                let (words, field) = rest
                    .split_once('\t')
                    .unwrap_or_else(|| panic!("no tab: {text:?}"));
                let [name, by, words, field] = ["", by, words, field].map(str::to_owned);
                return StepRow {
                    name,
                    by,
                    words,
                    field,
                };
            }
        }
        Line(text.to_owned())
    }
}

/// The lines of a plan, and others that follow them.
pub(crate) fn rows(plan: &Plan, others: impl IntoIterator<Item = String>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, entry) in plan.entries.iter().enumerate() {
        rows.push(StepRow {
            name: entry.name(),
            by: match entry.step {
                Step::Runtime(_) => "runtime".to_owned(),
                Step::Child(_) => "child".to_owned(),
            },
            words: plan.describe(index),
            field: if entry.from.is_none() {
                "-".to_owned()
            } else {
                entry.from.to_string()
            },
        });
        if entry.name() == "AwaitStart" {
            rows.push(Line(CREATED.to_owned()));
        }
    }
    // The rest of what is printed behind the steps.
    let printed = plan.to_string();
    let behind = printed.lines().skip(rows.len()).map(str::to_owned);
    rows.extend(behind.chain(others).map(Line));
    rows
}

/// What the printed plan has between creation and start.
const CREATED: &str = "     ───      created ─── waits for `start`";

/// The plan as it is printed, without the padding at the end of a line.
pub(crate) fn whole(rows: &[Row]) -> String {
    let lengths = rows.iter().filter_map(|row| match row {
        StepRow { words, .. } => Some(words.chars().count()),
        Line(_) => None,
    });
    let width = lengths.max().unwrap_or(0).min(72);
    let (mut text, mut index) = (String::new(), 0);
    for row in rows {
        let line = match row {
            Line(line) => line.clone(),
            StepRow {
                by, words, field, ..
            } => {
                index += 1;
                format!("{:>3}  {by:<7}  {words:<width$}  {field}", index - 1)
            }
        };
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The names of all rows; the second of a kind is `Device 2`.
fn names(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let earlier = rows[..index]
            .iter()
            .filter(|earlier| earlier.name() == row.name());
        names.push(match earlier.count() {
            0 => row.name().to_owned(),
            count => format!("{} {}", row.name(), count + 1),
        });
    }
    names
}

/// What leads from one plan to another, row by row.
#[derive(Clone, Copy)]
enum Change {
    Keep(usize),
    Drop(usize),
    Add(usize),
}

/// The shortest way, by the longest common subsequence; between two kept rows all that is dropped comes first.
fn changes(base: &[Row], rows: &[Row]) -> Vec<Change> {
    let width = rows.len() + 1;
    let mut common = vec![0u32; (base.len() + 1) * width];
    let at = |row: usize, column: usize| row * width + column;
    for old in (0..base.len()).rev() {
        for new in (0..rows.len()).rev() {
            common[at(old, new)] = if base[old] == rows[new] {
                common[at(old + 1, new + 1)] + 1
            } else {
                common[at(old + 1, new)].max(common[at(old, new + 1)])
            };
        }
    }
    let (mut old, mut new) = (0, 0);
    let (mut changes, mut added) = (Vec::new(), Vec::new());
    while old < base.len() || new < rows.len() {
        let ends = old == base.len() || new == rows.len();
        if !ends && base[old] == rows[new] {
            changes.append(&mut added);
            changes.push(Change::Keep(old));
            (old, new) = (old + 1, new + 1);
        } else if new == rows.len()
            || (!ends && common[at(old + 1, new)] >= common[at(old, new + 1)])
        {
            changes.push(Change::Drop(old));
            old += 1;
        } else {
            added.push(Change::Add(new));
            new += 1;
        }
    }
    changes.append(&mut added);
    changes
}

/// The lines that lead from one plan to another.
pub(crate) fn difference(base: &[Row], rows: &[Row]) -> String {
    let names = names(base);
    let mut text = String::new();
    // Whether something was dropped here, so that what is added stands in its place; and whether something was added.
    let (mut placed, mut adds) = (false, false);
    // What is kept behind something that was dropped, to be named if what is added next is not to take that place.
    let mut behind = None;
    for change in changes(base, rows) {
        match change {
            Change::Keep(old) => {
                if placed {
                    behind = Some(old);
                } else if adds {
                    let _ = writeln!(text, "  {}", names[old]);
                }
                (placed, adds) = (false, false);
            }
            Change::Drop(old) => {
                let _ = writeln!(text, "- {}", names[old]);
                (placed, behind) = (true, None);
            }
            Change::Add(new) => {
                if let Some(old) = behind.take() {
                    let _ = writeln!(text, "  {}", names[old]);
                }
                let _ = writeln!(text, "+ {}", rows[new].text());
                adds = true;
            }
        }
    }
    text
}

/// The plan that differs so from another.
///
/// # Errors
/// A line that says nothing about that plan.
pub(crate) fn apply(base: &[Row], difference: &str) -> Result<Vec<Row>, String> {
    let names = names(base);
    let (mut rows, mut added) = (Vec::new(), Vec::new());
    let (mut next, mut placed) = (0, false);
    for line in difference.lines() {
        let (mark, rest) = line
            .split_at_checked(2)
            .ok_or_else(|| format!("no mark: {line:?}"))?;
        if mark == "+ " {
            added.push(Row::read(rest));
            continue;
        }
        let found = names[next..].iter().position(|name| name == rest);
        let found = next + found.ok_or_else(|| format!("there is no {rest:?} from here on"))?;
        if placed {
            rows.append(&mut added);
        }
        rows.extend_from_slice(&base[next..found]);
        rows.append(&mut added);
        match mark {
            "- " => placed = true,
            "  " => {
                rows.push(base[found].clone());
                placed = false;
            }
            _ => return Err(format!("unknown mark: {line:?}")),
        }
        next = found + 1;
    }
    if placed {
        rows.append(&mut added);
    }
    rows.extend_from_slice(&base[next..]);
    rows.append(&mut added);
    Ok(rows)
}
