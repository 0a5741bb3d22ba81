//! `cargo xtask lengths`: places to ask whether they hold two things. Nothing fails on them.

use std::fs;

use crate::{Answer, call};

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;

pub(crate) fn run(_: &[String]) -> Answer {
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for file in call::rust_files()? {
        let text = fs::read_to_string(call::workspace().join(&file))
            .map_err(|error| format!("{file}: {error}"))?;
        let lines = text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count();
        if lines > LONGEST_FILE {
            files.push((lines, file.clone()));
        }
        for (length, line, name) in long_functions(&text) {
            functions.push((length, format!("{file}:{line} {name}")));
        }
    }
    for (what, mut list) in [
        ("lines without tests", files),
        ("lines in a function", functions),
    ] {
        list.sort_by(|a, b| b.cmp(a));
        for (length, name) in list {
            println!("{length:>5} {what}  {name}");
        }
    }
    Ok(())
}

/// Length, first line and name of functions that are longer than [`LONGEST_FUNCTION`]. In formatted code a function
/// ends with the first closing brace that is indented as its head.
fn long_functions(text: &str) -> Vec<(usize, usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let head = line.trim_start();
        let words: Vec<&str> = head
            .split_whitespace()
            .take_while(|word| !word.contains('('))
            .collect();
        let Some(at) = head
            .split_whitespace()
            .position(|word| word == "fn")
            .filter(|at| *at <= words.len())
        else {
            continue;
        };
        let indent = &line[..line.len() - head.len()];
        let end = format!("{indent}}}");
        let Some(length) = lines[first..].iter().position(|line| *line == end) else {
            continue;
        };
        if length + 1 > LONGEST_FUNCTION && !lines[first].ends_with(';') {
            let name = head.split_whitespace().nth(at + 1).unwrap_or_default();
            let name = name.split(['(', '<']).next().unwrap_or_default();
            found.push((length + 1, first + 1, name.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::long_functions;

    #[test]
    fn only_long_functions_are_found() {
        let long = format!(
            "impl X {{\n    fn long(a: u8) {{\n{}    }}\n\n    fn short() {{\n    }}\n}}\n",
            "        a;\n".repeat(70)
        );
        let found = long_functions(&long);
        assert_eq!(found, [(72, 2, "long".to_owned())]);
    }
}
