//! Descriptors: nothing of the caller or the runtime reaches the container (CVE-2024-21626 and relatives).

use std::fs;
use std::path::Path;

use harness::{Invocation, Sandbox, cases, need, skip};
use serde_json::json;

cases![
    callers_descriptors_are_closed,
    streams_that_the_caller_has_closed_are_the_null_device,
    preserved_descriptors,
    working_directory_cannot_be_a_descriptor_outside,
    exec_cannot_change_to_a_descriptor_outside,
    waiting_init_holds_nothing_of_the_host,
    binary_cannot_be_overwritten,
    signals_are_reset,
    privileged_without_executable_memory_files,
    privileged_ordinary_users_without_executable_memory_files,
];

/// A call of the runtime by a careless caller: descriptors 3 to 9 are open, among them the host's root.
fn careless(sandbox: &Sandbox) -> harness::Invocation {
    let shell = "exec 3</ 4</etc 5</etc/passwd 6</dev/null 7</ 8</sys/fs/cgroup 9<&0; exec \"$@\"";
    let call = sandbox
        .command("/bin/sh")
        .args(["-c", shell, "sh"])
        .arg(sandbox.program());
    call.arg("--root").arg(&sandbox.root)
}

fn callers_descriptors_are_closed() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("fds");
    let seen = careless(&sandbox)
        .args(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .output()
        .ok();
    let numbers: Vec<&str> = seen
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(numbers, ["0", "1", "2"], "{}", seen.stdout);
}

/// Whatever the runtime opens first would get its number otherwise.
fn streams_that_the_caller_has_closed_are_the_null_device() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("fds");
    for (closed, stream) in [("<&-", 0), ("2>&-", 2), ("<&- 2>&-", 2)] {
        let call = sandbox
            .command("/bin/sh")
            .args(["-c", &format!("exec \"$@\" {closed}"), "sh"])
            .arg(sandbox.program());
        let call = call.arg("--root").arg(&sandbox.root);
        let call = call.args(["run", "--bundle"]).arg(&bundle.path);
        let seen = call.arg(sandbox.id("a")).output();
        let null = format!("\n{stream} /dev/null\n");
        let lines = format!("\n{}", seen.stdout);
        assert!(lines.contains(&null), "{closed}: {lines}{}", seen.stderr);
        assert_eq!(lines.lines().count(), 4, "{closed}: {lines}");
    }
}

fn preserved_descriptors() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("fds");
    let call = careless(&sandbox)
        .args(["run", "--preserve-fds", "3", "--bundle"])
        .arg(&bundle.path);
    let seen = call.arg(sandbox.id("a")).output().ok();
    let numbers: Vec<&str> = seen
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5"], "{}", seen.stdout);
}

fn working_directory_cannot_be_a_descriptor_outside() {
    let sandbox = Sandbox::new();
    let marker = "/etc/passwd";
    for number in 3..20 {
        for path in [
            format!("/proc/self/fd/{number}"),
            format!("/proc/self/fd/{number}/../.."),
            format!("/proc/1/fd/{number}"),
        ] {
            let bundle = sandbox
                .bundle()
                .set("/process/cwd", json!(path))
                .probe("pwd -- ls . -- cat etc/passwd passwd");
            let call = careless(&sandbox)
                .args(["run", "--bundle"])
                .arg(&bundle.path)
                .arg(sandbox.id("a"));
            let seen = call.output();
            let host = fs::read_to_string(marker).unwrap();
            assert!(
                !seen.stdout.contains(host.lines().next().unwrap()),
                "{path}: {}",
                seen.stdout
            );
            assert!(
                !seen.stdout.contains("(unreachable)"),
                "{path}: {}",
                seen.stdout
            );
        }
    }
}

fn exec_cannot_change_to_a_descriptor_outside() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let host = fs::read_to_string("/etc/passwd").unwrap();
    for number in 3..20 {
        let path = format!("/proc/self/fd/{number}");
        let call = careless(&sandbox).args(["exec", "--cwd", &path, &container.id, "/bin/probe"]);
        let seen = call
            .args(["pwd", "--", "cat", "etc/passwd", "passwd", "../etc/passwd"])
            .output();
        assert!(
            !seen.stdout.contains(host.lines().next().unwrap()),
            "{path}: {}",
            seen.stdout
        );
    }
}

fn waiting_init_holds_nothing_of_the_host() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let id = sandbox.id("a");
    let pid_file = sandbox.path.join("io/pid");
    let call = careless(&sandbox)
        .args(["create", "--pid-file"])
        .arg(&pid_file)
        .arg("--bundle")
        .arg(&bundle.path);
    call.arg(&id).output().ok();
    let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    let allowed = |number: u32, target: &str| {
        number < 3
            || [
                "pipe:",
                "socket:",
                "anon_inode:",
                "/memfd:",
                "/proc",
                "/dev/pts",
            ]
            .iter()
            .any(|start| target.starts_with(start))
            || target == "/"
            || target.starts_with(sandbox.root.join(&id).to_str().unwrap())
    };
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        // Even its owner cannot look into it, which is better still.
        assert!(
            sandbox.rootless().is_some(),
            "root can look at all processes"
        );
        skip!("the waiting process lets nobody but root see its descriptors");
    };
    for entry in entries.flatten() {
        let number: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy();
        // `/` must be the container's own.
        assert!(allowed(number, &target), "descriptor {number} is {target}");
        if target == "/" {
            let inside = fs::metadata(format!("/proc/{pid}/root")).unwrap();
            let found = fs::metadata(entry.path()).unwrap();
            use std::os::unix::fs::MetadataExt;
            assert_eq!(
                (found.dev(), found.ino()),
                (inside.dev(), inside.ino()),
                "descriptor {number}"
            );
        }
    }
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
}

/// CVE-2019-5736: a program whose interpreter is /proc/self/exe must not be able to reach the runtime's file.
fn binary_cannot_be_overwritten() {
    let sandbox = Sandbox::new();
    let before = fs::read(sandbox.program()).unwrap();
    let bundle = sandbox.bundle().writable().argv(&[
        "/bin/script",
        "write",
        "/proc/self/exe",
        "overwritten",
    ]);
    fs::write(bundle.rootfs().join("bin/script"), "#!/proc/self/exe\n").unwrap();
    let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(bundle.rootfs().join("bin/script"), mode).unwrap();
    let call = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .limit(20)
        .output();
    assert!(call.code != 0 || call.stderr.is_empty(), "{call:?}");
    let container = sandbox.create(&bundle.probe("sleep 1000"), "b");
    // Of an ordinary user's container nobody but root can see what the waiting process runs.
    if let Ok(exe) = fs::read_link(format!("/proc/{}/exe", container.pid)) {
        let own = fs::canonicalize(sandbox.program()).unwrap();
        assert_ne!(
            Path::new(&exe),
            own,
            "the waiting process is not a file of the host"
        );
    }
    assert_eq!(fs::read(sandbox.program()).unwrap(), before);
}

fn signals_are_reset() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("status SigBlk SigIgn");
    // The shell ignores two signals, which would stay ignored across execve.
    let call = sandbox
        .command("/bin/sh")
        .args(["-c", "trap '' HUP USR1; exec \"$@\"", "sh"])
        .arg(sandbox.program());
    let call = call
        .arg("--root")
        .arg(&sandbox.root)
        .args(["run", "--bundle"])
        .arg(&bundle.path);
    let seen = call.arg(sandbox.id("a")).output().ok();
    seen.lines(&["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"]);
}

/// Where memory files may not be executed: everything works, and init's file can be written as little. The setting is one
/// of the pid namespace.
fn without_executable_memory_files(sandbox: &Sandbox, as_user: &[&str]) {
    need::kernel(6, 3);
    let hook =
        json!({"path": sandbox.bundle().rootfs().join("bin/probe"), "args": ["probe", "true"]});
    let bundle = sandbox.bundle().push("/hooks/createRuntime", hook);
    let bundle = bundle.probe("sleep 1000");
    let script = r#"
        echo 2 >/proc/sys/vm/memfd_noexec || exit 99
        tare=$1 root=$2 bundle=$3 id=$4; shift 4
        call() { "$@" "$tare" --root "$root" $words; }
        words="create --pid-file $root/pid --bundle $bundle $id"; call "$@" || exit 1
        pid=$(cat $root/pid)
        (: >/proc/$pid/exe) 2>/dev/null && { echo "init can be written"; exit 2; }
        readlink /proc/$pid/exe
        words="start $id"; call "$@" || exit 3
        words="exec $id /bin/probe echo added"; call "$@" || exit 4
        words="delete --force $id"; call "$@" || exit 5
        rm $root/pid"#;
    let call = Invocation::new("unshare", &sandbox.path.join("io"));
    let call = call.args(["-p", "-f", "-m", "--mount-proc", "sh", "-c", script, "sh"]);
    let call = call.arg(sandbox.program()).arg(&sandbox.root);
    let call = call.arg(&bundle.path).arg(sandbox.id("a")).args(as_user);
    let output = call.env("XDG_RUNTIME_DIR", &sandbox.path).output();
    if output.code == 99 {
        skip!("vm.memfd_noexec cannot be set");
    }
    let output = output.ok();
    assert!(!output.stdout.contains("memfd:"), "{output:?}");
    output.prints("added");
}

fn privileged_without_executable_memory_files() {
    without_executable_memory_files(&Sandbox::new(), &[]);
}

fn privileged_ordinary_users_without_executable_memory_files() {
    need::whole_program("setpriv");
    let sandbox = Sandbox::ordinary();
    let (uid, gid) = need::ordinary_user();
    let (uid, gid) = (format!("--reuid={uid}"), format!("--regid={gid}"));
    without_executable_memory_files(&sandbox, &["setpriv", &uid, &gid, "--clear-groups"]);
}
