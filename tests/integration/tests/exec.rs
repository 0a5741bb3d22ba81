//! The command `exec`.

use std::fs;

use harness::{Sandbox, cases, wait_until};
use serde_json::json;

cases![
    status_and_output,
    process_is_in_the_containers_namespaces,
    arguments_are_not_taken_for_flags,
    environment_and_directory,
    process_file,
    detached_with_pid_file,
    privileged_user_and_groups,
    privileged_user_without_group_keeps_group_0,
    privileged_nonsense_users_are_refused,
    failures_before_the_program_runs_are_255,
    program_not_found_messages,
    stopped_container_is_refused,
    created_container_is_allowed,
    descriptors_are_closed_or_preserved,
    no_new_privileges_can_be_added,
    io_priority_and_scheduler,
    affinity,
    limits_reach_exec_too,
    privileged_initial_affinity_precedes_the_cgroup,
    standard_input_is_passed,
    death_by_signal,
    background_children_do_not_hold_exec,
    many_at_once,
    program_without_its_pid_file_is_ended,
    pid_files_in_hostile_directories,
    privileged_goes_where_init_was_moved,
];

fn status_and_output() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let seen = container.exec("echo out -- err oops -- exit 7").exits(7);
    assert_eq!(
        (seen.stdout.as_str(), seen.stderr.as_str()),
        ("out\n", "oops\n")
    );
}

fn process_is_in_the_containers_namespaces() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    for link in ["pid", "ipc", "uts", "mnt", "net", "cgroup", "user"] {
        let wanted = fs::read_link(format!("/proc/{}/ns/{link}", container.pid)).unwrap();
        let seen = container
            .exec(&format!("readlink /proc/self/ns/{link}"))
            .ok();
        assert_eq!(seen.stdout.trim(), wanted.to_string_lossy(), "{link}");
    }
    let groups = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let seen = container.exec("cat /proc/self/cgroup").ok();
    assert_eq!(groups(&seen.stdout), groups(&container.proc("cgroup")));
}

fn arguments_are_not_taken_for_flags() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let call = sandbox.runtime([
        "exec",
        &container.id,
        "/bin/probe",
        "args",
        "-d",
        "--cwd",
        "x",
    ]);
    call.output()
        .ok()
        .lines(&["/bin/probe", "-d", "--cwd", "x"]);
}

fn environment_and_directory() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/env", json!(["PATH=/bin", "A=config", "HOME=/"]));
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let seen = container.exec_with(
        &["--env", "B=1", "-e", "A=flag", "--cwd", "/tmp"],
        "env -- pwd",
    );
    // Giving two spellings of one flag may be refused.
    let again = || {
        container
            .exec_with(
                &["--env", "B=1", "--env", "A=flag", "--cwd", "/tmp"],
                "env -- pwd",
            )
            .ok()
    };
    let seen = if seen.code == 0 { seen } else { again() };
    assert_eq!(
        seen.stdout
            .lines()
            .filter(|line| line.starts_with("A="))
            .collect::<Vec<_>>(),
        ["A=flag"]
    );
    let others: Vec<&str> = seen
        .stdout
        .lines()
        .filter(|line| !line.starts_with("A="))
        .collect();
    assert_eq!(others, ["PATH=/bin", "HOME=/", "B=1", "/tmp"]);
}

fn process_file() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let file = sandbox.path.join("process.json");
    let process = json!({
        "user": {"uid": 0, "gid": 0}, "args": ["/bin/probe", "env", "--", "pwd", "--", "umask"],
        "env": ["ONLY=1", "HOME=/"], "cwd": "/etc",
    });
    fs::write(&file, process.to_string()).unwrap();
    let call = sandbox
        .runtime(["exec", "--process"])
        .arg(&file)
        .arg(&container.id)
        .output()
        .ok();
    call.lines(&["ONLY=1", "HOME=/", "/etc", "0022"]);
    let call = sandbox
        .runtime(["exec", "--process", "/nowhere.json", &container.id])
        .output();
    assert_ne!(call.code, 0);
}

fn detached_with_pid_file() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let pid_file = sandbox.path.join("exec.pid");
    let call = sandbox
        .runtime(["exec", "--detach", "--pid-file"])
        .arg(&pid_file);
    call.args([&container.id, "/bin/probe", "sleep", "1000"])
        .output()
        .ok();
    let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(status.contains("sleep"), "{status}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
    // The process belongs to the caller, not to the container's first process.
    wait_until("its end", || {
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).is_ok()
    });
}

fn privileged_user_and_groups() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let flags = [
        "--user",
        "1000:1001",
        "--additional-gids",
        "5",
        "--additional-gids",
        "6",
    ];
    let seen = container.exec_with(&flags, "status Uid Gid Groups").ok();
    assert!(
        seen.stdout.contains("Uid:\t1000\t") && seen.stdout.contains("Gid:\t1001\t"),
        "{}",
        seen.stdout
    );
    let groups: Vec<&str> = seen
        .stdout
        .lines()
        .last()
        .unwrap()
        .split_whitespace()
        .skip(1)
        .collect();
    assert_eq!(groups, ["5", "6"]);
}

fn privileged_user_without_group_keeps_group_0() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let seen = container.exec_with(&["--user", "1"], "status Uid Gid").ok();
    seen.lines(&["Uid:\t1\t1\t1\t1", "Gid:\t0\t0\t0\t0"]);
}

fn privileged_nonsense_users_are_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    // Names of digits must not be looked up in the image's files.
    fs::write(
        bundle.rootfs().join("etc/passwd"),
        "7:x:0:0::/:/bin/sh\nroot:x:0:0::/:\n",
    )
    .unwrap();
    let container = sandbox.detach(&bundle, "a");
    for user in [
        "4294967296",
        "4294967295",
        "-1",
        "1x",
        "0x0",
        "1:",
        ":1",
        "1:4294967296",
        "root",
        " 1",
    ] {
        let output = container.exec_with(&["--user", user], "status Uid");
        assert_ne!(output.code, 0, "--user {user:?}: {}", output.stdout);
    }
    container
        .exec_with(&["--user", "7"], "status Uid")
        .ok()
        .lines(&["Uid:\t7\t7\t7\t7"]);
}

fn failures_before_the_program_runs_are_255() {
    let sandbox = Sandbox::new();
    sandbox
        .runtime(["exec", &sandbox.id("nobody"), "true"])
        .output()
        .fails_with(255, &["container does not exist"]);
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let call = |arguments: &[&str]| sandbox.runtime(["exec"]).args(arguments).output();
    call(&[&container.id, "/nowhere"]).fails_with(255, &["no such file or directory"]);
    call(&["--cwd", "/nowhere", &container.id, "/bin/probe"])
        .fails_with(255, &["no such file or directory"]);
    assert_ne!(call(&[&container.id]).code, 0);
    assert_ne!(call(&["--no-such-flag", &container.id, "true"]).code, 0);
}

fn program_not_found_messages() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    fs::write(bundle.rootfs().join("etc/text"), "text").unwrap();
    fs::write(bundle.rootfs().join("bin/script"), "#!/no/interpreter\n").unwrap();
    let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(bundle.rootfs().join("bin/script"), mode).unwrap();
    let container = sandbox.detach(&bundle, "a");
    let call = |program: &str| sandbox.runtime(["exec", &container.id, program]).output();
    call("nope").fails_with(
        255,
        &[
            "exec failed",
            "exec: \"nope\": executable file not found in $PATH",
        ],
    );
    call("/etc/text").fails_with(255, &["exec: \"/etc/text\": permission denied"]);
    call("/x").fails_with(255, &["exec: \"/x\": stat /x: no such file or directory"]);
    call("/bin/script").fails_with(255, &["exec /bin/script: no such file or directory"]);
    call("/etc").fails_with(255, &["exec: \"/etc\":", "permission denied"]);
}

fn stopped_container_is_refused() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("true"), "a");
    container.wait();
    container
        .exec("true")
        .fails_with(255, &["cannot exec in a stopped container"]);
}

fn created_container_is_allowed() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle().probe("sleep 1000"), "a");
    container.exec("echo early").ok().lines(&["early"]);
}

fn descriptors_are_closed_or_preserved() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let shell = "exec 5</etc/passwd 3</etc/group 4</etc/shells; exec \"$@\"";
    let call = |flags: &[&str]| {
        let call = sandbox
            .command("/bin/sh")
            .args(["-c", shell, "sh"])
            .arg(sandbox.program());
        let call = call
            .arg("--root")
            .arg(&sandbox.root)
            .arg("exec")
            .args(flags);
        let seen = call
            .args([&container.id, "/bin/probe", "fds"])
            .output()
            .ok();
        seen.stdout
            .lines()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    if !std::path::Path::new("/etc/shells").exists() {
        harness::skip!("/etc/shells is missing");
    }
    assert_eq!(call(&[]), ["0", "1", "2"]);
    assert_eq!(call(&["--preserve-fds", "2"]), ["0", "1", "2", "3", "4"]);
}

fn no_new_privileges_can_be_added() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/noNewPrivileges", json!(false));
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    container
        .exec("status NoNewPrivs")
        .ok()
        .lines(&["NoNewPrivs:\t0"]);
    container
        .exec_with(&["--no-new-privs"], "status NoNewPrivs")
        .ok()
        .lines(&["NoNewPrivs:\t1"]);
}

fn io_priority_and_scheduler() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set(
        "/process/ioPriority",
        json!({"class": "IOPRIO_CLASS_BE", "priority": 6}),
    );
    let bundle = bundle.set("/process/scheduler", json!({"policy": "SCHED_BATCH"}));
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let seen = container.exec("io-priority -- cat /proc/self/stat").ok();
    assert_eq!(seen.stdout.lines().next().unwrap(), "2 6");
    let policy = seen
        .stdout
        .lines()
        .nth(1)
        .unwrap()
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(41 - 3)
        .unwrap();
    assert_eq!(policy, "3");
}

fn affinity() {
    if !std::path::Path::new("/sys/devices/system/cpu/cpu1").exists() {
        harness::skip!("one processor");
    }
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let given = [
        (json!({"initial": "0"}), "0"),
        (json!({"initial": "1"}), "1"),
        (json!({"final": "1"}), "1"),
        (json!({"initial": "0", "final": "1"}), "1"),
    ];
    let folder = sandbox.folder("given");
    for (affinity, seen) in given {
        let process = json!({
            "args": ["/bin/probe", "status", "Cpus_allowed_list"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "execCPUAffinity": affinity,
        });
        let file = folder.join("process.json");
        fs::write(&file, process.to_string()).unwrap();
        let call = sandbox
            .runtime(["exec", "--process"])
            .arg(&file)
            .arg(&container.id)
            .output();
        call.ok().lines(&[&format!("Cpus_allowed_list:\t{seen}")]);
    }
}

/// In a frozen cgroup a process stops as soon as it is in it: what it has then, it got before.
fn privileged_initial_affinity_precedes_the_cgroup() {
    harness::need::cgroups();
    if !std::path::Path::new("/sys/devices/system/cpu/cpu1").exists() {
        harness::skip!("one processor");
    }
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    container.call("pause", &[] as &[&str]).output().ok();
    let process = json!({
        "args": ["/bin/probe", "status", "Cpus_allowed_list"],
        "cwd": "/",
        "user": {"uid": 0, "gid": 0},
        "execCPUAffinity": {"initial": "0", "final": "1"},
    });
    let file = sandbox.folder("given").join("process.json");
    fs::write(&file, process.to_string()).unwrap();
    let running = sandbox
        .runtime(["exec", "--ignore-paused", "--process"])
        .arg(&file)
        .arg(&container.id)
        .spawn();
    let status = |pid: &str| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = format!("PPid:\t{}\n", running.pid());
    let others = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let names = all.filter_map(|entry| entry.file_name().into_string().ok());
        let numbers = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        numbers.collect::<Vec<_>>()
    };
    // It waits for its first process, which stands still.
    let frozen = || {
        let mut children = others().into_iter();
        children.find(|pid| {
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            status(pid).contains(&parent) && groups.contains(&sandbox.tag)
        })
    };
    harness::wait_until("the frozen process", || frozen().is_some());
    let seen = status(&frozen().unwrap());
    assert!(seen.contains("Cpus_allowed_list:\t0\n"), "{seen}");
    container.call("resume", &[] as &[&str]).output().ok();
    running.finish().ok().lines(&["Cpus_allowed_list:\t1"]);
}

fn standard_input_is_passed() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let call = container
        .call("exec", &["--env", "X=1"])
        .args(["/bin/probe", "stdin"]);
    call.input("piped in").output().ok().lines(&["piped in"]);
}

fn death_by_signal() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    for signal in [9, 15, 6] {
        container
            .exec(&format!("kill-self {signal}"))
            .exits(128 + signal);
    }
}

fn background_children_do_not_hold_exec() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let begin = std::time::Instant::now();
    container.exec("spawn sleep 500 -- echo done").ok();
    assert!(begin.elapsed() < harness::slow(30));
}

fn many_at_once() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let running: Vec<_> = (0..16)
        .map(|number| {
            let call = container.call("exec", &[] as &[&str]);
            call.args(["/bin/probe", "echo"])
                .arg(number.to_string())
                .spawn()
        })
        .collect();
    for (number, running) in running.into_iter().enumerate() {
        running.finish().ok().lines(&[&number.to_string()]);
    }
}

fn program_without_its_pid_file_is_ended() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().writable().probe("sleep 1000");
    let container = sandbox.detach(&bundle, "a");
    let before = sandbox.host(None);
    let nowhere = sandbox.path.join("nosuch/pid");
    for detach in [&["--detach"][..], &[]] {
        let call = sandbox.runtime(["exec", "--pid-file"]).arg(&nowhere);
        let call = call.args(detach).arg(&container.id);
        let output = call.args(["/bin/probe", "sleep", "900"]).output();
        output.fails_with(255, &["write the pid file", "no such file or directory"]);
        wait_until("the end of the program", || {
            let left = sandbox.host(None).difference(&before);
            !left.iter().any(|line| line.contains("sleep 900"))
        });
    }
    assert_eq!(container.status(), "running");
    container.force_delete();
    container.wait();
}

/// Whoever may write to the directory cannot have another file overwritten, or the runtime wait.
fn pid_files_in_hostile_directories() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let folder = sandbox.folder("hostile");
    let precious = sandbox.folder("host").join("precious");
    fs::write(&precious, "precious").unwrap();
    for name in [".pid", ".pid.tmp", "pid.tmp", "pid"] {
        symlink(&precious, folder.join(name)).unwrap();
    }
    let pid_file = folder.join("pid");
    let create = |id: &str| {
        let call = sandbox.runtime(["create", "--pid-file"]).arg(&pid_file);
        let call = call.arg("--bundle").arg(&bundle.path).limit(20);
        call.arg(sandbox.id(id)).output()
    };
    create("a").ok();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    assert!(fs::symlink_metadata(&pid_file).unwrap().is_file());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 4);
    sandbox.runtime(["start", &sandbox.id("a")]).output().ok();
    fs::remove_file(&pid_file).unwrap();
    // What is no regular file is written to, if somebody reads it.
    nix::unistd::mkfifo(&pid_file, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    create("b").fails_with(1, &["write the pid file", "no such device or address"]);
    let exec = sandbox
        .runtime(["exec", "--detach", "--pid-file"])
        .arg(&pid_file);
    let exec = exec
        .arg(sandbox.id("a"))
        .args(["/bin/probe", "sleep", "900"]);
    exec.limit(20)
        .output()
        .fails_with(255, &["write the pid file"]);
    assert!(fs::metadata(&pid_file).unwrap().file_type().is_fifo());
    sandbox
        .runtime(["delete", "--force", &sandbox.id("a")])
        .output()
        .ok();
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
}

/// A privileged container may put itself into another group, and give up the one that it was made with.
fn privileged_goes_where_init_was_moved() {
    harness::need::cgroups();
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let container = sandbox.detach(&bundle, "a");
    let groups = sandbox.host(None).groups().to_vec();
    let moved = |group: &std::path::Path| group.with_file_name(format!("{}-moved", sandbox.tag));
    for group in &groups {
        let new = moved(group);
        fs::create_dir(&new).unwrap();
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(value) = fs::read_to_string(group.join(file)) {
                fs::write(new.join(file), value.trim()).unwrap();
            }
        }
        fs::write(new.join("cgroup.procs"), container.pid.to_string()).unwrap();
        wait_until("an empty group", || fs::remove_dir(group).is_ok());
    }
    let pid = container.exec_detached("sleep 1000");
    let its = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let found = its.lines().filter(|line| line.ends_with("-moved")).count();
    assert_eq!(found, groups.len(), "{its}");
    assert_eq!(container.status(), "running");
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(pid, None).unwrap();
    container.force_delete();
    container.wait();
    sandbox.remove_groups();
}

fn limits_reach_exec_too() {
    let sandbox = Sandbox::new();
    let limit = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 101}]);
    let container = sandbox.detach(
        &sandbox
            .bundle()
            .set("/process/rlimits", limit)
            .probe("sleep 1000"),
        "a",
    );
    container
        .exec("limits")
        .ok()
        .prints("RLIMIT_NOFILE 100 101\n");
}
