//! The object `process` of config.json.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::{Bundle, Sandbox, cases, need};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

cases![
    programs_that_the_kernel_refuses,
    programs_that_are_missing_fail_create,
    arguments_are_passed_verbatim,
    program_is_searched_in_the_containers_path,
    environment_keeps_its_order_and_the_last_of_duplicates,
    home_is_set_from_passwd,
    working_directory,
    umask_is_applied_and_is_022_by_default,
    first_process_is_pid_1_and_status_is_passed_on,
    death_by_signal_is_128_plus_number,
    standard_input_reaches_the_program,
    oom_score_is_written_only_when_set,
    privileged_callers_groups_do_not_leak,
    session_keyring_is_new_unless_refused,
];

fn arguments_are_passed_verbatim() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .argv(&["/bin/probe", "args", "a b", "", "ü", "-x"]);
    sandbox
        .run(&bundle)
        .ok()
        .lines(&["/bin/probe", "a b", "", "ü", "-x"]);
}

fn program_is_searched_in_the_containers_path() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .argv(&["probe", "args"])
        .set("/process/env", json!(["PATH=/nowhere:/bin"]));
    sandbox.run(&bundle).ok().lines(&["probe"]);
    let bundle = bundle.set("/process/env", json!(["PATH=/nowhere"]));
    sandbox
        .run(&bundle)
        .fails_with(1, &["exec: \"probe\": executable file not found in $PATH"]);
}

fn environment_keeps_its_order_and_the_last_of_duplicates() {
    let sandbox = Sandbox::new();
    let environment = json!(["PATH=/bin", "B=1", "A=old", "HOME=/x", "A=new", "EMPTY="]);
    let bundle = sandbox.bundle().set("/process/env", environment);
    let seen = sandbox.see(bundle, "env").ok();
    assert_eq!(
        seen.stdout
            .lines()
            .filter(|line| line.starts_with("A="))
            .collect::<Vec<_>>(),
        ["A=new"]
    );
    let others: Vec<&str> = seen
        .stdout
        .lines()
        .filter(|line| !line.starts_with("A="))
        .collect();
    assert_eq!(others, ["PATH=/bin", "B=1", "HOME=/x", "EMPTY="]);
}

fn home_is_set_from_passwd() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    std::fs::write(
        bundle.rootfs().join("etc/passwd"),
        "root:x:0:0::/home/of/root:/bin/sh\n",
    )
    .unwrap();
    let bundle = bundle.set("/process/env", json!(["PATH=/bin"]));
    sandbox
        .see(bundle, "env")
        .ok()
        .prints("HOME=/home/of/root\n");
    // Nobody knows the user.
    let bundle = sandbox.bundle().set("/process/env", json!(["PATH=/bin"]));
    sandbox.see(bundle, "env").ok().prints("HOME=/\n");
    let bundle = sandbox
        .bundle()
        .set("/process/env", json!(["PATH=/bin", "HOME="]));
    std::fs::remove_file(bundle.rootfs().join("etc/passwd")).ok();
    sandbox.see(bundle, "env").ok().prints("HOME=/\n");
}

fn working_directory() {
    let sandbox = Sandbox::new();
    sandbox
        .see(sandbox.bundle().set("/process/cwd", json!("/tmp")), "pwd")
        .ok()
        .lines(&["/tmp"]);
    let bundle = sandbox.bundle().set("/process/cwd", json!("/etc/passwd"));
    std::fs::write(bundle.rootfs().join("etc/passwd"), "").unwrap();
    sandbox
        .see(bundle, "pwd")
        .fails_with(1, &["not a directory"]);
}

fn umask_is_applied_and_is_022_by_default() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set("/process/user/umask", json!(0o27));
    sandbox.see(bundle, "umask").ok().lines(&["0027"]);
    sandbox.see(sandbox.bundle(), "umask").ok().lines(&["0022"]);
}

fn first_process_is_pid_1_and_status_is_passed_on() {
    let sandbox = Sandbox::new();
    sandbox
        .see(sandbox.bundle(), "status Pid NSpid -- exit 17")
        .exits(17)
        .prints("Pid:\t1\n");
}

fn death_by_signal_is_128_plus_number() {
    let sandbox = Sandbox::new();
    // Pid 1 of a namespace is not hit by its own signals, its parent namespace's first process is.
    let bundle = sandbox.bundle().probe("echo up -- sleep 100");
    let container = sandbox.detach(&bundle, "a");
    container.wait_for("up");
    container.kill("KILL").ok();
    assert_eq!(container.wait(), 128 + 9);
}

fn standard_input_reaches_the_program() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("read-line -- read-line");
    let run = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"));
    run.input("first\nsecond\nthird\n")
        .output()
        .ok()
        .lines(&["first", "second"]);
}

fn oom_score_is_written_only_when_set() {
    let sandbox = Sandbox::new();
    let own: i32 = std::fs::read_to_string("/proc/self/oom_score_adj")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let raised = (own + 50).min(1000);
    let bundle = sandbox.bundle().set("/process/oomScoreAdj", json!(raised));
    sandbox
        .see(bundle, "cat /proc/self/oom_score_adj")
        .ok()
        .lines(&[&raised.to_string()]);
    sandbox
        .see(sandbox.bundle(), "cat /proc/self/oom_score_adj")
        .ok()
        .lines(&[&own.to_string()]);
}

fn privileged_callers_groups_do_not_leak() {
    let setpriv = need::whole_program("setpriv");
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("status Groups -- sleep 100");
    let id = sandbox.id("a");
    let flags = ["--groups", "0,6,999"];
    let call = |verb: &str| {
        let call = sandbox.command(&setpriv).args(flags).arg(sandbox.program());
        call.arg("--root").arg(&sandbox.root).arg(verb)
    };
    let created = call("create")
        .arg("--bundle")
        .arg(&bundle.path)
        .arg(&id)
        .output()
        .ok();
    call("start").arg(&id).output().ok();
    harness::wait_until("output", || {
        std::fs::read_to_string(created.file()).is_ok_and(|text| text.contains("Groups"))
    });
    assert_eq!(
        std::fs::read_to_string(created.file()).unwrap().trim(),
        "Groups:"
    );
    let seen = call("exec")
        .arg(&id)
        .args(["/bin/probe", "status", "Groups"])
        .output()
        .ok();
    assert_eq!(seen.stdout.trim(), "Groups:");
}

fn session_keyring_is_new_unless_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("keyring");
    let id = sandbox.id("a");
    let seen = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(&id)
        .output();
    if seen.stdout.contains("ENOSYS") {
        harness::skip!("this kernel has no keyrings");
    }
    assert!(seen.stdout.contains(&format!("_ses.{id}")), "{seen:?}");
    let other = sandbox.id("b");
    let seen = sandbox
        .runtime(["run", "--no-new-keyring", "--bundle"])
        .arg(&bundle.path)
        .arg(&other)
        .output();
    assert!(!seen.stdout.contains(&other), "{seen:?}");
}

/// An executable file below the root directory.
fn program(bundle: &Bundle, name: &str, content: &[u8]) {
    let path = bundle.rootfs().join("bin").join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Only execve(2) finds out: the container has run then, with status 255, and says why where engines look for it.
fn programs_that_the_kernel_refuses() {
    let sandbox = Sandbox::new();
    let own = fs::read(sandbox.bundle().rootfs().join("bin/probe")).unwrap();
    let mut foreign = own[..64].to_vec();
    foreign[18..20].copy_from_slice(&22_u16.to_le_bytes());
    // A program header more, which names an interpreter.
    let mut linked = own[..64].to_vec();
    linked[32..40].copy_from_slice(&64_u64.to_le_bytes());
    linked[56..58].copy_from_slice(&1_u16.to_le_bytes());
    let mut header = [0; 56];
    header[0] = 3;
    header[8] = 120;
    header[32] = 14;
    header[40] = 14;
    linked.extend(header);
    linked.extend(b"/lib/ld-no.so\0");
    let cases: [(&[u8], &str); 7] = [
        (
            b"#!/no/interpreter -x\n",
            "no such file or directory (no interpreter /no/interpreter)",
        ),
        (
            b"#!/bin/probe\r\n",
            "no such file or directory (carriage return in the #! line, after /bin/probe)",
        ),
        (b"#!/etc\n", "permission denied (interpreter /etc)"),
        (
            b"echo\n",
            "exec format error (neither a program nor a script with a #! line)",
        ),
        (
            b"",
            "exec format error (neither a program nor a script with a #! line)",
        ),
        (&foreign, "exec format error (program for s390x)"),
        (
            &linked,
            "no such file or directory (no interpreter /lib/ld-no.so)",
        ),
    ];
    for (index, (content, wanted)) in cases.iter().enumerate() {
        let bundle = sandbox.bundle().argv(&["/bin/refused"]);
        program(&bundle, "refused", content);
        let wanted = format!("exec /bin/refused: {wanted}\n");
        let output = sandbox.run(&bundle).exits(255);
        assert_eq!(output.stderr, wanted);
        // `create` and `start` succeed, and the container's standard error has the line.
        let name = format!("{index}");
        let errors = fs::File::create(sandbox.path.join("io/errors")).unwrap();
        let pid_file = sandbox.path.join("io/pid");
        let create = sandbox.runtime(["create", "--pid-file"]).arg(&pid_file);
        let create = create
            .arg("--bundle")
            .arg(&bundle.path)
            .arg(sandbox.id(&name));
        create.standard(&errors).output().ok();
        let pid = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        let start = sandbox.runtime(["start", &sandbox.id(&name)]).output().ok();
        assert_eq!((start.stdout, start.stderr), (String::new(), String::new()));
        let ended = waitpid(Pid::from_raw(pid), None).unwrap();
        assert_eq!(ended, WaitStatus::Exited(Pid::from_raw(pid), 255));
        let text = fs::read_to_string(sandbox.path.join("io/errors")).unwrap();
        assert_eq!(text, wanted);
        sandbox
            .runtime(["delete", &sandbox.id(&name)])
            .output()
            .ok();
    }
}

/// What can be seen before is an error of `create`.
fn programs_that_are_missing_fail_create() {
    let sandbox = Sandbox::new();
    for (name, wanted) in [
        ("nosuch", "executable file not found in $PATH"),
        ("/bin/nosuch", "no such file or directory"),
        ("/bin/plain", "permission denied"),
        ("/bin", "permission denied"),
    ] {
        let bundle = sandbox.bundle().argv(&[name]);
        fs::write(bundle.rootfs().join("bin/plain"), "#!/bin/probe\n").unwrap();
        let create = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
        create
            .arg(sandbox.id("a"))
            .output()
            .fails_with(1, &[wanted]);
    }
}
