//! `--timings` and `$TARE_TIMINGS`, and what `--debug` tells of the same parts.

use std::fs;

use harness::{Output, Sandbox, cases};
use serde_json::Value;

cases![
    each_side_has_its_steps,
    run_goes_on_where_nothing_is_to_be_done,
    calls_fit_into_one_trace,
    failures_are_recorded,
    forms_and_files_that_cannot_be,
    debug_log_tells_the_story
];

/// What stands on standard error as JSON.
#[track_caller]
fn recorded(output: &Output) -> Value {
    serde_json::from_str(&output.stderr)
        .unwrap_or_else(|error| panic!("{error}: {}", output.stderr))
}

/// The parts of one side whose name begins so.
fn parts<'a>(recorded: &'a Value, by: &str, name: &str) -> Vec<&'a Value> {
    let all = recorded["timings"]["spans"].as_array().unwrap();
    let wanted =
        |part: &&Value| part["by"] == by && part["name"].as_str().unwrap().starts_with(name);
    all.iter().filter(wanted).collect()
}

fn each_side_has_its_steps() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let id = sandbox.id("a");
    let pid_file = sandbox.path.join("io/pid");
    let call = |words: &[&str]| sandbox.runtime(words).args(["--timings", "json", &id]);
    let create = sandbox
        .runtime(["create", "--timings", "json", "--pid-file"])
        .arg(&pid_file)
        .arg("--bundle")
        .arg(&bundle.path)
        .arg(&id);
    let create = recorded(&create.output().ok());
    sandbox.adopt(&pid_file);
    let whole = create["timings"]["length_ns"].as_u64().unwrap();
    assert_eq!(create["command"], format!("create {id}"));
    for (by, name) in [
        ("runtime", "read config.json"),
        ("runtime", "start child"),
        ("child", "open root"),
        ("child", "enter root"),
        ("child", "await start"),
    ] {
        let found = parts(&create, by, name);
        assert_eq!(found.len(), 1, "{by} {name}: {create:#}");
        let (begin, length) = (
            found[0]["begin_ns"].as_u64(),
            found[0]["length_ns"].as_u64(),
        );
        assert!(begin.unwrap() + length.unwrap() <= whole, "{}", found[0]);
    }
    let root = parts(&create, "child", "enter root")[0];
    assert_eq!(root["config"], "root.path");
    // The child's steps follow each other; the plan's order is that of time.
    let order = ["open root", "enter root", "await start"];
    let begins: Vec<u64> = order
        .iter()
        .map(|name| {
            parts(&create, "child", name)[0]["begin_ns"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert!(begins.is_sorted() && begins[0] > 0, "{begins:?}");

    let start = recorded(&call(&["start"]).output().ok());
    assert_eq!(parts(&start, "runtime", "let the program go").len(), 1);
    let exec = sandbox.runtime(["exec", "--timings", "json", &id, "/bin/probe", "exit", "0"]);
    let exec = recorded(&exec.output().ok());
    assert_eq!(parts(&exec, "child", "execute").len(), 1, "{exec:#}");
    let delete = recorded(&call(&["delete", "--force"]).output().ok());
    assert_eq!(parts(&delete, "runtime", "end the process").len(), 1);
    assert_eq!(parts(&delete, "runtime", "remove the state").len(), 1);
}

/// Between set-up and program runtime and child only wait for each other where one of them has something to do.
fn run_goes_on_where_nothing_is_to_be_done() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("exit 0");
    let pid_file = sandbox.path.join("io/pid");
    for (more, waits) in [(vec![], 0), (vec!["--pid-file"], 1)] {
        let path = more.iter().map(|_| &pid_file);
        let run = sandbox
            .runtime(["run", "--timings", "json"])
            .args(&more)
            .args(path)
            .arg("--bundle")
            .arg(&bundle.path)
            .arg(sandbox.id("a"));
        let run = recorded(&run.output().ok());
        let found = parts(&run, "runtime", "let the program go");
        assert_eq!(found.len(), waits, "{more:?}: {run:#}");
        assert_eq!(parts(&run, "child", "await start").len(), 1);
    }
}

fn calls_fit_into_one_trace() {
    let sandbox = Sandbox::new();
    let file = sandbox.path.join("io/trace");
    let bundle = sandbox.bundle().probe("echo up");
    for name in ["a", "b"] {
        let run = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id(name));
        let output = run.env("TARE_TIMINGS", &file).output().ok();
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str()),
            ("up\n", "")
        );
    }
    // A list of events needs no end, so that calls can be added.
    let text = fs::read_to_string(&file).unwrap();
    let whole = format!("{}]", text.trim_end().trim_end_matches(','));
    let events: Value = serde_json::from_str(&whole).unwrap();
    let events = events.as_array().unwrap();
    let runs: Vec<&Value> = events
        .iter()
        .filter(|event| {
            event["name"]
                .as_str()
                .unwrap()
                .starts_with(&format!("run {}", sandbox.tag))
        })
        .collect();
    assert_eq!(runs.len(), 2);
    let time = |event: &Value, key: &str| event[key].as_f64().unwrap();
    assert!(time(runs[0], "ts") + time(runs[0], "dur") <= time(runs[1], "ts"));
    for run in runs {
        let inside = events
            .iter()
            .filter(|event| event["pid"] == run["pid"] && event["ph"] == "X");
        for event in inside {
            assert!(time(event, "ts") >= time(run, "ts"), "{event}");
        }
    }
    assert!(
        events
            .iter()
            .any(|event| event["tid"] == 2 && event["name"] == "enter root")
    );
}

fn failures_are_recorded() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/args", serde_json::json!(["/nowhere"]));
    let run = sandbox
        .runtime(["run", "--timings", "table", "--bundle"])
        .arg(&bundle.path);
    let output = run.arg(sandbox.id("a")).output().exits(1);
    for text in ["child    find program /nowhere", "level=error"] {
        assert!(output.stderr.contains(text), "{}", output.stderr);
    }
}

fn forms_and_files_that_cannot_be() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo up");
    sandbox
        .runtime(["delete", "--timings", "xml", "none"])
        .output()
        .fails_with(
            1,
            &["invalid value for --timings: \"xml\" (table, json or trace)"],
        );
    for (file, why) in [
        ("/dev/full", "no space left on device"),
        ("/proc/none", "no such file or directory"),
    ] {
        let run = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id("a"));
        let output = run.env("TARE_TIMINGS", file).output().ok();
        assert_eq!(output.stdout, "up\n");
        let warning = format!("append timings to {file}: {why}");
        assert!(output.stderr.contains(&warning), "{}", output.stderr);
    }
}

fn debug_log_tells_the_story() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo up");
    let hook = serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", "echo said"]});
    let bundle = bundle.push("/hooks/createRuntime", hook);
    let run = sandbox
        .runtime(["--debug", "run", "--bundle"])
        .arg(&bundle.path);
    let output = run.arg(sandbox.id("a")).output().ok();
    let mut rest = output.stderr.as_str();
    // In this order.
    for text in [
        "runtime: read config.json\"",
        "host: HostFacts",
        "cgroup: ",
        "plan: ",
        "runtime: start child",
        "nsexec container setup: init is process ",
        "hook /bin/sh: stdout: said, stderr: ",
        "child process in init(): enter root (root.path): took ",
        "runtime: let the program go, and wait until it runs\"",
        "runtime: remove the state: took ",
    ] {
        let at = rest
            .find(text)
            .unwrap_or_else(|| panic!("{text}\n{}", output.stderr));
        rest = &rest[at..];
    }
    let lines = output.stderr.lines();
    assert!(
        lines.filter(|line| !line.contains("level=debug")).count() == 0,
        "{}",
        output.stderr
    );
    let json = sandbox.runtime(["--debug", "--log-format", "json", "run", "--bundle"]);
    let output = json.arg(&bundle.path).arg(sandbox.id("a")).output().ok();
    for line in output.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "debug", "{line}");
    }
}
