//! The command `kill`.

use std::fs;

use harness::{Container, Sandbox, cases, need, wait_until};
use serde_json::json;

cases![
    signals_by_name_and_number,
    default_signal_is_term,
    default_signal_is_the_image_s,
    unknown_signals_are_refused,
    stopped_container_is_not_running,
    created_container_can_be_killed,
    usual_signals_end_a_created_container,
    unknown_container_does_not_exist,
    privileged_all_processes,
    privileged_kill_without_pid_namespace_ends_everything,
    privileged_kill_in_a_shared_pid_namespace_ends_everything,
    killing_the_first_process_ends_the_others,
];

fn waiting(sandbox: &Sandbox) -> Container<'_> {
    let container = sandbox.detach(&sandbox.bundle().probe("wait-signal"), "a");
    container.wait_for("ready");
    container
}

fn signals_by_name_and_number() {
    let sandbox = Sandbox::new();
    let container = waiting(&sandbox);
    let table = [
        ("HUP", "HUP"),
        ("SIGINT", "INT"),
        ("usr1", "USR1"),
        ("sigusr2", "USR2"),
        ("28", "WINCH"),
        ("3", "QUIT"),
    ];
    for (given, seen) in table {
        let output = container.kill(given).ok();
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
        container.wait_for(&format!("{seen}\n"));
    }
    container.kill("15").ok();
    assert_eq!(container.wait(), 42);
}

fn default_signal_is_term() {
    let sandbox = Sandbox::new();
    let container = waiting(&sandbox);
    container.call("kill", &[] as &[&str]).output().ok();
    assert_eq!(container.wait(), 42);
}

fn default_signal_is_the_image_s() {
    let sandbox = Sandbox::new();
    let table = [
        ("SIGUSR1", "USR1", ""),
        ("3", "QUIT", ""),
        (
            "SIGNOSUCH",
            "",
            "unknown signal \"SIGNOSUCH\": TERM is sent",
        ),
        ("0", "", "unknown signal \"0\": TERM is sent"),
    ];
    for (value, seen, warning) in table {
        let bundle = sandbox.bundle().probe("wait-signal").set(
            "/annotations",
            json!({"org.opencontainers.image.stopSignal": value}),
        );
        let container = sandbox.detach(&bundle, "a");
        container.wait_for("ready");
        let output = container.call("kill", &[] as &[&str]).output().ok();
        assert!(output.error().contains(warning), "{value}: {output:?}");
        assert_eq!(output.stderr.is_empty(), warning.is_empty(), "{output:?}");
        match seen {
            "" => assert_eq!(container.wait(), 42),
            _ => {
                container.wait_for(&format!("{seen}\n"));
                container.kill("KILL").ok();
                container.wait();
            }
        }
        container.delete().ok();
    }
}

fn unknown_signals_are_refused() {
    let sandbox = Sandbox::new();
    let container = waiting(&sandbox);
    for signal in ["NOSUCH", "SIGNOSUCH"] {
        container
            .kill(signal)
            .fails_with(1, &[&format!("unknown signal \"{signal}\"")]);
    }
    assert_ne!(container.kill("900").code, 0);
    assert_eq!(container.status(), "running");
}

fn stopped_container_is_not_running() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("true"), "a");
    container.wait_zombie();
    container
        .kill("TERM")
        .fails_with(1, &["container not running"]);
    container.wait();
    container
        .kill("KILL")
        .fails_with(1, &["container not running"]);
    // Engines send this after the end, and it must be no error.
    sandbox
        .runtime(["kill", "--all", &container.id, "9"])
        .output()
        .ok();
}

fn created_container_can_be_killed() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle(), "a");
    container.kill("KILL").ok();
    assert_eq!(container.wait(), 128 + 9);
    assert_eq!(container.status(), "stopped");
}

/// As the first process of its pid namespace the waiting init does not die of them by default.
fn usual_signals_end_a_created_container() {
    let sandbox = Sandbox::new();
    for (signal, number) in [("HUP", 1), ("INT", 2), ("QUIT", 3), ("TERM", 15)] {
        let container = sandbox.create(&sandbox.bundle().probe("sleep 1000"), signal);
        container.kill(signal).ok();
        assert_eq!(container.wait(), 128 + number, "{signal}");
        assert_eq!(container.status(), "stopped");
        container.delete().ok();
    }
    // Those that a program may use for other things are not for init.
    let container = sandbox.create(&sandbox.bundle().probe("echo ran"), "usr1");
    container.kill("USR1").ok();
    container.start();
    assert_eq!(container.wait(), 0);
}

fn unknown_container_does_not_exist() {
    let sandbox = Sandbox::new();
    sandbox
        .runtime(["kill", &sandbox.id("x"), "9"])
        .output()
        .fails_with(1, &["container does not exist"]);
}

fn privileged_all_processes() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("spawn wait-signal -- wait-signal");
    let container = sandbox.detach(&bundle, "a");
    wait_until("both", || container.printed().matches("ready").count() == 2);
    sandbox
        .runtime(["kill", "--all", &container.id, "USR1"])
        .output()
        .ok();
    wait_until("both", || container.printed().matches("USR1").count() == 2);
}

fn privileged_kill_without_pid_namespace_ends_everything() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .without_namespace("pid")
        .probe("spawn wait-signal -- wait-signal");
    let container = sandbox.detach(&bundle, "a");
    wait_until("both", || container.printed().matches("ready").count() == 2);
    let child: i32 = container
        .printed()
        .lines()
        .find_map(|line| line.parse().ok())
        .unwrap();
    container.kill("KILL").ok();
    container.wait();
    let stat = format!("/proc/{child}/stat");
    wait_until("the end of the other process", || {
        let _ = nix::sys::wait::waitpid(
            nix::unistd::Pid::from_raw(child),
            Some(nix::sys::wait::WaitPidFlag::WNOHANG),
        );
        fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "))
    });
    container.delete().ok();
}

/// As the containers of a pod, whose pid namespace is that of the first.
fn privileged_kill_in_a_shared_pid_namespace_ends_everything() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let first = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "first");
    let path = format!("/proc/{}/ns/pid", first.pid);
    let bundle = sandbox.bundle().join_namespace("pid", &path);
    let second = sandbox.detach(
        &bundle.probe("spawn sleep 1000 -- echo up -- sleep 1000"),
        "b",
    );
    second.wait_for("up");
    let list = second
        .call("ps", &["--format", "json"])
        .output()
        .ok()
        .json();
    assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");
    second.kill("KILL").ok();
    assert_eq!(second.wait(), 137);
    let left = || {
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| {
                list.as_array().is_some_and(|list| {
                    list.iter().any(|pid| entry.file_name() == *pid.to_string())
                })
            })
            .filter(|entry| {
                let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
                !status.is_empty() && !status.contains("State:\tZ")
            })
            .count()
    };
    wait_until("the second process ends", || left() == 0);
    second.delete().ok();
    assert_eq!(first.status(), "running");
}

fn killing_the_first_process_ends_the_others() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/linux/maskedPaths", json!([]))
        .probe("spawn sleep 1000 -- sleep 1000");
    let container = sandbox.detach(&bundle, "a");
    wait_until("the child", || !container.printed().is_empty());
    container.kill("KILL").ok();
    container.wait();
    container.delete().ok();
}
