//! Errors: one line that names the field, the cause and the next thing to try.

use std::fs;

use harness::{Sandbox, cases, need, skip};
use serde_json::json;

use crate::wrong_configs::refused;

cases![
    messages_say_what_to_try,
    privileged_limits_that_this_machine_cannot_give_say_what_there_is,
    ordinary_users_are_told_what_to_set,
    ordinary_users_are_told_whose_limit_it_is,
    ordinary_users_limits_are_never_dropped,
    wrong_ids_are_refused,
    existing_id_is_refused,
    program_that_cannot_run,
];

/// Calls with something wrong: the field or flag, the cause, and the next thing to try.
fn messages_say_what_to_try() {
    let sandbox = Sandbox::new();
    let running = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let process = sandbox.path.join("io/wrong.json");
    fs::write(&process, r#"{"args": "sh", "user": {"uid": 0, "gid": 0}}"#).unwrap();
    let (process, root) = (process.to_str().unwrap(), sandbox.root.to_str().unwrap());
    let none = sandbox.id("none");
    let table: &[(&[&str], i32, &[&str])] = &[
        (
            &["state", &none],
            1,
            &["container does not exist", &none, root],
        ),
        (
            &["exec", &none, "true"],
            255,
            &["container does not exist", &none, root],
        ),
        (
            &["exec", "-u", "nosuch", &none, "true"],
            255,
            &["container does not exist", &none, root],
        ),
        (
            &["exec", "-u", "nosuch", &running.id, "true"],
            255,
            &["invalid uid \"nosuch\"", "a number is needed"],
        ),
        (
            &["exec", "--process", process, &running.id],
            255,
            &[process, "args", "expected an array"],
        ),
        (
            &["exec", "--process", "/no/such.json", &running.id],
            255,
            &["--process", "/no/such.json"],
        ),
        (
            &["update", "--memory", "abc", &running.id],
            1,
            &["--memory", "abc", "such as 512M"],
        ),
        (
            &["update", "--pids-limit", "many", &running.id],
            1,
            &["--pids-limit", "many", "a number"],
        ),
        (&["strat", &running.id], 3, &["strat", "start"]),
        (&["state", "--fromat", "json", &running.id], 1, &["fromat"]),
        (&["list", "--fromat", "json"], 1, &["fromat", "--format"]),
    ];
    for (arguments, code, texts) in table {
        let output = sandbox.runtime(arguments.iter()).output().exits(*code);
        for text in *texts {
            assert!(
                output.error().contains(text),
                "{arguments:?}: no {text:?} in {}",
                output.stderr
            );
        }
    }
    let bundle = sandbox.bundle();
    let create = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
    let taken = [
        "container with given ID already exists",
        running.id.as_str(),
        root,
    ];
    create.arg(&running.id).output().fails_with(1, &taken);
    let link = sandbox.path.join("io/link");
    std::os::unix::fs::symlink("/no/such", &link).unwrap();
    for root in [link.clone(), link.join("below")] {
        let call = sandbox.command(sandbox.program()).arg("--root").arg(&root);
        let call = call.args(["create", "--bundle"]).arg(&bundle.path);
        let link = link.to_str().unwrap();
        let texts = [link, "is a link to /no/such, which does not exist"];
        call.arg(sandbox.id("b")).output().fails_with(1, &texts);
    }
    if !std::path::Path::new("/run/systemd/system").exists() {
        let call = sandbox
            .command(sandbox.program())
            .arg("--root")
            .arg(&sandbox.root);
        let call = call
            .args(["--systemd-cgroup", "create", "--bundle"])
            .arg(&bundle.path);
        let output = call.arg(sandbox.id("b")).output().exits(1);
        assert!(output.error().contains("--systemd-cgroup"), "{output:?}");
    }
    for (path, why) in [
        ("/nosuch", "no such file or directory"),
        ("/bin/false", "exit status 1"),
    ] {
        let bundle = sandbox
            .bundle()
            .set("/hooks", json!({"createRuntime": [{"path": path}]}));
        let whole = format!("error running createRuntime hook #0: {path}: ");
        let output = sandbox
            .run(&bundle)
            .fails_with(1, &[&whole, why, "(hooks.createRuntime[0])"]);
        for once in [
            "unable to start container process: ",
            "hooks.createRuntime[0]",
        ] {
            assert_eq!(output.error().matches(once).count(), 1, "{output:?}");
        }
    }
}

fn privileged_limits_that_this_machine_cannot_give_say_what_there_is() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/linux/resources/cpu", json!({"cpus": "900-901"}));
    let texts = [
        "linux.resources.cpu.cpus",
        "of \"900-901\" only 0",
        "can be used",
    ];
    if need::has_controller("cpuset") {
        sandbox.run(&bundle).fails_with(1, &texts);
    }
    let bundle = sandbox
        .bundle()
        .in_user_namespace(1)
        .edit(|config| config["mounts"][2]["options"] = json!(["newinstance", "gid=5"]));
    let output = sandbox.run(&bundle).fails_with(1, &["mounts[2]", "gid="]);
    assert!(output.error().contains("linux.gidMappings"), "{output:?}");
}

fn ordinary_users_are_told_what_to_set() {
    let sandbox = Sandbox::ordinary();
    let bundle = sandbox.bundle();
    let call = sandbox
        .command("/usr/bin/env")
        .args(["-u", "XDG_RUNTIME_DIR"]);
    let call = call.arg(sandbox.program()).args(["create", "--bundle"]);
    let output = call.arg(&bundle.path).arg(sandbox.id("a")).output();
    output.fails_with(1, &["XDG_RUNTIME_DIR", "--root"]);
}

/// Without a cgroup of its own a container has no limits: one that asks for some does not run without a word.
fn ordinary_users_limits_are_never_dropped() {
    let sandbox = Sandbox::ordinary();
    if need::is_unified() {
        skip!("groups of version 2 may be the user's own");
    }
    let limits = json!({"memory": {"limit": 100_000_000}});
    let bundle = sandbox.bundle().set("/linux/resources", limits);
    refused(&sandbox, &bundle, "linux.resources.memory.limit", "denied");
}

fn ordinary_users_are_told_whose_limit_it_is() {
    let sandbox = Sandbox::ordinary();
    let nice = json!({"policy": "SCHED_OTHER", "nice": -19});
    let bundle = sandbox.bundle().set("/process/scheduler", nice);
    refused(&sandbox, &bundle, "nice", "CAP_SYS_NICE or RLIMIT_NICE");
    need::program("newuidmap");
    let (uid, gid) = sandbox.rootless().unwrap();
    let map = |own: u32| json!([{"containerID": 0, "hostID": own, "size": 1}, {"containerID": 1, "hostID": 1, "size": 9}]);
    let bundle = sandbox
        .bundle()
        .set("/linux/uidMappings", map(uid))
        .set("/linux/gidMappings", map(gid));
    let call = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
    let output = call.arg(sandbox.id("a")).output();
    assert_eq!(
        output.stderr.matches("newuidmap").count(),
        1,
        "{}",
        output.stderr
    );
    output.fails_with(1, &["newuidmap: ", "linux.uidMappings"]);
}

fn wrong_ids_are_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let before = sandbox.host(Some(&bundle));
    for id in [".", "..", "a/b", "../x", "a b", "ü", "a\nb", "-x y"] {
        let call = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg("--")
            .arg(id)
            .output();
        let plain = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(id)
            .output();
        assert_ne!(plain.code, 0, "{id:?}: {call:?}");
        sandbox.host(Some(&bundle)).same_as(&before);
    }
    sandbox.runtime(["state", "../x"]).output().exits(1);
    sandbox.runtime(["delete", "--force", "../../x"]).output();
    sandbox
        .runtime(["state", ""])
        .output()
        .fails_with(1, &["container"]);
    sandbox.host(Some(&bundle)).same_as(&before);
}

fn existing_id_is_refused() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle(), "a");
    let bundle = sandbox.bundle();
    let before = sandbox.host(Some(&bundle));
    let call = sandbox
        .runtime(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(&container.id)
        .output();
    call.fails_with(1, &["container with given ID already exists"]);
    sandbox.host(Some(&bundle)).same_as(&before);
    assert_eq!(container.status(), "created");
}

fn program_that_cannot_run() {
    let sandbox = Sandbox::new();
    let prefix = "unable to start container process: ";
    let table: &[(&str, &[&str])] = &[
        (
            "nope",
            &[prefix, "exec: \"nope\": executable file not found in $PATH"],
        ),
        (
            "",
            &[prefix, "exec: \"\": executable file not found in $PATH"],
        ),
        (
            "/nope",
            &[
                prefix,
                "exec: \"/nope\": stat /nope: no such file or directory",
            ],
        ),
        (
            "/etc/text",
            &[prefix, "exec: \"/etc/text\": permission denied"],
        ),
        ("/etc", &[prefix, "exec: \"/etc\":", "permission denied"]),
    ];
    for (program, texts) in table {
        let bundle = sandbox.bundle().argv(&[program]);
        fs::write(bundle.rootfs().join("etc/text"), "text").unwrap();
        let before = sandbox.host(Some(&bundle));
        sandbox.run(&bundle).fails_with(1, texts);
        sandbox.host(Some(&bundle)).same_as(&before);
    }
}
