//! Podman itself with the runtime, in a guest: as root or as an ordinary user, with and without systemd.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use harness::{Output, Sandbox, cases, need, skip, wait_until};

cases![
    options_reach_the_container,
    mounts_and_devices,
    user_namespaces,
    exit_codes_are_passed_on,
    container_along_its_life,
    memory_limit_ends_the_program,
    privileged_a_checkpoint_and_back
];

/// Podman with a storage of its own, and a root file system for its containers.
struct Podman {
    sandbox: Sandbox,
    program: String,
    rootfs: PathBuf,
    user: u32,
}

impl Podman {
    fn new() -> Podman {
        need::guest();
        need::unified_cgroups();
        let (program, busybox) = (need::program("podman"), need::program("busybox"));
        need::program("conmon");
        let sandbox = Sandbox::new();
        let rootfs = sandbox.folder("podman-rootfs");
        // All that is mounted on: not every container's root may make it.
        for folder in ["bin", "dev", "etc", "mnt", "proc", "run", "sys", "tmp"] {
            fs::create_dir(rootfs.join(folder)).unwrap();
        }
        for file in [
            "etc/hostname",
            "etc/hosts",
            "etc/resolv.conf",
            "run/.containerenv",
        ] {
            fs::write(rootfs.join(file), "").unwrap();
        }
        fs::copy(busybox, rootfs.join("bin/sh")).unwrap();
        for name in [
            "cat", "echo", "grep", "hostname", "id", "ls", "mount", "pwd", "sleep", "tail", "touch",
        ] {
            symlink("sh", rootfs.join("bin").join(name)).unwrap();
        }
        let user = nix::unistd::geteuid().as_raw();
        if user != 0 && !Path::new("/run/systemd/private").exists() {
            skip!("without systemd nobody gives an ordinary user's Podman its control groups");
        }
        Podman {
            sandbox,
            program,
            rootfs,
            user,
        }
    }

    fn call<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        let folder = |name: &str| self.sandbox.root.with_file_name(name);
        let mut call = self.sandbox.command(&self.program);
        if self.user != 0 {
            // Where systemd's user manager listens.
            let runtime = format!("/run/user/{}", self.user);
            call = call.env(
                "DBUS_SESSION_BUS_ADDRESS",
                format!("unix:path={runtime}/bus"),
            );
            call = call.env("XDG_RUNTIME_DIR", runtime);
        }
        let manager = match Path::new("/run/systemd/private").exists() {
            true => "systemd",
            false => "cgroupfs",
        };
        call.arg("--runtime")
            .arg(self.sandbox.program())
            .arg("--root")
            .arg(folder("podman-storage"))
            .arg("--runroot")
            .arg(folder("podman-run"))
            .args([
                "--events-backend",
                "file",
                "--storage-driver",
                "vfs",
                "--cgroup-manager",
                manager,
            ])
            .args(arguments)
            .limit(120)
            .output()
    }

    /// Runs `script` in a container of its own.
    fn run(&self, options: &[&str], script: &str) -> Output {
        let rootfs = self.rootfs.to_str().unwrap();
        let network: &[&str] = if options.contains(&"--net") {
            &[]
        } else {
            &["--net", "none"]
        };
        let call = ["run", "--rm"].iter().chain(network).chain(options);
        self.call(
            call.chain(&["--rootfs", rootfs, "sh", "-c", script])
                .copied(),
        )
    }
}

fn options_reach_the_container() {
    let podman = Podman::new();
    let see = |options: &[&str], script: &str, lines: &[&str]| {
        podman.run(options, script).ok().lines(lines);
    };
    see(
        &["--memory", "64m", "--cpus", "0.5", "--pids-limit", "20"],
        "cd /sys/fs/cgroup; cat memory.max cpu.max pids.max",
        &["67108864", "50000 100000", "20"],
    );
    let bits = |cap: u32| format!("CapEff:\t{:016x}", 1u64 << cap);
    see(
        &["--cap-drop", "all", "--cap-add", "net_raw"],
        "grep CapEff /proc/self/status",
        &[&bits(13)],
    );
    see(&[], "grep Seccomp: /proc/self/status", &["Seccomp:\t2"]);
    see(
        &["--security-opt", "seccomp=unconfined"],
        "grep Seccomp: /proc/self/status",
        &["Seccomp:\t0"],
    );
    see(
        &["--security-opt", "no-new-privileges"],
        "grep NoNewPrivs /proc/self/status",
        &["NoNewPrivs:\t1"],
    );
    see(
        &["--ulimit", "nofile=100:200"],
        "ulimit -n; ulimit -Hn",
        &["100", "200"],
    );
    see(
        &[
            "--user",
            "7:8",
            "--group-add",
            "9",
            "--workdir",
            "/tmp",
            "--env",
            "A=b",
        ],
        "id; pwd; echo $A",
        &["uid=7 gid=8 groups=8,9", "/tmp", "b"],
    );
    see(
        &[
            "--hostname",
            "foo",
            "--sysctl",
            "kernel.msgmax=1000",
            "--oom-score-adj",
            "500",
        ],
        "hostname; cat /proc/sys/kernel/msgmax /proc/self/oom_score_adj",
        &["foo", "1000", "500"],
    );
    podman
        .run(&["--privileged"], "grep Seccomp: /proc/self/status")
        .ok()
        .lines(&["Seccomp:\t0"]);
    for shared in ["--pid", "--ipc", "--uts", "--cgroupns"] {
        see(&[shared, "host"], "echo shared", &["shared"]);
    }
    see(
        &["--net", "host"],
        "grep -c cgroup2 /proc/mounts >/tmp/n && echo mounted",
        &["mounted"],
    );
}

fn mounts_and_devices() {
    let podman = Podman::new();
    let shared = podman.sandbox.folder("podman-shared");
    fs::write(shared.join("file"), "from outside\n").unwrap();
    let volume = format!("{}:/mnt:ro", shared.display());
    podman
        .run(
            &["--volume", &volume],
            "cat /mnt/file; touch /mnt/new || echo refused",
        )
        .ok()
        .lines(&["from outside", "refused"]);
    podman
        .run(&["--read-only"], "touch /new || echo refused")
        .ok()
        .lines(&["refused"]);
    podman
        .run(
            &["--read-only", "--tmpfs", "/tmp"],
            "touch /tmp/new && echo made",
        )
        .ok()
        .lines(&["made"]);
    podman
        .run(&["--shm-size", "1m"], "grep /dev/shm /proc/mounts")
        .ok()
        .prints("size=1024k");
    podman
        .run(
            &["--device", "/dev/fuse"],
            "test -c /dev/fuse && echo there",
        )
        .ok()
        .lines(&["there"]);
}

fn user_namespaces() {
    let podman = Podman::new();
    if podman.user == 0 {
        let map = ["--uidmap", "0:100000:1000", "--gidmap", "0:100000:1000"];
        podman
            .run(&map, "cat /proc/self/uid_map")
            .ok()
            .prints("100000");
    } else {
        // Below the user namespace in which Podman itself is: the files that it binds are out of the container's reach.
        let map = ["--uidmap", "0:1:1000", "--gidmap", "0:1:1000"];
        podman
            .run(&map, "id; cat /etc/hostname >/dev/null && echo bound")
            .ok()
            .lines(&["uid=0 gid=0", "bound"]);
        let own = format!("uid={}", podman.user);
        podman.run(&["--userns", "keep-id"], "id").ok().prints(&own);
    }
}

fn exit_codes_are_passed_on() {
    let podman = Podman::new();
    podman.run(&[], "exit 7").exits(7);
    let rootfs = podman.rootfs.to_str().unwrap();
    let run =
        |program: &str| podman.call(["run", "--rm", "--net", "none", "--rootfs", rootfs, program]);
    run("nosuch").fails_with(127, &["executable file not found in $PATH"]);
    run("/etc").fails_with(126, &["is a directory"]);
}

fn container_along_its_life() {
    let podman = Podman::new();
    let rootfs = podman.rootfs.to_str().unwrap();
    let script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.2; done";
    let name = podman.sandbox.id("life");
    let name = name.as_str();
    podman
        .call([
            "run", "--detach", "--net", "none", "--name", name, "--rootfs", rootfs, "sh", "-c",
            script,
        ])
        .ok();
    let state = || {
        podman
            .call([
                "inspect",
                "--format",
                "{{.State.Status}} {{.State.ExitCode}}",
                name,
            ])
            .ok()
            .stdout
    };
    assert_eq!(state(), "running 0\n");
    podman
        .call([
            "exec",
            "--user",
            "5",
            "--workdir",
            "/tmp",
            "--env",
            "A=b",
            name,
            "sh",
            "-c",
            "id; pwd; echo $A",
        ])
        .ok()
        .prints("uid=5 gid=0")
        .prints("/tmp\nb\n");
    podman.call(["exec", name, "nosuch"]).exits(127);
    podman.call(["exec", name, "sh", "-c", "exit 9"]).exits(9);
    podman.call(["top", name, "pid", "comm"]).ok().prints("sh");
    podman.call(["pause", name]).ok();
    assert_eq!(state(), "paused 0\n");
    podman.call(["unpause", name]).ok();
    podman
        .call(["stats", "--no-stream", "--format", "{{.Name}}", name])
        .ok()
        .lines(&[name]);
    wait_until("its first line", || {
        podman.call(["logs", name]).ok().stdout == "up\n"
    });
    podman.call(["stop", "--time", "60", name]).ok();
    assert_eq!(state(), "exited 3\n");
    podman.call(["logs", name]).ok().lines(&["up", "bye"]);
    podman.call(["start", name]).ok();
    podman.call(["kill", "--signal", "KILL", name]).ok();
    wait_until("its end", || state() == "exited 137\n");
    podman.call(["rm", name]).ok();
    podman.call(["ps", "--all", "--quiet"]).ok().lines(&[]);
}

fn memory_limit_ends_the_program() {
    let podman = Podman::new();
    let options = ["--memory", "16m", "--memory-swap", "16m"];
    // tail keeps the longest line in memory.
    podman.run(&options, "exec tail /dev/zero").exits(137);
}

/// Podman asks whether the runtime knows the command, and has it dump what it has made itself.
fn privileged_a_checkpoint_and_back() {
    let podman = Podman::new();
    need::criu();
    let rootfs = podman.rootfs.to_str().unwrap();
    let name = podman.sandbox.id("checkpoint");
    let name = name.as_str();
    // What it counts lives in its memory only.
    let script = "n=0; trap 'echo $n' USR1; while :; do n=$((n + 1)); sleep 0.1; done";
    let run = [
        "run", "--detach", "--net", "none", "--name", name, "--rootfs", rootfs, "sh", "-c", script,
    ];
    podman.call(run).ok();
    let state = || {
        let output = podman.call(["inspect", "--format", "{{.State.Status}}", name]);
        output.ok().stdout
    };
    let count = || -> u64 {
        let lines = || podman.call(["logs", name]).ok().stdout.lines().count();
        let before = lines();
        podman.call(["kill", "--signal", "USR1", name]).ok();
        wait_until("it tells", || lines() > before);
        let logs = podman.call(["logs", name]).ok().stdout;
        logs.lines().last().unwrap().parse().unwrap()
    };
    let first = count();
    podman.call(["container", "checkpoint", name]).ok();
    assert_eq!(state(), "exited\n");
    podman.call(["container", "restore", name]).ok();
    assert_eq!(state(), "running\n");
    assert!(count() > first);
    podman.call(["exec", name, "id"]).ok().prints("uid=0");
    podman.call(["rm", "--force", "--time", "0", name]).ok();
}
