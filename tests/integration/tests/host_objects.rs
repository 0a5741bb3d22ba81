//! What of the host a container can reach: nothing of it can be changed from inside.
//!
//! These tests run the runtime in a mount namespace with a `/dev` of its own, so that a defect harms nobody's devices.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use harness::{Bundle, Output, Sandbox, cases, need};
use nix::sys::stat::Mode;
use serde_json::json;

cases![
    privileged_masked_files_and_standard_streams,
    privileged_standard_streams_of_exec,
    privileged_bound_devices_of_a_user_namespace,
    privileged_pipes_are_the_users_and_nothing_else_is,
    privileged_pipes_in_user_namespaces,
    privileged_own_null_device_is_needed,
];

/// What changing a file takes, for a root of the container.
const CAPABILITIES: [&str; 4] = ["CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE", "CAP_SETFCAP"];

const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

fn with_capabilities(bundle: Bundle) -> Bundle {
    let capabilities = json!(CAPABILITIES);
    bundle.set(
        "/process/capabilities",
        json!({"bounding": capabilities, "effective": capabilities, "permitted": capabilities}),
    )
}

/// Runs a shell script in which `$TARE` is the runtime with its `--root`, with a `/dev` that nobody else has. At the end
/// owner, permissions and times of its devices must be what they were. Standard input of all is its null device.
#[track_caller]
fn in_frame(sandbox: &Sandbox, script: &str) -> Output {
    let unshare = need::whole_program("unshare");
    let stat = need::whole_program("stat");
    let dev = sandbox.folder("dev");
    let mut setup = format!(
        "set -e; dev={}; mount -t tmpfs -o mode=755 dev $dev\n",
        dev.display()
    );
    for (name, major, minor) in DEVICES {
        setup += &format!("mknod -m 666 $dev/{name} c {major} {minor}\n");
    }
    setup += "mkdir $dev/pts $dev/shm; mount -t devpts -o newinstance,ptmxmode=666 pts $dev/pts; ln -s pts/ptmx $dev/ptmx
        mount --rbind $dev /dev; exec </dev/null; set +e\n";
    let names = DEVICES.map(|(name, ..)| format!("/dev/{name}")).join(" ");
    let look = format!("{stat} -c '%n %a %u %g %y' {names}");
    let script = format!(
        "{setup}before=$({look})\n{script}\nstatus=$?\n[ \"$before\" = \"$({look})\" ] || {{ {look} >&2; exit 99; }}; exit $status"
    );
    sandbox
        .command(unshare)
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .arg(script)
        .env(
            "TARE",
            format!(
                "{} --root {}",
                sandbox.program().display(),
                sandbox.root.display()
            ),
        )
        .output()
}

/// What `meddle` says of a file that cannot be changed.
fn unchanged(path: &str) -> String {
    format!("{path}: chmod=EROFS chown=EROFS utimes=EROFS setxattr=EROFS")
}

fn privileged_masked_files_and_standard_streams() {
    let sandbox = Sandbox::new();
    let bundle = with_capabilities(sandbox.bundle().writable())
        .push("/linux/maskedPaths", json!("/etc/masked"))
        .push("/linux/maskedPaths", json!("/etc/hidden"));
    fs::write(bundle.rootfs().join("etc/masked"), "secret").unwrap();
    fs::create_dir(bundle.rootfs().join("etc/hidden")).unwrap();
    let masked = ["/proc/keys", "/etc/masked", "/etc/hidden"];
    let bundle = bundle.probe(&format!(
        "meddle {} -- cat /etc/masked -- open /etc/masked rw -- readlink /proc/self/fd/0 -- meddle /proc/self/fd/0 -- meddle /dev/null",
        masked.join(" ")
    ));
    let run = format!(
        "$TARE run --bundle {} {}",
        bundle.path.display(),
        sandbox.id("a")
    );
    let seen = in_frame(&sandbox, &run).exits(0);
    for path in masked {
        assert!(seen.stdout.contains(&unchanged(path)), "{}", seen.stdout);
    }
    // It still is a null device; and the container's own may be changed, as much as the container likes.
    let seen = seen
        .prints("open /etc/masked: ok\n/dev/null\n")
        .prints("/dev/null: chmod=ok chown=ok utimes=ok");
    assert!(!seen.stdout.contains("secret"), "{}", seen.stdout);
    assert_eq!(
        fs::read_to_string(bundle.rootfs().join("etc/masked")).unwrap(),
        "secret"
    );
}

fn privileged_standard_streams_of_exec() {
    let sandbox = Sandbox::new();
    let bundle = with_capabilities(sandbox.bundle()).probe("sleep 1000");
    let id = sandbox.id("a");
    let script = format!(
        "$TARE create --bundle {} {id} >/dev/null 2>&1 && $TARE start {id} || exit 3
        $TARE exec {id} /bin/probe meddle /proc/self/fd/0 -- readlink /proc/self/fd/0
        status=$?; $TARE delete --force {id}; (exit $status)",
        bundle.path.display()
    );
    in_frame(&sandbox, &script)
        .exits(0)
        .prints("/proc/self/fd/0: chmod=ok")
        .prints("\n/dev/null\n");
}

/// Where device nodes cannot be made, those of the host are bound: also where host root is mapped they do not change.
fn privileged_bound_devices_of_a_user_namespace() {
    let sandbox = Sandbox::new();
    let maps = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
    let paths: Vec<String> = DEVICES
        .iter()
        .map(|(name, ..)| format!("/dev/{name}"))
        .collect();
    let all = format!("{} /proc/keys /proc/self/fd/0", paths.join(" "));
    let bundle = with_capabilities(sandbox.bundle())
        .push("/linux/namespaces", json!({"type": "user"}))
        .set("/linux/uidMappings", maps.clone())
        .set("/linux/gidMappings", maps)
        .probe(&format!(
            "meddle {all} -- open /dev/null rw -- open /dev/zero rw"
        ));
    let run = format!(
        "$TARE run --bundle {} {}",
        bundle.path.display(),
        sandbox.id("a")
    );
    let seen = in_frame(&sandbox, &run);
    for path in all.split(' ').filter(|path| *path != "/dev/tty") {
        assert!(
            seen.stdout.contains(&unchanged(path)),
            "{}{}",
            seen.stdout,
            seen.stderr
        );
    }
    seen.prints("open /dev/null: ok")
        .prints("open /dev/zero: ok");
}

/// Reading and writing ends of a pipe, a FIFO with a name, a socket, a file: who owns them afterwards.
fn privileged_pipes_are_the_users_and_nothing_else_is() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .probe("open /proc/self/fd/1 w");
    let folder = sandbox.folder("streams");
    let fifo = folder.join("fifo");
    nix::unistd::mkfifo(&fifo, Mode::from_bits_truncate(0o600)).unwrap();
    let open = |path| {
        fs::File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    };
    let (reader, writer) = std::io::pipe().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let pty = nix::pty::openpty(None, None).unwrap();
    let streams: [(&str, fs::File, u32); 5] = [
        ("a pipe", std::os::fd::OwnedFd::from(writer).into(), 1000),
        ("a FIFO", open(&fifo).unwrap(), 0),
        ("a file", open(&folder.join("file")).unwrap(), 0),
        ("a socket", std::os::fd::OwnedFd::from(theirs).into(), 0),
        ("a terminal", pty.slave.into(), 0),
    ];
    for (index, (what, stream, owner)) in streams.iter().enumerate() {
        let before = stream.metadata().unwrap();
        sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id(&index.to_string()))
            .standard(stream)
            .output();
        let after = stream.metadata().unwrap();
        assert_eq!(after.uid(), *owner, "{what}");
        assert_eq!(
            (after.gid(), after.mode()),
            (before.gid(), before.mode()),
            "{what}"
        );
    }
    drop((reader, ours));
}

/// Root of a user namespace cannot give away what belongs to those outside; the runtime does.
fn privileged_pipes_in_user_namespaces() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .in_user_namespace(65536)
        .set("/process/user", json!({"uid": 33, "gid": 33}));
    fs::set_permissions(&bundle.path, fs::Permissions::from_mode(0o755)).unwrap();
    let (run, id) = (sandbox.id("run"), sandbox.id("a"));
    // `cat` at the other end makes each of the three streams a pipe.
    let open = "open /proc/self/fd/1 w -- open /proc/self/fd/2 w";
    let path = bundle.probe(open).path;
    let script = format!(
        "true | $TARE run --bundle {path} {run} 2>&1 | cat
        sed -i 's/\"open\",.*\"w\"\\]/\"sleep\",\"1000\"]/' {path}/config.json
        $TARE run --detach --bundle {path} {id} </dev/null >/dev/null 2>&1 || exit 3
        true | $TARE exec {id} /bin/probe {open} 2>&1 | cat
        true | $TARE exec --user 44 {id} /bin/probe {open} 2>&1 | cat
        $TARE delete --force {id}",
        path = path.display()
    );
    let seen = in_frame(&sandbox, &script).exits(0);
    let opened = "open /proc/self/fd/1: ok\nopen /proc/self/fd/2: ok\n";
    assert_eq!(seen.stdout, opened.repeat(3), "{}", seen.stderr);
}

/// A caller's null device is not left to a container that has none of its own, or has made something else of it.
fn privileged_own_null_device_is_needed() {
    let sandbox = Sandbox::new();
    let bundle =
        with_capabilities(sandbox.bundle()).probe("rm /dev/null -- echo removed -- sleep 1000");
    let container = sandbox.detach(&bundle, "a");
    container.wait_for("removed");
    container
        .exec("true")
        .fails_with(255, &["/dev/null", "openat2", "standard streams"]);
    let call = container.call("exec", &[] as &[&str]).input("");
    call.args(["/bin/probe", "true"]).output().ok();
}
