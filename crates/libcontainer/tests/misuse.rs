//! Every misuse is an error value that names the argument: nothing panics, nothing prints, nothing stays behind.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod sandbox;

use std::fmt::Debug;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sandbox::{Sandbox, children, shell};
use tare_libcontainer::{
    Bundle, CheckpointOptions, Config, Console, ConsoleSocket, Container, CreateOptions, Error,
    ErrorKind, ExecRequest, Exit, GcOptions, ProcessSource, ResctrlShares, Resources,
    RestoreOptions, Status, Stdio, Store, Streams, check, gc, plan_of, seccomp_text, spec,
};

use ErrorKind::{
    AlreadyExists, InvalidArgument, InvalidConfig, NotFound, PermissionDenied, System, Unsupported,
    WrongStatus,
};

/// What went otherwise than it should have gone.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    /// The call has failed as this kind, in words that hold these.
    fn expect<T: Debug>(
        &mut self,
        what: impl Debug,
        kinds: &[ErrorKind],
        words: &str,
        answer: Result<T, Error>,
    ) {
        let found = match answer {
            Err(error) if !kinds.contains(&error.kind()) => format!("{:?}: {error}", error.kind()),
            Err(error) => {
                let said = error.to_string();
                let said = said.replace('_', " ");
                if words
                    .replace('_', " ")
                    .split('|')
                    .all(|word| said.contains(word))
                    && !said.contains('\n')
                {
                    return;
                }
                format!("said: {said}")
            }
            Ok(value) => format!("went well: {value:?}"),
        };
        self.0
            .push(format!("{what:?}, expected {words:?}: {found}"));
    }
}

fn quiet() -> CreateOptions {
    let mut options = CreateOptions::default();
    options.streams = Streams::null();
    options
}

fn images() -> CheckpointOptions {
    let mut options = CheckpointOptions::default();
    options.image_path = "/nowhere/at/all".into();
    options
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The tests of this file look at what this program has: one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// The other test, once more, says nothing but that it went well.
#[test]
fn nothing_is_printed() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "misuse_is_an_error", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    let lines = said.lines().filter(|line| !line.is_empty());
    let own = ["running ", "test ", "skipped: "];
    let others = lines.filter(|line| !own.iter().any(|own| line.starts_with(own)));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(String::from_utf8_lossy(&again.stderr), "");
}

#[test]
fn misuse_is_an_error() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(sandbox) = Sandbox::new("misuse") else {
        return;
    };
    let before = descriptors();
    let mut findings = Findings::default();
    stores(&sandbox, &mut findings);
    bundles(&sandbox, &mut findings);
    configs(&sandbox, &mut findings);
    creations(&sandbox, &mut findings);
    assert_eq!(sandbox.store.ids().unwrap(), [""; 0]);
    running(&sandbox, &mut findings);
    stopped(&sandbox, &mut findings);
    deleted(&sandbox, &mut findings);
    assert_eq!(children(), []);
    let left = std::fs::read_dir(sandbox.store.root()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(descriptors(), before);
    let cgroups = Command::new("find")
        .args([
            "/sys/fs/cgroup",
            "-name",
            &format!("misuse-*-{}", std::process::id()),
        ])
        .output()
        .unwrap();
    assert!(
        cgroups.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&cgroups.stdout)
    );
    assert!(
        findings.0.is_empty(),
        "{}\n{}",
        findings.0.len(),
        findings.0.join("\n")
    );
}

fn stores(sandbox: &Sandbox, findings: &mut Findings) {
    for root in ["", "a\0b", "/a\0"] {
        findings.expect(
            ("store", root),
            &[InvalidArgument],
            "root: ",
            Store::open(root),
        );
    }
    let file = Store::open("/etc/passwd/x").unwrap();
    let bundle = sandbox.config("exit 0", false);
    findings.expect("store in a file", &[System], "/etc/passwd/x", file.ids());
    findings.expect(
        "gc in a file",
        &[System],
        "/etc/passwd/x",
        gc(&file, &GcOptions::default()),
    );
    let made = Container::create(&file, "a", &bundle, quiet());
    findings.expect("create in a file", &[System], "/etc/passwd/x", made);
    let long = "x".repeat(1025);
    let name_too_long = "x".repeat(256);
    for id in [
        "",
        ".",
        "..",
        "a/b",
        "/a",
        "a b",
        "a\0b",
        "a\n",
        "ä",
        &long,
        &name_too_long,
    ] {
        let store = &sandbox.store;
        let kinds = &[InvalidArgument];
        findings.expect(
            ("create", id),
            kinds,
            "id",
            Container::create(store, id, &bundle, quiet()),
        );
        findings.expect(
            ("run", id),
            kinds,
            "id",
            Container::run(store, id, &bundle, quiet()),
        );
        findings.expect(("open", id), kinds, "id", Container::open(store, id));
        findings.expect(
            ("delete", id),
            kinds,
            "id",
            Container::delete(store, id, false),
        );
        findings.expect(
            ("delete by force", id),
            kinds,
            "id",
            Container::delete(store, id, true),
        );
        let options = RestoreOptions::default();
        findings.expect(
            ("restore", id),
            kinds,
            "id",
            Container::restore(store, id, &bundle, options),
        );
    }
    findings.expect(
        "open",
        &[NotFound],
        "nobody",
        Container::open(&sandbox.store, "nobody"),
    );
    let deleted = Container::delete(&sandbox.store, "nobody", false);
    findings.expect("delete", &[NotFound], "nobody", deleted);
}

fn bundles(sandbox: &Sandbox, findings: &mut Findings) {
    let long = "x/".repeat(3000);
    for directory in [
        "",
        "/nowhere/at/all",
        "/etc/passwd",
        "a\0b",
        "/tmp/\0",
        &long,
    ] {
        let kinds = &[InvalidArgument, System];
        let words = if directory == "/etc/passwd" {
            "config.json"
        } else {
            "bundle"
        };
        findings.expect(("load", directory), kinds, words, Bundle::load(directory));
    }
    findings.expect(
        "no config",
        &[InvalidArgument],
        "config.json|/etc",
        Bundle::load("/etc"),
    );
    for text in [
        "",
        "[]",
        "{",
        "null",
        "{\"root\":3}",
        "{\"a\":1}\0",
        &"[".repeat(100_000),
    ] {
        let bundle = Bundle::from_text("/", text.to_owned());
        let name: String = text.chars().take(9).collect();
        findings.expect(
            ("spec", &name),
            &[InvalidConfig],
            "config.json",
            bundle.spec().map(drop),
        );
        let planned = plan_of(&sandbox.store, &bundle, "a", &quiet()).map(drop);
        findings.expect(("plan", &name), &[InvalidConfig], "config.json", planned);
        findings.expect(
            ("filter", &name),
            &[InvalidConfig],
            "config.json",
            seccomp_text(&bundle),
        );
        let made = Container::create(&sandbox.store, "a", &bundle, quiet());
        findings.expect(("create", &name), &[InvalidConfig], "config.json", made);
        let verdict = check(&sandbox.store, &bundle, &quiet());
        assert!(!format!("{verdict:?}").is_empty());
    }
    let text = sandbox.config("exit 0", false).text().to_owned();
    for directory in ["", "relative", "a\0b", "/a\0"] {
        let bundle = Bundle::from_text(directory, text.clone());
        let made = Container::create(&sandbox.store, "a", &bundle, quiet());
        let kinds = &[InvalidArgument, InvalidConfig];
        findings.expect(("create in", directory), kinds, "bundle", made);
    }
    let (pipe, _end) = std::io::pipe().unwrap();
    let wrong: [(&str, OwnedFd); 3] = [
        ("file", File::open("/etc/passwd").unwrap().into()),
        ("pipe", pipe.into()),
        ("device", File::open("/dev/null").unwrap().into()),
    ];
    for (name, root) in wrong {
        let bundle = sandbox.config("exit 0", false).with_root(root);
        let made = Container::create(&sandbox.store, "a", &bundle, quiet());
        findings.expect(
            ("root", name),
            &[InvalidArgument, InvalidConfig, System],
            "root",
            made,
        );
    }
}

fn config(sandbox: &Sandbox) -> Config {
    Config::default_for(sandbox.path.join("rootfs"), ["/bin/busybox", "true"])
        .without_mount("/dev/mqueue")
        .without_mount("/sys")
}

fn mapping(container: u32, host: u32, size: u32) -> spec::IdMapping {
    spec::IdMapping {
        container_id: container,
        host_id: host,
        size,
    }
}

#[rustfmt::skip]
fn configs(sandbox: &Sandbox, findings: &mut Findings) {
    let with = |change: &dyn Fn(Config) -> Config| change(config(sandbox));
    let limited = |limits: Resources<'static>| config(sandbox).resources(limits);
    let limits = Resources::new;
    let root = sandbox.path.join("rootfs");
    let cases: Vec<(&str, Config)> = vec![
        ("rootfs", Config::default_for("", ["x"])),
        ("root", Config::default_for("/nowhere/at/all", ["x"])),
        ("root", Config::default_for("/etc/passwd", ["x"])),
        ("root", Config::default_for("/a\0", ["x"])),
        ("process.args", Config::default_for(&root, [""; 0])),
        ("process.args", Config::default_for(&root, [""])),
        ("process.args", Config::default_for(&root, ["/bin/busybox", "a\0b"])),
        ("process.args", Config::default_for(&root, ["/nowhere"])),
        ("process.env", with(&|c| c.env("A\0", "b"))),
        ("process.env", with(&|c| c.env("A", "b\0"))),
        ("process.cwd", with(&|c| c.cwd("relative"))),
        ("process.cwd", with(&|c| c.cwd(""))),
        ("process.cwd", with(&|c| c.cwd("/a\0"))),
        ("process.user", with(&|c| c.user(u32::MAX, 0))),
        ("process.user", with(&|c| c.user(0, u32::MAX))),
        ("process.user.additionalGids", with(&|c| c.groups([u32::MAX]))),
        ("process.user.additionalGids", with(&|c| c.groups(0..70_000))),
        ("process.rlimits", with(&|c| c.rlimit("RLIMIT_NOTHING", 1, 1))),
        ("process.rlimits", with(&|c| c.rlimit("", 1, 1))),
        ("process.rlimits", with(&|c| c.rlimit("RLIMIT_NOFILE", 2, 1))),
        ("process.rlimits", with(&|c| c.rlimit("RLIMIT_NOFILE", u64::MAX, u64::MAX))),
        ("hostname", with(&|c| c.hostname("a\0b"))),
        ("hostname", with(&|c| c.hostname("x".repeat(65)))),
        ("mounts", with(&|c| c.mount("tmpfs", "t", "", &[]))),
        ("mounts", with(&|c| c.mount("tmpfs", "t", "/a\0", &[]))),
        ("mounts", with(&|c| c.mount("", "t", "/a", &[]))),
        ("mounts", with(&|c| c.mount("no\0fs", "t", "/a", &[]))),
        ("mounts", with(&|c| c.mount("nofs", "t", "/a", &[]))),
        ("mounts", with(&|c| c.mount("tmpfs", "t", "/a", &["size=-1"]))),
        ("mounts", with(&|c| c.mount("tmpfs", "t", "/a", &["size=\0"]))),
        ("mounts", with(&|c| c.mount("tmpfs", "t", "/a", &[&"x".repeat(5000)]))),
        ("mounts", with(&|c| c.bind("", "/a", &[]))),
        ("mounts", with(&|c| c.bind("/nowhere", "/a", &[]))),
        ("mounts", with(&|c| c.bind("/a\0", "/a", &[]))),
        ("mounts", with(&|c| c.bind("/etc", "/proc/self", &[]))),
        ("linux.namespaces", with(&|c| c.new_namespace(""))),
        ("linux.namespaces", with(&|c| c.new_namespace("nothing"))),
        ("linux.namespaces", with(&|c| c.join_namespace("network", "/nowhere"))),
        ("linux.namespaces", with(&|c| c.join_namespace("network", "/etc/passwd"))),
        ("linux.namespaces", with(&|c| c.join_namespace("network", "/proc/self/ns/uts"))),
        ("linux.namespaces", with(&|c| c.join_namespace("network", "/a\0"))),
        ("linux.uidMappings", with(&|c| c.id_mappings([mapping(0, 0, 0)], [mapping(0, 0, 1)]))),
        ("linux.uidMappings", with(&|c| c.id_mappings([mapping(1, 0, u32::MAX)], [mapping(0, 0, 1)]))),
        ("linux.gidMappings", with(&|c| c.id_mappings([mapping(0, 0, 1)], [mapping(0, u32::MAX, 2)]))),
        ("linux.uidMappings", with(&|c| c.id_mappings([mapping(0, 0, 2), mapping(1, 5, 2)], [mapping(0, 0, 1)]))),
        ("linux.", with(&|c| c.id_mappings([], []))),
        ("cgroupsPath", with(&|c| c.cgroups_path("a\0b"))),
        ("linux.resources.memory.limit", limited(limits().memory_bytes(i64::MIN))),
        ("linux.resources.memory.limit", limited(limits().memory_bytes(-2))),
        ("linux.resources.memory.swap", limited(limits() .memory_bytes(2 << 20) .memory_and_swap_bytes(1 << 20))),
        ("linux.resources.memory.swap", limited(limits().memory_and_swap_bytes(-7))),
        ("linux.resources.memory.reservation", limited(limits().memory_reservation_bytes(-9))),
        ("linux.resources.cpu.quota", limited(limits().cpu_quota_us(1, 100_000))),
        ("linux.resources.cpu.period", limited(limits().cpu_quota_us(5000, 1))),
        ("linux.resources.cpu.period", limited(limits().cpu_quota_us(5000, u64::MAX))),
        ("linux.resources.cpu.shares", limited(limits().cpu_shares(u64::MAX))),
        ("linux.resources.cpu.cpus", limited(limits().cpus("x"))),
        ("linux.resources.cpu.cpus", limited(limits().cpus("0-99999999999"))),
        ("linux.resources.cpu.cpus", limited(limits().cpus("0\0"))),
        ("linux.resources.unified", limited(limits().unified("../x", "1"))),
        ("linux.resources.unified", limited(limits().unified("", "1"))),
        ("linux.resources.unified", limited(limits().unified("a\0b", "1"))),
    ];
    for (number, (words, config)) in cases.into_iter().enumerate() {
        let id = sandbox.id(&format!("config{number}"));
        let made = Bundle::of(&config)
            .and_then(|bundle| Container::run(&sandbox.store, &id, &bundle, quiet()));
        if made.is_ok() {
            Container::delete(&sandbox.store, &id, true).unwrap();
        }
        let kinds = &[
            InvalidArgument,
            InvalidConfig,
            System,
            Unsupported,
            PermissionDenied,
            ErrorKind::Cgroup,
        ];
        findings.expect(
            (number, words),
            kinds,
            words,
            made.map(|created| created.process.pid()),
        );
    }
}

#[rustfmt::skip]
fn creations(sandbox: &Sandbox, findings: &mut Findings) {
    type Change<'a> = Box<dyn Fn(&mut CreateOptions) + 'a>;
    let change = |change: fn(&mut CreateOptions)| -> Change<'static> { Box::new(change) };
    let file = || OwnedFd::from(File::open("/etc/passwd").unwrap());
    let cases: Vec<(&str, bool, Change<'_>)> = vec![
        ("pid_file", false, change(|o| o.pid_file = Some("".into()))),
        ("pid_file", false, change(|o| o.pid_file = Some("/".into()))),
        ("pid_file", false, change(|o| o.pid_file = Some("/tmp/\0".into()))),
        ("pid_file", false, change(|o| o.pid_file = Some("/nowhere/at/all".into()))),
        ("pidfd", false, change(|o| o.pidfd_socket = Some("".into()))),
        ("pidfd", false, change(|o| o.pidfd_socket = Some("/nowhere".into()))),
        ("pidfd", false, change(|o| o.pidfd_socket = Some("/etc/passwd".into()))),
        ("pidfd", false, change(|o| o.pidfd_socket = Some("/a\0".into()))),
        ("pidfd", false, change(|o| o.pidfd_socket = Some("x".repeat(200).into()))),
        ("notify_socket", false, change(|o| o.notify_socket = Some("".into()))),
        ("notify_socket", false, change(|o| o.notify_socket = Some("/a\0".into()))),
        ("notify_socket", false, change(|o| o.notify_socket = Some("x".repeat(200).into()))),
        ("preserve_fds", false, change(|o| o.preserve_fds = u32::MAX)),
        ("preserve_fds", false, change(|o| o.preserve_fds = 1000)),
        ("listen_fds", false, change(|o| o.listen_fds = u32::MAX)),
        ("listen_fds", false, change(|o| o.listen_fds = 1)),
        ("console", true, change(|_| ())),
        ("console", false, change(|o| o.console = Some(Console::Socket("/nowhere".into())))),
        ("console", true, change(|o| o.console = Some(Console::Socket("".into())))),
        ("console", true, change(|o| o.console = Some(Console::Socket("/nowhere".into())))),
        ("console", true, change(|o| o.console = Some(Console::Socket("/a\0".into())))),
        ("console", true, change(|o| o.console = Some(Console::Socket("/etc/passwd".into())))),
        ("console", true, Box::new(|o| o.console = Some(Console::Connected(file())))),
        ("streams.stdin", true, change(|o| (o.console, o.streams.stdin) = (Some(Console::Return), Stdio::Piped))),
        ("streams.stderr", true, Box::new(|o| { (o.console, o.streams.stderr) = (Some(Console::Return), Stdio::Fd(file())) })),
    ];
    for (number, (words, terminal, change)) in cases.into_iter().enumerate() {
        let id = sandbox.id(&format!("create{number}"));
        let mut options = quiet();
        change(&mut options);
        let bundle = sandbox.config("exit 0", terminal);
        let made = Container::run(&sandbox.store, &id, &bundle, options);
        if made.is_ok() {
            Container::delete(&sandbox.store, &id, true).unwrap();
        }
        findings.expect(
            (number, words),
            &[InvalidArgument, System],
            words,
            made.map(|created| created.process.pid()),
        );
    }
    for path in ["", "/", "/nowhere/at/all", "a\0b", "/etc/passwd"] {
        findings.expect(
            ("bind", path),
            &[InvalidArgument, System],
            "",
            ConsoleSocket::bind(path),
        );
    }
    for path in ["", "/nowhere/at/all", "/etc/passwd", "a\0b"] {
        let mut options = RestoreOptions::default();
        options.streams = Streams::null();
        options.image_path = path.into();
        let bundle = sandbox.config("exit 0", false);
        let made = Container::restore(&sandbox.store, &sandbox.id("r"), &bundle, options);
        let words = if path.starts_with('/') { path } else { "image" };
        findings.expect(("restore", path), &[InvalidArgument, System], words, made);
    }
}

fn running(sandbox: &Sandbox, findings: &mut Findings) {
    let created = sandbox.idle("running");
    let (container, process) = (&created.container, &created.process);
    let bundle = sandbox.config("exit 0", false);
    let again = Container::create(&sandbox.store, container.id(), &bundle, quiet());
    findings.expect("create again", &[AlreadyExists], container.id(), again);
    let again = Container::restore(
        &sandbox.store,
        container.id(),
        &bundle,
        RestoreOptions::default(),
    );
    findings.expect(
        "restore over it",
        &[AlreadyExists, InvalidArgument],
        "",
        again,
    );
    findings.expect("start again", &[WrongStatus], "", container.start());
    findings.expect("resume", &[WrongStatus], "not paused", container.resume());
    findings.expect(
        "remove",
        &[WrongStatus],
        container.id(),
        container.remove(false),
    );
    findings.expect(
        "remove",
        &[WrongStatus],
        container.id(),
        container.remove(true),
    );
    let deleted = Container::delete(&sandbox.store, container.id(), false);
    findings.expect("delete", &[WrongStatus], container.id(), deleted);
    for signal in [-1, 65, 1000, i32::MIN, i32::MAX] {
        let words = format!("signal: {signal} ");
        let kinds = &[InvalidArgument];
        findings.expect("signal", kinds, &words, process.signal(signal));
        findings.expect("kill", kinds, &words, container.kill(signal, false));
        findings.expect("kill all", kinds, &words, container.kill(signal, true));
    }
    assert_eq!(process.wait_timeout(Duration::ZERO).unwrap(), None);
    let limits = [
        ("memory.limit", Resources::new().memory_bytes(-5)),
        (
            "memory.swap",
            Resources::new()
                .memory_bytes(64 << 20)
                .memory_and_swap_bytes(1 << 20),
        ),
        ("cpu.quota", Resources::new().cpu_quota_us(1, 100_000)),
        ("cpu.period", Resources::new().cpu_quota_us(5000, 1)),
        ("cpu.cpus", Resources::new().cpus("7777")),
        ("unified", Resources::new().unified("../x", "1")),
    ];
    for (words, limits) in &limits {
        let kinds = &[
            InvalidArgument,
            InvalidConfig,
            Unsupported,
            PermissionDenied,
            ErrorKind::Cgroup,
        ];
        findings.expect(("update", words), kinds, words, container.update(limits));
    }
    let shares = ResctrlShares {
        mem_bw_schema: Some("x".into()),
        ..ResctrlShares::default()
    };
    let updated = container.update_with(&Resources::new(), &shares);
    findings.expect(
        "update",
        &[InvalidConfig, WrongStatus],
        "memBwSchema",
        updated,
    );
    for path in ["", "a\0b", "/etc/passwd", "/proc/nowhere"] {
        let mut options = CheckpointOptions::default();
        options.image_path = path.into();
        findings.expect(
            ("checkpoint", path),
            &[InvalidArgument, System],
            if path.starts_with('/') { path } else { "image" },
            container.checkpoint(&options),
        );
    }
    let manager = Path::new("");
    assert!(container.readiness(manager).unwrap().is_none());
    executions(container, findings);
    container.pause().unwrap();
    findings.expect("pause again", &[WrongStatus], "", container.pause());
    findings.expect(
        "exec while paused",
        &[WrongStatus],
        "paused",
        container.exec(shell("exit 0")).map(drop),
    );
    container.resume().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
    Container::delete(&sandbox.store, container.id(), true).unwrap();
}

#[rustfmt::skip]
fn executions(container: &Container, findings: &mut Findings) {
    type Change = fn(&mut ExecRequest);
    let cases: Vec<(&str, Change)> = vec![
        ("args", |r| r.args = Vec::new()),
        ("args", |r| r.args = vec![String::new()]),
        ("args", |r| r.args.push("a\0b".into())),
        ("args", |r| r.args[0] = "/nowhere".into()),
        ("cwd", |r| r.cwd = Some("relative".into())),
        ("cwd", |r| r.cwd = Some("/nowhere".into())),
        ("cwd", |r| r.cwd = Some("/a\0".into())),
        ("env", |r| r.env.push("A=\0".into())),
        ("user", |r| r.user = Some((u32::MAX, None))),
        ("user", |r| r.user = Some((0, Some(u32::MAX)))),
        ("additionalGids", |r| r.additional_gids = vec![u32::MAX]),
        ("selinuxLabel", |r| r.process_label = Some("a\0".into())),
        ("apparmorProfile", |r| { r.apparmor = Some("nothing-\0".into()) }),
        ("cgroup", |r| r.cgroup = vec!["../x".into()]),
        ("cgroup", |r| r.cgroup = vec!["nothing:x".into()]),
        ("cgroup", |r| r.cgroup = vec!["a\0".into()]),
        ("console", |r| { (r.terminal, r.streams) = (true, Streams::null()) }),
        ("console", |r| { r.console = Some(Console::Socket("/nowhere".into())) }),
        ("pid_file", |r| r.pid_file = Some("/nowhere/at/all".into())),
        ("pidfd", |r| r.pidfd_socket = Some("/nowhere".into())),
        ("preserve_fds", |r| r.preserve_fds = u32::MAX),
        ("here", |r| r.process = Some(json("{"))),
        ("here: user", |r| r.process = Some(json("{\"cwd\":\"/\"}"))),
        ("process.cwd", |r| { r.process = Some(ProcessSource::Typed(Box::default())) }),
    ];
    for (number, (words, change)) in cases.into_iter().enumerate() {
        let mut request = shell("exit 0");
        change(&mut request);
        let answer = container.exec(request);
        if let Ok(process) = &answer {
            process.wait().unwrap();
        }
        let kinds = &[
            InvalidArgument,
            InvalidConfig,
            Unsupported,
            System,
            ErrorKind::Cgroup,
        ];
        findings.expect(
            ("exec", number),
            kinds,
            words,
            answer.map(|process| process.pid()),
        );
    }
}

fn json(text: &str) -> ProcessSource {
    // An enumeration that may grow is made by its variants all the same.
    let (text, path) = (text.to_owned(), "here".into());
    ProcessSource::Json { text, path }
}

fn stopped(sandbox: &Sandbox, findings: &mut Findings) {
    let created = sandbox.idle("stopped");
    let (container, process) = (&created.container, &created.process);
    process.kill().unwrap();
    for _ in 0..2 {
        assert_eq!(process.wait().unwrap(), Exit::Signal(9));
        assert_eq!(process.try_wait().unwrap(), Some(Exit::Signal(9)));
        assert_eq!(
            process.wait_timeout(Duration::MAX).unwrap(),
            Some(Exit::Signal(9))
        );
        process.kill().unwrap();
    }
    let kinds = &[WrongStatus];
    findings.expect("signal", kinds, "", process.signal(15));
    findings.expect("kill", kinds, "", container.kill(15, false));
    container.kill(15, true).unwrap();
    needs_a_process(container, kinds, findings);
    assert_eq!(container.processes().unwrap(), [0; 0]);
    assert_eq!(container.status().unwrap(), Status::Stopped);
    container.remove(false).unwrap();
}

/// What only a container with a process can do.
fn needs_a_process(container: &Container, kinds: &'static [ErrorKind], findings: &mut Findings) {
    findings.expect("start", kinds, "", container.start());
    findings.expect("exec", kinds, "", container.exec(shell("exit 0")).map(drop));
    findings.expect("pause", kinds, "", container.pause());
    findings.expect("resume", kinds, "", container.resume());
    findings.expect(
        "update",
        kinds,
        "",
        container.update(&Resources::new().pids(5)),
    );
    findings.expect("stats", kinds, "", container.stats().map(drop));
    findings.expect("events", kinds, "", container.events().map(drop));
    findings.expect(
        "watch",
        kinds,
        "",
        container.watch(Duration::ZERO, &mut |_| false),
    );
    findings.expect("checkpoint", kinds, "", container.checkpoint(&images()));
}

/// Somebody else has deleted it since it was opened.
fn deleted(sandbox: &Sandbox, findings: &mut Findings) {
    let created = sandbox.idle("deleted");
    let container = &created.container;
    Container::delete(&sandbox.store, container.id(), true).unwrap();
    let kinds = &[NotFound, WrongStatus];
    findings.expect("kill", kinds, "", container.kill(15, false));
    needs_a_process(container, kinds, findings);
    findings.expect("process", kinds, "", container.process().map(drop));
    findings.expect(
        "state",
        kinds,
        "",
        container.state().map(|state| state.status),
    );
    findings.expect("status", kinds, "", container.status());
    findings.expect("remove", kinds, "", container.remove(true));
    findings.expect("try_remove", kinds, "", container.try_remove(true));
    findings.expect(
        "delete",
        kinds,
        "",
        Container::delete(&sandbox.store, container.id(), false),
    );
    Container::delete(&sandbox.store, container.id(), true).unwrap();
}
