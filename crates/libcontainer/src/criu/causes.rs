//! What CRIU's log says about a failure.

use std::path::Path;

/// The most lines that are shown.
const MOST: usize = 12;

/// The lines of a log that tell of errors, and the one before each; the last ones, where there are many.
pub(super) fn relevant(path: &Path) -> Vec<String> {
    match std::fs::read(path) {
        Ok(bytes) => errors_in(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            log::debug!("{}: {error}", path.display());
            Vec::new()
        }
    }
}

fn errors_in(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let is_error = |line: &&str| line.contains("Error (");
    let mut shown: Vec<String> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let before_one = lines.get(index + 1).is_some_and(is_error);
        if is_error(line) || before_one {
            shown.push(line.trim_end().to_owned());
        }
    }
    shown.split_off(shown.len().saturating_sub(MOST))
}

/// The first error among these lines, without the time and the place in CRIU's sources: mostly the cause of the others.
pub(super) fn cause(lines: &[String]) -> Option<&str> {
    let mut errors = lines.iter().filter_map(|line| line.split_once("Error ("));
    let (_, rest) = errors.next()?;
    Some(rest.split_once("): ").map_or(rest, |(_, text)| text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_with_what_stands_before() {
        let log = "(00.1) a\n(00.2) Dumping task 7\n(00.3) Error (criu/tty.c:12): tty: Found slave peer index 3 without \
                   correspond master\n(00.4) c\n(00.5) Error (criu/cr-dump.c:1): Dumping FAILED.\n";
        let lines = errors_in(log);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], "(00.2) Dumping task 7");
        let cause = cause(&lines).unwrap();
        assert_eq!(
            cause,
            "tty: Found slave peer index 3 without correspond master"
        );
        assert!(errors_in("(00.1) fine\n").is_empty());
        let many: String = (0..100).map(|n| format!("Error (x): {n}\n")).collect();
        assert_eq!(errors_in(&many).len(), MOST);
    }
}
