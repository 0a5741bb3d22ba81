//! Containers whose program is systemd: it gets a control group of its own to divide, and everything else goes on working.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use harness::{Bundle, Output, Sandbox, cases, need, skip};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

cases![
    privileged_systemd_boots_inside_is_entered_and_stops,
    privileged_systemd_boots_inside_of_systemd,
];

const MANAGER: &str = "/usr/lib/systemd/systemd";

/// What a small system needs beside the host's `/usr`. The units that it boots are its own.
fn system(sandbox: &Sandbox) -> PathBuf {
    let root = sandbox.folder("system");
    for folder in [
        "dev",
        "etc/systemd/system",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr",
        "var",
    ] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for folder in ["bin", "lib", "lib64", "sbin"] {
        symlink(format!("usr/{folder}"), root.join(folder)).unwrap();
    }
    for (file, content) in [
        ("machine-id", "11111111111111111111111111111111\n"),
        ("os-release", "ID=tare-test\n"),
        ("passwd", "root:x:0:0::/root:/bin/sh\n"),
        ("group", "root:x:0:\n"),
        (
            "systemd/system/ready.target",
            "[Unit]\nRequires=basic.target work.service\nAfter=basic.target work.service\nAllowIsolate=yes\n",
        ),
        (
            "systemd/system/work.service",
            "[Service]\nType=exec\nExecStart=/usr/bin/sleep infinity\nMemoryMax=64M\n",
        ),
    ] {
        fs::write(root.join("etc").join(file), content).unwrap();
    }
    root
}

fn bundle(sandbox: &Sandbox, system: &Path) -> Bundle {
    let options = ["nosuid", "nodev", "mode=755"];
    let capabilities = json!([
        "CAP_AUDIT_WRITE",
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT"
    ]);
    let mut bundle = sandbox
        .bundle()
        .set("/root", json!({"path": system, "readonly": true}))
        .argv(&[MANAGER, "--unit=ready.target"])
        .set(
            "/process/env",
            json!(["PATH=/usr/sbin:/usr/bin", "container=tare"]),
        )
        .push("/linux/namespaces", json!({"type": "cgroup"}))
        .mount("/usr", "bind", "/usr", &["rbind", "ro"])
        .mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "nodev", "noexec"],
        );
    for kind in ["bounding", "effective", "permitted"] {
        let pointer = format!("/process/capabilities/{kind}");
        bundle = bundle.set(&pointer, capabilities.clone());
    }
    // It cannot mount these itself: for that it would need CAP_SYS_ADMIN.
    for folder in ["/run", "/run/lock", "/tmp", "/var"] {
        bundle = bundle.mount(folder, "tmpfs", "tmpfs", &options);
    }
    bundle
}

/// One of them, running.
struct Machine<'a> {
    sandbox: &'a Sandbox,
    id: String,
    pid: Pid,
}

impl Machine<'_> {
    fn start<'a>(
        sandbox: &'a Sandbox,
        bundle: &Bundle,
        name: &str,
        global: &[&str],
    ) -> Machine<'a> {
        let (id, pid_file) = (sandbox.id(name), sandbox.path.join("io/machine.pid"));
        let call = sandbox
            .runtime(global)
            .args(["run", "--detach", "--bundle"]);
        let call = call.arg(&bundle.path).arg("--pid-file").arg(&pid_file);
        call.arg(&id).output().ok();
        let pid = Pid::from_raw(sandbox.adopt(&pid_file));
        Machine { sandbox, id, pid }
    }

    fn exec(&self, words: &[&str]) -> Output {
        let call = self.sandbox.runtime(["exec", &self.id]).args(words);
        call.limit(120).output()
    }

    /// The container's control group.
    fn group(&self) -> PathBuf {
        self.sandbox.host(None).groups()[0].clone()
    }

    fn wait_until_active(&self, unit: &str) {
        // From outside at first: a process of ours in the group while systemd divides it would keep it from that
        // (cgroups(7), "no internal processes").
        let processes = self.group().join("system.slice/work.service/cgroup.procs");
        harness::wait_until("the service's control group", || {
            fs::read_to_string(&processes).is_ok_and(|list| !list.is_empty())
        });
        harness::wait_until(unit, || {
            self.exec(&["/usr/bin/systemctl", "is-active", unit]).code == 0
        });
    }

    fn wait(&self) {
        harness::wait_until("the end of systemd", || {
            waitpid(self.pid, Some(WaitPidFlag::WNOHANG)).unwrap() != WaitStatus::StillAlive
        });
    }

    fn call(&self, command: &str, arguments: &[&str]) -> Output {
        let call = self.sandbox.runtime([command]).args(arguments);
        call.limit(120).output().ok()
    }
}

fn privileged_systemd_boots_inside_is_entered_and_stops() {
    boots_is_entered_and_stops(&[], |_| None);
}

/// The same in a scope that another systemd has made.
fn privileged_systemd_boots_inside_of_systemd() {
    need::file("/run/systemd/private");
    boots_is_entered_and_stops(&["--systemd-cgroup"], |id| {
        Some(format!("system.slice:tare:{id}"))
    });
}

fn boots_is_entered_and_stops(global: &[&str], path: impl Fn(&str) -> Option<String>) {
    need::unified_cgroups();
    need::file(MANAGER);
    need::file("/usr/bin/systemctl");
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap();
    if !controllers.contains("memory") || !controllers.contains("pids") {
        skip!("the control groups here have no memory and pids controllers");
    }
    let sandbox = Sandbox::new();
    let system = system(&sandbox);
    let before = sandbox.host(None);
    let start = |name: &str| {
        let mut bundle = bundle(&sandbox, &system);
        if let Some(path) = path(&sandbox.id(name)) {
            bundle = bundle.set("/linux/cgroupsPath", json!(path));
        }
        Machine::start(&sandbox, &bundle, name, global)
    };
    let machine = start("a");
    machine.wait_until_active("ready.target");
    // "degraded" when a unit of the host's systemd does not like it in here; the target is what counts.
    let state = machine.exec(&["/usr/bin/systemctl", "is-system-running", "--wait"]);
    let state = state.stdout.trim();
    let failed = ["/usr/bin/systemctl", "--failed", "--plain", "--no-legend"];
    let failed = machine.exec(&failed).stdout;
    assert!(
        ["running", "degraded"].contains(&state),
        "{state}: {failed}"
    );
    machine
        .exec(&["/usr/bin/systemctl", "is-active", "work.service"])
        .ok();
    // systemd has divided the container's group, so that exec has to go where the first process is.
    let own = machine.group();
    let enabled = fs::read_to_string(own.join("cgroup.subtree_control")).unwrap();
    assert!(enabled.contains("memory"), "{enabled:?}");
    let limit = own.join("system.slice/work.service/memory.max");
    assert_eq!(fs::read_to_string(limit).unwrap().trim(), "67108864");
    let seen = machine.exec(&["/usr/bin/cat", "/proc/self/cgroup"]).ok();
    assert_eq!(seen.stdout, "0::/init.scope\n");
    // That is how systemd is told to halt; it ends all services, and then itself.
    machine.call("kill", &[&machine.id, "RTMIN+3"]);
    machine.wait();
    machine.call("delete", &[&machine.id]);
    sandbox.host(None).same_as(&before);
    // Killed without being asked, with all that it has started.
    let machine = start("b");
    machine.wait_until_active("work.service");
    machine.call("delete", &["--force", &machine.id]);
    machine.wait();
    sandbox.host(None).same_as(&before);
}
