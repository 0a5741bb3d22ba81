//! A shim of its own for each test, called as containerd 2.3 calls it, by somebody who plays containerd: the client is that of the
//! crate `ttrpc`, which knows nothing of the server under test.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

#[path = "../../../libcontainer/examples/busybox/root.rs"]
pub(crate) mod root;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use containerd_shim_protos::api::*;
use containerd_shim_protos::bootstrap_api::{BootstrapParams, BootstrapResult};
use containerd_shim_protos::ttrpc::{self, Client, Request, Response, context};
use protobuf::well_known_types::any::Any;
use protobuf::{Message, MessageField};
use root::Root;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_containerd-shim-tare-v2");

/// Whether a test is skipped, and why.
pub(crate) fn skipped(name: &str) -> bool {
    skipped_if(name, root::missing())
}

/// Says why a test is skipped, past the capture of test output, so that it can be counted.
pub(crate) fn skipped_if(name: &str, missing: Option<&str>) -> bool {
    if let Some(why) = missing {
        let line = format!("skipped: {name}: {why}\n");
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
    missing.is_some()
}

/// A shim and its containers.
pub(crate) struct Shim {
    pub(crate) root: Root,
    pub(crate) name: String,
    pub(crate) address: PathBuf,
    pub(crate) task: containerd_shim_protos::TaskClient,
    /// Topics and messages, in the order in which they came.
    pub(crate) events: Mutex<Receiver<(String, Any)>>,
}

impl Shim {
    pub(crate) fn start(test: &str) -> Shim {
        let root = Root::new(&format!("shim-{test}")).unwrap();
        let name = format!("{test}-{}", std::process::id());
        let events = listen_for_events(&root.folder().join("events"));
        fs::create_dir_all(root.folder().join(&name)).unwrap();
        let address = start(&root, &name);
        let client = Client::connect(&format!("unix://{}", address.display())).unwrap();
        Shim {
            task: containerd_shim_protos::TaskClient::new(client),
            root,
            name,
            address,
            events: Mutex::new(events),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.task
            .connect(short(), &ConnectRequest::new())
            .unwrap()
            .shim_pid
    }

    pub(crate) fn bundle(&self, id: &str) -> PathBuf {
        self.root.folder().join(format!("bundle-{id}"))
    }

    pub(crate) fn fifo(&self, name: &str) -> String {
        let path = self.root.folder().join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// A request to create a container that runs this line, without streams.
    pub(crate) fn request(&self, id: &str, line: &str) -> CreateTaskRequest {
        let bundle = self.bundle(id);
        fs::create_dir_all(&bundle).unwrap();
        let config = serde_json::json!({
            "ociVersion": "1.0.2",
            "process": process(line),
            "root": {"path": self.root.rootfs(), "readonly": false},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                       {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}],
            "linux": {
                "cgroupsPath": format!("/tare-shim-{}/{id}", self.name),
                "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}],
            },
        });
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        let mut request = CreateTaskRequest::new();
        request.id = id.to_owned();
        request.bundle = bundle.to_string_lossy().into_owned();
        request.options = MessageField::some(self.options());
        request
    }

    /// The containers' state is in the test's folder, too.
    pub(crate) fn options(&self) -> Any {
        let mut options = containerd_shim_protos::shim::oci::Options::new();
        options.root = self.root.state().to_string_lossy().into_owned();
        any(
            "containerd.runc.v1.Options",
            &options.write_to_bytes().unwrap(),
        )
    }

    pub(crate) fn create(&self, id: &str, line: &str) -> ttrpc::Result<CreateTaskResponse> {
        self.task.create(long(), &self.request(id, line))
    }

    pub(crate) fn run(&self, id: &str, line: &str) -> u32 {
        self.create(id, line).unwrap();
        self.begin(id, "").unwrap()
    }

    pub(crate) fn begin(&self, id: &str, exec: &str) -> ttrpc::Result<u32> {
        let mut request = StartRequest::new();
        request.id = id.to_owned();
        request.exec_id = exec.to_owned();
        self.task.start(long(), &request).map(|answer| answer.pid)
    }

    pub(crate) fn exec_request(&self, id: &str, exec: &str, line: &str) -> ExecProcessRequest {
        let mut request = ExecProcessRequest::new();
        request.id = id.to_owned();
        request.exec_id = exec.to_owned();
        let kind = "types.containerd.io/opencontainers/runtime-spec/1/Process";
        request.spec = MessageField::some(any(kind, process(line).to_string().as_bytes()));
        request
    }

    /// Adds a process and starts it.
    pub(crate) fn exec(&self, id: &str, exec: &str, line: &str) -> u32 {
        self.task
            .exec(short(), &self.exec_request(id, exec, line))
            .unwrap();
        self.begin(id, exec).unwrap()
    }

    pub(crate) fn wait(&self, id: &str, exec: &str) -> u32 {
        let mut request = WaitRequest::new();
        request.id = id.to_owned();
        request.exec_id = exec.to_owned();
        self.task.wait(long(), &request).unwrap().exit_status
    }

    pub(crate) fn kill(&self, id: &str, exec: &str, signal: u32) -> ttrpc::Result<()> {
        let mut request = KillRequest::new();
        request.id = id.to_owned();
        request.exec_id = exec.to_owned();
        request.signal = signal;
        self.task.kill(long(), &request).map(drop)
    }

    pub(crate) fn delete(&self, id: &str, exec: &str) -> ttrpc::Result<DeleteResponse> {
        let mut request = DeleteRequest::new();
        request.id = id.to_owned();
        request.exec_id = exec.to_owned();
        self.task.delete(long(), &request)
    }

    /// Ends a container and removes it.
    #[track_caller]
    pub(crate) fn end(&self, id: &str) {
        self.kill(id, "", 9).unwrap();
        assert_eq!(self.wait(id, ""), 137);
        self.delete(id, "").unwrap();
    }

    pub(crate) fn status(&self, id: &str) -> Status {
        let mut request = StateRequest::new();
        request.id = id.to_owned();
        self.task.state(short(), &request).unwrap().status.unwrap()
    }

    /// The topics of the next events.
    pub(crate) fn topics(&self, count: usize) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let next = || {
            events
                .recv_timeout(Duration::from_secs(10))
                .map(|(topic, _)| topic)
        };
        (0..count)
            .map(|_| next().unwrap_or_else(|_| "none".to_owned()))
            .collect()
    }

    /// `delete`, as after the shim's death.
    pub(crate) fn clean_up(&self, id: &str) -> DeleteResponse {
        let output = Command::new(PROGRAM)
            .args(["-namespace", "test", "-id", id, "-bundle"])
            .arg(self.bundle(id))
            .arg("delete")
            .current_dir(self.bundle(id))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        DeleteResponse::parse_from_bytes(&output.stdout).unwrap()
    }

    /// Memory of its own in KiB, without the program's file, which all shims share, threads, and open descriptors.
    pub(crate) fn uses(&self) -> (u64, usize, usize) {
        let folder = PathBuf::from(format!("/proc/{}", self.pid()));
        let rollup = fs::read_to_string(folder.join("smaps_rollup")).unwrap();
        let own = rollup.lines().filter(|line| line.starts_with("Anonymous:"));
        let own = own
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum();
        let count = |name: &str| fs::read_dir(folder.join(name)).unwrap().count();
        (own, count("task"), count("fd"))
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        if let Ok(answer) = self.task.connect(short(), &ConnectRequest::new()) {
            let pid = nix::unistd::Pid::from_raw(answer.shim_pid as i32);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        // What a test has left when it failed.
        let ids = fs::read_dir(self.root.state().join("test"))
            .into_iter()
            .flatten();
        for id in ids.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            let _ = Command::new(PROGRAM)
                .args(["-namespace", "test", "-id", &id, "-bundle"])
                .arg(self.bundle(&id))
                .arg("delete")
                .output();
        }
        for hierarchy in fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = fs::remove_dir(hierarchy.path().join(format!("tare-shim-{}", self.name)));
        }
        let _ = fs::remove_dir(format!("/sys/fs/cgroup/tare-shim-{}", self.name));
    }
}

/// Calls `start` with a message, as containerd 2.3 does.
fn start(root: &Root, name: &str) -> PathBuf {
    let mut params = BootstrapParams::new();
    params.instance_id = name.to_owned();
    params.namespace = "test".to_owned();
    params.containerd_ttrpc_address = root.folder().join("events").to_string_lossy().into_owned();
    params.containerd_grpc_address = root.folder().join("grpc").to_string_lossy().into_owned();
    params.socket_dir = Some(root.folder().to_string_lossy().into_owned());
    let mut child = Command::new(PROGRAM)
        .args([
            "-namespace",
            "test",
            "-id",
            name,
            "-address",
            "/nowhere",
            "-publish-binary",
            "containerd",
            "start",
        ])
        .current_dir(root.folder().join(name))
        // The C library of the shipped program has one heap; this one would make one for each thread.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&params.write_to_bytes().unwrap())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer = BootstrapResult::parse_from_bytes(&output.stdout).unwrap();
    assert_eq!((answer.version, answer.protocol.as_str()), (3, "ttrpc"));
    PathBuf::from(answer.address.strip_prefix("unix://").unwrap())
}

/// A service that takes events, as containerd has one.
pub(crate) fn listen_for_events(path: &Path) -> Receiver<(String, Any)> {
    let listener = UnixListener::bind(path).unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            std::thread::spawn(move || while take_event(&socket, &sender).is_some() {});
        }
    });
    receiver
}

fn take_event(
    mut socket: &UnixStream,
    sender: &std::sync::mpsc::Sender<(String, Any)>,
) -> Option<()> {
    let mut header = [0; 10];
    socket.read_exact(&mut header).ok()?;
    let mut message = vec![0; u32::from_be_bytes(header[..4].try_into().unwrap()) as usize];
    socket.read_exact(&mut message).ok()?;
    let request = Request::parse_from_bytes(&message).unwrap();
    assert_eq!(request.method, "Forward");
    let envelope = ForwardRequest::parse_from_bytes(&request.payload)
        .unwrap()
        .envelope
        .unwrap();
    assert_eq!(envelope.namespace, "test");
    sender
        .send((envelope.topic, envelope.event.unwrap()))
        .ok()?;
    let answer = Response::new().write_to_bytes().unwrap();
    let mut frame = (answer.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&header[4..8]);
    frame.extend_from_slice(&[2, 0]);
    frame.extend_from_slice(&answer);
    socket.write_all(&frame).ok()
}

pub(crate) fn any(kind: &str, value: &[u8]) -> Any {
    let mut any = Any::new();
    any.type_url = kind.to_owned();
    any.value = value.to_vec();
    any
}

pub(crate) fn process(line: &str) -> serde_json::Value {
    serde_json::json!({"args": ["/bin/sh", "-c", line], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
}

pub(crate) fn short() -> context::Context {
    context::with_duration(Duration::from_secs(10))
}

pub(crate) fn long() -> context::Context {
    context::with_duration(Duration::from_secs(120))
}

/// Code and text of a call that was refused.
pub(crate) fn refused<T: std::fmt::Debug>(answer: ttrpc::Result<T>) -> (ttrpc::Code, String) {
    match answer {
        Err(ttrpc::Error::RpcStatus(status)) => (status.code(), status.message),
        other => panic!("{other:?}"),
    }
}

/// Within ten seconds it is so.
pub(crate) fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
