//! The exact calls of container engines: containerd's shim, BuildKit, conmon with podman, buildah, CRI-O.

use std::fs;

use harness::{ConsoleSocket, Invocation, Sandbox, cases, need};
use serde_json::{Value, json};

cases![
    shim_life_cycle,
    shim_with_terminal,
    shim_exec,
    shim_failure_is_in_the_log,
    shim_socket_on_descriptor_3_does_not_leak,
    buildkit_run,
    conmon_and_podman,
    conmon_exec,
    buildah,
    cri_o_signal_names,
    flags_after_the_id,
    flag_spellings,
    version_lines,
    help,
    unknown_commands_and_flags,
    relative_paths_are_the_callers,
    privileged_default_root_without_environment,
];

/// `R --root ROOT --log BUNDLE/log.json --log-format json VERB…`, with the bundle as working directory.
fn shim(sandbox: &Sandbox, bundle: &harness::Bundle, arguments: &[&str]) -> Invocation {
    let call = sandbox
        .command(sandbox.program())
        .arg("--root")
        .arg(&sandbox.root)
        .arg("--log");
    call.arg(bundle.path.join("log.json"))
        .args(["--log-format", "json"])
        .args(arguments)
        .directory(&bundle.path)
}

fn pid(path: std::path::PathBuf) -> i32 {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn reaped(pid: i32) -> nix::sys::wait::WaitStatus {
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap()
}

fn shim_life_cycle() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo hello -- wait-signal");
    let (path, id) = (bundle.path.to_str().unwrap().to_owned(), sandbox.id("a"));
    let pid_file = bundle.path.join("init.pid");
    let arguments = [
        "create",
        "--bundle",
        &path,
        "--pid-file",
        pid_file.to_str().unwrap(),
        &id,
    ];
    let created = shim(&sandbox, &bundle, &arguments).output().ok();
    assert!(
        created.stdout.is_empty() && created.stderr.is_empty(),
        "{created:?}"
    );
    let started = shim(&sandbox, &bundle, &["start", &id]).output().ok();
    assert!(
        started.stdout.is_empty() && started.stderr.is_empty(),
        "{started:?}"
    );
    harness::wait_until("output", || {
        fs::read_to_string(created.file())
            .unwrap()
            .contains("ready")
    });
    if sandbox.rootless().is_none() {
        let listed = shim(&sandbox, &bundle, &["ps", "--format", "json", &id])
            .output()
            .ok();
        assert_eq!(listed.json(), json!([pid(pid_file.clone())]));
    }
    shim(&sandbox, &bundle, &["kill", &id, "15"]).output().ok();
    assert!(matches!(
        reaped(pid(pid_file)),
        nix::sys::wait::WaitStatus::Exited(_, 42)
    ));
    let gone = shim(&sandbox, &bundle, &["kill", &id, "9"]).output();
    assert_eq!(gone.code, 1);
    assert!(
        gone.stderr.contains("container not running") || gone.stderr.contains("no such process"),
        "{gone:?}"
    );
    shim(&sandbox, &bundle, &["kill", "--all", &id, "9"])
        .output()
        .ok();
    shim(&sandbox, &bundle, &["delete", &id]).output().ok();
    let again = shim(&sandbox, &bundle, &["delete", "--force", &id])
        .output()
        .ok();
    assert!(
        again.stdout.is_empty() && again.stderr.is_empty(),
        "{again:?}"
    );
    let log = fs::read_to_string(bundle.path.join("log.json")).unwrap_or_default();
    for line in log.lines() {
        let _: Value = serde_json::from_str(line).unwrap();
    }
}

fn shim_with_terminal() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/terminal", json!(true))
        .probe("tty");
    let socket = ConsoleSocket::listen(sandbox.path.join("pty.sock"));
    let (path, id, pid_file) = (
        bundle.path.to_str().unwrap(),
        sandbox.id("a"),
        bundle.path.join("init.pid"),
    );
    let socket_path = socket.path().to_str().unwrap();
    let flags = [
        "create",
        "--bundle",
        path,
        "--pid-file",
        pid_file.to_str().unwrap(),
        "--console-socket",
        socket_path,
        &id,
    ];
    shim(&sandbox, &bundle, &flags).output().ok();
    let mut console = socket.receive();
    shim(&sandbox, &bundle, &["start", &id]).output().ok();
    console.wait_for("2 tty ");
    reaped(pid(pid_file));
}

fn shim_exec() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let container = sandbox.detach(&bundle, "a");
    let process = json!({"args": ["/bin/probe", "echo", "from exec"], "cwd": "/", "env": ["PATH=/bin"],
                         "user": {"uid": 0, "gid": 0}});
    let file = sandbox.path.join("runc-process123");
    fs::write(&file, process.to_string()).unwrap();
    let pid_file = bundle.path.join("exec.pid");
    let flags = [
        "exec",
        "--process",
        file.to_str().unwrap(),
        "--detach",
        "--pid-file",
        pid_file.to_str().unwrap(),
        &container.id,
    ];
    let output = shim(&sandbox, &bundle, &flags).output().ok();
    reaped(pid(pid_file.clone()));
    assert_eq!(fs::read_to_string(output.file()).unwrap(), "from exec\n");
    // A failing one: the shim shows the text of the last error in the log.
    let process =
        json!({"args": ["/nope"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}});
    fs::write(&file, process.to_string()).unwrap();
    assert_ne!(shim(&sandbox, &bundle, &flags).output().code, 0);
    let message = last_error(&bundle.path.join("log.json"));
    assert!(message.contains("no such file or directory"), "{message}");
}

fn last_error(log: &std::path::Path) -> String {
    let text = fs::read_to_string(log).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let error = lines
        .rev()
        .find(|line| line["level"] == "error")
        .expect("an error in the log");
    error["msg"].as_str().unwrap().to_owned()
}

/// dockerd and the docker command read these words, in this case of letters, to choose the exit status.
fn shim_failure_is_in_the_log() {
    let sandbox = Sandbox::new();
    let table = [
        ("nope", "exec: \"nope\": executable file not found in $PATH"),
        (
            "/nope",
            "exec: \"/nope\": stat /nope: no such file or directory",
        ),
        ("/etc/text", "exec: \"/etc/text\": permission denied"),
        ("/etc", "permission denied"),
    ];
    for (program, text) in table {
        let bundle = sandbox.bundle().argv(&[program]);
        fs::write(bundle.rootfs().join("etc/text"), "text").unwrap();
        let (path, id) = (bundle.path.to_str().unwrap(), sandbox.id("a"));
        let created = shim(&sandbox, &bundle, &["create", "--bundle", path, &id]).output();
        let failed = if created.code == 0 {
            shim(&sandbox, &bundle, &["start", &id]).output()
        } else {
            created
        };
        assert_eq!(failed.code, 1);
        let message = last_error(&bundle.path.join("log.json"));
        assert!(message.contains(text), "{message}");
        shim(&sandbox, &bundle, &["delete", "--force", &id])
            .output()
            .ok();
    }
}

fn shim_socket_on_descriptor_3_does_not_leak() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("fds -- sleep 1000");
    let call = sandbox
        .command("/bin/sh")
        .args(["-c", "exec 3</etc/passwd; exec \"$@\"", "sh"])
        .arg(sandbox.program());
    let call = call
        .arg("--root")
        .arg(&sandbox.root)
        .args(["create", "--bundle"])
        .arg(&bundle.path);
    let created = call.arg(sandbox.id("a")).output().ok();
    sandbox.runtime(["start", &sandbox.id("a")]).output().ok();
    harness::wait_until("output", || {
        fs::read_to_string(created.file()).unwrap().contains("\n2 ")
    });
    let text = fs::read_to_string(created.file()).unwrap();
    assert!(!text.contains("\n3 "), "{text}");
}

fn buildkit_run() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo step -- exit 3");
    let (log, id) = (bundle.path.join("runc-log.json"), sandbox.id("build"));
    let call = sandbox
        .command(sandbox.program())
        .arg("--root")
        .arg(&sandbox.root)
        .arg("--log")
        .arg(&log);
    let call = call
        .args(["--log-format", "json", "run", "--bundle"])
        .arg(&bundle.path);
    call.args(["--keep", &id])
        .output()
        .exits(3)
        .lines(&["step"]);
    assert_eq!(
        sandbox.runtime(["state", &id]).output().ok().json()["status"],
        "stopped"
    );
    sandbox.runtime(["delete", &id]).output().ok();
}

/// What conmon leaves in the environment points at descriptors that are long closed.
fn conmon(sandbox: &Sandbox, arguments: &[&str]) -> Invocation {
    let call = sandbox
        .command(sandbox.program())
        .arg("--root")
        .arg(&sandbox.root)
        .arg("--log-format=json")
        .arg("--log");
    let call = call.arg(sandbox.path.join("io/oci-log")).args(arguments);
    call.env("_OCI_SYNCPIPE", "3")
        .env("_OCI_STARTPIPE", "4")
        .env("_OCI_ATTACHPIPE", "5")
        .env("XDG_RUNTIME_DIR", "")
}

fn conmon_and_podman() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("env -- wait-signal");
    let (path, id, pid_file) = (
        bundle.path.to_str().unwrap(),
        sandbox.id("a"),
        sandbox.path.join("pidfile"),
    );
    let file = pid_file.to_str().unwrap();
    let created = conmon(
        &sandbox,
        &["create", "--bundle", path, "--pid-file", file, &id],
    )
    .output()
    .ok();
    sandbox.runtime(["start", &id]).output().ok();
    harness::wait_until("output", || {
        fs::read_to_string(created.file())
            .unwrap()
            .contains("ready")
    });
    assert!(
        !fs::read_to_string(created.file())
            .unwrap()
            .contains("_OCI_")
    );
    sandbox.runtime(["kill", &id, "15"]).output().ok();
    reaped(pid(pid_file));
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    let gone = sandbox.runtime(["state", &id]).output();
    assert!(
        gone.code == 1 && gone.stderr.contains("does not exist"),
        "{gone:?}"
    );
}

fn conmon_exec() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let process = json!({"args": ["/bin/probe", "tty"], "cwd": "/", "env": [], "terminal": true,
                         "user": {"uid": 0, "gid": 0}});
    let file = sandbox.path.join("process");
    fs::write(&file, process.to_string()).unwrap();
    let socket = ConsoleSocket::listen(sandbox.path.join("term"));
    let pid_file = sandbox.path.join("pidfile");
    let flags = [
        "exec",
        "--pid-file",
        pid_file.to_str().unwrap(),
        "--process",
        file.to_str().unwrap(),
        "--detach",
        "--tty",
        "--console-socket",
        socket.path().to_str().unwrap(),
        &container.id,
    ];
    conmon(&sandbox, &flags).output().ok();
    socket.receive().wait_for("2 tty ");
    reaped(pid(pid_file));
}

fn buildah() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("true");
    let (id, pid_file) = (sandbox.id("buildah-buildah123"), bundle.path.join("pid"));
    let shell = "exec 5</ 7</etc 9</dev/null; exec \"$@\"";
    let call = sandbox
        .command("/bin/sh")
        .args(["-c", shell, "sh"])
        .arg(sandbox.program())
        .arg("--root")
        .arg(&sandbox.root);
    let call = call
        .args(["create", "--bundle"])
        .arg(&bundle.path)
        .arg("--pid-file")
        .arg(&pid_file)
        .arg(&id);
    call.output().ok();
    sandbox.runtime(["start", &id]).output().ok();
    reaped(pid(pid_file));
    let state = sandbox.runtime(["state", &id]).output().ok().json();
    assert_eq!(state["status"], "stopped");
    sandbox.runtime(["delete", &id]).output().ok();
}

fn cri_o_signal_names() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("wait-signal"), "a");
    container.wait_for("ready");
    sandbox
        .runtime(["kill", &container.id, "SIGUSR1"])
        .output()
        .ok();
    container.wait_for("USR1");
    sandbox
        .runtime(["kill", &container.id, "KILL"])
        .output()
        .ok();
    assert_eq!(container.wait(), 128 + 9);
}

fn flags_after_the_id() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let (path, id) = (bundle.path.to_str().unwrap(), sandbox.id("a"));
    let pid_file = sandbox.path.join("io/pid");
    let flags = [
        "create",
        &id,
        "--bundle",
        path,
        "--pid-file",
        pid_file.to_str().unwrap(),
    ];
    sandbox.runtime(flags).output().ok();
    sandbox.runtime(["start", &id]).output().ok();
    sandbox.runtime(["delete", &id, "--force"]).output().ok();
    reaped(pid(pid_file));
    sandbox
        .runtime([
            "run",
            &sandbox.id("b"),
            "-b",
            sandbox.bundle().path.to_str().unwrap(),
        ])
        .output()
        .ok();
}

fn flag_spellings() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let path = bundle.path.to_str().unwrap();
    for flag in [
        vec!["--bundle", path],
        vec!["-b", path],
        vec!["-bundle", path],
    ] {
        sandbox
            .runtime(["run"])
            .args(flag)
            .arg(sandbox.id("a"))
            .output()
            .ok();
    }
    for flag in [
        format!("--bundle={path}"),
        format!("-b={path}"),
        format!("-bundle={path}"),
    ] {
        sandbox
            .runtime(["run", &flag, "--keep=false"])
            .arg(sandbox.id("a"))
            .output()
            .ok();
    }
}

fn version_lines() {
    let sandbox = Sandbox::new();
    for flag in ["--version", "-v"] {
        let output = sandbox.command(sandbox.program()).arg(flag).output().ok();
        let lines: Vec<&str> = output.stdout.lines().collect();
        let name = lines[0].split(' ').next().unwrap();
        assert!(
            lines[0].starts_with(&format!("{name} version ")),
            "{}",
            lines[0]
        );
        assert!(
            lines.iter().any(|line| line.starts_with("commit: ")),
            "{lines:?}"
        );
        let spec = lines
            .iter()
            .find_map(|line| line.strip_prefix("spec: "))
            .expect("a line with the spec's version");
        assert!(spec.starts_with("1."), "{spec}");
    }
}

fn help() {
    let sandbox = Sandbox::new();
    let name = sandbox
        .program()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let output = sandbox
        .command(sandbox.program())
        .arg("--help")
        .output()
        .ok();
    assert_eq!(output.stdout.lines().next(), Some("NAME:"));
    for command in [
        "create", "start", "run", "exec", "kill", "delete", "state", "list", "ps", "spec",
    ] {
        let output = sandbox
            .command(sandbox.program())
            .args([command, "--help"])
            .output()
            .ok();
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert_eq!(lines[0], "NAME:", "{command}");
        assert!(
            lines[1].contains(&format!("{name} {command}")),
            "{command}: {}",
            lines[1]
        );
    }
}

fn unknown_commands_and_flags() {
    let sandbox = Sandbox::new();
    let output = sandbox.runtime(["frobnicate"]).output().exits(3);
    assert!((output.stdout + &output.stderr).contains("No help topic for 'frobnicate'"));
    for arguments in [
        vec!["state", "--no-such-flag", "x"],
        vec!["--no-such-flag", "list"],
    ] {
        assert_eq!(
            sandbox.runtime(&arguments).output().code,
            1,
            "{arguments:?}"
        );
    }
}

fn relative_paths_are_the_callers() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let folder = sandbox.folder("elsewhere");
    let call = sandbox
        .runtime(["create", "--pid-file", "my.pid", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"));
    call.directory(&folder).output().ok();
    assert!(folder.join("my.pid").exists());
    let pid = pid(folder.join("my.pid"));
    sandbox
        .runtime(["delete", "--force", &sandbox.id("a")])
        .output()
        .ok();
    reaped(pid);
    let name = bundle.path.file_name().unwrap();
    sandbox
        .runtime(["run", "--bundle"])
        .arg(name)
        .arg(sandbox.id("b"))
        .directory(&sandbox.path)
        .output()
        .ok();
}

/// podman's calls come without `--root`, without HOME and PATH, and with an empty XDG_RUNTIME_DIR.
fn privileged_default_root_without_environment() {
    let environment = need::program("env");
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo ran");
    let id = sandbox.id("default-root");
    let call = sandbox
        .command(environment)
        .args(["-i", "XDG_RUNTIME_DIR="])
        .arg(sandbox.program());
    call.args(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(&id)
        .output()
        .ok()
        .lines(&["ran"]);
}
