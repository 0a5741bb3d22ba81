//! `--timings` and `$TARE_TIMINGS`: where the time of a command goes, as a table, as JSON, or as trace events.

use std::fmt::{self, Write};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use libcontainer::timings::{By, Timings};
use serde_json::json;

use crate::failure::Failure;
use crate::flag::Flag;
use crate::invocation::Invocation;
use crate::logger::{self, push_quoted};

/// The flag of the commands that can be recorded.
pub(crate) static TIMINGS: Flag = Flag::text(
    "timings",
    "FORM",
    "print to standard error where the time goes: table, json, or trace (trace events, which Perfetto and browsers open)",
)
.one_of(&["table", "json", "trace"]);

/// Names a file that trace events are appended to, by all commands that find the variable.
const VARIABLE: &str = "TARE_TIMINGS";

type Form = fn(&str, &Timings) -> String;

/// Runs a command, recorded if its flag or the environment asks for that.
pub(crate) fn recorded(
    name: &str,
    flags: &[&Flag],
    invocation: &Invocation,
    run: impl FnOnce() -> Result<i32, Failure>,
) -> Result<i32, Failure> {
    if flags.iter().all(|flag| flag.name != TIMINGS.name) {
        return run();
    }
    let form: Option<Form> = match invocation.text(&TIMINGS) {
        None => None,
        Some("table") => Some(table),
        Some("json") => Some(json),
        Some("trace") => Some(|name, timings| format!("[\n{}]\n", events(name, timings, ""))),
        Some(other) => {
            let text = format!("invalid value for --timings: {other:?} (table, json or trace)");
            return Err(Failure::new(text));
        }
    };
    let file = std::env::var_os(VARIABLE).filter(|file| !file.is_empty());
    // The debug log tells of the same parts.
    if form.is_none() && file.is_none() && !log::log_enabled!(log::Level::Debug) {
        return run();
    }
    let (answer, timings) = libcontainer::timings::record(run);
    let what = invocation
        .arguments
        .first()
        .map_or("", |id| id.to_str().unwrap_or_default());
    let title = [name, what].join(" ");
    let title = title.trim_end();
    if let Some(form) = form {
        logger::to_standard_error(&form(title, &timings));
    }
    if let Some(file) = file {
        // What was to be measured has been done: a failure here is only told.
        if let Err(error) = append(Path::new(&file), &events(title, &timings, ",")) {
            let file = Path::new(&file).display();
            let text = Failure::io(&format!("append timings to {file}"), &error).message;
            log::warn!("{text}");
        }
    }
    answer
}

/// In one write, so that the events of several processes do not mix. The list of events needs no end.
fn append(path: &Path, events: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let is_new = file.metadata()?.len() == 0;
    let text = format!("{}{events}", if is_new { "[\n" } else { "" });
    file.write_all(text.as_bytes())
}

fn by(by: By) -> &'static str {
    match by {
        By::Runtime => "runtime",
        By::Child => "child",
    }
}

/// Times in milliseconds.
fn table(title: &str, timings: &Timings) -> String {
    let mut text = String::with_capacity(room(timings));
    text.push_str(title);
    let _ = writeln!(
        text,
        ": {} ms\n   begin  length  by",
        Thousandths(timings.length.as_micros() as u64)
    );
    for span in &timings.spans {
        let (begin, length) = (
            span.begin.as_micros() as u64,
            span.length.as_micros() as u64,
        );
        let _ = write!(
            text,
            "{:>4}.{:03} {:>3}.{:03}  ",
            begin / 1000,
            begin % 1000,
            length / 1000,
            length % 1000
        );
        let _ = write!(text, "{:<7}  ", by(span.by));
        text.push_str(&span.name);
        if !span.config.is_empty() {
            text.push_str("  (");
            text.push_str(&span.config);
            text.push(')');
        }
        text.push('\n');
    }
    text
}

/// For a whole recording, and not much more: every page that is touched first costs as much as a line.
fn room(timings: &Timings) -> usize {
    const HEAD: usize = 512;
    const LINE: usize = 192;
    HEAD + LINE * timings.spans.len()
}

/// A number of thousandths, as a decimal fraction.
struct Thousandths(u64);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

fn json(title: &str, timings: &Timings) -> String {
    format!("{}\n", json!({"command": title, "timings": timings}))
}

/// Complete events (`"ph": "X"`) in the Trace Event Format, one on each line; times are microseconds of CLOCK_MONOTONIC.
/// Written by hand, for this is a part of what is measured by whoever calls again and again.
fn events(title: &str, timings: &Timings, after_last: &str) -> String {
    let pid = std::process::id();
    let mut text = String::with_capacity(room(timings));
    for (what, thread, name) in [
        ("process_name", 0, title),
        ("thread_name", 1, "runtime"),
        ("thread_name", 2, "child"),
    ] {
        let _ = write!(
            text,
            "{{\"ph\":\"M\",\"name\":\"{what}\",\"pid\":{pid},\"tid\":{thread},\"args\":{{\"name\":"
        );
        push_quoted(&mut text, name);
        text.push_str("}},\n");
    }
    let mut event = |name: &str, thread: u32, begin: Duration, length: Duration, config: &str| {
        let (begin, length) = (
            Thousandths(begin.as_nanos() as u64),
            Thousandths(length.as_nanos() as u64),
        );
        let _ = write!(
            text,
            "{{\"ph\":\"X\",\"cat\":\"tare\",\"pid\":{pid},\"tid\":{thread},\"ts\":{begin},\"dur\":{length},\"name\":"
        );
        push_quoted(&mut text, name);
        if !config.is_empty() {
            text.push_str(",\"args\":{\"config\":");
            push_quoted(&mut text, config);
            text.push('}');
        }
        text.push_str("},\n");
    };
    event(title, 1, timings.began, timings.length, "");
    for span in &timings.spans {
        let thread = match span.by {
            By::Runtime => 1,
            By::Child => 2,
        };
        event(
            &span.name,
            thread,
            timings.began + span.begin,
            span.length,
            &span.config,
        );
    }
    text.truncate(text.len() - ",\n".len());
    text.push_str(after_last);
    text.push('\n');
    text
}
