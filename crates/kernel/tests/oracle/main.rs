//! The numbers and layouts of this crate beside those of the libc crate, which others maintain.
//!
//! Most constants are private, some to one function: they are read from the sources, and one that is neither compared nor
//! said to be missing in libc fails the test.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]
#![allow(
    clippy::unnecessary_cast,
    reason = "what type libc gives a constant differs between architectures"
)]

mod layout;
mod numbers;

use std::collections::BTreeMap;
use std::path::Path;

/// The text of a source file without tests and without what is for other architectures: items with an attribute.
fn source(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let condition = line.trim().strip_prefix("#[cfg(");
        let condition = condition.and_then(|rest| rest.strip_suffix(")]"));
        if condition.is_none_or(holds) {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        // The item ends at a line with its own indentation that is no attribute.
        let indent = |line: &str| line.len() - line.trim_start().len();
        let own = indent(line);
        for line in lines.by_ref() {
            if indent(line) == own && !line.trim().starts_with('#') && line.ends_with([';', '}']) {
                break;
            }
        }
    }
    kept
}

/// Whether a condition is one of this test's view.
fn holds(condition: &str) -> bool {
    let here = format!("\"{}\"", std::env::consts::ARCH);
    match condition.strip_prefix("not(") {
        _ if condition == "test" => false,
        _ if !condition.contains("target_arch") => true,
        Some(inner) => !inner.contains(&here),
        None => condition.contains(&here),
    }
}

/// All source files with the names of their modules.
fn modules() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| {
            let module = name.strip_suffix(".rs")?.to_owned();
            Some((module, source(&name)))
        })
        .collect()
}

/// The value of an expression as constants are written here: numbers, `|`, `<<`, `*`, and a call or tuple struct around
/// them.
fn value(expression: &str) -> Option<i128> {
    let text = expression.trim();
    if let Some((left, right)) = text.split_once('|') {
        return Some(value(left)? | value(right)?);
    }
    if let Some((left, right)) = text.split_once("<<") {
        return Some(value(left)? << value(right)?);
    }
    if let Some((left, right)) = text.split_once('*') {
        return Some(value(left)? * value(right)?);
    }
    if let Some((_, inner)) = text.split_once('(') {
        return value(inner.strip_suffix(')')?);
    }
    let digits = text.replace('_', "");
    match digits.split_at_checked(2) {
        Some(("0x", digits)) => i128::from_str_radix(digits, 16).ok(),
        Some(("0o", digits)) => i128::from_str_radix(digits, 8).ok(),
        _ => digits.parse().ok(),
    }
}

#[test]
fn expressions_are_read() {
    for (text, expected) in [
        ("0x8004_5430", Some(0x8004_5430)),
        ("0o2000000 | 0o4000", Some(0o2004000)),
        ("1 << 14", Some(1 << 14)),
        ("16 * 1024", Some(16384)),
        ("-100", Some(-100)),
        ("BorrowedFd::of(-100)", Some(-100)),
        ("size_of::<u64>()", None),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}
