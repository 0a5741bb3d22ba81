//! A conformance suite for OCI runtimes on Linux.
//!
//! One row for each rule of the runtime specification (`rows/`), each with a test that drives the runtime through its
//! standard operations and asks the kernel, from inside and from outside, what became true. The tests run in a private
//! world (`frame`), and the machine is compared before and after (`host`).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod arguments;
mod cgroup;
mod controls;
mod deviations;
mod namespaces;
mod report;
mod row;
mod rows;
mod schedule;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Value, json};

use oci_validation::{
    bundle, case, container, frame, host, launch, mutant, runtime, tree, verdict,
};

use arguments::Arguments;
use deviations::Deviations;
use oci_validation::format::Format;
use report::{Outcome, Report};
use row::Row;
use runtime::Runtime;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let code = match words.first().map(String::as_str) {
        Some("launch") => {
            eprintln!("{}", launch::run(&words[1..]));
            127
        }
        Some("frame") => told(enter(&words[1..])),
        Some("inside") => told(inside(&words[1..])),
        _ => told(outside(&words)),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn told(result: Result<i32, String>) -> i32 {
    result.unwrap_or_else(|message| {
        eprintln!("oci-validation: {message}");
        2
    })
}

/// What the user calls: runs the frame for each runtime and prints the results.
fn outside(words: &[String]) -> Result<i32, String> {
    let arguments = Arguments::read(words.iter().map(Into::into))?;
    if arguments.help {
        print!("{}", arguments::HELP);
        return Ok(0);
    }
    let rows: Vec<&'static Row> = rows::all().filter(|row| arguments.selects(row)).collect();
    if arguments.list {
        for row in rows {
            println!(
                "{:<18} {:<6} {:<44} {}",
                row.id,
                row.level.word(),
                row.section,
                row.demand
            );
        }
        return Ok(0);
    }
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root: the tests run in namespaces of their own".to_owned());
    }
    if rows.is_empty() {
        return Err("no test has this name (see --list)".to_owned());
    }
    let mut reports = Vec::new();
    let mut code = 0;
    for name in &arguments.runtimes {
        let (report, status) = one_runtime(name, words, &arguments)?;
        code = code.max(status);
        if arguments.mutants {
            continue;
        }
        eprintln!("{}", report.summary());
        for line in &report.changed {
            eprintln!("the machine is not as it was: {line}");
        }
        reports.push(report);
    }
    if arguments.mutants {
        return Ok(code);
    }
    let machine = machine(&arguments);
    match arguments.format {
        Format::Text => {}
        Format::Tap => reports
            .iter()
            .for_each(|report| print!("{}", report::tap(&rows, report))),
        Format::Json => println!("{:#}", report::document(&rows, &reports, &machine)),
        Format::Markdown => print!("{}", report::markdown(&rows, &reports, &machine)),
    }
    let changed = reports.iter().any(|report| !report.changed.is_empty());
    let failed = reports.iter().any(|report| report.sums()[1] > 0);
    Ok(if changed { 2 } else { i32::from(failed) })
}

fn one_runtime(
    name: &str,
    words: &[String],
    arguments: &Arguments,
) -> Result<(Report, i32), String> {
    let runtime = Runtime::find(name, false)?;
    let deviations = deviations(&runtime.name, arguments)?;
    host::remove_stale();
    let tag = format!("{}{}", host::TAG, std::process::id());
    let work = std::env::temp_dir().join(&tag);
    std::fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let before = host::HostState::now(&tag);
    let mut own: Vec<String> = options_without_runtimes(words);
    let program = runtime.program.display().to_string();
    own.extend(["--runtime", &program, "--work", &work.display().to_string()].map(str::to_owned));
    let result = frame(&own, arguments, &deviations);
    host::remove_groups(&tag);
    let removed = std::fs::remove_dir(&work);
    let (outcomes, code) = result?;
    removed.map_err(|error| format!("{}: {error}", work.display()))?;
    if outcomes.is_empty() && code > 1 {
        return Err(format!("{name}: the tests could not be run"));
    }
    let report = Report {
        name: runtime.name,
        version: format!("{}, specification {}", runtime.version, runtime.spec),
        outcomes,
        changed: host::HostState::now(&tag).difference(&before),
    };
    Ok((report, code))
}

/// What a runtime does otherwise on purpose.
fn deviations(name: &str, arguments: &Arguments) -> Result<Deviations, String> {
    let mut text = String::new();
    let files = arguments.deviations.iter();
    for (_, file) in files.filter(|(runtime, _)| runtime == name) {
        text += &std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    }
    Deviations::read(&text, rows::all()).map_err(|error| format!("deviations of {name}: {error}"))
}

/// The words of the command line, without `--runtime` and its values.
fn options_without_runtimes(words: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--runtime" {
            words.next();
        } else if !word.starts_with("--runtime=") {
            kept.push(word.clone());
        }
    }
    kept
}

/// Becomes the frame.
fn enter(words: &[String]) -> Result<i32, String> {
    let view = Arguments::read(words.iter().map(Into::into))?.view;
    frame::enter(words, view).map_err(|error| format!("the private world cannot be made: {error}"))
}

/// Starts the frame and reads its lines.
fn frame(
    words: &[String],
    arguments: &Arguments,
    deviations: &Deviations,
) -> Result<(BTreeMap<String, Outcome>, i32), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(own)
        .arg("frame")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut outcomes = BTreeMap::new();
    let lines = child.stdout.take().into_iter();
    for line in lines
        .flat_map(|pipe| BufReader::new(pipe).lines())
        .map_while(Result::ok)
    {
        let Some(value) = serde_json::from_str::<Value>(&line)
            .ok()
            .filter(Value::is_object)
        else {
            println!("{line}");
            continue;
        };
        let id = value["id"].as_str().unwrap_or_default();
        let outcome = deviations.judge(id, Outcome::read(&value));
        if arguments.format == Format::Text
            && let Some(row) = rows::all().find(|row| row.id == id)
        {
            println!("{}", report::text(row, &outcome));
        }
        outcomes.insert(id.to_owned(), outcome);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok((outcomes, status.code().unwrap_or(2)))
}

/// The first process of the private world: runs the tests and prints a line for each.
fn inside(words: &[String]) -> Result<i32, String> {
    let arguments = Arguments::read(words.iter().map(Into::into))?;
    let work = PathBuf::from(arguments.work.as_deref().ok_or("no work folder")?);
    frame::prepare(&work, arguments.view).map_err(|error| format!("preparation: {error}"))?;
    let name = arguments.runtimes.last().ok_or("no runtime")?;
    let runtime = Runtime::find(name, arguments.view == frame::View::Systemd)?;
    let tag = work.file_name().unwrap_or_default().to_string_lossy();
    let suite = case::Suite::prepare(runtime, Path::new(&work), &tag)
        .map_err(|error| format!("preparation: {error}"))?;
    container::SLOW.store(arguments.slow, std::sync::atomic::Ordering::Relaxed);
    let suite = std::sync::Arc::new(suite);
    let rows: Vec<&'static Row> = rows::all().filter(|row| arguments.selects(row)).collect();
    if arguments.mutants {
        return Ok(controls::run(&suite, &rows, arguments.jobs));
    }
    let jobs = rows
        .into_iter()
        .map(|row| schedule::Job { row, mutant: None });
    schedule::run(&suite, jobs.collect(), arguments.jobs, &|done| {
        println!("{}", done.line());
    });
    Ok(0)
}

fn machine(arguments: &Arguments) -> Value {
    let kernel = nix::sys::utsname::uname().ok();
    let kernel = kernel.map(|name| name.release().to_string_lossy().into_owned());
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().ok();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let view = match arguments.view {
        frame::View::Host => "as the machine has them",
        frame::View::V1 => "version 1",
        frame::View::V2 => "version 2",
        frame::View::Systemd => "through systemd",
    };
    json!({"kernel": kernel, "date": date, "view": view})
}
