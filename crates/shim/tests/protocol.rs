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
    shim.kill("one", "", 9).unwrap();
    assert_eq!(shim.wait("one", ""), 137);
    shim.delete("one", "").unwrap();
}

fn any_byte() -> impl Strategy<Value = u8> {
    proptest::arbitrary::any::<u8>()
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
