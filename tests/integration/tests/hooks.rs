//! `hooks`: order, environment, input, namespaces, failure, time limits.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;

use harness::{Bundle, Sandbox, cases};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

cases![
    all_kinds_run_in_order,
    hooks_get_the_state,
    hooks_get_exactly_their_environment_and_arguments,
    hooks_see_the_right_namespaces,
    hooks_inherit_no_descriptors,
    failing_hook_ends_create_and_leaves_nothing,
    failing_start_hooks,
    start_container_hooks_run_as_the_process,
    privileged_start_container_hooks_get_no_more_than_the_process,
    create_container_hooks_run_in_root_directory_and_cgroup,
    environment_without_an_entry,
    hanging_hooks_do_not_hold_up_delete,
    hanging_poststop_hooks_have_some_time_from_their_start,
    signals_end_hooks_of_a_foreground_run,
    signals_end_hooks_of_other_commands,
    what_a_hook_has_started_ends_with_it,
    what_a_hook_leaves_behind_lives_on,
    failing_poststop_hook_is_a_warning,
    poststop_runs_when_create_fails_late,
    time_limit_kills_the_hook,
];

const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// A hook that runs commands of the probe. All see the same log: `/mnt` inside is the folder outside.
fn hook(sandbox: &Sandbox, bundle: &Bundle, kind: &str, commands: &str) -> Value {
    let log = log(sandbox);
    let (program, log) = if kind == "startContainer" {
        (PathBuf::from("/bin/probe"), PathBuf::from("/mnt/log"))
    } else {
        (bundle.rootfs().join("bin/probe"), log)
    };
    let commands = commands.replace("LOG", &format!("log {} --", log.display()));
    let arguments: Vec<&str> = std::iter::once("probe")
        .chain(commands.split_whitespace())
        .collect();
    json!({"path": program, "args": arguments})
}

fn log(sandbox: &Sandbox) -> PathBuf {
    sandbox.path.join("shared/log")
}

fn logging_bundle(sandbox: &Sandbox) -> Bundle {
    let shared = sandbox.folder("shared");
    sandbox.bundle().mount("/mnt", "bind", shared, &["bind"])
}

fn with_all_hooks(sandbox: &Sandbox, commands: impl Fn(&str) -> String) -> Bundle {
    let mut bundle = logging_bundle(sandbox);
    for kind in KINDS {
        let hook = hook(sandbox, &bundle, kind, &commands(kind));
        bundle = bundle.push(&format!("/hooks/{kind}"), hook);
    }
    bundle
}

fn all_kinds_run_in_order() {
    let sandbox = Sandbox::new();
    let mut bundle = with_all_hooks(&sandbox, |kind| format!("LOG echo {kind}"));
    let second = hook(
        &sandbox,
        &bundle,
        "createRuntime",
        "LOG echo createRuntime2",
    );
    bundle = bundle
        .push("/hooks/createRuntime", second)
        .probe("log /mnt/log -- echo program -- sleep 1000");
    let container = sandbox.create(&bundle, "a");
    let lines = || {
        fs::read_to_string(log(&sandbox))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines(),
        [
            "prestart",
            "createRuntime",
            "createRuntime2",
            "createContainer"
        ]
    );
    container.start();
    harness::wait_until("the program", || lines().len() == 7);
    assert_eq!(lines()[4], "startContainer");
    let mut rest = lines()[5..].to_vec();
    rest.sort();
    assert_eq!(rest, ["poststart", "program"]);
    container.force_delete();
    assert_eq!(lines().last().unwrap(), "poststop");
}

fn hooks_get_the_state() {
    let sandbox = Sandbox::new();
    let bundle = with_all_hooks(&sandbox, |_| "LOG stdin".to_owned());
    let bundle = bundle
        .set("/annotations", json!({"org.example.key": "value"}))
        .probe("true");
    let container = sandbox.create(&bundle, "a");
    container.start();
    container.wait();
    container.delete().ok();
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    let states: Vec<Value> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(states.len(), KINDS.len(), "{text}");
    let wanted = [
        &["creating"],
        &["creating"],
        &["creating"],
        &["created"],
        &["running"],
        &["stopped"],
    ];
    for ((state, kind), status) in states.iter().zip(KINDS).zip(wanted) {
        assert_eq!(state["id"], json!(container.id), "{kind}");
        assert_eq!(state["bundle"], json!(bundle.path), "{kind}");
        assert_eq!(
            state["annotations"],
            json!({"org.example.key": "value"}),
            "{kind}"
        );
        assert!(
            state["ociVersion"]
                .as_str()
                .is_some_and(|version| version.starts_with("1.")),
            "{kind}"
        );
        let found = state["status"].as_str().unwrap();
        assert!(status.contains(&found), "{kind}: {found}");
        match kind {
            "poststop" => {}
            "startContainer" => assert_eq!(state["pid"], json!(1), "as seen inside"),
            "createContainer" => assert!(state["pid"].as_i64().is_some_and(|pid| pid > 0)),
            _ => assert_eq!(state["pid"], json!(container.pid), "{kind}"),
        }
    }
}

fn hooks_get_exactly_their_environment_and_arguments() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let program = bundle.rootfs().join("bin/probe");
    let path = log(&sandbox);
    let words = [
        "any name",
        "log",
        path.to_str().unwrap(),
        "--",
        "env",
        "--",
        "args",
        "a b",
        "",
    ];
    let with = json!({"path": program, "args": words, "env": ["ONLY=this", "SECOND=1"]});
    let bundle = bundle.push("/hooks/createRuntime", with);
    let run = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"));
    run.env("NOT_FOR_HOOKS", "1").output().ok();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "ONLY=this\nSECOND=1\nany name\na b\n\n");
}

fn hooks_see_the_right_namespaces() {
    let sandbox = Sandbox::new();
    let bundle = with_all_hooks(&sandbox, |kind| {
        format!("LOG echo {kind} -- readlink /proc/self/ns/mnt /proc/self/ns/uts")
    });
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let outside = fs::read_link("/proc/self/ns/mnt").unwrap();
    let inside = fs::read_link(format!("/proc/{}/ns/mnt", container.pid)).unwrap();
    container.force_delete();
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for kind in KINDS {
        let index = lines
            .iter()
            .position(|line| *line == kind)
            .unwrap_or_else(|| panic!("{kind}: {text}"));
        let wanted = if kind.ends_with("Container") {
            &inside
        } else {
            &outside
        };
        assert_eq!(std::path::Path::new(lines[index + 1]), wanted, "{kind}");
    }
}

fn hooks_inherit_no_descriptors() {
    let sandbox = Sandbox::new();
    let mut bundle = logging_bundle(&sandbox);
    for kind in [
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
    ] {
        let hook = hook(&sandbox, &bundle, kind, "LOG fds");
        bundle = bundle.push(&format!("/hooks/{kind}"), hook);
    }
    sandbox.run(&bundle).ok();
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    for line in text.lines() {
        let (number, target) = line.split_once(' ').unwrap();
        // The log itself is 3; the three standard ones are the hook's own.
        assert!(
            number.parse::<u32>().unwrap() < 3 || target.ends_with("/log"),
            "{text}"
        );
    }
}

fn failing_hook_ends_create_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let bundle = logging_bundle(&sandbox);
        let good = hook(&sandbox, &bundle, kind, "true");
        let bad = hook(&sandbox, &bundle, kind, "err the-reason -- exit 3");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), good)
            .push(&format!("/hooks/{kind}"), bad);
        let before = sandbox.host(None);
        let run = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id("a"))
            .output();
        run.fails_with(
            1,
            &[
                &format!("error running {kind} hook #1"),
                "exit status 3",
                "the-reason",
            ],
        );
        sandbox.host(None).same_as(&before);
    }
}

/// The container is gone then, as after `delete`, and its `poststop` hooks have run (runtime.md, "Lifecycle", 7, 9, 12, 13).
fn failing_start_hooks() {
    let sandbox = Sandbox::new();
    for kind in ["startContainer", "poststart"] {
        let bundle = logging_bundle(&sandbox);
        let good = hook(&sandbox, &bundle, kind, "LOG echo first");
        let bad = hook(&sandbox, &bundle, kind, "false");
        let stop = hook(&sandbox, &bundle, "poststop", "LOG stdin");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), good)
            .push(&format!("/hooks/{kind}"), bad)
            .push("/hooks/poststop", stop)
            .probe("log /mnt/log -- echo program -- sleep 1000");
        let before = sandbox.host(Some(&bundle));
        let container = sandbox.create(&bundle, kind);
        container
            .call("start", &[] as &[&str])
            .output()
            .fails_with(1, &[&format!("error running {kind} hook #1")]);
        container
            .call("state", &[] as &[&str])
            .output()
            .fails_with(1, &["does not exist"]);
        container.wait();
        sandbox.host(Some(&bundle)).same_as(&before);
        let text = fs::read_to_string(log(&sandbox)).unwrap();
        let ran = text.contains("program");
        assert!(kind == "poststart" || !ran, "{text}");
        assert!(text.starts_with("first") || ran, "{text}");
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["status"], json!("stopped"));
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// What a program sees of itself, for comparison.
const SELF: &str = "status Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp -- limits -- umask -- pwd \
     -- cat /proc/self/cgroup /proc/self/oom_score_adj -- io-priority -- env -- keyring -- readlink /proc/self/ns/mnt \
     /proc/self/ns/pid /proc/self/ns/uts /proc/self/ns/ipc /proc/self/ns/cgroup -- mkdir /proc/made";

/// A hook and the program of one container say the same about themselves.
#[track_caller]
fn same_as_the_process(sandbox: &Sandbox, bundle: Bundle) {
    let seen = |name: &str| format!("log /mnt/{name} -- {SELF}");
    // It fails to make a directory: how, depends on the filter.
    let commands = format!("{} -- exit 0", seen("hook"));
    let arguments: Vec<&str> = std::iter::once("probe")
        .chain(commands.split_whitespace())
        .collect();
    let hook = json!({"path": "/bin/probe", "args": arguments});
    let bundle = bundle
        .push("/hooks/startContainer", hook)
        .probe(&seen("program"));
    sandbox.run(&bundle);
    let shared = sandbox.path.join("shared");
    let [hook, program] =
        ["hook", "program"].map(|name| fs::read_to_string(shared.join(name)).unwrap_or_default());
    assert!(program.contains("NoNewPrivs"), "{program}");
    assert_eq!(hook, program);
}

fn start_container_hooks_run_as_the_process() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox)
        .set("/process/cwd", json!("/tmp"))
        .set("/process/user/umask", json!(0o77))
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]),
        )
        .push("/process/env", json!("OF=process"));
    let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]});
    same_as_the_process(&sandbox, bundle.set("/linux/seccomp", filter));
}

/// The image's program gets nothing of the runtime's: not its user, capabilities, cgroup.
fn privileged_start_container_hooks_get_no_more_than_the_process() {
    let sandbox = Sandbox::new();
    for user_namespace in [false, true] {
        let mut bundle = logging_bundle(&sandbox)
            .set(
                "/process/user",
                json!({"uid": 1000, "gid": 1000, "additionalGids": [7, 8]}),
            )
            .set("/process/oomScoreAdj", json!(500))
            .set(
                "/process/ioPriority",
                json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0}),
            )
            .push("/linux/namespaces", json!({"type": "cgroup"}));
        if user_namespace {
            bundle = bundle.in_user_namespace(65536);
        }
        let shared = sandbox.folder("shared");
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        same_as_the_process(&sandbox, bundle);
        for name in ["hook", "program"] {
            fs::remove_file(shared.join(name)).unwrap();
        }
    }
}

fn create_container_hooks_run_in_root_directory_and_cgroup() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let seen = hook(
        &sandbox,
        &bundle,
        "createContainer",
        "LOG pwd -- cat /proc/self/cgroup",
    );
    let bundle = bundle
        .push("/hooks/createContainer", seen)
        .probe("sleep 1000");
    let container = sandbox.create(&bundle, "a");
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    let (directory, cgroup) = text.split_once('\n').unwrap();
    assert_eq!(directory, bundle.rootfs().to_str().unwrap());
    assert_eq!(cgroup, container.proc("cgroup"));
}

/// Without `env`: outside the runtime's environment, in the container's namespaces none, inside the process's. An empty
/// list is an empty environment.
fn environment_without_an_entry() {
    let sandbox = Sandbox::new();
    for empty in [false, true] {
        let mut bundle =
            logging_bundle(&sandbox).set("/process/env", json!(["OF=process", "HOME=/h"]));
        for kind in KINDS {
            let mut hook = hook(&sandbox, &bundle, kind, &format!("LOG echo {kind} -- env"));
            if empty {
                hook["env"] = json!([]);
            }
            bundle = bundle.push(&format!("/hooks/{kind}"), hook);
        }
        let run = sandbox.runtime(["run", "--bundle"]).arg(&bundle.path);
        run.env("OF", "runtime").arg(sandbox.id("a")).output().ok();
        let text = fs::read_to_string(log(&sandbox)).unwrap();
        for (index, kind) in KINDS.iter().enumerate() {
            let (_, after) = text.split_once(&format!("{kind}\n")).unwrap();
            let next = KINDS.get(index + 1).unwrap_or(&"\0");
            let entries: Vec<&str> = after.lines().take_while(|line| line != next).collect();
            match *kind {
                _ if empty => assert!(entries.is_empty(), "{kind}: {entries:?}"),
                "createContainer" => assert!(entries.is_empty(), "{entries:?}"),
                "startContainer" => assert_eq!(entries, ["OF=process", "HOME=/h"]),
                _ => {
                    assert!(entries.contains(&"OF=runtime"), "{kind}: {entries:?}");
                    assert!(
                        entries.iter().any(|entry| entry.starts_with("PATH=")),
                        "{kind}"
                    );
                }
            }
        }
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// `delete --force` ends the hook for which `create`, `start` or another `delete` waits.
fn hanging_hooks_do_not_hold_up_delete() {
    let sandbox = Sandbox::new();
    for (kind, command) in [
        ("createRuntime", "create"),
        ("createContainer", "create"),
        ("startContainer", "start"),
        ("poststart", "start"),
        ("poststop", "delete"),
    ] {
        let bundle = logging_bundle(&sandbox);
        let slow = hook(
            &sandbox,
            &bundle,
            kind,
            &format!("LOG echo {kind} -- sleep 1000"),
        );
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), slow)
            .probe("sleep 1000");
        let before = sandbox.host(Some(&bundle));
        let id = sandbox.id(kind);
        let mut container = None;
        let call = if command == "create" {
            sandbox
                .runtime(["create", "--bundle"])
                .arg(&bundle.path)
                .arg(&id)
        } else {
            let created = container.insert(sandbox.create(&bundle, kind));
            created.call(command, &[] as &[&str])
        };
        let waiting = call.limit(40).spawn();
        harness::wait_until("the hook", || {
            fs::read_to_string(log(&sandbox)).is_ok_and(|text| text.contains(kind))
        });
        let begin = Instant::now();
        let delete = sandbox
            .runtime(["delete", "--force", &id])
            .limit(40)
            .output();
        delete.ok();
        assert!(
            begin.elapsed() < harness::slow(15),
            "{kind}: {:?}",
            begin.elapsed()
        );
        let output = waiting.finish();
        if kind == "poststop" {
            assert!(output.error().contains("signal 9"), "{}", output.stderr);
        } else {
            let text = format!("error running {kind} hook #0: ");
            output.fails_with(1, &[&text, ": signal 9, "]);
        }
        if let Some(container) = &container {
            container.wait();
        }
        harness::wait_until("nothing is left", || {
            sandbox.host(Some(&bundle)).difference(&before).is_empty()
        });
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

fn signals_end_hooks_of_a_foreground_run() {
    let sandbox = Sandbox::new();
    for (kind, signal) in [
        ("createRuntime", Signal::SIGTERM),
        ("startContainer", Signal::SIGINT),
        ("poststart", Signal::SIGHUP),
    ] {
        let bundle = logging_bundle(&sandbox);
        let slow = hook(&sandbox, &bundle, kind, "LOG echo waits -- sleep 1000");
        let stop = hook(&sandbox, &bundle, "poststop", "LOG echo stopped");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), slow)
            .push("/hooks/poststop", stop)
            .probe("sleep 1000");
        let before = sandbox.host(Some(&bundle));
        let run = sandbox.runtime(["run", "--bundle"]).arg(&bundle.path);
        let run = run.arg(sandbox.id("a")).limit(40).spawn();
        harness::wait_until("the hook", || {
            fs::read_to_string(log(&sandbox)).is_ok_and(|text| text == "waits\n")
        });
        kill(run.pid(), signal).unwrap();
        let text = format!("error running {kind} hook #0: ");
        let why = format!(": interrupted by signal {}", signal as i32);
        run.finish().fails_with(1, &[&text, &why]);
        assert_eq!(
            fs::read_to_string(log(&sandbox)).unwrap(),
            "waits\nstopped\n"
        );
        sandbox.host(Some(&bundle)).same_as(&before);
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// Whether a process is there and is no zombie.
fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

/// A second `delete --force` leaves a `poststop` hook that has just begun some time, and none to one that hangs.
fn hanging_poststop_hooks_have_some_time_from_their_start() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let stop = hook(&sandbox, &bundle, "poststop", "LOG echo stop -- sleep 1000");
    let bundle = bundle.push("/hooks/poststop", stop);
    let before = sandbox.host(Some(&bundle));
    let container = sandbox.detach(&bundle, "a");
    let id = sandbox.id("a");
    let delete = || sandbox.runtime(["delete", "--force", &id]).limit(40);
    let first = delete().spawn();
    harness::wait_until("the hook", || log(&sandbox).exists());
    std::thread::sleep(harness::slow(6));
    let begin = Instant::now();
    delete().output().ok();
    assert!(begin.elapsed() < harness::slow(3), "{:?}", begin.elapsed());
    let output = first.finish().ok();
    assert!(output.error().contains("signal 9"), "{}", output.stderr);
    container.wait();
    sandbox.host(Some(&bundle)).same_as(&before);
}

/// As of a foreground `run`: `create` and `start` fail and leave nothing, `delete` finishes.
fn signals_end_hooks_of_other_commands() {
    let sandbox = Sandbox::new();
    for (kind, command, signal) in [
        ("createRuntime", &["create"][..], Signal::SIGINT),
        ("startContainer", &["start"], Signal::SIGHUP),
        ("poststart", &["start"], Signal::SIGTERM),
        ("poststop", &["delete"], Signal::SIGQUIT),
        ("poststop", &["delete", "--force"], Signal::SIGTERM),
        ("poststop", &["run"], Signal::SIGTERM),
    ] {
        let bundle = logging_bundle(&sandbox);
        let slow = hook(&sandbox, &bundle, kind, "LOG echo waits -- sleep 1000");
        let stop = hook(&sandbox, &bundle, "poststop", "LOG echo stopped");
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), slow)
            .push("/hooks/poststop", stop);
        let before = sandbox.host(Some(&bundle));
        let created = match command {
            ["create" | "run"] => None,
            _ => Some(sandbox.create(&bundle, "a")),
        };
        let call = sandbox.runtime(command);
        let call = match created {
            None => call.arg("--bundle").arg(&bundle.path),
            Some(_) => call,
        };
        let call = call.arg(sandbox.id("a")).limit(40).spawn();
        harness::wait_until("the hook", || {
            fs::read_to_string(log(&sandbox)).is_ok_and(|text| text == "waits\n")
        });
        kill(call.pid(), signal).unwrap();
        let output = call.finish();
        let words = format!(
            "error running {kind} hook #0: {}: interrupted by signal {}",
            bundle.rootfs().join("bin/probe").display(),
            signal as i32
        );
        let words = match kind {
            "startContainer" => words.replace(bundle.rootfs().to_str().unwrap(), ""),
            _ => words,
        };
        match kind {
            "poststop" => {
                let output = output.ok();
                assert!(output.error().contains(&words), "{}", output.stderr);
            }
            _ => drop(output.fails_with(1, &[&words])),
        }
        if let Some(container) = &created {
            container.wait();
        }
        assert_eq!(
            fs::read_to_string(log(&sandbox)).unwrap(),
            "waits\nstopped\n"
        );
        sandbox.host(Some(&bundle)).same_as(&before);
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// When its time is up, when a signal ends it, and when `delete --force` does, also after its runtime was killed.
fn what_a_hook_has_started_ends_with_it() {
    let sandbox = Sandbox::new();
    for (kind, end) in [
        ("createRuntime", "time"),
        ("createRuntime", "signal"),
        ("createRuntime", "delete"),
        ("createContainer", "delete"),
        ("createRuntime", "orphaned"),
        ("createRuntime", "collected"),
    ] {
        let bundle = logging_bundle(&sandbox);
        let mut slow = hook(
            &sandbox,
            &bundle,
            kind,
            "LOG spawn sleep 1000 -- echo waits -- sleep 1000",
        );
        if end == "time" {
            slow["timeout"] = json!(2);
        }
        let bundle = bundle.push(&format!("/hooks/{kind}"), slow);
        let before = sandbox.host(Some(&bundle));
        let id = sandbox.id("a");
        let mut create = sandbox
            .runtime(["create", "--bundle"])
            .arg(&bundle.path)
            .arg(&id)
            .limit(40)
            .spawn();
        let seen = || fs::read_to_string(log(&sandbox)).unwrap_or_default();
        harness::wait_until("the hook", || seen().lines().count() == 2);
        let text = seen();
        let (own, waits) = text.split_once('\n').unwrap();
        assert_eq!(waits, "waits\n");
        // One in a pid namespace goes with that.
        let number_is_ours = kind == "createRuntime";
        assert!(!number_is_ours || lives(own), "{text}");
        match end {
            "time" => {}
            "signal" => kill(create.pid(), Signal::SIGTERM).unwrap(),
            _ => {
                if end != "delete" {
                    create.child.kill().unwrap();
                    create.child.wait().unwrap();
                }
                match end {
                    "collected" => sandbox.runtime(["gc"]).output().ok(),
                    _ => sandbox.runtime(["delete", "--force", &id]).output().ok(),
                };
            }
        }
        match end {
            "orphaned" | "collected" => {}
            _ => drop(create.finish().exits(1)),
        }
        harness::wait_until("all of the hook is gone", || !number_is_ours || !lives(own));
        harness::wait_until("nothing is left", || {
            sandbox.host(Some(&bundle)).difference(&before).is_empty()
        });
        fs::remove_file(log(&sandbox)).unwrap();
    }
}

/// Hooks of vendors start daemons.
fn what_a_hook_leaves_behind_lives_on() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let daemon = hook(&sandbox, &bundle, "createRuntime", "LOG spawn sleep 1000");
    let bundle = bundle.push("/hooks/createRuntime", daemon);
    sandbox.run(&bundle).ok();
    let container = sandbox.detach(&bundle, "a");
    container.wait();
    sandbox
        .runtime(["delete", "--force"])
        .arg(&container.id)
        .output()
        .ok();
    let text = fs::read_to_string(log(&sandbox)).unwrap();
    let daemons: Vec<&str> = text.lines().collect();
    assert_eq!(daemons.len(), 2, "{text}");
    for pid in daemons {
        assert!(lives(pid), "{text}");
        kill(
            nix::unistd::Pid::from_raw(pid.parse().unwrap()),
            Signal::SIGKILL,
        )
        .unwrap();
    }
}

fn failing_poststop_hook_is_a_warning() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let bad = hook(&sandbox, &bundle, "poststop", "false");
    let good = hook(&sandbox, &bundle, "poststop", "LOG echo second");
    let bundle = bundle
        .push("/hooks/poststop", bad)
        .push("/hooks/poststop", good);
    sandbox.run(&bundle).ok();
    assert_eq!(fs::read_to_string(log(&sandbox)).unwrap(), "second\n");
}

fn poststop_runs_when_create_fails_late() {
    let sandbox = Sandbox::new();
    let bundle = logging_bundle(&sandbox);
    let bad = hook(&sandbox, &bundle, "createRuntime", "false");
    let stop = hook(&sandbox, &bundle, "poststop", "LOG echo stopped");
    let bundle = bundle
        .push("/hooks/createRuntime", bad)
        .push("/hooks/poststop", stop);
    sandbox.run(&bundle).exits(1);
    assert_eq!(
        fs::read_to_string(log(&sandbox)).unwrap_or_default(),
        "stopped\n"
    );
}

fn time_limit_kills_the_hook() {
    let sandbox = Sandbox::new();
    for kind in ["createRuntime", "createContainer"] {
        let bundle = logging_bundle(&sandbox);
        let mut slow = hook(&sandbox, &bundle, kind, "sleep 100");
        slow["timeout"] = json!(1);
        let bundle = bundle.push(&format!("/hooks/{kind}"), slow);
        let begin = Instant::now();
        let output = sandbox.run(&bundle).exits(1);
        assert!(
            output
                .stderr
                .contains(&format!("error running {kind} hook #0")),
            "{}",
            output.stderr
        );
        assert!(
            begin.elapsed() < harness::slow(20),
            "the hook was waited for"
        );
    }
}
