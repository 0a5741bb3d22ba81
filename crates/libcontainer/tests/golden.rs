//! Golden plans: each folder of `tests/plan` is a config and the plan that must come of it, or the reason why there is
//! none. No root, no kernel: what the host can do is part of the case.
//!
//! A folder holds `config.json`; `host.json` with the facts in which the host differs from [`HostFacts::default`];
//! `options.json` with what the caller says beyond the config; for exec `process.json`; and the expectation, `plan.txt`:
//! the whole plan, its difference from another case's, or the error (`tests/plan/README.md`). `TARE_GOLDEN=rewrite` writes
//! the expectations anew, for review as a difference.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod difference;
mod wrong;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use difference::Row;
use init::{ChildStep, StringTable};
use serde::Deserialize;
use spec::{Process, Spec};
use tare_libcontainer::cgroups::{self, Driver, Host, Place, Version};
use tare_libcontainer::host::HostFacts;
use tare_libcontainer::plan::{self, Creation, IdMaps, Joining, Namespaces, Plan, Step};

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

/// Where the cases are.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plan")
}

/// The folders of all cases, sorted.
fn cases() -> Vec<PathBuf> {
    let root = root();
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
    let strings = execute.map(|list| StringTable(&plan.text).strings(list));
    strings
        .into_iter()
        .flatten()
        .map(|entry| format!("environment: {entry:?}"))
        .collect()
}

/// The folder of a case.
fn folder(name: &str) -> PathBuf {
    root().join(name)
}

/// All that is expected of a case: the plan and what belongs to it, or the error.
fn rows_of(folder: &Path) -> Result<Vec<Row>, String> {
    let plan = outcome(folder)?;
    let broken = plan::check::violations(&plan);
    let name = folder.display();
    assert!(broken.is_empty(), "{name}: order rules broken: {broken:#?}");
    let limits = limits_of(folder).unwrap_or_default();
    let limits = limits.iter().flat_map(|limit| limit.lines());
    let others = environment(&plan).into_iter();
    Ok(difference::rows(
        &plan,
        others.chain(limits.map(str::to_owned)),
    ))
}

/// How a case's plan is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    /// As the difference from the plan of another case.
    As(String),
}

impl Form {
    /// As the file says; a new case is compared with the usual one of its kind.
    fn of(folder: &Path) -> Form {
        let text = optional(&folder.join("plan.txt")).unwrap_or_default();
        match text.lines().next() {
            Some(first) if !first.starts_with("error: ") => match first.strip_prefix("as ") {
                None => Form::Whole,
                Some(base) => Form::As(base.trim_end_matches(", but").to_owned()),
            },
            _ if folder.join("process.json").exists() => Form::As("exec".to_owned()),
            _ => Form::As("minimal".to_owned()),
        }
    }

    /// A plan in this form.
    fn write(&self, rows: &[Row], bases: &mut Bases) -> String {
        match self {
            Form::Whole => difference::whole(rows),
            Form::As(name) => {
                let base = bases.get(name);
                let lines = difference::difference(base, rows);
                // What is kept of the plan must say all of it.
                let again = difference::apply(base, &lines).unwrap();
                assert_eq!(difference::whole(&again), difference::whole(rows), "{name}");
                let but = if lines.is_empty() { "" } else { ", but" };
                format!("as {name}{but}\n{lines}")
            }
        }
    }
}

/// The plans with which others are compared.
#[derive(Default)]
struct Bases(HashMap<String, Vec<Row>>);

impl Bases {
    fn get(&mut self, name: &str) -> &[Row] {
        self.0.entry(name.to_owned()).or_insert_with(|| {
            let folder = folder(name);
            assert_eq!(Form::of(&folder), Form::Whole, "{name} is compared with");
            rows_of(&folder).unwrap()
        })
    }
}

#[test]
fn every_case_has_its_plan() {
    let mut wrong = String::new();
    let mut bases = Bases::default();
    for folder in cases() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let actual = match rows_of(&folder) {
            Ok(rows) => Form::of(&folder).write(&rows, &mut bases),
            Err(why) => format!("error: {why}\n"),
        };
        let path = folder.join("plan.txt");
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
        for line in unlike(&expected, &actual) {
            let _ = writeln!(wrong, "{line}");
        }
    }
    assert!(
        wrong.is_empty(),
        "plans differ (`cargo xtask golden` accepts them):\n{wrong}"
    );
}

/// The printed plan is what the rows say, so whoever reads a difference reads the plan.
#[test]
fn rows_are_the_printed_plan() {
    for folder in cases() {
        if let Ok(plan) = outcome(&folder) {
            let printed = plan.to_string();
            let lines = printed.lines().map(|line| format!("{}\n", line.trim_end()));
            let rows = difference::rows(&plan, []);
            assert_eq!(difference::whole(&rows), lines.collect::<String>());
        }
    }
}

/// The plans that are kept as a difference: the other plan, theirs, and the difference.
fn kept_as_differences() -> Vec<(Vec<Row>, Vec<Row>, String)> {
    let mut bases = Bases::default();
    let mut kept = Vec::new();
    for folder in cases() {
        if let (Ok(rows), Form::As(base)) = (rows_of(&folder), Form::of(&folder)) {
            let base = bases.get(&base);
            let lines = difference::difference(base, &rows);
            kept.push((base.to_vec(), rows, lines));
        }
    }
    kept
}

/// A step that is said in other words changes the whole plans that have it, and of the others only those that add it.
#[test]
fn other_words_of_a_step_change_few_plans() {
    const OTHER: &str = " in other words";
    let reword = |rows: &[Row], step: &str| -> Vec<Row> {
        let mut rows = rows.to_vec();
        for row in &mut rows {
            if let Row::Step { name, words, .. } = row
                && name == step
            {
                words.push_str(OTHER);
            }
        }
        rows
    };
    let kept = kept_as_differences();
    for step in Bases::default().get("minimal") {
        let Row::Step { name, .. } = step else {
            continue;
        };
        for (base, rows, before) in &kept {
            let after = difference::difference(&reword(base, name), &reword(rows, name));
            assert_eq!(*before, after.replace(OTHER, ""), "{name}");
        }
    }
}

/// A step that all plans get changes the whole ones, and of the others few: those that add something at its place.
#[test]
fn a_new_step_changes_few_plans() {
    let kept = kept_as_differences();
    let insert = |rows: &[Row], behind: &Row| -> Vec<Row> {
        let mut rows = rows.to_vec();
        if let Some(index) = rows.iter().position(|row| row == behind) {
            rows.insert(index + 1, Row::Line("a new step".to_owned()));
        }
        rows
    };
    for step in Bases::default().get("minimal") {
        let changed = kept.iter().filter(|(base, rows, before)| {
            *before != difference::difference(&insert(base, step), &insert(rows, step))
        });
        let (changed, all) = (changed.count(), kept.len());
        assert!(changed * 8 < all, "{changed} of {all} behind {step:?}");
    }
}

/// The plans that are kept whole are few, or a new step would change them all.
#[test]
fn few_plans_are_whole() {
    let forms = cases().into_iter().filter(|folder| outcome(folder).is_ok());
    let whole = forms.filter(|folder| Form::of(folder) == Form::Whole);
    let whole = whole.count();
    assert!(whole <= 16, "{whole} plans are kept whole");
}

/// Lines of one text that are not in the other, marked as in a patch.
fn unlike(expected: &str, actual: &str) -> Vec<String> {
    // The numbers of the steps shift with every line: what matters stands behind them.
    let body = |line: &str| {
        line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
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
