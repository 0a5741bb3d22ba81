//! `--timings` and `$TARE_TIMINGS`: where the time of a command goes, as a table, as JSON, or as trace events.

use std::fmt::Write;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use libcontainer::timings::{By, Timings};
use serde_json::json;

use crate::failure::Failure;
use crate::flag::Flag;
use crate::invocation::Invocation;
use crate::logger;

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
    if form.is_none() && file.is_none() {
        return run();
    }
    let (answer, timings) = libcontainer::timings::record(run);
    let what = invocation
        .arguments
        .first()
        .map_or("", |id| id.to_str().unwrap_or_default());
    let title = format!("{name} {what}");
    if let Some(form) = form {
        logger::to_standard_error(&form(&title, &timings));
    }
    if let Some(file) = file {
        // What was to be measured has been done: a failure here is only told.
        if let Err(error) = append(Path::new(&file), &events(&title, &timings, ",")) {
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

/// Times in milliseconds; each side has a column for what it did.
fn table(title: &str, timings: &Timings) -> String {
    let mut text = format!(
        "{title}: {:.3} ms\n    begin   length  by\n",
        timings.length.as_secs_f64() * 1e3
    );
    for span in &timings.spans {
        let _ = write!(
            text,
            "{:9.3} {:8.3}  {:<7}  {}",
            span.begin.as_secs_f64() * 1e3,
            span.length.as_secs_f64() * 1e3,
            by(span.by),
            span.name
        );
        let _ = match span.config.as_str() {
            "" => writeln!(text),
            config => writeln!(text, "  ({config})"),
        };
    }
    text
}

fn json(title: &str, timings: &Timings) -> String {
    format!(
        "{}\n",
        json!({"command": title.trim_end(), "timings": timings})
    )
}

/// Complete events (`"ph": "X"`) in the Trace Event Format, one on each line; times are microseconds of CLOCK_MONOTONIC.
fn events(title: &str, timings: &Timings, after_last: &str) -> String {
    let pid = std::process::id();
    let mut lines = vec![
        json!({"name": "process_name", "ph": "M", "pid": pid, "args": {"name": title.trim_end()}}),
    ];
    for (thread, name) in [(1, "runtime"), (2, "child")] {
        lines.push(json!({"name": "thread_name", "ph": "M", "pid": pid, "tid": thread, "args": {"name": name}}));
    }
    let event = |name: &str, thread: u32, begin: f64, length: f64, config: &str| {
        json!({
            "name": name, "cat": "tare", "ph": "X", "pid": pid, "tid": thread, "ts": begin, "dur": length,
            "args": {"config": config}
        })
    };
    let began = timings.began.as_secs_f64() * 1e6;
    lines.push(event(
        title.trim_end(),
        1,
        began,
        timings.length.as_secs_f64() * 1e6,
        "",
    ));
    for span in &timings.spans {
        let thread = match span.by {
            By::Runtime => 1,
            By::Child => 2,
        };
        let begin = began + span.begin.as_secs_f64() * 1e6;
        let length = span.length.as_secs_f64() * 1e6;
        lines.push(event(&span.name, thread, begin, length, &span.config));
    }
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    format!("{}{after_last}\n", lines.join(",\n"))
}
