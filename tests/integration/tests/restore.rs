//! `checkpoint` and `restore` with the real criu: where the kernel has what it needs.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use harness::{Bundle, ConsoleSocket, Output, Running, Sandbox, cases, need, wait_until};
use serde_json::{Value, json};

use crate::security_labels;

cases![
    privileged_a_container_comes_back_as_it_was,
    privileged_its_user_namespace_comes_back,
    privileged_its_apparmor_profile_comes_back,
    privileged_its_cgroup_of_systemd_comes_back,
    privileged_its_tcp_connections_come_back,
    privileged_in_the_foreground_its_status_is_passed_on,
    privileged_its_terminal_comes_back,
    privileged_streams_from_outside_are_replaced,
    privileged_mounts_and_namespaces_from_outside,
    privileged_memory_first_and_the_rest_later,
    privileged_memory_through_a_page_server,
    privileged_memory_when_it_is_touched,
    privileged_a_dump_that_criu_refuses
];

/// A container that is dumped and comes back. Its images are in `images`, unless flags say otherwise.
struct Traveller<'a> {
    sandbox: &'a Sandbox,
    bundle: Bundle,
    id: String,
    /// Flags before the command.
    driver: &'static [&'static str],
}

impl<'a> Traveller<'a> {
    #[track_caller]
    fn new(sandbox: &'a Sandbox, bundle: Bundle) -> Traveller<'a> {
        need::criu();
        let id = sandbox.id("a");
        Traveller {
            sandbox,
            bundle,
            id,
            driver: &[],
        }
    }

    /// A call about the container, in the sandbox's folder.
    fn invocation(&self, words: &[&str]) -> harness::Invocation {
        let all = [self.driver, words, &[self.id.as_str()]].concat();
        let call = self.sandbox.runtime(all).directory(&self.sandbox.path);
        call.limit(300)
    }

    /// One whose streams criu can dump.
    fn call(&self, words: &[&str]) -> harness::Invocation {
        let null = File::options().read(true).write(true).open("/dev/null");
        self.invocation(words).standard(&null.expect("/dev/null"))
    }

    /// `run --detach` or `restore --detach`, and the process.
    #[track_caller]
    fn detach(&self, command: &str, flags: &[&str]) -> i32 {
        let path = self.bundle.path.to_str().unwrap();
        let usual = [command, "--detach", "--pid-file", "pid", "--bundle", path];
        self.call(&[&usual, flags].concat()).output().exits(0);
        self.sandbox.adopt(&self.sandbox.path.join("pid"))
    }

    #[track_caller]
    fn run(&self) -> i32 {
        self.detach("run", &[])
    }

    fn checkpoint(&self, flags: &[&str]) -> Output {
        let usual = [
            "checkpoint",
            "--image-path",
            "images",
            "--work-path",
            "work",
        ];
        self.tare(&[&usual, flags].concat())
    }

    #[track_caller]
    fn restore(&self, flags: &[&str]) -> i32 {
        let usual = ["--image-path", "images", "--work-path", "work"];
        self.detach("restore", &[&usual, flags].concat())
    }

    /// Another command about the container.
    fn tare(&self, words: &[&str]) -> Output {
        self.invocation(words).output()
    }

    #[track_caller]
    fn state(&self) -> Value {
        self.tare(&["state"]).ok().json()
    }

    /// What the probe prints inside.
    #[track_caller]
    fn exec(&self, words: &[&str]) -> String {
        let all = [&["exec", self.id.as_str(), "/bin/probe"], words].concat();
        self.sandbox.runtime(all).output().ok().stdout
    }

    /// criu as a server for images or memory.
    fn criu(&self, command: &str, flags: &[&str]) -> Running {
        let call = self.sandbox.command(need::program("criu")).arg(command);
        let call = call.args(["--images-dir", "images", "--work-dir", "work"]);
        let call = call.args(["--address", "127.0.0.1"]).args(flags);
        call.directory(&self.sandbox.path).limit(300).spawn()
    }

    fn delete(&self) {
        self.tare(&["delete", "--force"]).ok();
    }
}

/// A port that nobody listens at.
fn port() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port().to_string()
}

/// Whether somebody listens at a port.
fn is_served(port: &str) -> bool {
    let wanted = format!(":{:04X} ", port.parse::<u16>().unwrap());
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut lines = sockets
        .lines()
        .map(|line| line.split_whitespace().take(4).collect::<Vec<_>>());
    lines.any(|line| format!("{} ", line[1]).ends_with(&wanted) && line[3] == "0A")
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
    let it = Traveller::new(&sandbox, bundle);
    let before = it.run();
    let known = facts(before);
    it.exec(&["write", "/dev/shm/word", "kept"]);
    it.tare(&["checkpoint", "--check"]).ok().lines(&[]);

    it.checkpoint(&["--leave-running"]).ok();
    assert_eq!(it.state()["status"], "running");
    assert_same(&facts(before), &known);
    fs::remove_dir_all(sandbox.path.join("images")).unwrap();
    it.checkpoint(&[]).ok();
    it.tare(&["state"]).fails_with(1, &["does not exist"]);

    let after = it.restore(&[]);
    assert_same(&facts(after), &known);
    assert_eq!(it.state()["pid"], json!(after));
    assert_eq!(it.state()["status"], "running");
    assert_eq!(it.exec(&["cat", "/dev/shm/word"]), "kept");
    let all = it.tare(&["ps", "-f", "json"]).ok().json();
    assert_eq!(all, json!([after]));
    it.tare(&["pause"]).ok();
    assert_eq!(it.state()["status"], "paused");
    it.tare(&["resume"]).ok();
    it.tare(&["update", "--pids-limit", "40"]).ok();
    let stats = it.tare(&["events", "--stats"]).ok().json();
    assert_eq!(stats["data"]["pids"]["limit"], 40);

    // Once more, from the restored one.
    fs::remove_dir_all(sandbox.path.join("images")).unwrap();
    it.checkpoint(&[]).ok();
    let again = it.restore(&[]);
    assert_same(&facts(again), &known);
    sandbox.runtime(["kill", &it.id, "KILL"]).output().ok();
    wait_until("the end", || it.state()["status"] == "stopped");
    it.tare(&["delete"]).ok();
}

fn privileged_its_user_namespace_comes_back() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().in_user_namespace(65_536);
    let it = Traveller::new(&sandbox, bundle.probe("sleep 1000"));
    let before = facts(it.run());
    it.tare(&["checkpoint", "--check"]).ok().lines(&[]);
    it.checkpoint(&[]).ok();
    // CRIU looks for images as root of that namespace.
    let images = sandbox.path.join("images");
    let allow = |mode| fs::set_permissions(&images, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o700);
    let path = it.bundle.path.to_str().unwrap();
    it.tare(&["restore", "--image-path", "images", "--bundle", path])
        .fails_with(1, &["user 100000", "images", "chmod o+x"]);
    allow(0o711);
    let pid = it.restore(&[]);
    assert_same(&facts(pid), &before);
    let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap();
    let map: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(map, ["0", "100000", "65536"]);
    assert!(it.exec(&["status", "Uid"]).contains("0\t0\t0\t0"));
    it.delete();
}

fn privileged_its_apparmor_profile_comes_back() {
    let sandbox = Sandbox::new();
    security_labels::need_profile("tare-restore", "file, signal, capability, ptrace, unix,");
    let bundle = sandbox
        .bundle()
        .set("/process/apparmorProfile", json!("tare-restore"));
    let it = Traveller::new(&sandbox, bundle.probe("sleep 1000"));
    let before = facts(it.run());
    assert!(
        before
            .iter()
            .any(|fact| fact.trim() == "tare-restore (enforce)"),
        "{before:#?}"
    );
    it.checkpoint(&[]).ok();
    assert_same(&facts(it.restore(&[])), &before);
    assert_eq!(
        it.exec(&["cat", "/proc/self/attr/current"]).trim(),
        "tare-restore (enforce)"
    );
    it.delete();
}

fn privileged_its_cgroup_of_systemd_comes_back() {
    let sandbox = Sandbox::new();
    if !std::path::Path::new("/run/systemd/system").exists() {
        harness::skip!("systemd does not run here");
    }
    let place = format!("system.slice:tare:{}", sandbox.tag);
    let bundle = sandbox
        .bundle()
        .set("/linux/cgroupsPath", json!(place))
        .set("/linux/resources/pids", json!({"limit": 50}));
    let mut it = Traveller::new(&sandbox, bundle.probe("sleep 1000"));
    it.driver = &["--systemd-cgroup"];
    let unit = format!("tare-{}.scope", sandbox.tag);
    let property = |name: &str| {
        let show = ["show", "--property", name, "--value", &unit];
        let shown = sandbox
            .command(need::program("systemctl"))
            .args(show)
            .output()
            .ok();
        shown.stdout.trim().to_owned()
    };
    it.run();
    assert_eq!(property("ActiveState"), "active");
    it.checkpoint(&[]).ok();
    assert_eq!(property("ActiveState"), "inactive");
    let pid = it.restore(&[]);
    assert_eq!(property("ActiveState"), "active");
    assert_eq!(property("TasksMax"), "50");
    let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(group.contains(&format!("/system.slice/{unit}")), "{group}");
    it.delete();
    assert_eq!(property("ActiveState"), "inactive");
}

fn privileged_its_tcp_connections_come_back() {
    let sandbox = Sandbox::new();
    let busybox = need::program("busybox");
    let bundle = sandbox.bundle().writable();
    let bundle = bundle.mount("/tmp", "tmpfs", "tmp", &[]);
    fs::copy(busybox, bundle.rootfs().join("busybox")).unwrap();
    // What goes through the connection comes back through it.
    let script = "/busybox nc -l -p 5000 -e /busybox cat & /busybox sleep 1
        while :; do echo tick; /busybox sleep 1; done | /busybox nc 127.0.0.1 5000 > /tmp/out";
    let it = Traveller::new(&sandbox, bundle.argv(&["/busybox", "sh", "-c", script]));
    it.run();
    let come = || {
        let exec = ["exec", it.id.as_str(), "/busybox", "cat", "/tmp/out"];
        sandbox.runtime(exec).output().stdout.lines().count()
    };
    wait_until("the first words", || come() > 1);
    it.checkpoint(&["--tcp-established"]).ok();
    it.restore(&["--tcp-established"]);
    let before = come();
    wait_until("further words", || come() > before + 1);
    it.delete();
}

fn privileged_in_the_foreground_its_status_is_passed_on() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("wait-signal");
    let it = Traveller::new(&sandbox, bundle);
    it.run();
    it.checkpoint(&[]).ok();
    let path = it.bundle.path.to_str().unwrap();
    let flags = ["restore", "--image-path", "images", "--bundle", path];
    let restoring = it.call(&flags).spawn();
    wait_until("it runs", || {
        let state = it.tare(&["state"]);
        state.code == 0 && state.json()["status"] == "running"
    });
    nix::sys::signal::kill(restoring.pid(), nix::sys::signal::Signal::SIGTERM).unwrap();
    restoring.finish().exits(42);
    it.tare(&["state"]).fails_with(1, &["does not exist"]);
}

fn privileged_its_terminal_comes_back() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/terminal", json!(true))
        .probe("read-line -- read-line");
    let it = Traveller::new(&sandbox, bundle);
    let path = it.bundle.path.to_str().unwrap();
    let come = |name: &str, flags: &[&str]| {
        let socket = ConsoleSocket::listen(sandbox.path.join(name));
        let usual = ["--detach", "--bundle", path, "--console-socket", name];
        it.tare(&[flags, &usual].concat()).ok();
        socket.receive()
    };
    let mut console = come("first.sock", &["run"]);
    console.type_in("one\n");
    console.wait_for("one\r\none");
    it.checkpoint(&[]).ok();
    drop(console);
    let mut console = come("second.sock", &["restore", "--image-path", "images"]);
    console.type_in("two\n");
    console.wait_for("two\r\ntwo");
    it.delete();
}

/// Streams that lie where the container does not see them, FIFOs as engines make them, or files as a shell opens them: the restored
/// one has those that `restore` is given.
fn privileged_streams_from_outside_are_replaced() {
    for kind in ["fifos", "files"] {
        let sandbox = Sandbox::new();
        let it = Traveller::new(&sandbox, sandbox.bundle().probe("wait-signal"));
        let folder = sandbox.folder(kind);
        let make = |name: &str| {
            let path = folder.join(name);
            match kind {
                "fifos" => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
                _ => fs::write(&path, "").unwrap(),
            }
            // Both ends: nobody waits for the other one.
            let mut both = File::options();
            both.read(true).write(true).custom_flags(NONBLOCK);
            both.open(&path).unwrap()
        };
        let detach = |command: &str, streams: &str, flags: &[&str]| {
            let script = format!(
                "cd {} && {streams} && cd .. && exec \"$@\"",
                folder.display()
            );
            let call = sandbox.command("/bin/sh").args(["-c", &script, "sh"]);
            let call = call.arg(sandbox.program()).arg("--root").arg(&sandbox.root);
            let path = it.bundle.path.to_str().unwrap();
            let usual = [command, "--detach", "--pid-file", "pid", "--bundle", path];
            let call = call.args(usual).args(flags).arg(&it.id).limit(300);
            let code = call.directory(&sandbox.path).output().code;
            let log = fs::read_to_string(sandbox.path.join("work/restore.log"));
            assert_eq!(code, 0, "{command}, {kind}: {}", log.unwrap_or_default());
            sandbox.adopt(&sandbox.path.join("pid"))
        };
        let signal = |output: &File, name: &str, wanted: &str| {
            it.sandbox.runtime(["kill", &it.id, name]).output().ok();
            read_until(output, wanted);
        };
        let [_in, output, _err] = ["in-1", "out-1", "err-1"].map(make);
        detach("run", "exec <in-1 >out-1 2>err-1", &[]);
        read_until(&output, "ready\n");
        signal(&output, "USR1", "USR1\n");
        it.tare(&["checkpoint", "--check"]).ok().lines(&[]);
        it.checkpoint(&["--leave-running"]).ok();
        signal(&output, "USR2", "USR2\n");
        fs::remove_dir_all(sandbox.path.join("images")).unwrap();
        it.checkpoint(&[]).ok();

        let [_in, output, _err] = ["in-2", "out-2", "err-2"].map(make);
        let flags = ["--image-path", "images", "--work-path", "work"];
        let pid = detach("restore", "exec <in-2 >out-2 2>err-2", &flags);
        for (number, name) in ["in-2", "out-2", "err-2"].iter().enumerate() {
            let seen = fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap();
            assert_eq!(seen, folder.join(name), "{kind}");
        }
        signal(&output, "HUP", "HUP\n");
        it.delete();
    }
}

const NONBLOCK: i32 = nix::libc::O_NONBLOCK;

/// Waits until this, and nothing else, has come.
#[track_caller]
fn read_until(mut output: &File, wanted: &str) {
    let mut seen = Vec::new();
    wait_until(wanted, || {
        let mut buffer = [0; 100];
        // Nothing there is no end.
        if let Ok(length) = output.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..length]);
        }
        seen.len() >= wanted.len()
    });
    assert_eq!(String::from_utf8_lossy(&seen), wanted);
}

fn privileged_mounts_and_namespaces_from_outside() {
    let sandbox = Sandbox::new();
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
    let it = Traveller::new(&sandbox, bundle);
    let before = facts(it.run());
    fs::remove_file(&trace).unwrap();
    it.checkpoint(&[]).ok();
    let pid = it.restore(&[]);
    assert_same(&facts(pid), &before);
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_eq!(namespace(pid), namespace(holder.pid));
    fs::write(shared.join("later"), "seen").unwrap();
    assert_eq!(it.exec(&["cat", "/mnt/later"]), "seen");
    let told: Value = serde_json::from_slice(&fs::read(&trace).unwrap()).unwrap();
    assert_eq!(told["pid"], json!(pid));
    it.delete();
}

fn privileged_memory_first_and_the_rest_later() {
    let sandbox = Sandbox::new();
    let it = Traveller::new(&sandbox, sandbox.bundle().probe("sleep 1000"));
    it.run();
    it.tare(&["checkpoint", "--pre-dump", "--image-path", "images/1"])
        .ok();
    assert_eq!(it.state()["status"], "running");
    it.tare(&[
        "checkpoint",
        "--image-path",
        "images/2",
        "--parent-path",
        "../1",
    ])
    .ok();
    it.detach("restore", &["--image-path", "images/2"]);
    assert_eq!(it.state()["status"], "running");
    it.delete();
}

fn privileged_memory_through_a_page_server() {
    let sandbox = Sandbox::new();
    let it = Traveller::new(&sandbox, sandbox.bundle().probe("sleep 1000"));
    it.run();
    for folder in ["images", "work"] {
        fs::create_dir(sandbox.path.join(folder)).unwrap();
    }
    let port = port();
    let server = it.criu("page-server", &["--port", &port]);
    wait_until("the page server", || is_served(&port));
    it.checkpoint(&["--page-server", &format!("127.0.0.1:{port}")])
        .ok();
    server.finish().exits(0);
    it.restore(&[]);
    assert_eq!(it.exec(&["echo", "works"]), "works\n");
    it.delete();
}

fn privileged_memory_when_it_is_touched() {
    let sandbox = Sandbox::new();
    let mut it = Traveller::new(&sandbox, sandbox.bundle().probe("sleep 1000"));
    it.run();
    let port = port();
    // Goes on until all memory has been asked for.
    let server = format!("127.0.0.1:{port}");
    let flags = [
        "checkpoint",
        "--image-path",
        "images",
        "--work-path",
        "work",
        "--lazy-pages",
        "--page-server",
        &server,
    ];
    let dump = it.call(&flags).spawn();
    wait_until("the server of memory", || is_served(&port));
    let pages = it.criu("lazy-pages", &["--page-server", "--port", &port]);
    let socket = sandbox.path.join("work/lazy-pages.socket");
    wait_until("the socket for what is missing", || socket.exists());
    // As on another machine, where nobody has the name.
    let first = std::mem::replace(&mut it.id, sandbox.id("b"));
    it.restore(&["--lazy-pages"]);
    assert_eq!(it.exec(&["echo", "works"]), "works\n");
    dump.finish().exits(0);
    pages.finish().exits(0);
    it.delete();
    sandbox
        .runtime(["state", &first])
        .output()
        .fails_with(1, &["does not exist"]);
}

fn privileged_a_dump_that_criu_refuses() {
    let sandbox = Sandbox::new();
    let it = Traveller::new(&sandbox, sandbox.bundle().probe("sleep 1000"));
    with_a_file_of_the_host(&sandbox, &it.bundle, &it.id);
    let check = it.tare(&["checkpoint", "--check"]).exits(1);
    assert!(
        check.stdout.contains("outside of the container's mounts"),
        "{check:?}"
    );
    it.checkpoint(&[])
        .fails_with(1, &["criu failed: type DUMP", "mount", "dump.log"]);
    assert_eq!(it.state()["status"], "running");
    assert_eq!(it.exec(&["echo", "still-here"]), "still-here\n");
    assert!(!sandbox.path.join("images").exists());
    it.delete();
}

/// Runs a container whose program has a file of the host's open, which is none of its standard streams.
#[track_caller]
pub(crate) fn with_a_file_of_the_host(sandbox: &Sandbox, bundle: &Bundle, id: &str) {
    let null = File::options().read(true).write(true).open("/dev/null");
    let script = "exec 3>a-file-of-the-host && exec \"$@\"";
    let call = sandbox.command("/bin/sh").args(["-c", script, "sh"]);
    let call = call.arg(sandbox.program()).arg("--root").arg(&sandbox.root);
    let flags = [
        "run",
        "--detach",
        "--pid-file",
        "pid",
        "--preserve-fds",
        "1",
    ];
    let call = call.args(flags).arg("--bundle").arg(&bundle.path).arg(id);
    let call = call.standard(&null.expect("/dev/null"));
    call.directory(&sandbox.path).output().exits(0);
    sandbox.adopt(&sandbox.path.join("pid"));
}
