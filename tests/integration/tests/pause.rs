//! `pause` and `resume`.

use harness::{Invocation, Sandbox, cases, need, skip};
use serde_json::json;

cases![
    privileged_paused_container_stands_still,
    privileged_container_is_paused_before_start,
    privileged_paused_container_is_deleted_and_killed,
    privileged_pause_and_resume_need_the_right_status,
    privileged_signals_for_what_waits_come_at_resume,
    privileged_who_came_late_goes_with_the_container,
    privileged_who_came_late_without_executable_memory_files,
    privileged_program_whose_files_server_is_silent_does_not_keep_delete,
    privileged_frozen_group_is_refused,
    privileged_delete_below_a_frozen_group_ends,
];

fn privileged_paused_container_stands_still() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("echo up -- sleep 1000"), "a");
    container.wait_for("up");
    let quiet = |command: &str| {
        let output = container.call(command, &[] as &[&str]).output().ok();
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
    };
    quiet("pause");
    assert_eq!(container.status(), "paused");
    let refused = container.exec("true").exits(255);
    assert!(
        refused
            .error()
            .contains("cannot exec in a paused container (use --ignore-paused to override)"),
        "{}",
        refused.stderr
    );
    quiet("resume");
    assert_eq!(container.status(), "running");
    container.exec("true").ok();
}

/// As with runc. A process that stands still in a cgroup of version 1 does not even die before it goes on.
fn privileged_signals_for_what_waits_come_at_resume() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let call = |command: &str| container.call(command, &[] as &[&str]).output().ok();
    call("pause");
    let exec = container.call("exec", &["--ignore-paused"]);
    let exec = exec.args(["/bin/probe", "sleep", "1000"]).spawn();
    let threads = format!("/proc/{0}/task/{0}/children", exec.pid());
    let child = || std::fs::read_to_string(&threads).is_ok_and(|text| !text.is_empty());
    harness::wait_until("the process that stands still", child);
    nix::sys::signal::kill(exec.pid(), nix::sys::signal::SIGTERM).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(child(), "it has ended");
    call("resume");
    exec.finish().exits(143);
}

/// An `exec` that stands still before it has joined a container whose process then ends would stay, and keep the group.
fn privileged_who_came_late_goes_with_the_container() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let group = format!("/{}-late", sandbox.tag);
    let bundle = sandbox.bundle().set("/linux/cgroupsPath", json!(group));
    let bundle = bundle.probe("sleep 1000");
    let before = sandbox.host(None);
    for force in [false, true] {
        let container = sandbox.detach(&bundle, "a");
        container.call("pause", &[] as &[&str]).output().ok();
        let exec = container.call("exec", &["--ignore-paused"]);
        let exec = exec.args(["/bin/probe", "sleep", "1000"]).spawn();
        let inside = || {
            let list = container.call("ps", &["--format", "json"]).output().ok();
            list.json().as_array().unwrap().len()
        };
        harness::wait_until("the process that stands still", || inside() == 2);
        // On version 1 nobody dies in a frozen group, but who leaves it goes on.
        let above = std::path::Path::new("/sys/fs/cgroup/freezer/cgroup.procs");
        if !need::is_unified() {
            std::fs::write(above, container.pid.to_string()).unwrap();
        }
        // Not by `kill`, which has all go on.
        let first = nix::unistd::Pid::from_raw(container.pid);
        nix::sys::signal::kill(first, nix::sys::signal::SIGKILL).unwrap();
        container.wait();
        assert_eq!(inside(), 1);
        let flags = if force { &["--force"][..] } else { &[] };
        let output = container.call("delete", flags).limit(20).output().ok();
        assert!(output.stderr.is_empty(), "{output:?}");
        exec.finish().exits(255);
    }
    sandbox.host(None).same_as(&before);
}

/// Then it is no memory file by which such a process is recognised.
fn privileged_who_came_late_without_executable_memory_files() {
    need::cgroups();
    need::kernel(6, 3);
    let sandbox = Sandbox::new();
    let group = format!("/{}-late", sandbox.tag);
    let bundle = sandbox.bundle().set("/linux/cgroupsPath", json!(group));
    let bundle = bundle.probe("sleep 1000");
    let before = sandbox.host(None);
    let script = r#"
        echo 2 >/proc/sys/vm/memfd_noexec || exit 99
        tare=$1 root=$2 bundle=$3 id=$4 pids=$5
        call() { "$tare" --root "$root" "$@"; }
        until_beside() { while [ "$(call ps --format json $id | tr -cd , | wc -c)" != $1 ]; do sleep 0.01; done; }
        call run --detach --pid-file $pids --bundle $bundle $id || exit 1
        call pause $id || exit 2
        call exec --ignore-paused $id /bin/probe sleep 1000 2>/dev/null &
        exec=$! pid=$(cat $pids)
        until_beside 1
        above=/sys/fs/cgroup/freezer/cgroup.procs
        if [ -e $above ]; then echo $pid >$above; fi
        kill -9 $pid
        until_beside 0
        call delete $id || exit 3
        wait $exec; echo exec: $?"#;
    let call = Invocation::new("unshare", &sandbox.path.join("io"));
    let call = call.args(["-p", "-f", "-m", "--mount-proc", "sh", "-c", script, "sh"]);
    let call = call.arg(sandbox.program()).arg(&sandbox.root);
    let call = call.arg(&bundle.path).arg(sandbox.id("a"));
    let output = call.arg(sandbox.path.join("pids")).limit(30).output();
    if output.code == 99 {
        skip!("vm.memfd_noexec cannot be set");
    }
    output.ok().prints("exec: 255");
    sandbox.host(None).same_as(&before);
}

/// Serves a directory with one program in it by FUSE's protocol (linux/fuse.h), at `sys.argv[1]`, and executes it; writes the
/// number of that process to `sys.argv[3]`. From SIGUSR1 on it is silent, for half a minute, and then it ends.
const SERVER: &str = r#"
import ctypes, os, signal, struct, sys
def fall_silent(*_):
    signal.alarm(30)
    while True:
        signal.pause()
signal.signal(signal.SIGUSR1, fall_silent)
mount, source, pids = sys.argv[1:]
data = open(source, 'rb').read()
fuse = os.open('/dev/fuse', os.O_RDWR)
options = 'fd=%d,rootmode=40000,user_id=0,group_id=0' % fuse
assert ctypes.CDLL(None).mount(b'one', mount.encode(), b'fuse', 0, options.encode()) == 0
FORGET, INTERRUPT, BATCH = 2, 36, 42
LOOKUP, GETATTR, OPEN, READ, INIT, OPENDIR = 1, 3, 14, 15, 26, 27
def attributes(node):
    size, mode = (0, 0o40755) if node == 1 else (len(data), 0o100755)
    return struct.pack('<6Q10I', node, size, (size + 511) // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
def serve():
    while True:
        request = os.read(fuse, 1 << 20)
        _, call, unique, node = struct.unpack('<IIQQ', request[:24])
        body, error, answer = request[40:], 0, b''
        if call in (FORGET, BATCH, INTERRUPT):
            continue
        if call == INIT:
            answer = struct.pack('<4I2H2I2H8I', 7, 31, 65536, 0, 0, 0, 65536, 1, 16, 0, *[0] * 8)
        elif call == LOOKUP and body == b'program\0':
            answer = struct.pack('<4Q2I', 2, 0, 0, 0, 0, 0) + attributes(2)
        elif call == GETATTR:
            answer = struct.pack('<Q2I', 0, 0, 0) + attributes(node)
        elif call in (OPEN, OPENDIR):
            answer = struct.pack('<Q2I', 1, 0, 0)
        elif call == READ:
            _, offset, size = struct.unpack('<QQI', body[:20])
            answer = data[offset:offset + size]
        elif call == LOOKUP:
            error = -2
        else:
            error = -38
        os.write(fuse, struct.pack('<IiQ', 16 + len(answer), error, unique) + answer)
child = os.fork()
if child == 0:
    os.execv(mount + '/program', ['sleep', '1000'])
open(pids + '.new', 'w').write(str(child))
os.rename(pids + '.new', pids)
serve()
"#;

/// Whose program a process is that keeps a frozen group is not asked of whoever serves that program's file.
fn privileged_program_whose_files_server_is_silent_does_not_keep_delete() {
    use std::fs;
    need::cgroups();
    let (python, busybox) = (need::program("python3"), need::program("busybox"));
    if fs::File::open("/dev/fuse").is_err() {
        skip!("there is no /dev/fuse");
    }
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let group = format!("/{}-silent", sandbox.tag);
    let bundle = sandbox.bundle().set("/linux/cgroupsPath", json!(group));
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let (mount, pids) = (sandbox.path.join("mount"), sandbox.path.join("pid"));
    fs::create_dir(&mount).unwrap();
    let server = Invocation::new("unshare", &sandbox.path.join("io"));
    let server = server.args(["-m", &python, "-c", SERVER]);
    let server = server.arg(&mount).arg(&busybox).arg(&pids).spawn();
    harness::wait_until("the program's number", || pids.exists());
    let pid = fs::read_to_string(&pids).unwrap();
    let program = format!("/proc/{pid}/exe");
    let is_served = || fs::read_link(&program).is_ok_and(|path| path.ends_with("program"));
    harness::wait_until("the served program", is_served);
    for group in sandbox.host(None).groups() {
        fs::write(group.join("cgroup.procs"), &pid).unwrap();
    }
    container.call("pause", &[] as &[&str]).output().ok();
    if !need::is_unified() {
        fs::write(
            "/sys/fs/cgroup/freezer/cgroup.procs",
            container.pid.to_string(),
        )
        .unwrap();
    }
    let kill = |pid, signal| nix::sys::signal::kill(pid, signal).unwrap();
    let first = nix::unistd::Pid::from_raw(container.pid);
    kill(first, nix::sys::signal::SIGKILL);
    container.wait();
    kill(server.pid(), nix::sys::signal::SIGUSR1);
    let call = container.call("delete", &[] as &[&str]).limit(20).output();
    call.fails_with(1, &["1 process(es) still in it"]);
    kill(server.pid(), nix::sys::signal::SIGKILL);
    server.finish();
    if !need::is_unified() {
        fs::write("/sys/fs/cgroup/freezer/cgroup.procs", &pid).unwrap();
    }
    let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
    kill(pid, nix::sys::signal::SIGKILL);
    container.force_delete();
    sandbox.host(None).same_as(&before);
}

/// What waits for `start` is frozen like any other process: neither `start` nor `delete` may wait for it.
fn privileged_container_is_paused_before_start() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle().probe("sleep 1000"), "a");
    let call = |command: &str| container.call(command, &[] as &[&str]).limit(20).output();
    call("pause").ok();
    assert_eq!(container.status(), "paused");
    call("start").fails_with(1, &["cannot start a container in the paused state"]);
    call("resume").ok();
    assert_eq!(container.status(), "created");
    call("start").ok();
    assert_eq!(container.status(), "running");
}

fn privileged_paused_container_is_deleted_and_killed() {
    need::cgroups();
    let sandbox = Sandbox::new();
    for started in [false, true] {
        for verb in ["delete", "kill"] {
            let bundle = sandbox.bundle().probe("sleep 1000");
            let container = sandbox.create(&bundle, &format!("{verb}{started}"));
            if started {
                container.start();
            }
            container.call("pause", &[] as &[&str]).output().ok();
            if verb == "kill" {
                container.kill("KILL").ok();
                assert_eq!(container.wait(), 137);
                container.delete().ok();
            } else {
                container.delete().exits(1);
                let call = container.call("delete", &["--force"]).limit(20);
                call.output().ok();
                container.wait();
            }
        }
    }
}

fn privileged_pause_and_resume_need_the_right_status() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let call = |command: &str| container.call(command, &[] as &[&str]).output();
    call("resume").fails_with(1, &["container not paused"]);
    call("pause").ok();
    call("pause").fails_with(1, &["container not running"]);
    call("resume").ok();
    container.kill("KILL").ok();
    container.wait();
    call("pause").fails_with(1, &["container not running"]);
    call("resume").fails_with(1, &["container not paused"]);
    for command in ["pause", "resume"] {
        let call = sandbox.runtime([command, &sandbox.id("nosuch")]);
        call.output().fails_with(1, &["container does not exist"]);
    }
}

fn privileged_frozen_group_is_refused() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set(
        "/linux/cgroupsPath",
        serde_json::json!(format!("/{}-groups/frozen", sandbox.tag)),
    );
    let first = sandbox.create(&bundle, "first");
    let groups = sandbox.host(None).groups().to_vec();
    let group = |name: &str| {
        let found = groups.iter().filter(|group| group.ends_with("frozen"));
        found
            .map(|group| group.join(name))
            .find(|file| file.exists())
    };
    let (file, frozen, thawed) = match group("freezer.state") {
        Some(file) => (file, "FROZEN", "THAWED"),
        None => (group("cgroup.freeze").expect("a freezer"), "1", "0"),
    };
    first.force_delete();
    first.wait();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, frozen).unwrap();
    let create = sandbox
        .runtime(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("second"))
        .limit(20)
        .output();
    let text = std::fs::read_to_string(&file).expect("the frozen group is left alone");
    assert_eq!(text.trim(), frozen);
    std::fs::write(&file, thawed).unwrap();
    std::fs::remove_dir(file.parent().unwrap()).unwrap();
    sandbox.remove_groups();
    create.fails_with(1, &["container's cgroup unexpectedly frozen"]);
}

/// On v1 nothing dies while a group above is frozen, which is not the container's to thaw.
fn privileged_delete_below_a_frozen_group_ends() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let path = serde_json::json!(format!("/{}-groups/above/box", sandbox.tag));
    let bundle = sandbox.bundle().set("/linux/cgroupsPath", path);
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let groups = sandbox.host(None).groups().to_vec();
    let above = |name: &str| {
        let found = groups.iter().filter(|group| group.ends_with("above"));
        found
            .map(|group| group.join(name))
            .find(|file| file.exists())
    };
    let v1 = above("freezer.state");
    let (file, frozen, thawed) = match &v1 {
        Some(file) => (file.clone(), "FROZEN", "THAWED"),
        // It was made for this container, and goes with it.
        None => (above("cgroup.freeze").expect("a freezer"), "1", ""),
    };
    std::fs::write(&file, frozen).unwrap();
    let call = container.call("delete", &["--force"]).limit(30).output();
    if v1.is_some() {
        std::fs::write(&file, thawed).unwrap();
        call.fails_with(1, &["container init still running"]);
        container.wait();
        container.force_delete();
    } else {
        call.ok();
        container.wait();
    }
    sandbox.remove_groups();
}
