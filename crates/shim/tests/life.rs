//! Containers' lives: events in order, streams, terminals, and what is left when the shim dies.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod harness;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use containerd_shim_protos::api::*;
use containerd_shim_protos::cgroups::metrics as v1;
use containerd_shim_protos::cgroups_v2::metrics as v2;
use harness::{Shim, long, short, skipped, skipped_if, soon};
use protobuf::Message;

#[test]
fn events_come_in_order() {
    if skipped("events_come_in_order") {
        return;
    }
    let shim = Shim::start("order");
    // A program that ends before its start has been answered.
    for round in 0..10 {
        let id = format!("c{round}");
        shim.run(&id, "exit 5");
        assert_eq!(shim.wait(&id, ""), 5);
        assert_eq!(shim.delete(&id, "").unwrap().exit_status, 5);
        assert_eq!(
            shim.topics(4),
            [
                "/tasks/create",
                "/tasks/start",
                "/tasks/exit",
                "/tasks/delete"
            ]
        );
    }
    shim.run("one", "sleep 1000");
    shim.exec("one", "e", "exit 6");
    assert_eq!(shim.wait("one", "e"), 6);
    assert_eq!(shim.delete("one", "e").unwrap().exit_status, 6);
    assert_eq!(
        shim.topics(5),
        [
            "/tasks/create",
            "/tasks/start",
            "/tasks/exec-added",
            "/tasks/exec-started",
            "/tasks/exit"
        ]
    );
    let mut pause = PauseRequest::new();
    pause.id = "one".to_owned();
    shim.task.pause(long(), &pause).unwrap();
    assert_eq!(shim.status("one"), Status::PAUSED);
    let mut resume = ResumeRequest::new();
    resume.id = "one".to_owned();
    shim.task.resume(long(), &resume).unwrap();
    // Those that are added end with the first one, before it.
    shim.exec("one", "f", "sleep 1000");
    shim.kill("one", "", 9).unwrap();
    assert_eq!(shim.wait("one", ""), 137);
    assert_eq!(
        shim.topics(6),
        [
            "/tasks/paused",
            "/tasks/resumed",
            "/tasks/exec-added",
            "/tasks/exec-started",
            "/tasks/exit",
            "/tasks/exit"
        ]
    );
    assert_eq!(shim.wait("one", "f"), 137);
    shim.delete("one", "").unwrap();
}

#[test]
fn one_that_has_ended_is_not_taken_for_lost() {
    if skipped("one_that_has_ended_is_not_taken_for_lost") {
        return;
    }
    let shim = Shim::start("ended");
    let pid = shim.run("one", "exit 4");
    assert_eq!(shim.wait("one", ""), 4);
    let mut request = PidsRequest::new();
    request.id = "one".to_owned();
    let answer = shim.task.pids(short(), &request).unwrap();
    let pids: Vec<u32> = answer.processes.iter().map(|found| found.pid).collect();
    assert_eq!(pids, [pid]);
    assert_eq!(shim.delete("one", "").unwrap().exit_status, 4);
}

#[test]
fn one_that_was_never_started_can_be_deleted() {
    if skipped("one_that_was_never_started_can_be_deleted") {
        return;
    }
    let shim = Shim::start("unstarted");
    shim.create("one", "true").unwrap();
    assert_eq!(shim.status("one"), Status::CREATED);
    assert_eq!(shim.delete("one", "").unwrap().exit_status, 137);
    assert_eq!(
        shim.topics(3),
        ["/tasks/create", "/tasks/exit", "/tasks/delete"]
    );
    shim.create("one", "true").unwrap();
    shim.end("one");
}

#[test]
fn the_program_has_the_fifos_themselves() {
    if skipped("the_program_has_the_fifos_themselves") {
        return;
    }
    let shim = Shim::start("fifos");
    let mut request = shim.request(
        "one",
        "cat; echo error >&2; echo again >/dev/stdout; readlink /proc/self/fd/1",
    );
    (request.stdin, request.stdout, request.stderr) =
        (shim.fifo("in"), shim.fifo("out"), shim.fifo("err"));
    let (input, output, errors) = (
        request.stdin.clone(),
        request.stdout.clone(),
        request.stderr.clone(),
    );
    shim.task.create(long(), &request).unwrap();
    shim.begin("one", "").unwrap();
    let mut first = File::options().write(true).open(&input).unwrap();
    first.write_all(b"line\n").unwrap();
    drop(first);
    // Whoever writes may go and come again: the program does not see an end before it is said.
    std::thread::sleep(Duration::from_millis(100));
    File::options()
        .write(true)
        .open(&input)
        .unwrap()
        .write_all(b"more\n")
        .unwrap();
    let mut close = CloseIORequest::new();
    close.id = "one".to_owned();
    close.stdin = true;
    shim.task.close_io(short(), &close).unwrap();
    assert_eq!(shim.wait("one", ""), 0);
    // Whoever reads comes after the end, gets all of it, and sees the end.
    let mut seen = String::new();
    File::open(&output)
        .unwrap()
        .read_to_string(&mut seen)
        .unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[..3], ["line", "more", "again"]);
    assert!(lines[3].ends_with("/out"), "{seen}");
    seen.clear();
    File::open(&errors)
        .unwrap()
        .read_to_string(&mut seen)
        .unwrap();
    assert_eq!(seen, "error\n");
    shim.delete("one", "").unwrap();
}

#[test]
fn a_terminal_is_copied_and_has_a_size() {
    if skipped("a_terminal_is_copied_and_has_a_size") {
        return;
    }
    let shim = Shim::start("terminal");
    shim.run("one", "sleep 1000");
    let at_terminal = |name: &str, line: &str| {
        let mut request = shim.exec_request("one", name, line);
        let mut process: serde_json::Value = serde_json::from_slice(&request.spec.value).unwrap();
        process["terminal"] = true.into();
        request.spec.mut_or_insert_default().value = process.to_string().into_bytes();
        (request.stdout, request.terminal) = (shim.fifo(&format!("out-{name}")), true);
        request
    };
    let mut request = at_terminal("e", "read line; echo got $line; stty size; exit 4");
    request.stdin = shim.fifo("in");
    let (input, output) = (request.stdin.clone(), request.stdout.clone());
    shim.task.exec(short(), &request).unwrap();
    shim.begin("one", "e").unwrap();
    let mut resize = ResizePtyRequest::new();
    (resize.id, resize.exec_id) = ("one".to_owned(), "e".to_owned());
    (resize.width, resize.height) = (99, 33);
    shim.task.resize_pty(short(), &resize).unwrap();
    File::options()
        .write(true)
        .open(&input)
        .unwrap()
        .write_all(b"word\n")
        .unwrap();
    let mut seen = String::new();
    File::open(&output)
        .unwrap()
        .read_to_string(&mut seen)
        .unwrap();
    assert_eq!(seen, "word\r\ngot word\r\n33 99\r\n");
    assert_eq!(shim.wait("one", "e"), 4);
    // Much of it: nothing is lost, whatever the pipe holds.
    let request = at_terminal(
        "f",
        "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done",
    );
    let output = request.stdout.clone();
    shim.task.exec(short(), &request).unwrap();
    shim.begin("one", "f").unwrap();
    seen.clear();
    File::open(&output)
        .unwrap()
        .read_to_string(&mut seen)
        .unwrap();
    assert_eq!(seen.lines().count(), 20000);
    assert!(seen.ends_with("line 19999\r\n"));
    assert_eq!(shim.wait("one", "f"), 0);
    let before = shim.uses();
    assert_eq!(before.1, 1, "threads");
    shim.end("one");
}

#[test]
fn logs_go_to_files_and_programs() {
    if skipped("logs_go_to_files_and_programs") {
        return;
    }
    let shim = Shim::start("logs");
    let log = shim.root.folder().join("logs/one.log");
    let mut request = shim.request("one", "echo out; echo error >&2");
    request.stdout = format!("file://{}", log.display());
    request.stderr = request.stdout.clone();
    shim.task.create(long(), &request).unwrap();
    shim.begin("one", "").unwrap();
    shim.wait("one", "");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "out\nerror\n");
    // A program gets output, standard error, and where to say that it is ready.
    let (program, taken) = (
        shim.root.folder().join("logger"),
        shim.root.folder().join("taken"),
    );
    let text = "#!/bin/sh\nexec 5>&-\necho $CONTAINER_NAMESPACE/$CONTAINER_ID $1=$2 >$2\ncat <&3 >>$2\ncat <&4 >>$2\necho end >>$2\n";
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut request = shim.request("two", "echo out; echo error >&2");
    request.stdout = format!("binary://{}?file={}", program.display(), taken.display());
    request.stderr = request.stdout.clone();
    shim.task.create(long(), &request).unwrap();
    shim.begin("two", "").unwrap();
    shim.wait("two", "");
    let wanted = format!("test/two file={}\nout\nerror\nend\n", taken.display());
    assert!(
        soon(|| std::fs::read_to_string(&taken).is_ok_and(|seen| seen == wanted)),
        "{:?}",
        std::fs::read_to_string(&taken)
    );
    let mut request = shim.request("three", "true");
    request.stdout = "binary:///bin/missing".to_owned();
    let (_, text) = harness::refused(shim.task.create(long(), &request));
    assert!(text.contains("start log program /bin/missing"), "{text}");
    shim.delete("one", "").unwrap();
    shim.delete("two", "").unwrap();
}

#[test]
fn two_hundred_at_once() {
    if skipped("two_hundred_at_once") {
        return;
    }
    let shim = Shim::start("many");
    let statuses: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..200)
            .map(|number| {
                let shim = &shim;
                scope.spawn(move || {
                    let id = format!("c{number}");
                    shim.run(&id, &format!("exit {}", number % 100));
                    let status = shim.wait(&id, "");
                    shim.delete(&id, "").unwrap();
                    status
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        statuses
            .iter()
            .zip(0u32..)
            .all(|(status, number)| *status == number % 100),
        "{statuses:?}"
    );
    let (_, threads, descriptors) = shim.uses();
    assert_eq!(threads, 1);
    assert!(descriptors < 20, "{descriptors}");
}

#[test]
fn an_output_that_nobody_reads_holds_nobody_up() {
    if skipped("an_output_that_nobody_reads_holds_nobody_up") {
        return;
    }
    let shim = Shim::start("unread");
    shim.run("one", "sleep 1000");
    let mut before = None;
    for turn in ["first", "second"] {
        let (out, err) = (format!("{turn}-out"), format!("{turn}-err"));
        let mut request = shim.exec_request("one", "e", "while :; do echo 0123456789abcdef; done");
        (request.stdout, request.stderr) = (shim.fifo(&out), shim.fifo(&err));
        shim.task.exec(short(), &request).unwrap();
        shim.begin("one", "e").unwrap();
        // The program waits for room, and nothing else waits.
        std::thread::sleep(Duration::from_millis(200));
        shim.exec("one", "f", "exit 3");
        assert_eq!(shim.wait("one", "f"), 3);
        shim.delete("one", "f").unwrap();
        shim.kill("one", "e", 9).unwrap();
        assert_eq!(shim.wait("one", "e"), 137);
        // Who comes now gets what is there, and the end of it.
        let mut seen = Vec::new();
        File::open(&request.stdout)
            .unwrap()
            .read_to_end(&mut seen)
            .unwrap();
        assert!(seen.len() >= 4096, "{}", seen.len());
        shim.delete("one", "e").unwrap();
        // What looks for readers stays once it was needed, and nothing else.
        let before = *before.get_or_insert_with(|| shim.uses().2);
        assert!(
            soon(|| shim.uses().2 == before),
            "descriptors are left open"
        );
    }
    shim.end("one");
}

#[test]
fn a_start_that_fails_leaves_no_daemon() {
    if skipped("a_start_that_fails_leaves_no_daemon") {
        return;
    }
    let shim = Shim::start("nowhere");
    let bundle = shim.root.folder().join("full");
    // As on a disk that is full: the note about where the daemon is cannot be written.
    std::fs::create_dir_all(bundle.join("address.new")).unwrap();
    let said = start_that_fails(&shim, &bundle, std::process::Stdio::piped());
    assert!(said.starts_with("write address: "), "{said}");
    // Afterwards: nobody is told where it is.
    std::fs::remove_dir(bundle.join("address.new")).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let said = start_that_fails(&shim, &bundle, full.into());
    assert!(said.starts_with("write the answer: "), "{said}");
}

/// `start` for a container of its own, which fails, and what it says. Nothing of it is left.
fn start_that_fails(shim: &Shim, bundle: &std::path::Path, stdout: std::process::Stdio) -> String {
    let id = format!("{}-full", shim.name);
    let sockets = std::path::Path::new("/run/containerd/s");
    let sockets = || {
        let found = std::fs::read_dir(sockets).into_iter().flatten().flatten();
        found
            .map(|entry| entry.file_name())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = sockets();
    let output = std::process::Command::new(harness::PROGRAM)
        .args([
            "-namespace",
            "test",
            "-id",
            &id,
            "-address",
            "/nowhere",
            "start",
        ])
        .current_dir(bundle)
        .stdin(std::process::Stdio::null())
        .stdout(stdout)
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|found| std::fs::read(found.path().join("cmdline")).ok());
    let daemon = lines.find(|line| String::from_utf8_lossy(line).contains(&format!("-id\0{id}\0")));
    assert!(daemon.is_none(), "a daemon runs");
    assert!(sockets().is_subset(&before), "a socket is left");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn statistics_have_the_network_and_what_memory_did() {
    if skipped("statistics_have_the_network_and_what_memory_did") {
        return;
    }
    let shim = Shim::start("stats");
    shim.run("one", "sleep 1000");
    let mut request = StatsRequest::new();
    request.id = "one".to_owned();
    let any = shim.task.stats(long(), &request).unwrap().stats.unwrap();
    let (network, events) = match &*any.type_url {
        "io.containerd.cgroups.v1.Metrics" => {
            let metrics = v1::Metrics::parse_from_bytes(&any.value).unwrap();
            let names: Vec<String> = metrics
                .network
                .iter()
                .map(|found| found.name.clone())
                .collect();
            (names, metrics.memory_oom_control.is_some())
        }
        _ => {
            let metrics = v2::Metrics::parse_from_bytes(&any.value).unwrap();
            let names: Vec<String> = metrics
                .network
                .iter()
                .map(|found| found.name.clone())
                .collect();
            (names, metrics.memory_events.is_some())
        }
    };
    // A network of its own has this interface, and nothing else.
    assert!(network.contains(&"lo".to_owned()), "{network:?}");
    assert!(!network.contains(&"eth0".to_owned()), "{network:?}");
    assert!(events);
    shim.end("one");
}

#[test]
fn a_deletion_that_has_to_wait_takes_no_thread() {
    let name = "a_deletion_that_has_to_wait_takes_no_thread";
    let freezer = std::path::Path::new("/sys/fs/cgroup/freezer");
    let why = "only a freezer of version 1 keeps a process from dying";
    let missing = (!freezer.join("cgroup.procs").exists()).then_some(why);
    if skipped(name) || skipped_if(name, missing) {
        return;
    }
    let shim = Shim::start("waiting");
    let request = shim.request("one", "sleep 1000");
    let config = shim.bundle("one").join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(r#"{"type":"pid"},"#, "")).unwrap();
    shim.task.create(long(), &request).unwrap();
    shim.begin("one", "").unwrap();
    // A process in its cgroup that does not end although it is killed: in a group below, which is frozen.
    let group = freezer.join(format!("tare-shim-{}/one/below", shim.name));
    std::fs::create_dir(&group).unwrap();
    let mut child = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    std::fs::write(group.join("cgroup.procs"), child.id().to_string()).unwrap();
    std::fs::write(group.join("freezer.state"), "FROZEN").unwrap();
    shim.kill("one", "", 9).unwrap();
    shim.wait("one", "");
    std::thread::scope(|scope| {
        let deletion = scope.spawn(|| shim.delete("one", "").map(|answer| answer.exit_status));
        std::thread::sleep(Duration::from_millis(500));
        assert!(!deletion.is_finished(), "{:?}", deletion.join());
        assert!(soon(|| shim.uses().1 == 1), "a thread waits");
        // Others are not kept waiting.
        shim.run("two", "exit 3");
        assert_eq!(shim.wait("two", ""), 3);
        shim.delete("two", "").unwrap();
        std::fs::write(group.join("freezer.state"), "THAWED").unwrap();
        child.wait().unwrap();
        assert_eq!(deletion.join().unwrap().unwrap(), 137);
    });
    assert!(!group.parent().unwrap().exists());
}

/// How often; the whole number takes minutes.
fn rounds() -> usize {
    let wanted = std::env::var("TARE_TEST_EXECS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn many_execs_do_not_add_up() {
    if skipped("many_execs_do_not_add_up") {
        return;
    }
    const WARM: usize = 300;
    let shim = Shim::start("execs");
    shim.run("one", "sleep 1000");
    let round = |number: usize| {
        let name = format!("e{number}");
        shim.exec("one", &name, "exit 1");
        assert_eq!(shim.wait("one", &name), 1);
        shim.delete("one", &name).unwrap();
    };
    eprintln!("execs: KiB, threads, descriptors");
    let mut seen = Vec::new();
    // Ten looks after the first: by then an allocator and threads have what they keep once and for all.
    for look in 0..=10usize {
        let last = rounds() * look / 10;
        let first = rounds() * look.saturating_sub(1) / 10;
        match look {
            0 => (0..WARM).for_each(round),
            _ => (first..last).for_each(|number| round(WARM + number)),
        }
        let uses = shim.uses();
        eprintln!("{}: {uses:?}", WARM + last);
        seen.push(uses);
    }
    let before = seen[0];
    let highest = seen.iter().map(|uses| uses.0).max();
    assert!(highest <= Some(before.0 + 32), "KiB: {seen:?}");
    assert!(
        seen.iter().all(|uses| (uses.1, uses.2) == (1, before.2)),
        "{seen:?}"
    );
    shim.end("one");
}

/// As containerd 2.1 asks for it, for a pod with a user namespace of its own.
#[test]
fn a_root_of_id_mapped_layers() {
    if skipped("a_root_of_id_mapped_layers") {
        return;
    }
    let shim = Shim::start("mapped");
    let mut request = shim.request(
        "one",
        "test $(stat -c %u:%g /bin/busybox) = 0:0 && echo x > /new",
    );
    let config = shim.bundle("one").join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let mut spec: serde_json::Value = serde_json::from_str(&text).unwrap();
    let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(serde_json::json!({"type": "user"}));
    let ids = serde_json::json!([{"containerID": 0, "hostID": 200_000, "size": 65_536}]);
    spec["linux"]["uidMappings"] = ids.clone();
    spec["linux"]["gidMappings"] = ids;
    spec["root"]["path"] = "rootfs".into();
    std::fs::write(&config, spec.to_string()).unwrap();
    let path = |name: &str| shim.root.folder().join(name);
    for name in ["upper", "work"] {
        std::fs::create_dir(path(name)).unwrap();
        std::os::unix::fs::chown(path(name), Some(200_000), Some(200_000)).unwrap();
    }
    let mut mount = Mount::new();
    mount.type_ = "overlay".to_owned();
    mount.source = "overlay".to_owned();
    mount.options = vec![
        "index=off".to_owned(),
        format!("workdir={}", path("work").display()),
        format!("upperdir={}", path("upper").display()),
        format!("lowerdir={}", shim.root.rootfs().display()),
        "uidmap=0:200000:65536".to_owned(),
        "gidmap=0:200000:65536".to_owned(),
    ];
    request.rootfs = vec![mount];
    shim.task.create(long(), &request).unwrap();
    shim.begin("one", "").unwrap();
    assert_eq!(shim.wait("one", ""), 0);
    shim.delete("one", "").unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(
        !mounts.contains(&*shim.bundle("one").to_string_lossy()),
        "{mounts}"
    );
    let new = std::fs::metadata(path("upper/new")).unwrap();
    assert_eq!((new.uid(), new.gid()), (200_000, 200_000));
    let layer = std::fs::metadata(shim.root.rootfs().join("bin/busybox")).unwrap();
    assert_eq!((layer.uid(), layer.gid()), (0, 0));
}

#[test]
fn a_dead_shim_is_cleaned_up_behind_at_any_moment() {
    if skipped("a_dead_shim_is_cleaned_up_behind_at_any_moment") {
        return;
    }
    for delay in [0, 1, 2, 4, 6, 9, 13, 18, 25, 40] {
        let shim = Shim::start(&format!("dead{delay}"));
        let pid = nix::unistd::Pid::from_raw(shim.pid() as i32);
        let mut request = shim.request("one", "sleep 1000 & sleep 1000");
        let mut mount = Mount::new();
        mount.type_ = "bind".to_owned();
        mount.source = shim.root.rootfs().to_string_lossy().into_owned();
        mount.options = vec!["rbind".to_owned()];
        request.rootfs = vec![mount];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if shim.task.create(long(), &request).is_ok() {
                    let _ = shim.begin("one", "");
                }
            });
            std::thread::sleep(Duration::from_millis(delay));
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        });
        let answer = shim.clean_up("one");
        assert_eq!(answer.exit_status, 137);
        let state = shim.root.state().join("test/one");
        assert!(!state.exists(), "{delay} ms: {} is left", state.display());
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(
            !mounts.contains(&*shim.bundle("one").to_string_lossy()),
            "{delay} ms: a mount is left"
        );
        assert!(
            soon(|| cgroups_of(&shim.name).is_empty()),
            "{delay} ms: {:?}",
            cgroups_of(&shim.name)
        );
        // Again, as after a clean end: nothing to do is no error.
        shim.clean_up("one");
    }
}

fn cgroups_of(name: &str) -> Vec<std::path::PathBuf> {
    let tops = std::fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    tops.map(|top| top.join(format!("tare-shim-{name}/one")))
        .filter(|path| path.exists())
        .collect()
}

#[test]
fn events_outlive_containerd() {
    if skipped("events_outlive_containerd") {
        return;
    }
    let mut shim = Shim::start("restart");
    shim.run("one", "sleep 1000");
    assert_eq!(shim.topics(2), ["/tasks/create", "/tasks/start"]);
    // The socket that events went to is gone; another one comes in its place.
    let path = shim.root.folder().join("events");
    std::fs::remove_file(&path).unwrap();
    let first = std::mem::replace(shim.events.get_mut().unwrap(), std::sync::mpsc::channel().1);
    drop(first);
    shim.exec("one", "e", "true");
    assert_eq!(shim.wait("one", "e"), 0);
    std::thread::sleep(Duration::from_millis(300));
    *shim.events.get_mut().unwrap() = harness::listen_for_events(&path);
    shim.end("one");
    let seen = shim.topics(5);
    // The first may have gone to the old one, which has not answered for it.
    assert!(
        seen.ends_with(&[
            "/tasks/exec-started".into(),
            "/tasks/exit".into(),
            "/tasks/exit".into(),
            "/tasks/delete".into()
        ]),
        "{seen:?}"
    );
}
