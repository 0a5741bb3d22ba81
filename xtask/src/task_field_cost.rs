//! `cargo xtask field-cost COMMIT`: how many files of which kind a commit changed.
//!
//! An ordinary field should cost two source files, a golden case and a line in the changelog (docs/adding-a-field.md).

use std::collections::BTreeMap;

use crate::{Answer, call};

pub(crate) fn run(arguments: &[String]) -> Answer {
    let commit = arguments.first().map_or("HEAD", String::as_str);
    let text =
        call::output(call::program("git").args(["show", "--numstat", "--format=%h %s", commit]))?;
    let mut lines = text.lines();
    println!("{}", lines.next().unwrap_or_default());
    let mut kinds: BTreeMap<&str, (u64, u64, Vec<&str>)> = BTreeMap::new();
    for line in lines {
        let mut fields = line.split('\t');
        let (Some(added), Some(removed), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let entry = kinds.entry(kind(path)).or_default();
        entry.0 += added.parse().unwrap_or(0);
        entry.1 += removed.parse().unwrap_or(0);
        entry.2.push(path);
    }
    for (kind, (added, removed, paths)) in kinds {
        println!(
            "{kind:<14} {:>3} files  +{added} -{removed}  {}",
            paths.len(),
            paths.join(" ")
        );
    }
    Ok(())
}

fn kind(path: &str) -> &'static str {
    match path {
        _ if path.contains("/snapshots/") || path.starts_with("tests/plan/") => "golden",
        _ if path.starts_with("tests/")
            || path.contains("/tests/")
            || path.ends_with("tests.rs") =>
        {
            "tests"
        }
        _ if path.ends_with(".rs") => "source",
        _ if path.ends_with(".md") => "documentation",
        _ => "other",
    }
}
