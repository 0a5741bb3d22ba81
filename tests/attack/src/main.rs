//! An attack suite for any OCI runtime: hostile images, neighbours, containers and configurations, and what became of each.
//!
//! Attacks run in a private world (mounts, /dev, processes, network), beside a canary that is compared before and after, so
//! that a runtime that breaks harms nothing.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod arguments;
mod attack;
mod canary;
mod configs;
mod containers;
mod images;
mod neighbours;
mod races;
mod report;
mod shapes;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oci_validation::case::{Case, Suite};
use oci_validation::runtime::Runtime;
use oci_validation::verdict::{Stop, Verdict};
use oci_validation::{frame, host, launch};
use serde_json::Value;

use arguments::Arguments;
use attack::Attack;
use canary::Canary;
use oci_validation::format::Format;
use report::{Found, Report};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let code = match words.first().map(String::as_str) {
        Some("launch") => {
            eprintln!("{}", leave_open(&words[1..]));
            127
        }
        Some("frame") => told(enter(&words[1..])),
        Some("inside") => told(inside(&words[1..])),
        _ => told(outside(&words)),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Becomes the frame.
fn enter(words: &[String]) -> Result<i32, String> {
    let view = Arguments::read(words)?.view;
    frame::enter(words, view).map_err(|error| format!("the private world cannot be made: {error}"))
}

fn told(result: Result<i32, String>) -> i32 {
    result.unwrap_or_else(|message| {
        eprintln!("attack: {message}");
        2
    })
}

/// As the other suite's `launch`, after `--open PATH`: a descriptor that the runtime inherits.
fn leave_open(words: &[String]) -> String {
    let mut rest = words;
    while let [key, path, more @ ..] = rest
        && key == "--open"
    {
        use nix::fcntl::OFlag;
        match nix::fcntl::open(path.as_str(), OFlag::O_PATH, nix::sys::stat::Mode::empty()) {
            Ok(open) => std::mem::forget(open),
            Err(errno) => return format!("launch --open {path}: {errno}"),
        }
        rest = more;
    }
    launch::run(rest)
}

/// All attacks that were asked for.
fn attacks(arguments: &Arguments) -> Vec<Attack> {
    let few = arguments.seconds.map(|_| arguments.seed);
    let all = images::attacks(few)
        .into_iter()
        .chain(configs::attacks())
        .chain(containers::attacks())
        .chain(neighbours::attacks())
        .chain(races::attacks(few.is_some()));
    all.filter(|attack| arguments.selects(&attack.id)).collect()
}

/// What the user calls.
fn outside(words: &[String]) -> Result<i32, String> {
    let arguments = Arguments::read(words)?;
    if arguments.help {
        print!("{}", arguments::HELP);
        return Ok(0);
    }
    let attacks = attacks(&arguments);
    if arguments.list {
        for attack in &attacks {
            println!(
                "{:<8} {} ({})",
                attack.id,
                attack.what,
                attack.advisories.join(", ")
            );
        }
        return Ok(0);
    }
    if attacks.is_empty() {
        return Err("no attack has this name (see --list)".to_owned());
    }
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root: the attacks run in namespaces of their own".to_owned());
    }
    let mut reports = Vec::new();
    for name in &arguments.runtimes {
        let report = one_runtime(name, &arguments, &attacks)?;
        eprintln!("{}", report.summary());
        for line in &report.changed {
            eprintln!("the machine is not as it was: {line}");
        }
        reports.push(report);
    }
    match arguments.format {
        Format::Text => {}
        Format::Tap => reports
            .iter()
            .for_each(|report| print!("{}", report::tap(&attacks, report))),
        Format::Json => println!("{:#}", report::document(&attacks, &reports)),
        Format::Markdown => print!("{}", report::markdown(&attacks, &reports)),
    }
    let changed = reports.iter().any(|report| !report.changed.is_empty());
    Ok(if changed {
        2
    } else {
        i32::from(reports.iter().any(Report::is_broken))
    })
}

fn one_runtime(name: &str, arguments: &Arguments, attacks: &[Attack]) -> Result<Report, String> {
    let runtime = Runtime::find(name, false)?;
    host::remove_stale();
    let tag = format!("{}{}", host::TAG, std::process::id());
    let work = std::env::temp_dir().join(&tag);
    std::fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let before = host::HostState::now(&tag);
    let mut report = Report::new(runtime.name.clone(), runtime.version.clone());
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(own);
    command
        .arg("frame")
        .args(arguments.words())
        .arg("--runtime")
        .arg(&runtime.program)
        .arg("--work")
        .arg(&work);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    let pipe = child.stdout.take().into_iter();
    for line in pipe
        .flat_map(|pipe| BufReader::new(pipe).lines())
        .map_while(Result::ok)
    {
        let Some(value) = serde_json::from_str::<Value>(&line)
            .ok()
            .filter(Value::is_object)
        else {
            eprintln!("{line}");
            continue;
        };
        let id = value["id"].as_str().unwrap_or_default().to_owned();
        let found = Found::read(&value);
        if arguments.format == Format::Text
            && let Some(attack) = attacks.iter().find(|attack| attack.id == id)
        {
            println!(
                "{:<7} {:<8} {}{}",
                found.word(),
                attack.id,
                attack.what,
                found.reason()
            );
        }
        report.found.insert(id, found);
    }
    let status = child.wait().map_err(|error| error.to_string());
    host::remove_groups(&tag);
    let _ = std::fs::remove_dir(&work);
    report.changed = host::HostState::now(&tag).difference(&before);
    match status?.code() {
        Some(0) => Ok(report),
        code => Err(format!("the private world ended with {code:?}")),
    }
}

/// The first process of the private world.
fn inside(words: &[String]) -> Result<i32, String> {
    let arguments = Arguments::read(words)?;
    let work = PathBuf::from(arguments.work.as_deref().ok_or("no work folder")?);
    let wrong = |error: std::io::Error| format!("preparation: {error}");
    frame::prepare(&work, arguments.view).map_err(wrong)?;
    let name = arguments.runtimes.last().ok_or("no runtime")?;
    let runtime = Runtime::find(name, arguments.view == frame::View::Systemd)?;
    let tag = work
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let suite = Arc::new(Suite::prepare(runtime, &work, &tag).map_err(wrong)?);
    let mut canary = Canary::new(&work, &suite.runtime.program).map_err(wrong)?;
    // A runtime that refuses everything would hold everything.
    let control = Case::new(&suite, usize::MAX, None).and_then(|case| {
        case.bundle()
            .see("cat /proc/self/mountinfo")?
            .has(" /proc ")
    });
    if let Err(stop) = control {
        return Err(format!("an ordinary container does not run: {stop:?}"));
    }
    let end = arguments
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    for (number, attack) in attacks(&arguments).iter().enumerate() {
        let found = match end.is_some_and(|end| Instant::now() > end) {
            true => Found::NotApplicable("no time was left".to_owned()),
            false => {
                let verdict =
                    Case::new(&suite, number, None).and_then(|case| (attack.test)(&case, &canary));
                judge(verdict, &canary)
            }
        };
        if !canary.harm().is_empty() {
            canary.restore().map_err(wrong)?;
        }
        println!("{}", found.line(&attack.id));
    }
    Ok(0)
}

fn judge(verdict: Verdict, canary: &Canary) -> Found {
    let harm = canary.harm();
    match verdict {
        Err(Stop::Fail(message)) if message.contains("did not end within") => Found::Hung(message),
        Err(Stop::Fail(message)) if message.starts_with("the suite could not") => {
            Found::NotApplicable(message)
        }
        Err(Stop::Fail(message)) => Found::Broken(message),
        _ if !harm.is_empty() => Found::Broken(format!("the host was changed: {harm:?}")),
        Err(Stop::Skip(message)) => Found::NotApplicable(message),
        Err(Stop::Refused(_)) | Ok(()) => Found::Held,
    }
}
