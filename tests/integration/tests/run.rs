//! The command `run`: foreground, signals, `--detach`, `--keep`.

use std::fs;

use harness::{Sandbox, cases, wait_until};

cases![
    foreground_passes_signals_on,
    foreground_returns_the_status,
    foreground_never_misses_the_end,
    detach_returns_and_leaves_the_container,
    keep_leaves_a_stopped_container,
    pid_file_is_written_whole,
    bundle_is_the_current_directory_by_default,
    unread_output_does_not_matter,
];

fn foreground_passes_signals_on() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("wait-signal");
    let call = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .spawn();
    wait_until("ready", || call.stdout().contains("ready"));
    for (signal, name) in [
        (nix::sys::signal::SIGHUP, "HUP"),
        (nix::sys::signal::SIGUSR1, "USR1"),
        (nix::sys::signal::SIGINT, "INT"),
        (nix::sys::signal::SIGQUIT, "QUIT"),
    ] {
        nix::sys::signal::kill(call.pid(), signal).unwrap();
        wait_until(name, || call.stdout().contains(&format!("{name}\n")));
    }
    nix::sys::signal::kill(call.pid(), nix::sys::signal::SIGTERM).unwrap();
    call.finish().exits(42);
}

fn foreground_returns_the_status() {
    let sandbox = Sandbox::new();
    for status in [0, 1, 2, 126, 127, 255] {
        let output = sandbox
            .see(sandbox.bundle(), &format!("exit {status}"))
            .exits(status);
        assert!(output.stderr.is_empty(), "{}", output.stderr);
    }
}

/// Programs that end at once: their end must be noticed whenever it comes.
fn foreground_never_misses_the_end() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    for _ in 0..60 {
        let call = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id("a"));
        call.limit(20).output().ok();
    }
}

fn detach_returns_and_leaves_the_container() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("wait-signal");
    let (id, pid_file) = (sandbox.id("a"), sandbox.path.join("io/pid"));
    let call = sandbox
        .runtime(["run", "--detach", "--pid-file"])
        .arg(&pid_file)
        .arg("--bundle")
        .arg(&bundle.path);
    let output = call.arg(&id).output().ok();
    wait_until("ready", || {
        fs::read_to_string(output.file()).unwrap().contains("ready")
    });
    sandbox.runtime(["kill", &id, "TERM"]).output().ok();
    let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    let end = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
    assert!(
        matches!(end, nix::sys::wait::WaitStatus::Exited(_, 42)),
        "{end:?}"
    );
}

fn keep_leaves_a_stopped_container() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("exit 4");
    let id = sandbox.id("a");
    sandbox
        .runtime(["run", "--keep", "--bundle"])
        .arg(&bundle.path)
        .arg(&id)
        .output()
        .exits(4);
    assert_eq!(
        sandbox.runtime(["state", &id]).output().ok().json()["status"],
        "stopped"
    );
    sandbox.runtime(["delete", &id]).output().ok();
}

fn pid_file_is_written_whole() {
    let sandbox = Sandbox::new();
    let pid_file = sandbox.path.join("io/pid");
    fs::write(&pid_file, "999999999999 old content").unwrap();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let call = sandbox
        .runtime(["create", "--pid-file"])
        .arg(&pid_file)
        .arg("--bundle")
        .arg(&bundle.path);
    call.arg(sandbox.id("a")).output().ok();
    let text = fs::read_to_string(&pid_file).unwrap();
    let state = sandbox
        .runtime(["state", &sandbox.id("a")])
        .output()
        .ok()
        .json();
    assert_eq!(text, state["pid"].to_string());
    let others = fs::read_dir(pid_file.parent().unwrap()).unwrap().flatten();
    let others = others
        .filter(|entry| entry.file_name().to_string_lossy().contains("pid"))
        .count();
    assert_eq!(others, 1, "no temporary file stays");
}

fn bundle_is_the_current_directory_by_default() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo ran");
    let call = sandbox
        .runtime(["run"])
        .arg(sandbox.id("a"))
        .directory(&bundle.path);
    call.output().ok().lines(&["ran"]);
}

fn unread_output_does_not_matter() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo a -- echo b");
    let script = "\"$1\" --root \"$2\" run --bundle \"$3\" \"$4\" | true";
    let call = sandbox
        .command("/bin/sh")
        .args(["-c", script, "sh"])
        .arg(sandbox.program())
        .arg(&sandbox.root);
    call.arg(&bundle.path).arg(sandbox.id("a")).output().ok();
}
