//! `process.terminal`, the console socket, and terminals in the foreground.

use std::os::fd::AsRawFd;

use harness::{Console, ConsoleSocket, Sandbox, cases, need};
use serde_json::json;

cases![
    container_gets_a_terminal,
    console_size,
    dev_console_is_the_terminal,
    terminal_carries_input_and_signals,
    exec_with_a_terminal,
    terminal_needs_a_socket_when_detached,
    socket_without_a_terminal_is_refused,
    dead_socket_is_an_error,
    socket_where_nobody_accepts_is_an_error,
    foreground_run_on_a_terminal,
    foreground_passes_on_size_and_restores_the_terminal,
    newlines_stay_newlines_in_the_foreground,
    newlines_on_a_terminal_of_ours,
    newlines_of_a_console_socket_are_its_owners,
];

fn container_gets_a_terminal() {
    let sandbox = Sandbox::new();
    let socket = ConsoleSocket::listen(sandbox.path.join("console"));
    let bundle = sandbox
        .bundle()
        .set("/process/terminal", json!(true))
        .probe("tty -- fds");
    let flags = ["--console-socket".as_ref(), socket.path().as_os_str()];
    let container = sandbox.create_with(&bundle, "a", &flags);
    let mut console = socket.receive();
    container.start();
    let text = console.wait_for("\n2 ");
    container.wait();
    let text = text + &console.read();
    for fd in 0..3 {
        assert!(text.contains(&format!("{fd} tty ")), "{text}");
        assert!(
            text.contains(&format!("{fd} /dev/pts/0"))
                || text.contains(&format!("{fd} /dev/console")),
            "{text}"
        );
    }
}

fn console_size() {
    let sandbox = Sandbox::new();
    let socket = ConsoleSocket::listen(sandbox.path.join("console"));
    let bundle = sandbox
        .bundle()
        .set("/process/terminal", json!(true))
        .probe("tty");
    let bundle = bundle.set("/process/consoleSize", json!({"height": 33, "width": 111}));
    let flags = ["--console-socket".as_ref(), socket.path().as_os_str()];
    let container = sandbox.create_with(&bundle, "a", &flags);
    let mut console = socket.receive();
    container.start();
    console.wait_for("0 tty 33 111");
    // Without a terminal the size must be ignored.
    let bundle = sandbox
        .bundle()
        .set("/process/consoleSize", json!({"height": 33, "width": 111}));
    sandbox.run(&bundle).ok();
}

fn dev_console_is_the_terminal() {
    let sandbox = Sandbox::new();
    let socket = ConsoleSocket::listen(sandbox.path.join("console"));
    let bundle = sandbox.bundle().set("/process/terminal", json!(true));
    let bundle = bundle.probe("stat /dev/console /proc/self/fd/0 -- write /dev/console written");
    let flags = ["--console-socket".as_ref(), socket.path().as_os_str()];
    let container = sandbox.create_with(&bundle, "a", &flags);
    let mut console = socket.receive();
    container.start();
    console.wait_for("written");
    // What the probe prints comes when it ends.
    console.wait_for("/dev/console char ");
    console.wait_for("rdev=136:");
}

fn terminal_carries_input_and_signals() {
    let sandbox = Sandbox::new();
    let socket = ConsoleSocket::listen(sandbox.path.join("console"));
    let bundle = sandbox
        .bundle()
        .set("/process/terminal", json!(true))
        .probe("read-line -- wait-signal");
    let flags = ["--console-socket".as_ref(), socket.path().as_os_str()];
    let container = sandbox.create_with(&bundle, "a", &flags);
    let mut console = socket.receive();
    container.start();
    console.type_in("typed\n");
    console.wait_for("ready");
    // The program is in the foreground of its controlling terminal, so Ctrl-C reaches it.
    console.type_in("\x03");
    console.wait_for("INT");
    console.resize(10, 20);
    console.wait_for("WINCH");
    container.kill("TERM").ok();
    assert_eq!(container.wait(), 42);
}

fn exec_with_a_terminal() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let socket = ConsoleSocket::listen(sandbox.path.join("console"));
    let pid_file = sandbox.path.join("io/exec.pid");
    let call = sandbox
        .runtime(["exec", "--tty", "--detach", "--pid-file"])
        .arg(&pid_file)
        .arg("--console-socket");
    call.arg(socket.path())
        .args([&container.id, "/bin/probe", "tty"])
        .output()
        .ok();
    sandbox.adopt(&pid_file);
    socket.receive().wait_for("2 tty ");
}

fn terminal_needs_a_socket_when_detached() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set("/process/terminal", json!(true));
    let before = sandbox.host(Some(&bundle));
    let call = sandbox
        .runtime(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .output();
    call.fails_with(
        1,
        &["cannot allocate tty if runc will detach without setting console socket"],
    );
    let call = sandbox
        .runtime(["run", "--detach", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .output();
    call.fails_with(
        1,
        &["cannot allocate tty if runc will detach without setting console socket"],
    );
    sandbox.host(Some(&bundle)).same_as(&before);
}

fn socket_without_a_terminal_is_refused() {
    let sandbox = Sandbox::new();
    let socket = ConsoleSocket::listen(sandbox.path.join("console"));
    let call = sandbox
        .runtime(["create", "--console-socket"])
        .arg(socket.path())
        .arg("--bundle");
    let call = call
        .arg(&sandbox.bundle().path)
        .arg(sandbox.id("a"))
        .output();
    call.fails_with(
        1,
        &["cannot use console socket if runc will not detach or allocate tty"],
    );
}

fn dead_socket_is_an_error() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set("/process/terminal", json!(true));
    let before = sandbox.host(Some(&bundle));
    let call = sandbox.runtime(["create", "--console-socket", "/nowhere/socket", "--bundle"]);
    call.arg(&bundle.path)
        .arg(sandbox.id("a"))
        .output()
        .fails_with(
            1,
            &["connect to the console socket /nowhere/socket: no such file or directory"],
        );
    sandbox.host(Some(&bundle)).same_as(&before);
}

/// A terminal, and a call of the runtime that has its other end as standard input, output and error.
fn on_a_terminal(sandbox: &Sandbox, commands: &str) -> (Console, harness::Running, std::fs::File) {
    let setsid = need::whole_program("setsid");
    let pty = nix::pty::openpty(None, None).unwrap();
    let slave = std::fs::File::from(pty.slave);
    let console = Console::new(std::fs::File::from(pty.master));
    console.resize(20, 70);
    let bundle = sandbox
        .bundle()
        .set("/process/terminal", json!(true))
        .probe(commands);
    let call = sandbox
        .command(setsid)
        .args(["--ctty", "--wait"])
        .arg(sandbox.program());
    let call = call
        .arg("--root")
        .arg(&sandbox.root)
        .args(["run", "--bundle"])
        .arg(&bundle.path);
    let running = call.arg(sandbox.id("a")).standard(&slave).spawn();
    (console, running, slave)
}

/// As many wait there as may: the next would wait for ever, and `delete --force` for it.
fn socket_where_nobody_accepts_is_an_error() {
    use nix::sys::socket;
    let sandbox = Sandbox::new();
    let path = sandbox.path.join("io/console");
    let address = socket::UnixAddr::new(&path).unwrap();
    let stream = || {
        let (family, kind) = (socket::AddressFamily::Unix, socket::SockType::Stream);
        socket::socket(family, kind, socket::SockFlag::SOCK_NONBLOCK, None).unwrap()
    };
    let listener = stream();
    socket::bind(listener.as_raw_fd(), &address).unwrap();
    socket::listen(&listener, socket::Backlog::new(0).unwrap()).unwrap();
    let mut waiting = Vec::new();
    loop {
        waiting.push(stream());
        if socket::connect(waiting[waiting.len() - 1].as_raw_fd(), &address).is_err() {
            break;
        }
    }
    let bundle = sandbox.bundle().set("/process/terminal", json!(true));
    let before = sandbox.host(None);
    let create = sandbox.runtime(["create", "--console-socket"]).arg(&path);
    let create = create.arg("--bundle").arg(&bundle.path);
    let texts = [path.to_str().unwrap(), "connection timed out"];
    let create = create.arg(sandbox.id("a")).limit(30);
    create.output().fails_with(1, &texts);
    sandbox.host(None).same_as(&before);
}

fn foreground_run_on_a_terminal() {
    let sandbox = Sandbox::new();
    let (mut console, running, _slave) = on_a_terminal(&sandbox, "tty -- read-line -- wait-signal");
    console.wait_for("2 tty 20 70");
    console.type_in("hello\n");
    console.wait_for("ready");
    console.type_in("\x03");
    console.wait_for("INT");
    sandbox
        .runtime(["kill", &sandbox.id("a"), "TERM"])
        .output()
        .ok();
    running.finish().exits(42);
    assert!(
        console.read().contains("TERM"),
        "the last output is not lost"
    );
}

/// What is read from a program by way of a terminal is what it has written: `x=$(tare exec -t …)`.
fn newlines_stay_newlines_in_the_foreground() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set("/process/terminal", json!(true));
    let seen = sandbox.see(bundle, "echo hi").ok();
    assert_eq!(seen.stdout, "hi\n");
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let seen = container.exec_with(&["--tty"], "echo hi").ok();
    assert_eq!(seen.stdout, "hi\n");
}

/// Where the caller has a terminal, that makes new lines of them.
fn newlines_on_a_terminal_of_ours() {
    let sandbox = Sandbox::new();
    let (mut console, running, _slave) = on_a_terminal(&sandbox, "echo one two -- echo three");
    running.finish().ok();
    assert_eq!(console.wait_for("three\r\n"), "one two\r\nthree\r\n");
}

/// Who asks for the terminal sets it as it likes: it comes as the kernel made it.
fn newlines_of_a_console_socket_are_its_owners() {
    let sandbox = Sandbox::new();
    let socket = ConsoleSocket::listen(sandbox.path.join("console"));
    let bundle = sandbox.bundle().set("/process/terminal", json!(true));
    let flags = ["--console-socket".as_ref(), socket.path().as_os_str()];
    let container = sandbox.create_with(&bundle.probe("echo hi"), "a", &flags);
    let mut console = socket.receive();
    container.start();
    console.wait_for("hi\r\n");
}

fn foreground_passes_on_size_and_restores_the_terminal() {
    let sandbox = Sandbox::new();
    let (mut console, running, slave) = on_a_terminal(&sandbox, "wait-signal");
    let local = |slave: &std::fs::File| nix::sys::termios::tcgetattr(slave).unwrap().local_flags;
    let before = local(&slave);
    console.wait_for("ready");
    console.resize(44, 133);
    console.wait_for("WINCH");
    sandbox
        .runtime(["kill", &sandbox.id("a"), "TERM"])
        .output()
        .ok();
    running.finish().exits(42);
    assert_eq!(local(&slave), before, "echo and line editing are back");
}
