//! `hooks`: order, environment, input, namespaces, identity.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use harness::{Bundle, Sandbox, cases};
use serde_json::{Value, json};

cases![
    all_kinds_run_in_order,
    hooks_get_the_state,
    hooks_get_exactly_their_environment_and_arguments,
    hooks_see_the_right_namespaces,
    hooks_inherit_no_descriptors,
    start_container_hooks_run_as_the_process,
    privileged_start_container_hooks_get_no_more_than_the_process,
    create_container_hooks_run_in_root_directory_and_cgroup,
    environment_without_an_entry,
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
pub(crate) fn hook(sandbox: &Sandbox, bundle: &Bundle, kind: &str, commands: &str) -> Value {
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

pub(crate) fn log(sandbox: &Sandbox) -> PathBuf {
    sandbox.path.join("shared/log")
}

pub(crate) fn logging_bundle(sandbox: &Sandbox) -> Bundle {
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
