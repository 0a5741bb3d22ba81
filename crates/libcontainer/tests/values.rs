//! What goes into the library and comes out of it as values: configs, limits, statistics, states, events, errors.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod sandbox;

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sandbox::{Sandbox, read, shell};
use tare_libcontainer::{
    Bundle, Config, Console, ConsoleSocket, Container, CreateOptions, Error, ErrorKind, Exit,
    Process, Resources, StateReport, Status, Stdio, Store, Streams, TerminalSize, cgroups,
};

fn sendable<T: Send + Sync>() {}

#[test]
fn everything_can_be_shared_between_threads() {
    sendable::<Container>();
    sendable::<Process>();
    sendable::<Store>();
    sendable::<Bundle>();
    sendable::<Error>();
    sendable::<cgroups::Watch>();
}

fn piped() -> CreateOptions {
    let mut options = CreateOptions::default();
    options.streams = Streams::null();
    options.streams.stdout = Stdio::Piped;
    options
}

#[test]
fn a_config_made_in_code_runs() {
    let Some(sandbox) = Sandbox::new("config") else {
        return;
    };
    let shown = sandbox.path.join("shown");
    std::fs::create_dir(&shown).unwrap();
    std::fs::write(shown.join("file"), "seen").unwrap();
    let line =
        "echo $A; id -u; pwd; hostname; cat /shown/file; ls /proc/self/fd >/dev/null && ulimit -n";
    let config = Config::default_for(
        sandbox.path.join("rootfs"),
        ["/bin/busybox", "sh", "-c", line],
    )
    .env("A", "x")
    .env("A", "b=c")
    .env("PATH", "/bin")
    .user(7, 8)
    .cwd("/tmp")
    .hostname("made-in-code")
    .bind(shown.to_str().unwrap(), "/shown", &["ro"])
    .without_mount("/dev/mqueue")
    .without_mount("/sys")
    .rlimit("RLIMIT_NOFILE", 64, 64)
    .annotation("k", "v")
    .resources(Resources::new().pids(20));
    let bundle = Bundle::of(&config).unwrap();
    assert_eq!(bundle.directory(), sandbox.path.join("rootfs"));
    let id = sandbox.id("a");
    let mut created = Container::run(&sandbox.store, &id, &bundle, piped()).unwrap();
    let said = read(created.process.stdout.take());
    assert_eq!(said, "b=c\n7\n/tmp\nmade-in-code\nseen64\n");
    assert_eq!(created.process.wait().unwrap(), Exit::Code(0));
    let state = created.container.state().unwrap();
    assert_eq!(state.annotations, [("k".to_owned(), "v".to_owned())]);
    created.container.remove(false).unwrap();

    let empty = Config::default_for("", ["x"]);
    assert!(matches!(
        Bundle::of(&empty),
        Err(Error::Argument { name: "rootfs", .. })
    ));
}

#[test]
fn a_root_can_be_opened_before() {
    let Some(sandbox) = Sandbox::new("root") else {
        return;
    };
    let root = std::fs::File::open(sandbox.path.join("rootfs")).unwrap();
    let config = Config::default_for("/nonexistent", ["/bin/busybox", "ls", "/"]);
    let bundle = Bundle::of(&config).unwrap().with_root(root);
    // It may have another name by then.
    std::fs::rename(sandbox.path.join("rootfs"), sandbox.path.join("moved")).unwrap();
    let run = |bundle: &Bundle| Container::run(&sandbox.store, &sandbox.id("a"), bundle, piped());
    let mut created = run(&bundle).unwrap();
    let said = read(created.process.stdout.take());
    assert!(said.contains("tmp"), "{said}");
    assert_eq!(created.process.wait().unwrap(), Exit::Code(0));
    created.container.remove(false).unwrap();

    let bundle = Bundle::of(&config).unwrap();
    let gone = sandbox.path.join("gone");
    std::fs::create_dir(&gone).unwrap();
    let gone = std::fs::File::open(&gone).unwrap();
    std::fs::remove_dir(sandbox.path.join("gone")).unwrap();
    let file = std::fs::File::open(sandbox.path.join("moved/bin/busybox")).unwrap();
    let host = std::fs::File::open("/").unwrap();
    for wrong in [gone, file, host] {
        let error = run(&bundle.clone().with_root(wrong)).unwrap_err();
        assert!(
            matches!(error, Error::Argument { name: "root", .. }),
            "{error}"
        );
    }
    assert_eq!(sandbox.store.ids().unwrap(), [""; 0]);
}

#[test]
fn limits_statistics_and_states_are_values() {
    let Some(sandbox) = Sandbox::new("limits") else {
        return;
    };
    let created = sandbox.idle("a");
    let container = &created.container;
    let before = container.stats().unwrap();
    container
        .update(&Resources::new().pids(17).cpu_shares(512))
        .unwrap();
    let stats = container.stats().unwrap();
    assert_eq!(stats.pids.limit, 17);
    assert_ne!(before.pids.limit, 17);
    let text = serde_json::to_string(&stats).unwrap();
    assert_eq!(
        serde_json::from_str::<cgroups::Stats>(&text).unwrap(),
        stats
    );
    let wrong = container
        .update(&Resources::new().memory_bytes(-7))
        .unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidConfig, "{wrong}");
    assert!(
        wrong.to_string().contains("linux.resources.memory.limit"),
        "{wrong}"
    );
    let misspelt = Resources::from_json(r#"{"memori":{}}"#).unwrap_err();
    assert_eq!(misspelt.kind(), ErrorKind::InvalidConfig);

    let state = container.state().unwrap();
    assert_eq!(state.status, Status::Running);
    let text = serde_json::to_string(&state).unwrap();
    assert!(text.contains(r#""status":"running""#), "{text}");
    assert_eq!(serde_json::from_str::<StateReport>(&text).unwrap(), state);
    let processes = container.processes().unwrap();
    assert!(processes.contains(&created.process.pid()), "{processes:?}");

    container.pause().unwrap();
    assert_eq!(container.status().unwrap(), Status::Paused);
    container.resume().unwrap();
}

#[test]
fn events_are_a_descriptor() {
    let Some(sandbox) = Sandbox::new("events") else {
        return;
    };
    let created = sandbox.idle("a");
    let mut events = created.container.events().unwrap();
    let mut watch = [PollFd::new(events.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut watch, PollTimeout::ZERO).unwrap(), 0);
    assert_eq!(events.events().unwrap().oom, 0);
}

#[test]
fn terminals_arrive_at_a_socket() {
    let Some(sandbox) = Sandbox::new("console") else {
        return;
    };
    let path = sandbox.path.join("console");
    let socket = ConsoleSocket::bind(&path).unwrap();
    assert!(ConsoleSocket::bind(&path).is_err());
    let created = sandbox.idle("a");
    let mut request = shell("stty size");
    request.terminal = true;
    request.console = Some(Console::Socket(path.clone()));
    let process = created.container.exec(request).unwrap();
    let mut watch = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let second = PollTimeout::try_from(Duration::from_secs(1)).unwrap();
    assert_eq!(poll(&mut watch, second).unwrap(), 1);
    let terminal = socket.receive().unwrap();
    terminal
        .set_size(TerminalSize {
            rows: 3,
            columns: 4,
        })
        .unwrap();
    assert_eq!(process.wait().unwrap(), Exit::Code(0));
    drop(socket);
    assert!(!path.exists());
}

#[test]
fn errors_have_kinds_and_sources() {
    use std::error::Error as _;

    let store = Store::open("/nonexistent/store").unwrap();
    let missing = Container::open(&store, "a").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.source().is_none());
    let bundle = Bundle::from_text("/nonexistent", "{".to_owned());
    let broken = bundle.spec().unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::InvalidConfig);
    assert!(broken.source().is_some());
    let absent = Bundle::load("/nonexistent").unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::System);
    assert!(absent.source().unwrap().is::<std::io::Error>());
    for id in ["", "a/b", "..", "ü"] {
        let error = Container::create(&store, id, &bundle, CreateOptions::default());
        assert_eq!(
            error.unwrap_err().kind(),
            ErrorKind::InvalidArgument,
            "{id:?}"
        );
        assert_eq!(
            Container::open(&store, id).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
}
