//! Manual pages in the language of man(7): `tare.8`, and one for each command.

use std::fmt::Write;

use super::shown;
use crate::command::{self, Command};
use crate::flag::Flag;
use crate::{global, help};

pub(super) fn program() -> String {
    let mut page = head("tare", "Open Container Initiative runtime");
    page.push_str(
        ".SH SYNOPSIS\n.B tare\n[\\fIglobal options\\fR]\n.I command\n[\\fIcommand options\\fR]\n[\\fIarguments\\fR]\n",
    );
    section(
        &mut page,
        "DESCRIPTION",
        "\
Makes and runs containers from bundles: directories with a config.json and a root file system, as in the runtime
specification of the Open Container Initiative. It has the command line of runc(8), and takes that program's name, in messages
and in the directory for state, when it is called by a name that ends in runc.

Options may stand before or after the arguments, except with exec, where everything after the id belongs to the command. One
dash or two make no difference; --name value and --name=value mean the same. A switch is turned off by --name=false. Paths are
relative to the caller's current directory.",
    );
    page.push_str(".SH GLOBAL OPTIONS\n");
    flags(&mut page, global::FLAGS);
    page.push_str(".SH COMMANDS\n");
    for command in command::ALL {
        let (name, summary) = (roff(command.name), roff(command.summary));
        let _ = writeln!(page, ".TP\n.BR tare\\-{name} (8)\n{summary}");
    }
    page.push_str(".SH EXIT STATUS\n");
    for (code, meaning) in [
        ("0", "Done."),
        ("1", "An error; the log says which."),
        ("3", "There is no such command."),
        ("255", "exec could not start the process."),
        (
            "any",
            "run and exec in the foreground: the exit code of the process, or 128 and the number of the signal that ended it.",
        ),
    ] {
        let _ = writeln!(page, ".TP\n.B {code}\n{}", roff(meaning));
    }
    page.push_str(".SH FILES\n");
    for (file, meaning) in [
        ("/run/tare", "State of the containers of root."),
        (
            "$XDG_RUNTIME_DIR/tare",
            "State of the containers of an ordinary user.",
        ),
        ("config.json", "In a bundle: what the container is to be."),
    ] {
        let _ = writeln!(page, ".TP\n.I {}\n{}", roff(file), roff(meaning));
    }
    page.push_str(".SH ENVIRONMENT\n");
    for (variable, meaning) in [
        (
            "TARE_TIMINGS",
            "A file to which create, run, start, exec and delete append where their time goes, as trace events.",
        ),
        (
            "XDG_RUNTIME_DIR",
            "Where ordinary users have the state of their containers.",
        ),
        (
            "LISTEN_FDS, LISTEN_PID",
            "How many descriptors a service manager passes for the container, and to which process.",
        ),
    ] {
        let _ = writeln!(page, ".TP\n.B {}\n{}", roff(variable), roff(meaning));
    }
    page.push_str(".SH SEE ALSO\n.BR runc (8),\n.BR namespaces (7),\n.BR cgroups (7),\n.BR capabilities (7),\n.BR seccomp (2)\n");
    page
}

pub(super) fn command(command: &Command) -> String {
    let mut page = head(&format!("tare-{}", command.name), command.summary);
    let usage = help::usage("tare", command);
    let rest = usage.strip_prefix(&format!("tare {}", command.name));
    let _ = writeln!(
        page,
        ".SH SYNOPSIS\n.B tare {}\n{}",
        roff(command.name),
        roff(rest.unwrap_or_default().trim_start())
    );
    let mut about = command.summary.to_owned();
    about[..1].make_ascii_uppercase();
    about.push('.');
    if !command.about.is_empty() {
        about = format!("{about}\n\n{}", command.about);
    }
    section(&mut page, "DESCRIPTION", &about);
    page.push_str(".SH OPTIONS\n");
    flags(&mut page, command.flags);
    page.push_str(".SH EXAMPLES\n");
    for (line, does) in command.examples {
        let mut does = (*does).to_owned();
        does[..1].make_ascii_uppercase();
        let (line, does) = (roff(line), roff(&does));
        let _ = writeln!(page, ".TP\n.B tare {line}\n{does}.");
    }
    page.push_str(".SH SEE ALSO\n.BR tare (8)\n");
    page
}

fn head(name: &str, summary: &str) -> String {
    format!(
        ".\\\" Made from the tables in crates/runc-cli by `cargo xtask dist --docs`.\n\
         .TH {} 8 \"\" \"tare {}\" \"System Administration\"\n.SH NAME\n{} \\- {}\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
        roff(name),
        roff(summary)
    )
}

/// Paragraphs, which empty lines separate.
fn section(page: &mut String, title: &str, text: &str) {
    let _ = writeln!(page, ".SH {title}");
    for (index, paragraph) in text.split("\n\n").enumerate() {
        if index > 0 {
            page.push_str(".PP\n");
        }
        for line in paragraph.lines() {
            let _ = writeln!(page, "{}", roff(&line.replace("{name}", "tare")));
        }
    }
}

fn flags(page: &mut String, flags: &'static [&'static Flag]) {
    for flag in shown(flags) {
        let value = match flag.value {
            "" => String::new(),
            value => format!(" \\fI{}\\fR", roff(value)),
        };
        let mut names = format!("\\fB\\-\\-{}\\fR{value}", roff(flag.name));
        if let Some(short) = flag.short {
            let _ = write!(names, ", \\fB\\-{short}\\fR{value}");
        }
        let mut text = flag.help.replace("{name}", "tare");
        text[..1].make_ascii_uppercase();
        let _ = writeln!(page, ".TP\n{names}\n{}.", roff(&text));
    }
}

/// Text with the characters that mean something to troff made harmless. What stood between backticks is bold.
fn roff(text: &str) -> String {
    let mut result = String::new();
    let mut bold = false;
    for (index, letter) in text.char_indices() {
        match letter {
            '\\' => result.push_str("\\e"),
            '-' => result.push_str("\\-"),
            '`' => {
                bold = !bold;
                result.push_str(if bold { "\\fB" } else { "\\fR" });
            }
            '.' | '\'' if index == 0 => {
                result.push_str("\\&");
                result.push(letter);
            }
            other => result.push(other),
        }
    }
    result
}

/// man's own reading: mandoc(1) knows the language best, groff(1) is what shows the pages.
#[test]
fn pages_are_well_formed() {
    use std::io::Write;
    use std::process::{Command as Process, Stdio};
    let readers = [
        ("mandoc", &["-T", "lint", "-W", "warning"][..]),
        ("groff", &["-man", "-T", "utf8", "-ww", "-z"]),
    ];
    for (program, arguments) in readers {
        if Process::new(program).arg("--version").output().is_err() {
            eprintln!("skipped: {program} is not installed");
            continue;
        }
        let pages = command::ALL.iter().map(|one| command(one));
        for page in pages.chain([super::manual::program()]) {
            let mut reader = Process::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = reader.stdin.take().unwrap();
            input.write_all(page.as_bytes()).unwrap();
            drop(input);
            let output = reader.wait_with_output().unwrap();
            let said =
                String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            // A page without a date is the same page tomorrow; runc's may not be installed.
            let said: Vec<&str> = said
                .lines()
                .filter(|line| {
                    !line.contains("missing date") && !line.contains("referenced manual not found")
                })
                .collect();
            assert!(said.is_empty(), "{program}: {said:#?}\n{page}");
        }
    }
}

#[test]
fn characters_that_mean_something_to_troff_are_harmless() {
    assert_eq!(roff(".a -b \\c 'd"), "\\&.a \\-b \\ec 'd");
    assert_eq!(roff("as `sh` does"), "as \\fBsh\\fR does");
}
