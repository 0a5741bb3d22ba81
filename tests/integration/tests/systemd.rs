//! Containers whose program is systemd: it gets a control group of its own to divide, and everything else goes on working.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use harness::{Bundle, Sandbox, cases, need, skip};
use serde_json::json;

cases![privileged_systemd_boots_inside_is_entered_and_stops];

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
    for folder in ["/run", "/tmp", "/var"] {
        bundle = bundle.mount(folder, "tmpfs", "tmpfs", &options);
    }
    bundle
}

fn privileged_systemd_boots_inside_is_entered_and_stops() {
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
    let container = sandbox.detach(&bundle(&sandbox, &system), "a");
    let inside = |words: &[&str]| {
        let call = sandbox.runtime(["exec", &container.id]).args(words);
        call.limit(120).output()
    };
    harness::wait_until("systemd's socket", || {
        inside(&["/usr/bin/test", "-S", "/run/systemd/private"]).code == 0
    });
    // "degraded" when a unit of the host's systemd does not like it in here; the target is what counts.
    let state = inside(&["/usr/bin/systemctl", "is-system-running", "--wait"]);
    let state = state.stdout.trim();
    let failed = inside(&["/usr/bin/systemctl", "--failed", "--plain", "--no-legend"]).stdout;
    assert!(
        ["running", "degraded"].contains(&state),
        "{state}: {failed}"
    );
    for unit in ["ready.target", "work.service"] {
        let unit = inside(&["/usr/bin/systemctl", "is-active", unit]).ok();
        assert_eq!(unit.stdout.trim(), "active", "{failed}");
    }
    // systemd has divided the container's group, so that exec has to go where the first process is.
    let own = sandbox.host(None).groups()[0].clone();
    let enabled = fs::read_to_string(own.join("cgroup.subtree_control")).unwrap();
    assert!(enabled.contains("memory"), "{enabled:?}");
    let limit = own.join("system.slice/work.service/memory.max");
    assert_eq!(fs::read_to_string(limit).unwrap().trim(), "67108864");
    let seen = inside(&["/usr/bin/cat", "/proc/self/cgroup"]).ok();
    assert_eq!(seen.stdout, "0::/init.scope\n");
    // SIGRTMIN+3 is how systemd is told to halt; it ends all services, and then itself.
    container
        .call("kill", &[] as &[&str])
        .arg("37")
        .output()
        .ok();
    container.wait();
    assert_eq!(container.status(), "stopped");
    container.delete().ok();
    sandbox.host(None).same_as(&before);
    // Killed without being asked, with all that it has started.
    let container = sandbox.detach(&bundle(&sandbox, &system), "b");
    let call = || {
        let call = sandbox.runtime(["exec", &container.id]);
        call.args(["/usr/bin/systemctl", "is-active", "work.service"])
            .output()
    };
    harness::wait_until("work.service", || call().code == 0);
    container.force_delete();
    container.wait();
    sandbox.host(None).same_as(&before);
}
