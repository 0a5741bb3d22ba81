//! Golden plans: each folder of `tests/plan` is a config and the plan that must come of it, or the reason why there is
//! none. No root, no kernel: what the host can do is part of the case.
//!
//! A folder holds `config.json`; `host.json` with the facts in which the host differs from [`HostFacts::default`];
//! `options.json` with what the caller says beyond the config; for exec `process.json`; and the expectation, `plan.txt`.
//! `TARE_GOLDEN=rewrite` writes the expectations anew, for review as a difference.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use init::{ChildStep, Text};
use libcontainer::cgroups::{self, Driver, Host, Place, Version};
use libcontainer::host::HostFacts;
use libcontainer::plan::{self, Creation, IdMaps, Joining, Namespaces, Plan, Step};
use serde::Deserialize;
use spec::{Process, Spec};

/// `options.json`: what differs from the usual.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    no_pivot: bool,
    relays_terminal: bool,
    no_new_keyring: bool,
    /// The container has a cgroup.
    cgroup: bool,
    /// The child cannot be started in its cgroup and is moved there.
    moved: bool,
    preserve_fds: u32,
    listen_fds: u32,
    /// setgroups(2) works in the container that is joined.
    set_groups: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            no_pivot: false,
            relays_terminal: false,
            no_new_keyring: false,
            cgroup: true,
            moved: false,
            preserve_fds: 0,
            listen_fds: 0,
            set_groups: true,
        }
    }
}

/// The folders of all cases, sorted.
fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plan");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)
        .unwrap_or_else(|error| panic!("{}: {error}", root.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn rewriting() -> bool {
    std::env::var_os("TARE_GOLDEN").is_some_and(|value| value == "rewrite")
}

/// A file that may be missing.
fn optional(path: &Path) -> Option<String> {
    match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn from_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let text = optional(path)?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// What becomes of a case: the plan, or why there is none.
fn outcome(folder: &Path) -> Result<Plan, String> {
    let config = fs::read_to_string(folder.join("config.json")).expect("config.json");
    let host: HostFacts = from_json(&folder.join("host.json")).unwrap_or_default();
    let options: Options = from_json(&folder.join("options.json")).unwrap_or_default();
    let mut spec = Spec::parse(&config).map_err(|error| error.to_string())?;
    match optional(&folder.join("process.json")) {
        None => {
            limits(&spec, &host)?;
            create(&spec, &options, &host)
        }
        Some(text) => {
            spec.process = Some(Process::parse(&text).map_err(|error| error.to_string())?);
            let namespaces = Namespaces::read(&spec, &host).map_err(|error| error.to_string())?;
            let joining = Joining {
                id: "case".into(),
                namespaces: namespaces.all(),
                set_groups: options.set_groups,
                has_cgroup: true,
                cloned_into_cgroup: !options.moved,
                relays_terminal: options.relays_terminal,
                no_keyring: options.no_new_keyring,
                outside: mapped(&spec),
            };
            plan::exec(&spec, &joining, &host).map_err(|error| error.to_string())
        }
    }
}

/// What the process's user is outside.
fn mapped(spec: &Spec<'_>) -> Option<u32> {
    let mappings = &spec.linux.as_ref()?.uid_mappings;
    IdMaps::outside(mappings, spec.process.as_ref()?.user.uid)
}

fn create(spec: &Spec<'_>, options: &Options, host: &HostFacts) -> Result<Plan, String> {
    let creation = Creation {
        id: "case".into(),
        root: "/bundle/rootfs".into(),
        bundle: "/bundle".into(),
        relays_terminal: options.relays_terminal,
        no_pivot: options.no_pivot,
        no_new_keyring: options.no_new_keyring,
        has_cgroup: options.cgroup,
        cloned_into_cgroup: !options.moved,
        preserve_fds: options.preserve_fds,
        listen_fds: options.listen_fds,
    };
    plan::create(spec, &creation, host).map_err(|error| error.to_string())
}

/// What `linux.resources` comes to on the host of the case: the step that makes the cgroup writes it.
fn limits(spec: &Spec<'_>, host: &HostFacts) -> Result<Vec<String>, String> {
    const V1: [&[&str]; 10] = [
        &["cpu", "cpuacct"],
        &["cpuset"],
        &["memory"],
        &["pids"],
        &["blkio"],
        &["devices"],
        &["net_cls", "net_prio"],
        &["rdma"],
        &["freezer"],
        &["name=systemd"],
    ];
    let linux = spec.linux.as_ref();
    let Some(resources) = linux.and_then(|linux| linux.resources.as_ref()) else {
        return Ok(Vec::new());
    };
    let v1 = V1.map(|controllers| (controllers, "/"));
    let (version, last): (_, &[&str]) = match host.cgroups {
        2 => (Version::V2, &[]),
        12 => (Version::Hybrid, &[]),
        _ => (Version::V1, &["hugetlb"]),
    };
    let mut hierarchies = vec![(last, "/")];
    if version != Version::V2 {
        hierarchies.splice(0..0, v1);
    }
    let machine = Host::made_up(version, &hierarchies);
    let place = Place::resolve(&machine, Driver::Direct, Some("/case"), "case", false);
    let place = place.map_err(|error| error.to_string())?;
    let settings = cgroups::settings(resources, &machine, &place);
    let settings = settings.map_err(|error| error.to_string())?;
    let line = |setting: &cgroups::Setting| format!("limit: {}: {setting}", setting.at);
    let warnings = settings.warnings().iter();
    let warnings = warnings.map(|(at, text)| format!("warning: {at}: {text}"));
    Ok(settings.iter().map(line).chain(warnings).collect())
}

/// The same from the files of a case.
fn limits_of(folder: &Path) -> Result<Vec<String>, String> {
    let config = fs::read_to_string(folder.join("config.json")).expect("config.json");
    let host: HostFacts = from_json(&folder.join("host.json")).unwrap_or_default();
    let spec = Spec::parse(&config).map_err(|error| error.to_string())?;
    limits(&spec, &host)
}

/// The environment, which the printed plan leaves out.
fn environment(plan: &Plan) -> Vec<String> {
    let execute = plan.entries.iter().find_map(|entry| match &entry.step {
        Step::Child(ChildStep::Execute(execute)) => Some(execute.environment),
        _ => None,
    });
    let strings = execute.map(|list| Text(&plan.text).strings(list));
    strings
        .into_iter()
        .flatten()
        .map(|entry| format!("environment: {entry:?}"))
        .collect()
}

/// The expectation as it stands in the file.
fn text_of(outcome: &Result<Plan, String>, limits: &[String]) -> String {
    match outcome {
        // Columns are padded for people; the padding at the end of a line is nobody's.
        Ok(plan) => {
            let padded = plan.to_string();
            let lines = padded.lines().map(|line| line.trim_end().to_owned());
            let mut text = String::new();
            for line in lines.chain(environment(plan)).chain(limits.to_vec()) {
                let _ = writeln!(text, "{line}");
            }
            text
        }
        Err(why) => format!("error: {why}\n"),
    }
}

#[test]
fn every_case_has_its_plan() {
    let mut wrong = String::new();
    for folder in cases() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = outcome(&folder);
        if let Ok(plan) = &outcome {
            let broken = plan::check::violations(plan);
            assert!(broken.is_empty(), "{name}: order rules broken: {broken:#?}");
        }
        let (path, actual) = (
            folder.join("plan.txt"),
            text_of(&outcome, &limits_of(&folder).unwrap_or_default()),
        );
        let expected = optional(&path);
        if expected.as_deref() == Some(actual.as_str()) {
            continue;
        }
        if rewriting() {
            fs::write(&path, &actual).unwrap();
            continue;
        }
        let expected = expected.unwrap_or_else(|| "(no plan.txt)\n".to_owned());
        let _ = writeln!(wrong, "=== {name}");
        for line in difference(&expected, &actual) {
            let _ = writeln!(wrong, "{line}");
        }
    }
    assert!(
        wrong.is_empty(),
        "plans differ (`cargo xtask golden` accepts them):\n{wrong}"
    );
}

/// Lines of one text that are not in the other, marked as in a patch.
fn difference(expected: &str, actual: &str) -> Vec<String> {
    // The numbers of the steps shift with every line: what matters stands behind them.
    let body = |line: &str| {
        line.get(5..)
            .unwrap_or(line)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let missing = |from: &str, other: &str, mark: char| -> Vec<String> {
        let there: Vec<String> = other.lines().map(body).collect();
        let lines = from.lines().filter(|line| !there.contains(&body(line)));
        lines.map(|line| format!("{mark} {line}")).collect()
    };
    let mut lines = missing(expected, actual, '-');
    lines.extend(missing(actual, expected, '+'));
    if lines.is_empty() {
        lines.push("  the same lines in another order or layout".to_owned());
    }
    lines
}

/// Whether a plan's printed form has one line for each step and warning: no string of a config may forge another.
#[test]
fn every_step_is_one_line() {
    for folder in cases() {
        if let Ok(plan) = outcome(&folder) {
            let fences = usize::from(plan.waits());
            let lines = plan.to_string().lines().count();
            assert_eq!(
                lines,
                plan.entries.len() + plan.warnings.len() + fences,
                "{}",
                folder.display()
            );
        }
    }
}
