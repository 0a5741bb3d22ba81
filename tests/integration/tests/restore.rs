//! `checkpoint` and `restore` with the real criu: where the kernel has what it needs.

use std::fs::{self, File};

use harness::{Bundle, ConsoleSocket, Output, Sandbox, cases, need, wait_until};
use serde_json::json;

cases![
    privileged_a_container_comes_back_as_it_was,
    privileged_in_the_foreground_its_status_is_passed_on,
    privileged_its_terminal_comes_back,
    privileged_mounts_and_namespaces_from_outside,
    privileged_memory_first_and_the_rest_later,
    privileged_a_dump_that_criu_refuses
];

fn null() -> File {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .expect("/dev/null")
}

/// A container whose streams criu can dump, and its process.
#[track_caller]
fn run(sandbox: &Sandbox, bundle: &Bundle, id: &str) -> i32 {
    let path = bundle.path.to_str().unwrap();
    let flags = [
        "run",
        "--detach",
        "--pid-file",
        "run.pid",
        "--bundle",
        path,
        id,
    ];
    let call = sandbox
        .runtime(flags)
        .directory(&sandbox.path)
        .standard(&null());
    call.output().exits(0);
    sandbox.adopt(&sandbox.path.join("run.pid"))
}

#[track_caller]
fn checkpoint(sandbox: &Sandbox, flags: &[&str], id: &str) -> Output {
    let mut all = vec![
        "checkpoint",
        "--image-path",
        "images",
        "--work-path",
        "work",
    ];
    all.extend(flags);
    all.push(id);
    sandbox
        .runtime(all)
        .directory(&sandbox.path)
        .limit(300)
        .output()
}

/// `restore --detach`, and the process.
#[track_caller]
fn restore(sandbox: &Sandbox, bundle: &Bundle, id: &str) -> i32 {
    let path = bundle.path.to_str().unwrap();
    let flags = [
        "restore",
        "--detach",
        "--pid-file",
        "restore.pid",
        "--image-path",
        "images",
        "--work-path",
        "work",
        "--bundle",
        path,
        id,
    ];
    let call = sandbox
        .runtime(flags)
        .directory(&sandbox.path)
        .standard(&null());
    call.limit(300).output().exits(0);
    sandbox.adopt(&sandbox.path.join("restore.pid"))
}

/// Says which facts differ, if any do.
#[track_caller]
fn assert_same(after: &[String], before: &[String]) {
    let gone: Vec<_> = before.iter().filter(|fact| !after.contains(fact)).collect();
    let new: Vec<_> = after.iter().filter(|fact| !before.contains(fact)).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "gone: {gone:#?}, new: {new:#?}"
    );
}

/// What there is to know about a process from outside, but for what differs from one to the next.
fn facts(pid: i32) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let wanted = [
        "Uid:",
        "Gid:",
        "Groups:",
        "CapInh:",
        "CapPrm:",
        "CapEff:",
        "CapBnd:",
        "CapAmb:",
        "NoNewPrivs:",
        "Seccomp:",
        "Seccomp_filters:",
        "Umask:",
        "NSpid:",
    ];
    let status = read("status");
    let mut facts: Vec<String> = status
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
        .map(|line| match line.strip_prefix("NSpid:") {
            Some(numbers) => format!("NSpid: {:?}", numbers.split_whitespace().last()),
            None => line.to_owned(),
        })
        .collect();
    facts.extend(read("limits").lines().map(str::to_owned));
    facts.push(read("cgroup"));
    facts.push(read("attr/current"));
    facts.push(read("oom_score_adj"));
    // Of mounts: where they are, how, and of what type.
    facts.extend(read("mountinfo").lines().map(|line| {
        let (front, back) = line.split_once(" - ").unwrap();
        let front: Vec<&str> = front.split(' ').collect();
        format!(
            "{} {} {}",
            front[4],
            front[5],
            back.split(' ').next().unwrap()
        )
    }));
    facts
}

fn privileged_a_container_comes_back_as_it_was() {
    let sandbox = Sandbox::new();
    need::criu();
    let bundle = sandbox
        .bundle()
        .mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777"],
        )
        .set("/process/noNewPrivileges", json!(true))
        .set(
            "/process/user",
            json!({"uid": 7, "gid": 8, "additionalGids": [9]}),
        )
        .set("/process/oomScoreAdj", json!(100))
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]),
        )
        .set(
            "/process/capabilities",
            json!({"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]}),
        )
        .set(
            "/linux/maskedPaths",
            json!(["/proc/kcore", "/proc/acpi", "/proc/keys"]),
        )
        .set("/linux/readonlyPaths", json!(["/proc/sys", "/proc/bus"]))
        .set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]}),
        )
        .set("/linux/resources/pids", json!({"limit": 50}))
        .probe("sleep 1000");
    let id = sandbox.id("a");
    let before = run(&sandbox, &bundle, &id);
    let known = facts(before);
    let exec = |words: &[&str]| {
        let mut all = vec!["exec", id.as_str(), "/bin/probe"];
        all.extend(words);
        sandbox.runtime(all).output().ok().stdout
    };
    exec(&["write", "/dev/shm/word", "kept"]);
    sandbox
        .runtime(["checkpoint", "--check", &id])
        .output()
        .ok()
        .lines(&[]);

    checkpoint(&sandbox, &["--leave-running"], &id).ok();
    let state = || sandbox.runtime(["state", &id]).output().ok().json();
    assert_eq!(state()["status"], "running");
    assert_same(&facts(before), &known);
    fs::remove_dir_all(sandbox.path.join("images")).unwrap();
    checkpoint(&sandbox, &[], &id).ok();
    sandbox
        .runtime(["state", &id])
        .output()
        .fails_with(1, &["does not exist"]);

    let after = restore(&sandbox, &bundle, &id);
    assert_same(&facts(after), &known);
    assert_eq!(state()["pid"], json!(after));
    assert_eq!(state()["status"], "running");
    assert_eq!(exec(&["cat", "/dev/shm/word"]), "kept");
    assert_eq!(
        sandbox
            .runtime(["ps", "-f", "json", &id])
            .output()
            .ok()
            .json(),
        json!([after])
    );
    sandbox.runtime(["pause", &id]).output().ok();
    assert_eq!(state()["status"], "paused");
    sandbox.runtime(["resume", &id]).output().ok();
    sandbox
        .runtime(["update", "--pids-limit", "40", &id])
        .output()
        .ok();
    let stats = sandbox
        .runtime(["events", "--stats", &id])
        .output()
        .ok()
        .json();
    assert_eq!(stats["data"]["pids"]["limit"], 40);

    // Once more, from the restored one.
    fs::remove_dir_all(sandbox.path.join("images")).unwrap();
    checkpoint(&sandbox, &[], &id).ok();
    let again = restore(&sandbox, &bundle, &id);
    assert_same(&facts(again), &known);
    sandbox.runtime(["kill", &id, "KILL"]).output().ok();
    wait_until("the end", || state()["status"] == "stopped");
    sandbox.runtime(["delete", &id]).output().ok();
}

fn privileged_in_the_foreground_its_status_is_passed_on() {
    let sandbox = Sandbox::new();
    need::criu();
    let bundle = sandbox.bundle().probe("wait-signal");
    let id = sandbox.id("a");
    run(&sandbox, &bundle, &id);
    checkpoint(&sandbox, &[], &id).ok();
    let path = bundle.path.to_str().unwrap();
    let flags = ["restore", "--image-path", "images", "--bundle", path, &id];
    let call = sandbox
        .runtime(flags)
        .directory(&sandbox.path)
        .standard(&null())
        .limit(300);
    let restoring = call.spawn();
    wait_until("it runs", || {
        let state = sandbox.runtime(["state", &id]).output();
        state.code == 0 && state.json()["status"] == "running"
    });
    // The runtime passes signals on once it waits.
    std::thread::sleep(std::time::Duration::from_secs(5));
    nix::sys::signal::kill(restoring.pid(), nix::sys::signal::Signal::SIGTERM).unwrap();
    restoring.finish().exits(42);
    sandbox
        .runtime(["state", &id])
        .output()
        .fails_with(1, &["does not exist"]);
}

fn privileged_its_terminal_comes_back() {
    let sandbox = Sandbox::new();
    need::criu();
    let bundle = sandbox
        .bundle()
        .set("/process/terminal", json!(true))
        .probe("read-line -- read-line");
    let id = sandbox.id("a");
    let path = bundle.path.to_str().unwrap();
    let socket = ConsoleSocket::listen(sandbox.path.join("first.sock"));
    let flags = ["run", "--detach", "--bundle", path, "--console-socket"];
    sandbox
        .runtime(flags)
        .arg(socket.path())
        .arg(&id)
        .output()
        .ok();
    let mut console = socket.receive();
    console.type_in("one\n");
    console.wait_for("one\r\none");
    checkpoint(&sandbox, &[], &id).ok();
    drop(console);
    let socket = ConsoleSocket::listen(sandbox.path.join("second.sock"));
    let flags = [
        "restore",
        "--detach",
        "--image-path",
        "images",
        "--bundle",
        path,
        "--console-socket",
    ];
    let call = sandbox.runtime(flags).arg(socket.path()).arg(&id);
    call.directory(&sandbox.path).limit(300).output().ok();
    let mut console = socket.receive();
    console.type_in("two\n");
    console.wait_for("two\r\ntwo");
    sandbox.runtime(["delete", "--force", &id]).output().ok();
}

fn privileged_mounts_and_namespaces_from_outside() {
    let sandbox = Sandbox::new();
    need::criu();
    let shared = sandbox.folder("shared");
    let holder = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "holder");
    let trace = sandbox.path.join("trace");
    let script = format!("cat > {}", trace.display());
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", &shared, &["rbind", "ro"])
        .join_namespace("network", &format!("/proc/{}/ns/net", holder.pid))
        .set(
            "/hooks",
            json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}),
        )
        .probe("sleep 1000");
    let id = sandbox.id("a");
    let before = facts(run(&sandbox, &bundle, &id));
    fs::remove_file(&trace).unwrap();
    checkpoint(&sandbox, &[], &id).ok();
    let pid = restore(&sandbox, &bundle, &id);
    assert_same(&facts(pid), &before);
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_eq!(namespace(pid), namespace(holder.pid));
    fs::write(shared.join("later"), "seen").unwrap();
    let exec = sandbox
        .runtime(["exec", &id, "/bin/probe", "cat", "/mnt/later"])
        .output()
        .ok();
    assert_eq!(exec.stdout, "seen");
    let told: serde_json::Value = serde_json::from_slice(&fs::read(&trace).unwrap()).unwrap();
    assert_eq!(told["pid"], json!(pid));
    sandbox.runtime(["delete", "--force", &id]).output().ok();
}

fn privileged_memory_first_and_the_rest_later() {
    let sandbox = Sandbox::new();
    need::criu();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let id = sandbox.id("a");
    run(&sandbox, &bundle, &id);
    let first = [
        "checkpoint",
        "--pre-dump",
        "--image-path",
        "images/1",
        "--work-path",
        "work",
        &id,
    ];
    sandbox
        .runtime(first)
        .directory(&sandbox.path)
        .limit(300)
        .output()
        .ok();
    let state = || sandbox.runtime(["state", &id]).output().ok().json();
    assert_eq!(state()["status"], "running");
    let second = [
        "checkpoint",
        "--image-path",
        "images/2",
        "--parent-path",
        "../1",
        "--work-path",
        "work",
        &id,
    ];
    sandbox
        .runtime(second)
        .directory(&sandbox.path)
        .limit(300)
        .output()
        .ok();
    let path = bundle.path.to_str().unwrap();
    let flags = [
        "restore",
        "-d",
        "--pid-file",
        "pid",
        "--image-path",
        "images/2",
        "--bundle",
        path,
        &id,
    ];
    let call = sandbox
        .runtime(flags)
        .directory(&sandbox.path)
        .standard(&null());
    call.limit(300).output().exits(0);
    sandbox.adopt(&sandbox.path.join("pid"));
    assert_eq!(state()["status"], "running");
    sandbox.runtime(["delete", "--force", &id]).output().ok();
}

fn privileged_a_dump_that_criu_refuses() {
    let sandbox = Sandbox::new();
    need::criu();
    // Its standard output is a file of the host's, which the container does not see.
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let check = sandbox
        .runtime(["checkpoint", "--check", &container.id])
        .output()
        .exits(1);
    assert!(
        check.stdout.contains("outside of the container's mounts"),
        "{check:?}"
    );
    checkpoint(&sandbox, &[], &container.id)
        .fails_with(1, &["criu failed: type DUMP", "mount", "dump.log"]);
    assert_eq!(container.status(), "running");
    assert_eq!(
        container.exec("echo still-here").ok().stdout,
        "still-here\n"
    );
    assert!(!sandbox.path.join("images").exists());
}
