//! runc and tare in each other's place while containers run.

use std::fs;

use harness::{Bundle, Output, Sandbox, cases, need, wait_until};
use serde_json::{Value, json};

cases![
    privileged_a_container_of_runcs_from_create_to_delete,
    privileged_a_running_container_of_runcs_is_deleted_by_force,
    privileged_a_container_of_runcs_without_pid_namespace_dies_as_a_whole,
    privileged_a_container_of_runcs_with_a_user_namespace,
    privileged_device_rules_of_a_container_of_runcs_are_changed,
    privileged_runc_works_on_a_container_of_ours,
    privileged_runc_deletes_a_container_of_ours_by_force,
    a_record_of_runcs_whose_process_is_another_harms_nobody,
    a_record_of_runcs_names_no_cgroup_of_others,
    a_record_of_runcs_without_its_bundle,
    a_damaged_record_of_runcs_is_an_error
];

/// A call of runc, whose `/dev` is a copy: some versions change the owners of what they find there.
#[track_caller]
fn runc(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    const SCRIPT: &str = "mount -t tmpfs dev /mnt
        for name in null zero full random urandom tty; do cp -a /dev/$name /mnt; done
        mount --move /mnt /dev
        exec \"$@\"";
    let private = [
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        SCRIPT,
        "sh",
    ];
    let call = sandbox.command(need::program("unshare")).args(private);
    let call = call
        .arg(need::program("runc"))
        .arg("--root")
        .arg(&sandbox.root);
    call.args(arguments).output()
}

/// `runc create`, and the process.
#[track_caller]
fn create(sandbox: &Sandbox, bundle: &Bundle, id: &str) -> i32 {
    need::cgroups();
    let path = bundle.path.to_str().unwrap();
    let pid_file = sandbox.path.join("io/runc.pid");
    let file = pid_file.to_str().unwrap();
    runc(
        sandbox,
        &["create", "--bundle", path, "--pid-file", file, id],
    )
    .ok();
    sandbox.adopt(&pid_file)
}

fn status(sandbox: &Sandbox, id: &str) -> String {
    let state = sandbox.runtime(["state", id]).output().ok().json();
    state["status"].as_str().unwrap().to_owned()
}

/// A bundle with a hook that leaves a trace when the container is deleted, and a cgroup with the sandbox's name.
fn bundle(sandbox: &Sandbox) -> Bundle {
    let trace = sandbox.path.join("poststop");
    let script = format!("cat > {}", trace.display());
    sandbox
        .bundle()
        .set(
            "/linux/cgroupsPath",
            json!(format!("/{}-runc", sandbox.tag)),
        )
        .set("/annotations", json!({"org.example.word": "kept"}))
        .set(
            "/hooks",
            json!({"poststop": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}),
        )
        .probe("sleep 1000")
}

fn privileged_a_container_of_runcs_from_create_to_delete() {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox).set("/process/noNewPrivileges", json!(true));
    let id = sandbox.id("a");
    let pid = create(&sandbox, &bundle, &id);
    let tare = |arguments: &[&str]| sandbox.runtime(arguments).output();

    let known = runc(&sandbox, &["state", &id]).ok().json();
    let seen = tare(&["state", &id]).ok().json();
    assert_same(&seen, &known);
    assert_eq!(seen["status"], "created");
    tare(&["create", "--bundle", bundle.path.to_str().unwrap(), &id])
        .fails_with(1, &["container with given ID already exists"]);

    tare(&["start", &id]).ok();
    tare(&["start", &id]).fails_with(1, &["cannot start an already running container"]);
    let list = tare(&["list", "--format", "json"]).ok().json();
    assert_eq!(list[0]["id"], json!(id));
    assert_eq!(list[0]["status"], "running");
    assert_eq!(
        tare(&["ps", "--format", "json", &id]).ok().json(),
        json!([pid])
    );
    let inside = tare(&[
        "exec",
        &id,
        "/bin/probe",
        "status",
        "NoNewPrivs",
        "--",
        "readlink",
        "/proc/self/ns/pid",
    ])
    .ok();
    assert!(inside.stdout.contains('1'), "{inside:?}");
    let own = fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    assert!(inside.stdout.contains(own.to_str().unwrap()), "{inside:?}");
    let groups = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let first = groups(&pid.to_string());
    tare(&[
        "exec",
        "--detach",
        "--pid-file",
        "io/exec.pid",
        &id,
        "/bin/probe",
        "sleep",
        "1000",
    ])
    .ok();
    let second = fs::read_to_string(sandbox.path.join("io/exec.pid")).unwrap();
    assert_eq!(groups(&second), first);
    // The first process does not go before its parent has reaped this one.
    let second = nix::unistd::Pid::from_raw(second.parse().unwrap());
    nix::sys::signal::kill(second, nix::sys::signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(second, None).unwrap();

    tare(&["pause", &id]).ok();
    assert_eq!(status(&sandbox, &id), "paused");
    assert_eq!(
        runc(&sandbox, &["state", &id]).ok().json()["status"],
        "paused"
    );
    tare(&["resume", &id]).ok();
    assert_eq!(status(&sandbox, &id), "running");
    if need::has_controller("pids") {
        tare(&["update", "--pids-limit", "77", &id]).ok();
        let stats = tare(&["events", "--stats", &id]).ok().json();
        assert_eq!(stats["data"]["pids"]["limit"], 77);
    }
    tare(&["gc"]).ok();
    tare(&["delete", &id]).fails_with(
        1,
        &["cannot delete container", "that is not stopped: running"],
    );

    tare(&["kill", &id, "KILL"]).ok();
    wait_until("the container has stopped", || {
        status(&sandbox, &id) == "stopped"
    });
    tare(&["gc", "--stopped"]).ok();
    assert_eq!(
        runc(&sandbox, &["state", &id]).ok().json()["status"],
        "stopped"
    );
    tare(&["delete", &id]).ok();
    assert!(!sandbox.root.join(&id).exists());
    let hook: Value =
        serde_json::from_slice(&fs::read(sandbox.path.join("poststop")).unwrap()).unwrap();
    assert_eq!(hook["status"], "stopped");
}

fn privileged_a_running_container_of_runcs_is_deleted_by_force() {
    let sandbox = Sandbox::new();
    let id = sandbox.id("a");
    create(&sandbox, &bundle(&sandbox), &id);
    runc(&sandbox, &["start", &id]).ok();
    assert_eq!(status(&sandbox, &id), "running");
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    assert!(!sandbox.root.join(&id).exists());
    assert!(sandbox.path.join("poststop").exists());
    runc(&sandbox, &["list", "--quiet"]).ok().lines(&[]);
}

fn privileged_a_container_of_runcs_without_pid_namespace_dies_as_a_whole() {
    let sandbox = Sandbox::new();
    let id = sandbox.id("a");
    let bundle = bundle(&sandbox)
        .without_namespace("pid")
        .probe("spawn sleep 1000 -- sleep 1000");
    create(&sandbox, &bundle, &id);
    sandbox.runtime(["start", &id]).output().ok();
    let pids = || {
        sandbox
            .runtime(["ps", "--format", "json", &id])
            .output()
            .ok()
            .json()
    };
    wait_until("both run", || pids().as_array().unwrap().len() == 2);
    sandbox.runtime(["kill", &id, "KILL"]).output().ok();
    wait_until("both are dead", || pids().as_array().unwrap().is_empty());
    sandbox.runtime(["delete", &id]).output().ok();
}

fn privileged_a_container_of_runcs_with_a_user_namespace() {
    let sandbox = Sandbox::new();
    let id = sandbox.id("a");
    let bundle = bundle(&sandbox).in_user_namespace(1000);
    let pid = create(&sandbox, &bundle, &id);
    sandbox.runtime(["start", &id]).output().ok();
    let inside = sandbox
        .runtime(["exec", &id, "/bin/probe", "readlink", "/proc/self/ns/user"])
        .output()
        .ok();
    let own = fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
    assert!(inside.stdout.contains(own.to_str().unwrap()), "{inside:?}");
    sandbox.runtime(["delete", "--force", &id]).output().ok();
}

fn privileged_device_rules_of_a_container_of_runcs_are_changed() {
    let sandbox = Sandbox::new();
    let id = sandbox.id("a");
    let kmsg =
        json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
    let bundle = bundle(&sandbox).set("/linux/devices", kmsg).set(
        "/linux/resources/devices",
        json!([{"allow": false, "access": "rwm"}]),
    );
    create(&sandbox, &bundle, &id);
    let tare = |arguments: &[&str]| sandbox.runtime(arguments);
    tare(&["start", &id]).output().ok();
    let opened = || {
        let command = ["exec", &id, "/bin/probe", "open", "/dev/kmsg", "w"];
        tare(&command).output().stdout
    };
    assert_eq!(opened(), "open /dev/kmsg: EPERM\n");
    for (allow, answer) in [(true, "ok"), (false, "EPERM"), (true, "ok")] {
        let rules = json!({"devices": [{"allow": allow, "access": "rwm"}]});
        let call = tare(&["update", "--resources", "-", &id]);
        call.input(rules.to_string()).output().ok();
        assert_eq!(opened(), format!("open /dev/kmsg: {answer}\n"));
    }
    tare(&["delete", "--force", &id]).output().ok();
}

fn privileged_runc_works_on_a_container_of_ours() {
    let sandbox = Sandbox::new();
    need::cgroups();
    let container = sandbox.create(&bundle(&sandbox), "a");
    let id = container.id.as_str();
    let state = || runc(&sandbox, &["state", id]).ok().json();
    let (seen, known) = (state(), container.state());
    assert_same(&seen, &known);
    container.start();
    assert_eq!(state()["status"], "running");
    runc(&sandbox, &["list", "--quiet"]).ok().lines(&[id]);
    let pids = runc(&sandbox, &["ps", "--format", "json", id]).ok().json();
    assert_eq!(pids, json!([container.pid]));
    runc(&sandbox, &["pause", id]).ok();
    assert_eq!(container.status(), "paused");
    runc(&sandbox, &["resume", id]).ok();
    if need::has_controller("pids") {
        runc(&sandbox, &["update", "--pids-limit", "77", id]).ok();
        assert_eq!(container.exec("true").ok().stdout, "");
    }
    // It would run without the container's filter.
    runc(&sandbox, &["exec", id, "/bin/probe", "true"]).fails_with(255, &["seccomp"]);
    runc(&sandbox, &["kill", id, "KILL"]).ok();
    container.wait();
    assert_eq!(state()["status"], "stopped");
    runc(&sandbox, &["delete", id]).ok();
    assert!(!sandbox.root.join(id).exists());
    assert!(sandbox.path.join("poststop").exists());
}

fn privileged_runc_deletes_a_container_of_ours_by_force() {
    let sandbox = Sandbox::new();
    need::cgroups();
    for namespaces in ["of its own", "shared"] {
        let bundle = match namespaces {
            "shared" => bundle(&sandbox).without_namespace("pid"),
            _ => bundle(&sandbox),
        };
        let container = sandbox.detach(&bundle, "a");
        let output = runc(&sandbox, &["delete", "--force", &container.id]);
        output.ok();
        assert!(!sandbox.root.join(&container.id).exists(), "{namespaces}");
        container.wait();
    }
}

/// What runc would have recorded of a process.
fn record(sandbox: &Sandbox, id: &str, pid: i32, start: u64) -> Value {
    json!({
        "id": id,
        "init_process_pid": pid,
        "init_process_start": start,
        "created": "2026-01-02T03:04:05.678Z",
        "rootless": true,
        "cgroup_paths": null,
        "namespace_paths": {},
        "config": {
            "rootfs": sandbox.path.join("bundle0/rootfs"),
            "version": "1.2.0",
            "labels": [format!("bundle={}", sandbox.path.join("bundle0").display())],
            "namespaces": [{"type": "NEWPID", "path": ""}, {"type": "NEWNS", "path": ""}],
            "cgroups": {"path": "/x", "memory": 0},
            "Hooks": {"poststop": null}
        }
    })
}

fn put(sandbox: &Sandbox, id: &str, record: &Value) {
    let folder = sandbox.folder("state").join(id);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("state.json"), record.to_string()).unwrap();
}

fn start_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    rest.split_whitespace().nth(19).unwrap().parse().unwrap()
}

fn a_record_of_runcs_whose_process_is_another_harms_nobody() {
    let sandbox = Sandbox::new();
    let mut process = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    let (pid, start) = (process.id(), start_time(process.id()));
    let id = sandbox.id("a");

    put(&sandbox, &id, &record(&sandbox, &id, pid as i32, start));
    assert_eq!(status(&sandbox, &id), "running");
    sandbox
        .runtime(["delete", &id])
        .output()
        .fails_with(1, &["that is not stopped: running"]);

    put(&sandbox, &id, &record(&sandbox, &id, pid as i32, start + 1));
    assert_eq!(status(&sandbox, &id), "stopped");
    sandbox
        .runtime(["kill", &id])
        .output()
        .fails_with(1, &["container not running"]);
    sandbox
        .runtime(["exec", &id, "true"])
        .output()
        .fails_with(255, &["cannot exec in a stopped container"]);
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    let ended = process.try_wait().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(ended, None, "another process was killed");
    assert!(!sandbox.root.join(&id).exists());
}

fn a_record_of_runcs_names_no_cgroup_of_others() {
    let sandbox = Sandbox::new();
    need::cgroups();
    let id = sandbox.id("a");
    let mut record = record(&sandbox, &id, 0, 0);
    // Whole hierarchies, and what is none.
    let mounts: Vec<_> = fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .map(|e| e.unwrap())
        .collect();
    let whole = mounts
        .iter()
        .map(|e| (e.file_name().into_string().unwrap(), json!(e.path())));
    record["cgroup_paths"] = whole
        .chain([(String::new(), json!("/sys/fs/cgroup"))])
        .collect();
    put(&sandbox, &id, &record);
    sandbox
        .runtime(["pause", &id])
        .output()
        .fails_with(1, &["container not running"]);
    sandbox
        .runtime(["ps", &id])
        .output()
        .fails_with(1, &["no cgroup"]);
    sandbox
        .runtime(["kill", "--all", &id, "KILL"])
        .output()
        .ok();
    sandbox.runtime(["delete", &id]).output().ok();
}

fn a_record_of_runcs_without_its_bundle() {
    let sandbox = Sandbox::new();
    let mut process = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    let id = sandbox.id("a");
    let start = start_time(process.id());
    let mut record = record(&sandbox, &id, process.id() as i32, start);
    put(&sandbox, &id, &record);
    let exec = sandbox.runtime(["exec", &id, "true"]).output();
    record["init_process_start"] = json!(start + 1);
    record["config"]["Hooks"]["poststop"] =
        json!([{"path": "/bin/true", "args": null, "env": null}]);
    put(&sandbox, &id, &record);
    let delete = sandbox.runtime(["delete", &id]).output();
    let forced = sandbox.runtime(["delete", "--force", &id]).output();
    process.kill().unwrap();
    process.wait().unwrap();
    let bundle = sandbox.path.join("bundle0");
    exec.fails_with(255, &["open bundle", bundle.to_str().unwrap()]);
    delete.fails_with(1, &["open bundle", bundle.to_str().unwrap()]);
    forced.ok();
    assert!(!sandbox.root.join(&id).exists());
}

fn a_damaged_record_of_runcs_is_an_error() {
    let sandbox = Sandbox::new();
    let id = sandbox.id("a");
    let whole = record(&sandbox, &id, 1, 1);
    let text = whole.to_string();
    for damaged in [
        &text[..text.len() / 2],
        &text.replace("\"rootfs\"", "\"root\""),
    ] {
        put(&sandbox, &id, &whole);
        fs::write(sandbox.root.join(&id).join("state.json"), damaged).unwrap();
        // What is cut may just be written by somebody: without anything beside it there is no container.
        sandbox.runtime(["kill", &id]).output().exits(1);
        sandbox.runtime(["list"]).output().ok();
        fs::remove_dir_all(sandbox.root.join(&id)).unwrap();
    }
}

/// What both runtimes say of a container.
fn assert_same(seen: &serde_json::Value, known: &serde_json::Value) {
    for field in [
        "id",
        "pid",
        "status",
        "bundle",
        "rootfs",
        "created",
        "annotations",
        "owner",
    ] {
        assert_eq!(seen[field], known[field], "{field}");
    }
}
