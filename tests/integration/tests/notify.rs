//! `NOTIFY_SOCKET`: a container tells the service manager of its caller that it is ready (sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use harness::{Sandbox, cases, wait_until};
use serde_json::json;

cases![
    start_waits_for_readiness,
    start_container_hooks_see_the_socket,
    start_does_not_wait_for_the_dead,
    start_waits_only_where_both_calls_know_the_socket,
    run_passes_readiness_on,
];

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(sandbox: &Sandbox) -> Manager {
        let path = sandbox.path.join("io/manager.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Manager { socket, path }
    }

    fn told(&self) -> Option<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    #[track_caller]
    fn wait_for(&self, wanted: &str) {
        let mut told = None;
        wait_until(wanted, || {
            told = self.told();
            told.is_some()
        });
        assert_eq!(told.unwrap(), wanted);
    }
}

/// Says something as the container would, at the other end of its mount.
#[track_caller]
fn say(sandbox: &Sandbox, id: &str, message: &str) {
    let path = sandbox.root.join(id).join("notify/notify.sock");
    wait_until("the socket", || path.exists());
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(message.as_bytes(), path).unwrap();
}

const LOOK: &str = "env -- stat /run/notify/notify.sock -- touch /run/notify/file -- sleep 1000";

/// A program of the image that has no environment of its own has the process's.
fn start_container_hooks_see_the_socket() {
    let sandbox = Sandbox::new();
    let manager = Manager::new(&sandbox);
    let shared = sandbox.folder("shared");
    let arguments = ["probe", "log", "/mnt/log", "--", "env"];
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", &shared, &["bind"])
        .push(
            "/hooks/startContainer",
            json!({"path": "/bin/probe", "args": arguments}),
        );
    let run = sandbox.runtime(["run", "--bundle"]).arg(&bundle.path);
    let run = run.env("NOTIFY_SOCKET", &manager.path);
    run.arg(sandbox.id("a")).output().ok();
    let seen = std::fs::read_to_string(shared.join("log")).unwrap();
    assert!(
        seen.contains("NOTIFY_SOCKET=/run/notify/notify.sock\n"),
        "{seen}"
    );
}

fn start_waits_for_readiness() {
    let sandbox = Sandbox::new();
    let manager = Manager::new(&sandbox);
    let bundle = sandbox.bundle().probe(LOOK);
    let id = sandbox.id("a");
    let pid_file = sandbox.path.join("io/pid");
    let create = sandbox.runtime(["create", "--pid-file"]).arg(&pid_file);
    let create = create.arg("--bundle").arg(&bundle.path).arg(&id);
    let created = create.env("NOTIFY_SOCKET", &manager.path).output().ok();
    let start = sandbox
        .runtime(["start", &id])
        .env("NOTIFY_SOCKET", &manager.path);
    let mut start = start.spawn();
    let printed = || std::fs::read_to_string(created.file()).unwrap();
    wait_until("the program", || {
        printed().contains("/run/notify/file: EROFS")
    });
    assert!(
        printed().contains("NOTIFY_SOCKET=/run/notify/notify.sock"),
        "{}",
        printed()
    );
    assert!(
        printed().contains("notify.sock socket 0777"),
        "{}",
        printed()
    );
    say(&sandbox, &id, "STATUS=busy");
    say(&sandbox, &id, "NOTREADY=1\nREADY=0");
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(start.child.try_wait().unwrap().is_none(), "start waits");
    assert_eq!(manager.told(), None);
    // Others can work on it meanwhile.
    sandbox.runtime(["state", &id]).output().ok();
    say(&sandbox, &id, "STATUS=done\nREADY=1");
    start.finish().ok();
    manager.wait_for("READY=1\n");
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    manager.wait_for(&format!("MAINPID={pid}\n"));
    assert_eq!(manager.told(), None);
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    assert!(!sandbox.root.join(&id).exists());
}

fn start_does_not_wait_for_the_dead() {
    let sandbox = Sandbox::new();
    let manager = Manager::new(&sandbox);
    let bundle = sandbox.bundle().probe("true");
    let id = sandbox.id("a");
    for words in [
        &["create", "--bundle", bundle.path.to_str().unwrap()][..],
        &["start"],
    ] {
        let call = sandbox.runtime(words).arg(&id);
        call.env("NOTIFY_SOCKET", &manager.path)
            .limit(20)
            .output()
            .ok();
    }
    assert_eq!(manager.told(), None);
    sandbox.runtime(["delete", "--force", &id]).output().ok();
}

fn start_waits_only_where_both_calls_know_the_socket() {
    let sandbox = Sandbox::new();
    let manager = Manager::new(&sandbox);
    for (index, with) in [[true, false], [false, true]].into_iter().enumerate() {
        let bundle = sandbox.bundle().probe("sleep 1000");
        let id = sandbox.id(&index.to_string());
        let calls = [
            &["create", "--bundle", bundle.path.to_str().unwrap()][..],
            &["start"],
        ];
        for (words, with) in calls.into_iter().zip(with) {
            let mut call = sandbox.runtime(words).arg(&id).limit(20);
            if with {
                call = call.env("NOTIFY_SOCKET", &manager.path);
            }
            call.output().ok();
        }
        sandbox.runtime(["delete", "--force", &id]).output().ok();
        assert!(!sandbox.root.join(&id).exists());
    }
}

fn run_passes_readiness_on() {
    let sandbox = Sandbox::new();
    let manager = Manager::new(&sandbox);
    for detach in [false, true] {
        let bundle = sandbox.bundle().probe("sleep 1000");
        let id = sandbox.id(if detach { "detached" } else { "foreground" });
        let pid_file = sandbox.path.join("io/pid");
        let flags: &[&str] = if detach { &["--detach"] } else { &[] };
        let run = sandbox
            .runtime(["run", "--pid-file"])
            .arg(&pid_file)
            .args(flags);
        let run = run.arg("--bundle").arg(&bundle.path).arg(&id);
        let run = run.env("NOTIFY_SOCKET", &manager.path).spawn();
        say(&sandbox, &id, "READY=1");
        manager.wait_for("READY=1\n");
        // In the foreground the service is this process: it ends when the container does.
        let main = if detach {
            std::fs::read_to_string(&pid_file).unwrap()
        } else {
            run.pid().to_string()
        };
        manager.wait_for(&format!("MAINPID={main}\n"));
        if detach {
            run.finish().ok();
            sandbox.runtime(["delete", "--force", &id]).output().ok();
        } else {
            sandbox.runtime(["kill", &id, "KILL"]).output().ok();
            run.finish().exits(137);
        }
        assert!(!sandbox.root.join(&id).exists());
    }
}
