//! Looks that fail: the kernel does not answer, descriptors run out, what is stored is damaged. Then nothing is taken for
//! gone: no running container is lost or ended, and none gets less than its config says.

use std::fs;
use std::path::PathBuf;

use harness::{Bundle, Container, Output, Sandbox, cases, need};
use serde_json::json;

cases![
    few_descriptors_lose_no_container,
    few_descriptors_and_delete_by_force,
    small_address_spaces_lose_no_container,
    creates_with_little_of_everything_leave_nothing,
    signals_in_bursts_reach_the_program_and_lose_nothing,
    standing_still_changes_nothing,
    privileged_no_inodes_is_one_error,
    privileged_a_full_file_system_is_one_error,
    a_damaged_config_is_no_config_without_a_filter,
    a_damaged_record_loses_no_process,
    a_damaged_report_loses_no_process,
    ignored_ends_of_children_hide_no_failure,
    numbers_at_the_end_of_their_range,
    files_that_may_not_grow_are_an_error_with_a_name
];

/// What must not end or lose a running container, with its arguments before the id and after it.
const HARMLESS: [(&[&str], &[&str]); 9] = [
    (&["state"], &[]),
    (&["ps"], &[]),
    (&["kill"], &["0"]),
    (&["delete"], &[]),
    (&["start"], &[]),
    (&["resume"], &[]),
    (&["update", "--pids-limit", "100"], &[]),
    (&["events", "--stats"], &[]),
    (&["exec"], &["/bin/probe", "true"]),
];

fn arguments(container: &Container<'_>, command: (&[&str], &[&str])) -> Vec<String> {
    let (before, after) = command;
    let words = before.iter().copied().chain([container.id.as_str()]);
    words
        .chain(after.iter().copied())
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn still_runs(container: &Container<'_>, after: &str) {
    let state = container.state();
    assert_eq!(state["pid"], container.pid, "{after}");
    assert_eq!(state["status"], "running", "{after}");
}

fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// After `delete --force`: gone as a whole, or known as before.
#[track_caller]
fn gone_or_known(container: &Container<'_>, output: &Output, after: &str) -> bool {
    let sandbox = container.sandbox();
    if output.code == 0 {
        assert!(!is_alive(container.pid), "{after}: 0, and it lives");
        assert!(!sandbox.root.join(&container.id).exists(), "{after}");
        return true;
    }
    let state = container.call("state", &[] as &[&str]).output();
    if state.code != 0 {
        // Only the last step failed: the removal of the empty folder.
        assert!(!is_alive(container.pid), "{after}: forgotten, and it lives");
        assert!(state.error().contains("does not exist"), "{after}");
        container.force_delete();
        return true;
    }
    let state = state.json();
    let its = state["pid"] == container.pid;
    assert!(its || state["status"] == "stopped", "{after}: {state}");
    false
}

/// The command with a limit of open files.
fn with_few(sandbox: &Sandbox, limit: u32, arguments: &[String]) -> Output {
    let script = format!("ulimit -n {limit}; exec \"$@\"");
    let call = sandbox.command("/bin/sh").args(["-c", &script, "sh"]);
    let call = call.arg(sandbox.program()).arg("--root");
    call.arg(&sandbox.root).args(arguments).limit(30).output()
}

fn sleeper(sandbox: &Sandbox) -> Bundle {
    sandbox.bundle().probe("sleep 1000")
}

fn small_address_spaces_lose_no_container() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sleeper(&sandbox), "a");
    for command in HARMLESS {
        let words = arguments(&container, command);
        for kibibytes in (500..8000).step_by(750) {
            let script = format!("ulimit -v {kibibytes}; exec \"$@\"");
            let call = sandbox.command("/bin/sh").args(["-c", &script, "sh"]);
            let call = call.arg(sandbox.program()).arg("--root").arg(&sandbox.root);
            call.args(&words).limit(30).output();
            still_runs(&container, &format!("{words:?} with {kibibytes} KiB"));
        }
    }
    container.force_delete();
    container.wait();
}

/// `create` with so little memory, so few descriptors or processes that it succeeds only sometimes, also in init, which has
/// the same limits: then what there is can be deleted as always.
fn creates_with_little_of_everything_leave_nothing() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let before = sandbox.host(Some(&bundle));
    let spaces = (250..8000).step_by(500).map(|size| format!("-v {size}"));
    let descriptors = (3..24).map(|count| format!("-n {count}"));
    let sizes = (0..4).map(|blocks| format!("-f {blocks}"));
    let mut failed = 0;
    for (number, limit) in spaces.chain(descriptors).chain(sizes).enumerate() {
        let id = sandbox.id(&format!("a{number}"));
        let pid_file = sandbox.path.join("io/little.pid");
        let _ = fs::remove_file(&pid_file);
        let script = format!("ulimit {limit}; exec \"$@\"");
        let call = sandbox.command("/bin/sh").args(["-c", &script, "sh"]);
        let call = call.arg(sandbox.program()).arg("--root").arg(&sandbox.root);
        let call = call.args(["create", "--pid-file"]).arg(&pid_file);
        let call = call.arg("--bundle").arg(&bundle.path).arg(&id);
        let output = call.limit(30).output();
        failed += usize::from(output.code != 0);
        if output.code == 0 {
            let state = sandbox.runtime(["state", &id]).output().ok().json();
            assert_eq!(state["status"], "created", "{limit}");
        }
        sandbox.runtime(["delete", "--force", &id]).output().ok();
        let pid = fs::read_to_string(&pid_file).ok();
        let pid = pid
            .and_then(|pid| pid.parse().ok())
            .map(nix::unistd::Pid::from_raw);
        harness::wait_until("nothing left", || {
            pid.is_none_or(harness::orphans::has_ended)
                && sandbox.host(Some(&bundle)).difference(&before).is_empty()
        });
    }
    assert!((4..40).contains(&failed), "{failed}");
}

fn signals_in_bursts_reach_the_program_and_lose_nothing() {
    use nix::sys::signal::{Signal, kill};
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo up -- wait-signal");
    let run = sandbox.runtime(["run", "--bundle"]).arg(&bundle.path);
    let run = run.arg(sandbox.id("a")).spawn();
    harness::wait_until("the program", || run.stdout().contains("up"));
    for _ in 0..500 {
        for signal in [
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGHUP,
            Signal::SIGCHLD,
            Signal::SIGWINCH,
        ] {
            kill(run.pid(), signal).unwrap();
        }
    }
    harness::wait_until("the last kind of signal", || run.stdout().contains("USR2"));
    kill(run.pid(), Signal::SIGTERM).unwrap();
    run.finish().exits(42);
}

/// The runtime and all below it are stopped and go on, again and again: nobody takes who stands still for one that has ended,
/// and no wake-up is lost.
fn standing_still_changes_nothing() {
    use nix::sys::signal::{Signal, kill};
    let sandbox = Sandbox::new();
    let program = sandbox.bundle().rootfs().join("bin/probe");
    let hook = json!({"path": program, "args": ["probe", "sleep", "0.05"]});
    let bundle = sleeper(&sandbox).push("/hooks/createRuntime", hook);
    let pid_file = sandbox.path.join("io/still.pid");
    let pid_file = pid_file.to_str().unwrap();
    let path = bundle.path.to_str().unwrap().to_owned();
    for round in 0..4 {
        let id = sandbox.id(&format!("a{round}"));
        let commands: [&[&str]; 6] = [
            &["create", "--pid-file", pid_file, "--bundle", &path, &id],
            &["start", &id],
            &["exec", &id, "/bin/probe", "sleep", "0.05"],
            &["state", &id],
            &["kill", &id, "KILL"],
            &["delete", "--force", &id],
        ];
        let mut pids = Vec::new();
        for words in commands {
            let mut call = sandbox.runtime(words).spawn();
            let mut stops = 0;
            while call.child.try_wait().unwrap().is_none() {
                // At other moments in each round.
                std::thread::sleep(std::time::Duration::from_micros(700 + 500 * round));
                // Who is not yet reaped keeps its number.
                let all = match stops < 40 && call.child.try_wait().unwrap().is_none() {
                    true => harness::with_descendants(call.pid()),
                    false => continue,
                };
                for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
                    for pid in &all {
                        let _ = kill(*pid, signal);
                    }
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
                stops += 1;
            }
            call.finish().ok();
            if words[0] == "create" {
                let pid: i32 = fs::read_to_string(pid_file).unwrap().parse().unwrap();
                pids.push(nix::unistd::Pid::from_raw(pid));
                // It may have been stopped as it became the container's.
                let _ = kill(pids[0], Signal::SIGCONT);
            }
        }
        harness::wait_until("the end", || harness::orphans::has_ended(pids[0]));
    }
}

fn few_descriptors_lose_no_container() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sleeper(&sandbox), "a");
    for command in HARMLESS {
        for limit in 3..16 {
            let words = arguments(&container, command);
            with_few(&sandbox, limit, &words);
            still_runs(&container, &format!("{words:?} with {limit}"));
        }
    }
    container.force_delete();
    container.wait();
}

fn few_descriptors_and_delete_by_force() {
    let sandbox = Sandbox::new();
    let bundle = sleeper(&sandbox);
    let mut container = sandbox.detach(&bundle, "c2");
    for limit in 3..16 {
        let words = arguments(&container, (&["delete", "--force"], &[]));
        let output = with_few(&sandbox, limit, &words);
        if gone_or_known(&container, &output, &format!("with {limit}")) {
            container.wait();
            container = sandbox.detach(&bundle, &format!("c{limit}"));
        }
    }
    container.force_delete();
    container.wait();
}

fn privileged_a_full_file_system_is_one_error() {
    // Of 64 blocks so many are left.
    let fill =
        r#"head -c 1M /dev/zero >fill 2>/dev/null; truncate -s $(( (64 - free) * 4096 )) fill"#;
    without_space("size=256k", fill);
}

fn privileged_no_inodes_is_one_error() {
    // Two are the root and the state directory.
    let fill = r#"i=$free; while [ $i -lt 10 ]; do : >fill$i; i=$((i + 1)); done"#;
    without_space("nr_inodes=12", fill);
}

/// `create` where so little is left that it succeeds only sometimes: else it is one error, and nothing is left behind.
fn without_space(options: &str, fill: &str) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let before = sandbox.host(None);
    let room = sandbox.folder("room");
    let script = r#"
        room=$1; free=$2; shift 2
        mount -t tmpfs -o "$OPTIONS" none "$room" && mkdir "$room/state" && cd "$room" || exit 99
        eval "$FILL"
        "$@"; code=$?
        [ $code = 0 ] || ls -A "$room/state"
        [ $code != 0 ] || "${1}" --root "$room/state" delete --force "$ID"
        exit $code"#;
    let mut failed = 0;
    for free in 0..10 {
        let id = sandbox.id(&format!("f{free}"));
        let call = sandbox
            .command("unshare")
            .args(["-m", "sh", "-c", script, "sh"]);
        let call = call.env("OPTIONS", options).env("FILL", fill);
        let call = call.env("ID", &id).arg(&room).arg(free.to_string());
        let call = call
            .arg(sandbox.program())
            .arg("--root")
            .arg(room.join("state"));
        let call = call.args(["create", "--bundle"]).arg(&bundle.path).arg(&id);
        let output = call.output();
        if output.code != 0 {
            failed += 1;
            assert!(output.stdout.is_empty(), "left behind: {output:?}");
            output.fails_with(1, &["no space left on device"]);
        }
        harness::wait_until("nothing left", || {
            sandbox.host(None).difference(&before).is_empty()
        });
    }
    assert!((1..10).contains(&failed), "{failed}");
}

fn filtered(sandbox: &Sandbox) -> Bundle {
    let rules =
        json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]);
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_RISCV64"],
        "syscalls": rules,
    });
    sleeper(sandbox)
        .writable()
        .set("/linux/seccomp", profile)
        .set("/hooks", json!({}))
}

fn a_damaged_config_is_no_config_without_a_filter() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&filtered(&sandbox), "a");
    let config = sandbox.root.join(&container.id).join("config.json");
    let whole = fs::read(&config).unwrap();
    let process = json!({"args": ["/bin/probe", "mkdir", "/tmp/x"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
    let file = sandbox.path.join("io/process.json");
    fs::write(&file, process.to_string()).unwrap();
    let exec = |flags: &[&str]| {
        let call = sandbox.runtime(["exec"]).args(flags);
        call.arg(&container.id)
            .args(["/bin/probe", "mkdir", "/tmp/x"])
    };
    for (text, message) in [
        (None, "no such file or directory"),
        (Some(&b""[..]), "config.json"),
        (Some(b"{}x"), "config.json"),
        (Some(b"\xff"), "config.json"),
        (Some(&whole[..whole.len() / 2]), "config.json"),
    ] {
        match text {
            None => fs::remove_file(&config).unwrap(),
            Some(text) => fs::write(&config, text).unwrap(),
        }
        exec(&[]).output().fails_with(255, &[message]);
        exec(&["--process", file.to_str().unwrap()])
            .output()
            .fails_with(255, &[message]);
    }
    fs::write(&config, &whole).unwrap();
    exec(&[]).output().exits(1).prints("ENOSPC");
    // Its hooks cannot be known; that is no reason to keep it for ever.
    fs::write(&config, "").unwrap();
    container.kill("KILL").ok();
    container.wait();
    container.delete().fails_with(1, &["config.json"]);
    let output = container.call("delete", &["--force"]).output().ok();
    assert!(output.stderr.contains("poststop"), "{output:?}");
}

/// Removed, emptied, cut, and another's.
fn damages(whole: &[u8]) -> [Option<Vec<u8>>; 4] {
    [
        None,
        Some(Vec::new()),
        Some(whole[..whole.len() / 2].to_owned()),
        Some(b"nonsense".to_vec()),
    ]
}

fn damage(file: &PathBuf, how: Option<&[u8]>) {
    match how {
        None => fs::remove_file(file).unwrap(),
        Some(bytes) => fs::write(file, bytes).unwrap(),
    }
}

fn a_damaged_record_loses_no_process() {
    let sandbox = Sandbox::new();
    let bundle = sleeper(&sandbox);
    for started in [true, false] {
        let container = sandbox.create(&bundle, &format!("c{started}"));
        if started {
            container.start();
        }
        let record = sandbox.root.join(&container.id).join("state.json");
        let whole = fs::read(&record).unwrap();
        for how in damages(&whole) {
            damage(&record, how.as_deref());
            let commands: [(&[&str], &[&str]); 8] = [
                (&["state"], &[]),
                (&["start"], &[]),
                (&["kill"], &["KILL"]),
                (&["delete"], &[]),
                (&["delete", "--force"], &[]),
                (&["exec"], &["/bin/probe", "true"]),
                (&["pause"], &[]),
                (&["update", "--pids-limit", "10"], &[]),
            ];
            for command in commands {
                let words = arguments(&container, command);
                let code = if words[0] == "exec" { 255 } else { 1 };
                let output = sandbox.runtime(&words).output();
                output.fails_with(code, &["state.json", "damaged"]);
                assert!(is_alive(container.pid), "{words:?}");
            }
            let create = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
            let create = create.arg(&container.id).output();
            create.fails_with(1, &["already exists"]);
            sandbox.runtime(["list"]).output().ok();
        }
        fs::write(&record, &whole).unwrap();
        assert_eq!(container.state()["pid"], container.pid);
        container.force_delete();
        container.wait();
    }
}

fn a_damaged_report_loses_no_process() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sleeper(&sandbox), "a");
    let report = sandbox.root.join(&container.id).join("report");
    let whole = fs::read(&report).unwrap();
    for how in damages(&whole) {
        damage(&report, how.as_deref());
        for command in ["state", "start", "delete", "pause"] {
            let output = container.call(command, &[] as &[&str]).output();
            output.fails_with(1, &["report"]);
            assert!(is_alive(container.pid), "{command}");
        }
        // What needs no status works.
        container.kill("0").ok();
    }
    fs::write(&report, &whole).unwrap();
    still_runs(&container, "a report that is back");
    fs::remove_file(&report).unwrap();
    container.force_delete();
    container.wait();
}

fn ignored_ends_of_children_hide_no_failure() {
    let sandbox = Sandbox::new();
    let program = sandbox.bundle().rootfs().join("bin/probe");
    let ignoring = |command: &str, bundle: &Bundle, id: &str| {
        let call = sandbox.command(need::whole_program("env"));
        let call = call.arg("--ignore-signal=CHLD").arg(sandbox.program());
        let call = call.arg("--root").arg(&sandbox.root);
        let call = call.args([command, "--bundle"]).arg(&bundle.path);
        call.arg(sandbox.id(id)).output()
    };
    let failing = json!({"path": program, "args": ["probe", "exit", "3"]});
    let bundle = sandbox.bundle().push("/hooks/createRuntime", failing);
    ignoring("create", &bundle, "a").fails_with(1, &["createRuntime hook #0"]);
    ignoring("run", &sandbox.bundle().probe("exit 7"), "b").exits(7);
    let working = json!({"path": program, "args": ["probe", "true"]});
    let bundle = sandbox.bundle().push("/hooks/createRuntime", working);
    ignoring("run", &bundle.probe("exit 8"), "c").exits(8);
}

fn files_that_may_not_grow_are_an_error_with_a_name() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let limited = |blocks: u32| {
        // What it says is written by a program that has no limit.
        let script =
            format!("(ulimit -f {blocks}; \"$@\") 2>&1 | cat >&2; exit ${{PIPESTATUS[0]}}");
        let call = sandbox
            .command(need::program("bash"))
            .args(["-c", &script, "sh"]);
        let call = call.arg(sandbox.program()).arg("--root").arg(&sandbox.root);
        let call = call.args(["run", "--bundle"]).arg(&bundle.path);
        call.arg(sandbox.id("a")).output()
    };
    for blocks in 0..4 {
        limited(blocks).fails_with(1, &["run failed: ", ": file too large"]);
    }
    // Init and the program find the default.
    let bundle = sandbox.bundle().probe("status SigIgn");
    sandbox
        .run(&bundle)
        .ok()
        .lines(&["SigIgn:\t0000000000000000"]);
}

fn numbers_at_the_end_of_their_range() {
    let sandbox = Sandbox::new();
    let program = sandbox.bundle().rootfs().join("bin/probe");
    for timeout in [i64::MAX, i64::MAX / 1_000_000_000, 1 << 40] {
        let hook = json!({"path": program, "args": ["probe", "true"], "timeout": timeout});
        let bundle = sandbox.bundle().push("/hooks/createRuntime", hook);
        sandbox.see(bundle, "echo ran").ok().lines(&["ran"]);
    }
    for count in ["4294967295", "4294967293", "2147483647", "100000"] {
        let bundle = sandbox.bundle();
        let run = sandbox.runtime(["run", "--preserve-fds", count, "--bundle"]);
        let output = run.arg(&bundle.path).arg(sandbox.id("p")).output();
        output.fails_with(1, &["preserve-fds"]);
    }
    let container = sandbox.detach(&sleeper(&sandbox), "e");
    let output = container.exec_with(&["--preserve-fds", "4294967295"], "true");
    output.fails_with(255, &["preserve-fds"]);
    container.force_delete();
    container.wait();
}
