//! What containerd and others may send: every call is answered, with a clear line where it is wrong, and the shim lives on.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod harness;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use containerd_shim_protos::api::*;
use containerd_shim_protos::ttrpc::Code;
use harness::{Shim, any, long, refused, short, skipped};
use proptest::prelude::*;
use protobuf::MessageField;

#[test]
fn calls_that_are_wrong_are_refused_with_a_reason() {
    if skipped("calls_that_are_wrong_are_refused_with_a_reason") {
        return;
    }
    let shim = Shim::start("wrong");
    let missing = |text: &str| (Code::NOT_FOUND, text.to_owned());
    let text = "container x does not exist";
    assert_eq!(refused(shim.begin("x", "")), missing(text));
    assert_eq!(refused(shim.delete("x", "")), missing(text));
    assert_eq!(refused(shim.kill("x", "", 9)), missing(text));
    assert_eq!(
        refused(
            shim.task
                .exec(short(), &shim.exec_request("x", "e", "true"))
        ),
        missing(text)
    );
    shim.run("one", "sleep 1000");
    assert_eq!(
        refused(shim.create("one", "true")),
        (
            Code::ALREADY_EXISTS,
            "container one exists already".to_owned()
        )
    );
    assert_eq!(refused(shim.begin("one", "")).0, Code::FAILED_PRECONDITION);
    assert_eq!(
        refused(shim.delete("one", "")),
        (
            Code::FAILED_PRECONDITION,
            "cannot delete a running process".to_owned()
        )
    );
    assert_eq!(
        refused(shim.begin("one", "e")),
        missing("process e does not exist in container one")
    );
    let mut exec = shim.exec_request("one", "e", "true");
    exec.spec = MessageField::some(any("x.Other", b"{}"));
    let (code, text) = refused(shim.task.exec(short(), &exec));
    assert_eq!(
        (code, &*text),
        (
            Code::INVALID_ARGUMENT,
            "spec is of type x.Other: a Process of the runtime specification is wanted"
        )
    );
    let mut create = shim.request("two", "true");
    create.options = MessageField::some(any("x.Options", b""));
    let (code, text) = refused(shim.task.create(long(), &create));
    assert_eq!(
        (code, &*text),
        (
            Code::INVALID_ARGUMENT,
            "options of type x.Options are not known: containerd.runc.v1.Options are"
        )
    );
    let mut update = UpdateTaskRequest::new();
    update.id = "one".to_owned();
    assert_eq!(
        refused(shim.task.update(short(), &update)),
        (Code::INVALID_ARGUMENT, "resources is missing".to_owned())
    );
    // What is wrong is nothing that was done: all of it can be done now.
    shim.create("two", "true").unwrap();
    shim.begin("two", "").unwrap();
    assert_eq!(shim.wait("two", ""), 0);
    shim.delete("two", "").unwrap();
    shim.kill("one", "", 9).unwrap();
    assert_eq!(shim.wait("one", ""), 137);
    assert_eq!(refused(shim.kill("one", "", 9)).0, Code::NOT_FOUND);
    shim.delete("one", "").unwrap();
    assert!(!shim.root.state().join("test/one").exists());
}

#[test]
fn a_create_that_fails_leaves_nothing_and_says_why() {
    if skipped("a_create_that_fails_leaves_nothing_and_says_why") {
        return;
    }
    let shim = Shim::start("failing");
    let mut request = shim.request("one", "true");
    let config = shim.bundle("one").join("config.json");
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("/bin/sh", "/bin/missing");
    std::fs::write(&config, text).unwrap();
    let mut mount = Mount::new();
    mount.type_ = "bind".to_owned();
    mount.source = shim.root.rootfs().to_string_lossy().into_owned();
    mount.options = vec!["rbind".to_owned(), "ro".to_owned()];
    request.rootfs = vec![mount];
    let (_, text) = refused(shim.task.create(long(), &request));
    assert!(
        text.starts_with("OCI runtime create failed: ")
            && text.contains("no such file or directory"),
        "{text}"
    );
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(
        !mounts.contains(&*shim.bundle("one").to_string_lossy()),
        "{mounts}"
    );
    std::fs::remove_file(&config).unwrap();
    let (_, text) = refused(shim.task.create(long(), &request));
    assert!(text.contains("config.json not found"), "{text}");
    shim.run("one", "exit 3");
    assert_eq!(shim.wait("one", ""), 3);
}

/// The calls that are about a container.
const ABOUT_A_CONTAINER: [&str; 14] = [
    "State",
    "Start",
    "Delete",
    "Pids",
    "Pause",
    "Resume",
    "Checkpoint",
    "Kill",
    "Exec",
    "ResizePty",
    "CloseIO",
    "Update",
    "Wait",
    "Stats",
];

/// A call with any name and any payload.
fn raw_call(shim: &Shim, method: &str, payload: &[u8]) -> (Code, String) {
    let client = containerd_shim_protos::ttrpc::Client::connect(&format!(
        "unix://{}",
        shim.address.display()
    ));
    let mut request = containerd_shim_protos::ttrpc::Request::new();
    request.service = "containerd.task.v3.Task".to_owned();
    request.method = method.to_owned();
    request.payload = payload.to_vec();
    refused(client.unwrap().request(request))
}

#[test]
fn every_call_says_what_is_wrong_with_it() {
    if skipped("every_call_says_what_is_wrong_with_it") {
        return;
    }
    let shim = Shim::start("each");
    shim.run("one", "sleep 1000");
    let before = shim.uses().2;
    // In all of these messages the first field is the id.
    for method in ABOUT_A_CONTAINER {
        let wanted = (Code::NOT_FOUND, "container x does not exist".to_owned());
        assert_eq!(raw_call(&shim, method, b"\x0a\x01x"), wanted, "{method}");
    }
    for method in ABOUT_A_CONTAINER
        .iter()
        .chain(&["Create", "Connect", "Shutdown"])
    {
        let (code, text) = raw_call(&shim, method, &[255; 9]);
        assert_eq!(code, Code::INVALID_ARGUMENT, "{method}: {text}");
        assert!(text.contains("Request: "), "{method}: {text}");
    }
    // In these the second is the process.
    for method in [
        "State",
        "Start",
        "Delete",
        "Kill",
        "ResizePty",
        "CloseIO",
        "Wait",
    ] {
        let wanted = "process e does not exist in container one".to_owned();
        let answer = raw_call(&shim, method, b"\x0a\x03one\x12\x01e");
        assert_eq!(answer, (Code::NOT_FOUND, wanted), "{method}");
    }
    for method in ["Explode", "state", ""] {
        let text = format!("method {method} of containerd.task.v3.Task is not known");
        assert_eq!(raw_call(&shim, method, b""), (Code::UNIMPLEMENTED, text));
    }
    assert_eq!(shim.status("one"), Status::RUNNING);
    assert!(
        harness::soon(|| shim.uses().2 == before),
        "descriptors are left open"
    );
    shim.end("one");
}

#[test]
fn values_that_are_wrong_are_named() {
    if skipped("values_that_are_wrong_are_named") {
        return;
    }
    let shim = Shim::start("values");
    let invalid = |text: &str| (Code::INVALID_ARGUMENT, text.to_owned());
    let mut nameless = shim.request("two", "true");
    nameless.id = String::new();
    let answer = refused(shim.task.create(long(), &nameless));
    assert_eq!(answer, invalid("the container has no id"));
    for id in ["../two", "a/b", "."] {
        let mut request = shim.request("two", "true");
        request.id = id.to_owned();
        let (code, text) = refused(shim.task.create(long(), &request));
        assert_eq!(code, Code::INVALID_ARGUMENT, "{id}: {text}");
    }
    let mut elsewhere = shim.request("two", "true");
    elsewhere.bundle = shim
        .root
        .folder()
        .join("missing")
        .to_string_lossy()
        .into_owned();
    let (_, text) = refused(shim.task.create(long(), &elsewhere));
    assert!(text.contains("missing"), "{text}");
    for field in ["stdout", "stderr"] {
        let mut request = shim.request("two", "true");
        let path = shim.root.folder().join("no/folder");
        let path = path.to_string_lossy().into_owned();
        match field {
            "stdout" => request.stdout = path.clone(),
            _ => request.stderr = path.clone(),
        }
        let (_, text) = refused(shim.task.create(long(), &request));
        assert!(text.contains(&format!("open {field} {path}: ")), "{text}");
    }
    shim.run("one", "sleep 1000");
    let (code, text) = refused(shim.kill("one", "", 4000));
    assert_eq!(code, Code::INVALID_ARGUMENT, "{text}");
    let exec = |name: &str, kind: &str, value: &[u8]| {
        let mut request = shim.exec_request("one", name, "true");
        request.spec = MessageField::some(any(kind, value));
        refused(shim.task.exec(short(), &request))
    };
    let process = "types.containerd.io/opencontainers/runtime-spec/1/Process";
    assert_eq!(
        exec("", process, b"{}"),
        invalid("the process has no name (exec_id)")
    );
    assert_eq!(exec("e", process, &[255]), invalid("spec is not UTF-8"));
    assert_eq!(exec("e", "", b"{}"), invalid("spec is missing"));
    // What the process is to be is judged when it starts; then it can be deleted.
    for (text, wanted) in [
        ("{", "EOF"),
        ("{\"args\": []}", "user: is required"),
        ("[]", ""),
    ] {
        let mut request = shim.exec_request("one", "e", "true");
        request.spec = MessageField::some(any(process, text.as_bytes()));
        shim.task.exec(short(), &request).unwrap();
        assert_eq!(
            refused(shim.task.exec(short(), &request)),
            (
                Code::ALREADY_EXISTS,
                "process e exists already in container one".to_owned()
            )
        );
        let (_, said) = refused(shim.begin("one", "e"));
        assert!(
            said.starts_with("OCI runtime exec failed: ") && said.contains(wanted),
            "{said}"
        );
        shim.delete("one", "e").unwrap();
    }
    let update = |kind: &str, value: &[u8]| {
        let mut request = UpdateTaskRequest::new();
        request.id = "one".to_owned();
        request.resources = MessageField::some(any(kind, value));
        refused(shim.task.update(short(), &request))
    };
    let resources = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
    assert_eq!(
        update(process, b"{}"),
        invalid(&format!(
            "resources is of type {process}: a LinuxResources of the runtime specification is wanted"
        ))
    );
    assert_eq!(update(resources, &[255]), invalid("resources is not UTF-8"));
    let (_, text) = update(resources, b"{\"memory\": {\"limit\": \"much\"}}");
    assert!(
        text.starts_with("OCI runtime update failed: ") && text.contains("much"),
        "{text}"
    );
    let mut checkpoint = CheckpointTaskRequest::new();
    (checkpoint.id, checkpoint.path) = ("one".to_owned(), "/nowhere".to_owned());
    checkpoint.options = MessageField::some(any("x.Options", b""));
    assert_eq!(
        refused(shim.task.checkpoint(short(), &checkpoint)),
        invalid("options of type x.Options: containerd.runc.v1.CheckpointOptions are wanted")
    );
    let mut options = containerd_shim_protos::shim::oci::CheckpointOptions::new();
    options.cgroups_mode = "hard".to_owned();
    let value = protobuf::Message::write_to_bytes(&options).unwrap();
    checkpoint.options = MessageField::some(any("containerd.runc.v1.CheckpointOptions", &value));
    assert_eq!(
        refused(shim.task.checkpoint(short(), &checkpoint)),
        invalid("cgroups_mode hard is not known")
    );
    // Nothing of all that is left, and everything can be done still.
    let states = std::fs::read_dir(shim.root.state().join("test")).unwrap();
    assert_eq!(states.count(), 1);
    shim.exec("one", "e", "exit 3");
    assert_eq!(shim.wait("one", "e"), 3);
    shim.kill("one", "", 9).unwrap();
    assert_eq!(shim.wait("one", ""), 137);
    let (code, text) = refused(
        shim.task
            .exec(short(), &shim.exec_request("one", "f", "true")),
    );
    assert_eq!(
        (code, &*text),
        (
            Code::FAILED_PRECONDITION,
            "cannot exec in a stopped container"
        )
    );
    shim.delete("one", "").unwrap();
}

fn frame(stream: u32, kind: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = (message.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(&[kind, 0]);
    frame.extend_from_slice(message);
    frame
}

#[test]
fn garbage_changes_nothing() {
    if skipped("garbage_changes_nothing") {
        return;
    }
    let shim = Shim::start("garbage");
    shim.run("one", "sleep 1000");
    let pid = shim.pid();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let names = prop::sample::select(vec![
        "State", "Create", "Start", "Delete", "Pids", "Exec", "Wait", "Stats", "Update", "CloseIO",
        "Other", "",
    ]);
    let services = prop::sample::select(vec![
        "containerd.task.v2.Task",
        "containerd.task.v3.Task",
        "other",
    ]);
    let bytes = || prop::collection::vec(any_byte(), 0..200);
    let input = (bytes(), names, services, bytes(), any_byte());
    runner
        .run(&input, |(raw, method, service, payload, kind)| {
            let mut socket = UnixStream::connect(&shim.address).unwrap();
            let mut request = containerd_shim_protos::ttrpc::Request::new();
            request.service = service.to_owned();
            request.method = method.to_owned();
            request.payload = payload;
            let request = protobuf::Message::write_to_bytes(&request).unwrap();
            socket.write_all(&frame(1, 1, &request)).unwrap();
            socket.write_all(&frame(3, kind, &raw)).unwrap();
            // Perhaps the beginning of a frame that never ends.
            let _ = socket.write_all(&raw);
            Ok(())
        })
        .unwrap();
    assert_eq!(shim.pid(), pid);
    assert_eq!(shim.status("one"), Status::RUNNING);
    // A request that is none is answered, and the connection goes on.
    let mut socket = UnixStream::connect(&shim.address).unwrap();
    for sent in [frame(1, 1, &[255; 9]), frame(3, 1, &vec![0; (4 << 20) + 1])] {
        socket.write_all(&sent).unwrap();
        let mut header = [0; 10];
        socket.read_exact(&mut header).unwrap();
        assert_eq!(header[8], 2);
        let mut answer = vec![0; u32::from_be_bytes(header[..4].try_into().unwrap()) as usize];
        socket.read_exact(&mut answer).unwrap();
    }
    shim.end("one");
}

fn any_byte() -> impl Strategy<Value = u8> {
    proptest::arbitrary::any::<u8>()
}

#[test]
fn clients_that_go_or_do_not_read_are_no_harm() {
    if skipped("clients_that_go_or_do_not_read_are_no_harm") {
        return;
    }
    let shim = Shim::start("clients");
    shim.run("one", "sleep 1000");
    let before = shim.uses();
    let mut request = containerd_shim_protos::ttrpc::Request::new();
    request.service = "containerd.task.v2.Task".to_owned();
    request.method = "State".to_owned();
    request.payload = b"\x0a\x03one".to_vec();
    let whole = frame(1, 1, &protobuf::Message::write_to_bytes(&request).unwrap());
    // In the middle of a frame, at each of its bytes.
    for length in 0..whole.len() {
        let mut socket = UnixStream::connect(&shim.address).unwrap();
        socket.write_all(&whole[..length]).unwrap();
    }
    // One that only asks: what is kept for it has an end, and so has what is taken from it.
    let mut deaf = UnixStream::connect(&shim.address).unwrap();
    deaf.set_write_timeout(Some(std::time::Duration::from_secs(1)))
        .unwrap();
    let many = whole.repeat(1000);
    let mut is_refused = false;
    for _ in 0..200 {
        is_refused = deaf.write_all(&many).is_err();
        if is_refused {
            break;
        }
    }
    assert!(is_refused, "200,000 questions were taken");
    let meanwhile = shim.uses();
    assert!(
        meanwhile.0 < before.0 + 8192,
        "KiB: {before:?} before, {meanwhile:?} with one that does not read"
    );
    assert_eq!(shim.status("one"), Status::RUNNING);
    drop(deaf);
    assert!(
        harness::soon(|| shim.uses().2 == before.2),
        "descriptors are left open"
    );
    shim.end("one");
}

/// The most memory that a shim has had, in KiB.
fn most_memory(shim: &Shim) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", shim.pid())).unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn long_answers_to_short_questions_wait_for_who_reads_them() {
    if skipped("long_answers_to_short_questions_wait_for_who_reads_them") {
        return;
    }
    let shim = Shim::start("amplified");
    shim.run("one", "sleep 1000");
    let mut added = shim.exec_request("one", "e", "true");
    added.stdout = "x".repeat(200 << 10);
    shim.task.exec(short(), &added).unwrap();
    let before = most_memory(&shim);
    let mut request = containerd_shim_protos::ttrpc::Request::new();
    request.service = "containerd.task.v2.Task".to_owned();
    request.method = "State".to_owned();
    request.payload = b"\x0a\x03one\x12\x01e".to_vec();
    let message = protobuf::Message::write_to_bytes(&request).unwrap();
    const ASKED: u32 = 1000;
    let all: Vec<u8> = (0..ASKED)
        .flat_map(|number| frame(number * 2 + 1, 1, &message))
        .collect();
    let mut socket = UnixStream::connect(&shim.address).unwrap();
    socket.write_all(&all).unwrap();
    // It has been served since then.
    assert_eq!(shim.status("one"), Status::RUNNING);
    let meanwhile = most_memory(&shim);
    assert!(
        meanwhile < before + 8192,
        "KiB: {before} before, {meanwhile} with {ASKED} answers that nobody reads"
    );
    // Who reads gets all of them.
    let mut header = [0; 10];
    for number in 0..ASKED {
        socket.read_exact(&mut header).unwrap();
        assert_eq!(header[4..8], (number * 2 + 1).to_be_bytes());
        let length = u32::from_be_bytes(header[..4].try_into().unwrap());
        let mut answer = vec![0; length as usize];
        socket.read_exact(&mut answer).unwrap();
    }
    drop(socket);
    shim.delete("one", "e").unwrap();
    shim.end("one");
}

/// Sets a limit of a shim's, by an option of prlimit(1).
fn limit(shim: &Shim, option: &str) {
    let mut command = std::process::Command::new("prlimit");
    command.arg(format!("--pid={}", shim.pid()));
    let status = command.arg(option).status().unwrap();
    assert!(status.success());
}

/// One container that cannot be made is no reason for the shim of the others to end.
#[test]
fn files_that_may_not_grow_are_an_error() {
    if skipped("files_that_may_not_grow_are_an_error") {
        return;
    }
    let shim = Shim::start("small-files");
    shim.run("one", "sleep 1000");
    limit(&shim, "--fsize=100");
    let (_, text) = refused(shim.create("two", "sleep 1000"));
    assert!(text.contains("file too large"), "{text}");
    assert_eq!(shim.status("one"), Status::RUNNING);
    shim.end("one");
}

/// The processor time that a shim has taken.
fn time_of(shim: &Shim) -> std::time::Duration {
    let text = std::fs::read_to_string(format!("/proc/{}/schedstat", shim.pid())).unwrap();
    let nanoseconds = text.split(' ').next().unwrap();
    std::time::Duration::from_nanos(nanoseconds.parse().unwrap())
}

#[test]
fn those_who_never_speak_are_no_harm() {
    if skipped("those_who_never_speak_are_no_harm") {
        return;
    }
    let shim = Shim::start("silent");
    shim.run("one", "sleep 1000");
    let before = shim.uses();
    limit(&shim, "--nofile=400");
    // More than there are descriptors, half of them with half of a message.
    let half = frame(1, 1, &[0; 100]);
    let silent: Vec<UnixStream> = (0..800)
        .map(|number| {
            let mut socket = UnixStream::connect(&shim.address).unwrap();
            if number % 2 == 1 {
                socket.write_all(&half[..50]).unwrap();
            }
            socket
        })
        .collect();
    // Who speaks is heard, who comes anew, too, and there are descriptors to work with.
    assert_eq!(shim.status("one"), Status::RUNNING);
    let missing = (Code::NOT_FOUND, "container x does not exist".to_owned());
    assert_eq!(raw_call(&shim, "State", b"\x0a\x01x"), missing);
    shim.exec("one", "e", "exit 3");
    assert_eq!(shim.wait("one", "e"), 3);
    shim.delete("one", "e").unwrap();
    let meanwhile = shim.uses();
    assert!(
        meanwhile.0 < before.0 + 1024,
        "KiB: {before:?}, {meanwhile:?}"
    );
    assert!(meanwhile.2 < before.2 + 300, "{before:?}, {meanwhile:?}");
    drop(silent);
    assert!(
        harness::soon(|| shim.uses().2 == before.2),
        "descriptors are left open"
    );
    shim.end("one");
}

#[test]
fn without_descriptors_for_more_the_others_are_served_at_rest() {
    if skipped("without_descriptors_for_more_the_others_are_served_at_rest") {
        return;
    }
    let shim = Shim::start("crowd");
    let pid = shim.pid();
    let connect = containerd_shim_protos::ttrpc::Request {
        service: "containerd.task.v2.Task".to_owned(),
        method: "Connect".to_owned(),
        ..Default::default()
    };
    let connect = frame(1, 1, &protobuf::Message::write_to_bytes(&connect).unwrap());
    limit(&shim, "--nofile=100");
    // All of them have made a call, and so may be anybody.
    let mut speaking: Vec<UnixStream> = Vec::new();
    for _ in 0..200 {
        let mut socket = UnixStream::connect(&shim.address).unwrap();
        socket.write_all(&connect).unwrap();
        speaking.push(socket);
    }
    assert_eq!(shim.pid(), pid);
    let before = time_of(&shim);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let took = time_of(&shim) - before;
    assert!(took.as_millis() < 200, "{took:?} of two seconds");
    // When there is room again, who has waited is let in.
    let last = speaking.pop().unwrap();
    drop(speaking);
    last.set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    (&last).read_exact(&mut [0; 10]).unwrap();
}

#[test]
fn calls_that_are_too_many_are_refused() {
    if skipped("calls_that_are_too_many_are_refused") {
        return;
    }
    let shim = Shim::start("too-many");
    shim.run("one", "sleep 1000");
    let before = shim.uses();
    // Processes that are never started.
    let process = "types.containerd.io/opencontainers/runtime-spec/1/Process";
    let large = vec![b' '; 3 << 20];
    let add = |name: &str| {
        let mut request = shim.exec_request("one", name, "true");
        request.spec = MessageField::some(any(process, &large));
        shim.task.exec(short(), &request)
    };
    let added = (0..20)
        .take_while(|number| add(&format!("e{number}")).is_ok())
        .count();
    assert_eq!(added, 5);
    let (code, text) = refused(add("last"));
    assert_eq!(code, Code::RESOURCE_EXHAUSTED, "{text}");
    for number in 0..added {
        shim.delete("one", &format!("e{number}")).unwrap();
    }
    // What is long can be something else of them, and there can be very many.
    let long = |name: &str| {
        let mut request = shim.exec_request("one", name, "true");
        request.stdout = "x".repeat(3 << 20);
        shim.task.exec(short(), &request)
    };
    let added = (0..20)
        .take_while(|number| long(&format!("e{number}")).is_ok())
        .count();
    assert_eq!(added, 5);
    for number in 0..added {
        shim.delete("one", &format!("e{number}")).unwrap();
    }
    // Those who wait and go do not add up.
    let mut wait = containerd_shim_protos::ttrpc::Request::new();
    wait.service = "containerd.task.v2.Task".to_owned();
    wait.method = "Wait".to_owned();
    wait.payload = b"\x0a\x03one".to_vec();
    let waits = frame(1, 1, &protobuf::Message::write_to_bytes(&wait).unwrap()).repeat(10_000);
    for _ in 0..40 {
        let mut socket = UnixStream::connect(&shim.address).unwrap();
        socket.write_all(&waits).unwrap();
    }
    assert!(
        harness::soon(|| shim.uses().2 == before.2),
        "descriptors are left open"
    );
    let after = shim.uses();
    assert!(after.0 < before.0 + 1024, "KiB: {before:?}, {after:?}");
    shim.end("one");
}

/// Within some seconds a call is answered, whatever it is.
fn in_time<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let begin = std::time::Instant::now();
    let answer = call();
    let took = begin.elapsed();
    assert!(took < std::time::Duration::from_secs(8), "{what}: {took:?}");
    answer
}

#[test]
fn streams_of_any_kind_hold_nobody_up() {
    if skipped("streams_of_any_kind_hold_nobody_up") {
        return;
    }
    let shim = Shim::start("hostile");
    shim.run("one", "sleep 1000");
    let before = shim.uses();
    let folder = shim.root.folder().to_owned();
    let fifo = shim.fifo("fifo");
    let socket = folder.join("a-socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let link = folder.join("link");
    std::os::unix::fs::symlink("link", &link).unwrap();
    let directory = folder.to_string_lossy().into_owned();
    // What is there may be opened or not: the call comes back, and so does the shim's thread.
    let paths = [
        format!("file://{fifo}"),
        socket.to_string_lossy().into_owned(),
        link.to_string_lossy().into_owned(),
        directory.clone(),
        format!("file://{directory}"),
        "/dev/full".to_owned(),
        "/dev/tty".to_owned(),
        "/dev/ptmx".to_owned(),
        "/proc/self/mem".to_owned(),
        "binary:///dev/null".to_owned(),
        "binary://".to_owned(),
        "file://".to_owned(),
        "x".repeat(5000),
        "a\0b".to_owned(),
    ];
    for path in &paths {
        for field in ["stdin", "stdout", "stderr"] {
            let mut request = shim.exec_request("one", "e", "exit 3");
            match field {
                "stdin" => request.stdin = path.clone(),
                "stdout" => request.stdout = path.clone(),
                _ => request.stderr = path.clone(),
            }
            shim.task.exec(short(), &request).unwrap();
            let what = format!("{field} {path:.60}");
            if in_time(&what, || shim.begin("one", "e")).is_ok() {
                assert_eq!(in_time(&what, || shim.wait("one", "e")), 3, "{what}");
            }
            shim.delete("one", "e").unwrap();
        }
    }
    assert!(
        harness::soon(|| (shim.uses().1, shim.uses().2) == (1, before.2)),
        "{before:?}, {:?}",
        shim.uses()
    );
    shim.end("one");
}

#[test]
fn a_container_that_keeps_streams_of_others_holds_nobody_up() {
    if skipped("a_container_that_keeps_streams_of_others_holds_nobody_up") {
        return;
    }
    let shim = Shim::start("keeper");
    // Its first process takes both ends of whatever another one has for its output.
    let line = "while :; do for p in /proc/[0-9]*; do case $p in /proc/1) ;; *) command exec 9<>$p/fd/1;; esac; done; done 2>/dev/null";
    shim.run("one", line);
    let before = shim.uses();
    for number in 0..20 {
        let name = format!("e{number}");
        let mut request = shim.exec_request("one", &name, "echo word; sleep 0.1; exit 4");
        request.stdout = shim.fifo(&format!("out-{number}"));
        shim.task.exec(short(), &request).unwrap();
        in_time("start", || shim.begin("one", &name)).unwrap();
        assert_eq!(in_time("wait", || shim.wait("one", &name)), 4);
        in_time("delete", || shim.delete("one", &name)).unwrap();
    }
    let after = shim.uses();
    assert_eq!((after.1, after.2), (before.1, before.2));
    shim.end("one");
}

#[test]
fn both_versions_of_the_service_are_one() {
    if skipped("both_versions_of_the_service_are_one") {
        return;
    }
    let shim = Shim::start("versions");
    let client = containerd_shim_protos::ttrpc::Client::connect(&format!(
        "unix://{}",
        shim.address.display()
    ))
    .unwrap();
    for (service, code) in [
        ("containerd.task.v2.Task", None),
        ("containerd.task.v3.Task", None),
        ("containerd.task.v4.Task", Some(Code::UNIMPLEMENTED)),
    ] {
        let mut request = containerd_shim_protos::ttrpc::Request::new();
        request.service = service.to_owned();
        request.method = "Connect".to_owned();
        let answer = client.request(request);
        assert_eq!(
            answer.err().map(|error| refused::<()>(Err(error)).0),
            code,
            "{service}"
        );
    }
}
