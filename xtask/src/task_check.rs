//! `cargo xtask check`: what CI runs, and all that is needed before pushing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Answer, call, task_publish, task_test};

/// init's size limit in bytes.
const LARGEST_INIT: u64 = 40 * 1024;

/// Where `unsafe` may stand.
const FENCE: &[&str] = &[
    "crates/kernel/src/",
    "crates/init/program/",
    // What other implementations are asked through: never part of a program that we ship.
    "tests/oracle/",
    "tests/integration/probe/entry.rs",
];

pub(crate) fn run(arguments: &[String]) -> Answer {
    let mut failed = Vec::new();
    let mut check = |name: &str, run: &dyn Fn() -> Answer| {
        println!("=== {name}");
        if let Err(message) = run() {
            println!("{message}");
            failed.push(name.to_owned());
        }
    };
    check("format", &|| {
        call::run(&mut call::cargo(["fmt", "--all", "--check"]))
    });
    check("format of the probe", &|| {
        let probe = "tests/integration/probe/main.rs";
        call::run(call::program("rustfmt").args(["--check", "--edition", "2024", probe]))
    });
    check("unsafe fence", &fence);
    check("lints", &|| {
        let arguments = [
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        call::run(&mut call::cargo(arguments))
    });
    check("documentation", &|| {
        let mut doc = call::cargo(["doc", "--quiet", "--workspace", "--no-deps"]);
        call::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    });
    check("size of init", &init_size);
    check("manifests and archives", &task_publish::manifests);
    check("dependencies", &task_publish::dependencies);
    check("tests", &|| task_test::run(arguments));
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

/// The only places with `unsafe` are those in [`FENCE`].
fn fence() -> Answer {
    let mut found = Vec::new();
    for file in call::rust_files()? {
        if FENCE.iter().any(|place| file.starts_with(place)) {
            continue;
        }
        let text = fs::read_to_string(call::workspace().join(&file))
            .map_err(|error| format!("{file}: {error}"))?;
        for (number, line) in code(&text).lines().enumerate() {
            let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            if words.any(|word| word == "unsafe") {
                found.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "unsafe outside of its fence:\n{}",
            found.join("\n")
        ))
    }
}

/// The text without comments and strings; lines stay where they are.
fn code(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '/' if letters.peek() == Some(&'/') => {
                while letters.peek().is_some_and(|next| *next != '\n') {
                    letters.next();
                }
            }
            '"' => {
                result.push(' ');
                while let Some(inside) = letters.next() {
                    match inside {
                        '\\' => drop(
                            letters
                                .next()
                                .filter(|next| *next == '\n')
                                .map(|_| result.push('\n')),
                        ),
                        '"' => break,
                        '\n' => result.push('\n'),
                        _ => {}
                    }
                }
            }
            // The character '"' is not the beginning of a string.
            '\'' if letters.peek() == Some(&'"') => drop(letters.next()),
            other => result.push(other),
        }
    }
    result
}

/// The init programs that builds have left in the target folder are small enough.
fn init_size() -> Answer {
    let mut newest: Option<(std::time::SystemTime, PathBuf, u64)> = None;
    for profile in ["debug", "release"] {
        for entry in fs::read_dir(call::target().join(profile).join("build"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with("tare-libcontainer-")
            {
                look(&entry.path().join("out"), &mut newest);
            }
        }
    }
    match newest {
        None => Err("no init program was built".to_owned()),
        Some((_, path, size)) if size > LARGEST_INIT => {
            Err(format!("{} has {size} bytes", path.display()))
        }
        Some((_, _, size)) => {
            println!("{size} bytes of {LARGEST_INIT}");
            Ok(())
        }
    }
}

fn look(folder: &Path, newest: &mut Option<(std::time::SystemTime, PathBuf, u64)>) {
    let path = folder.join("init");
    if let Some((time, size)) = fs::metadata(&path)
        .ok()
        .and_then(|data| Some((data.modified().ok()?, data.len())))
        && newest.as_ref().is_none_or(|(last, _, _)| *last < time)
    {
        *newest = Some((time, path, size));
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn code_is_without_comments_and_strings() {
        let text =
            "let a = \"unsafe \\\" unsafe\"; // unsafe\n/// unsafe\nlet b = '\"'; unsafe {}\n";
        let found = code(text);
        assert_eq!(found.matches("unsafe").count(), 1);
        assert_eq!(
            found.lines().position(|line| line.contains("unsafe")),
            Some(2)
        );
    }
}
