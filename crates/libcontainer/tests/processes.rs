//! Processes that this library starts: their streams, their terminal, their end, and that nobody else's are waited for.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod sandbox;

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sandbox::{Sandbox, children, read, shell};
use tare_libcontainer::{
    Bundle, Console, Container, CreateOptions, Error, Exit, Process, Status, Stdio, Streams,
    Terminal, TerminalSize,
};

const KILL: i32 = 9;

/// Tests of this file look at the children of this program: one after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn sandbox(name: &'static str) -> Option<(std::sync::MutexGuard<'static, ()>, Sandbox)> {
    let alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Sandbox::new(name).map(|sandbox| (alone, sandbox))
}

/// Whether the pidfd is readable within this time.
fn ends_within(process: &Process, limit: Duration) -> bool {
    let mut watch = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut watch, PollTimeout::try_from(limit).unwrap()).unwrap() == 1
}

#[test]
fn many_threads_wait_for_their_own() {
    let Some((_alone, sandbox)) = sandbox("own") else {
        return;
    };
    let created = sandbox.idle("a");
    let stop = AtomicBool::new(false);
    let failed = std::thread::scope(|scope| {
        // A program around it that has children of its own, and waits for them.
        let own = scope.spawn(|| {
            let mut failed = 0;
            while !stop.load(Ordering::Relaxed) {
                let status = Command::new("sh").args(["-c", "exit 3"]).status();
                failed += usize::from(status.ok().and_then(|status| status.code()) != Some(3));
            }
            failed
        });
        let container = &created.container;
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                scope.spawn(move || {
                    let wrong = |round: &i32| {
                        let status = (thread * 20 + round) % 200;
                        let mut request = shell(&format!("echo {status}; exit {status}"));
                        request.streams.stdout = Stdio::Piped;
                        let mut process = container.exec(request).unwrap();
                        let said = read(process.stdout.take());
                        let exit = process.wait().unwrap();
                        exit != Exit::Code(status) || said != format!("{status}\n")
                    };
                    (0..20).filter(wrong).count()
                })
            })
            .collect();
        let failed: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        stop.store(true, Ordering::Relaxed);
        failed + own.join().unwrap()
    });
    assert_eq!(failed, 0);
    created.container.kill(KILL, false).unwrap();
    assert_eq!(created.process.wait().unwrap(), Exit::Signal(KILL));
    created.container.remove(false).unwrap();
    assert_eq!(children(), []);
}

#[test]
fn a_process_that_nobody_waits_for_keeps_nobody_waiting() {
    let Some((_alone, sandbox)) = sandbox("zombie") else {
        return;
    };
    // Its handle is kept, or dropped before or after its end; the container is waited for, deleted by force, or looked at.
    for (name, keep, early) in [
        ("kept", true, false),
        ("dropped", false, false),
        ("early", false, true),
    ] {
        for way in ["wait", "delete", "status"] {
            let created = sandbox.idle(&format!("{name}-{way}"));
            let line = if early { "sleep 1000" } else { "exit 7" };
            let process = created.container.exec(shell(line)).unwrap();
            if !early {
                assert!(ends_within(&process, Duration::from_secs(10)));
            }
            let kept = keep.then_some(process);
            let started = Instant::now();
            match way {
                "wait" => {
                    created.container.kill(KILL, false).unwrap();
                    assert_eq!(created.process.wait().unwrap(), Exit::Signal(KILL));
                    created.container.remove(false).unwrap();
                }
                "delete" => {
                    let id = created.container.id();
                    Container::delete(&sandbox.store, id, true).unwrap();
                    assert_eq!(
                        created.process.try_wait().unwrap(),
                        Some(Exit::Signal(KILL))
                    );
                }
                _ => {
                    created.container.kill(KILL, false).unwrap();
                    while created.container.state().unwrap().status != Status::Stopped {
                        assert!(started.elapsed() < Duration::from_secs(5), "{name}");
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    created.container.remove(false).unwrap();
                }
            }
            assert!(started.elapsed() < Duration::from_secs(5), "{name} {way}");
            // Whoever asks later is told all the same.
            if let Some(process) = kept {
                assert_eq!(process.wait().unwrap(), Exit::Code(7));
            }
            drop(created);
            assert_eq!(children(), [], "{name} {way}");
        }
    }
}

#[test]
fn who_is_added_while_somebody_waits_keeps_nobody_waiting() {
    let Some((_alone, sandbox)) = sandbox("late") else {
        return;
    };
    let created = sandbox.idle("a");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| created.process.wait().unwrap());
        std::thread::sleep(Duration::from_millis(50));
        let process = created.container.exec(shell("sleep 1000")).unwrap();
        created.container.kill(KILL, false).unwrap();
        let started = Instant::now();
        assert_eq!(waiting.join().unwrap(), Exit::Signal(KILL));
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(process.try_wait().unwrap(), Some(Exit::Signal(KILL)));
    });
    created.container.remove(false).unwrap();
    assert_eq!(children(), []);
}

#[test]
fn how_a_process_ended_is_told_as_often_as_asked() {
    let Some((_alone, sandbox)) = sandbox("exit") else {
        return;
    };
    let created = sandbox.idle("a");
    let process = created.container.exec(shell("sleep 0.2; exit 5")).unwrap();
    assert_eq!(process.try_wait().unwrap(), None);
    assert_eq!(
        process.wait_timeout(Duration::from_millis(1)).unwrap(),
        None
    );
    assert_eq!(process.wait().unwrap(), Exit::Code(5));
    assert_eq!(
        process.wait_timeout(Duration::ZERO).unwrap(),
        Some(Exit::Code(5))
    );
    assert!(process.signal(15).is_err());
    process.kill().unwrap();

    // Somebody else in the program took it: then only the kernel knows, if it is new enough, and no number is made up.
    let process = created.container.exec(shell("exit 5")).unwrap();
    let pid = nix::unistd::Pid::from_raw(process.pid());
    nix::sys::wait::waitpid(pid, None).unwrap();
    let own = kernel::process::open(kernel::process::id()).unwrap();
    let (exit, status) = match kernel::process::exit_info(own.borrow()) {
        Ok(_) => (Exit::Code(5), Some(5)),
        Err(_) => (Exit::Unknown, None),
    };
    assert_eq!(process.wait().unwrap(), exit);
    assert_eq!(process.wait().unwrap().shell_status(), status);

    // Two handles of one process.
    let again = created.container.process().unwrap();
    assert_eq!(again.pid(), created.process.pid());
    again.signal(KILL).unwrap();
    assert_eq!(again.wait().unwrap(), Exit::Signal(KILL));
    assert_eq!(created.process.wait().unwrap(), Exit::Signal(KILL));
    assert_eq!(Exit::Signal(KILL).shell_status(), Some(137));
    created.container.remove(false).unwrap();
}

#[test]
fn delete_of_what_has_ended_leaves_no_zombie() {
    let Some((_alone, sandbox)) = sandbox("ended") else {
        return;
    };
    let bundle = sandbox.config("exit 3", false);
    let id = sandbox.id("a");
    let created = Container::run(&sandbox.store, &id, &bundle, CreateOptions::default()).unwrap();
    assert!(ends_within(&created.process, Duration::from_secs(10)));
    assert_eq!(children(), [(created.process.pid(), 'Z')]);
    Container::delete(&sandbox.store, &id, false).unwrap();
    assert_eq!(children(), []);
    assert_eq!(created.process.wait().unwrap(), Exit::Code(3));
}

#[test]
fn what_is_released_is_somebody_elses() {
    let Some((_alone, sandbox)) = sandbox("released") else {
        return;
    };
    let created = sandbox.idle("a");
    let process = created.container.exec(shell("exit 7")).unwrap();
    assert!(ends_within(&process, Duration::from_secs(10)));
    let pid = process.pid();
    process.release();
    created.container.state().unwrap();
    drop(created.container.exec(shell("exit 0")).unwrap());
    let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
    assert_eq!(
        status,
        nix::sys::wait::WaitStatus::Exited(nix::unistd::Pid::from_raw(pid), 7)
    );
}

#[test]
fn streams_are_what_is_asked_for() {
    let Some((_alone, sandbox)) = sandbox("streams") else {
        return;
    };
    // Of a container,
    let mut options = CreateOptions::default();
    options.streams = Streams::piped();
    let bundle = sandbox.config("read line; echo out $line; echo err $line >&2; cat", false);
    let mut created =
        Container::create(&sandbox.store, &sandbox.id("a"), &bundle, options).unwrap();
    let mut stdin = std::fs::File::from(created.process.stdin.take().unwrap());
    created.container.start().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    drop(stdin);
    assert_eq!(read(created.process.stdout.take()), "out one\ntwo\n");
    assert_eq!(read(created.process.stderr.take()), "err one\n");
    assert_eq!(created.process.wait().unwrap(), Exit::Code(0));
    created.container.remove(false).unwrap();

    // and of a process that is added.
    let created = sandbox.idle("b");
    let (from, to) = nix::unistd::pipe().unwrap();
    let mut request = shell("cat; ls -l /proc/self/fd >&2");
    request.streams.stdin = Stdio::Null;
    request.streams.stdout = Stdio::Fd(to);
    request.streams.stderr = Stdio::Piped;
    let mut process = created.container.exec(request).unwrap();
    assert!(process.stdin.is_none() && process.stdout.is_none());
    // Nobody here holds the end that was given away.
    assert_eq!(read(Some(from)), "");
    let listing = read(process.stderr.take());
    assert!(listing.contains("0 -> /dev/null"), "{listing}");
    assert!(listing.contains("1 -> pipe:"), "{listing}");
    assert_eq!(process.wait().unwrap(), Exit::Code(0));
}

/// Everything that comes from a terminal until the process has gone.
fn read_terminal(terminal: Terminal) -> String {
    let mut master = std::fs::File::from(OwnedFd::from(terminal));
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    // The end of a terminal is EIO.
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        text.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn terminals_come_back() {
    let Some((_alone, sandbox)) = sandbox("terminal") else {
        return;
    };
    let size = |rows, columns| TerminalSize { rows, columns };
    let line = "stty size; read line; stty size; echo $line";
    let mut options = CreateOptions::default();
    options.console = Some(Console::Return);
    let bundle = sandbox.config(line, true);
    let mut created =
        Container::create(&sandbox.store, &sandbox.id("a"), &bundle, options).unwrap();
    let terminal = created.process.terminal.take().unwrap();
    terminal.set_size(size(10, 20)).unwrap();
    created.container.start().unwrap();
    let mut first = [0; 7];
    let mut master = std::fs::File::from(terminal.as_fd().try_clone_to_owned().unwrap());
    master.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"10 20\r\n");
    terminal.set_size(size(30, 40)).unwrap();
    assert_eq!(terminal.size().unwrap(), size(30, 40));
    master.write_all(b"hello\n").unwrap();
    drop(master);
    assert_eq!(read_terminal(terminal), "hello\r\n30 40\r\nhello\r\n");
    assert_eq!(created.process.wait().unwrap(), Exit::Code(0));

    // To be copied to another terminal: with the size of that, and newlines as they are written.
    let created = sandbox.idle("b");
    let mut request = shell("stty size");
    request.terminal = true;
    request.console = Some(Console::Relay {
        size: Some(size(7, 9)),
    });
    let mut process = created.container.exec(request).unwrap();
    assert_eq!(read_terminal(process.terminal.take().unwrap()), "7 9\n");
    assert_eq!(process.wait().unwrap(), Exit::Code(0));
}

fn argument(error: Error) -> &'static str {
    match error {
        Error::Argument { name, .. } => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let Some((_alone, sandbox)) = sandbox("misuse") else {
        return;
    };
    let create = |terminal, change: &dyn Fn(&mut CreateOptions)| {
        let mut options = CreateOptions::default();
        change(&mut options);
        let bundle = sandbox.config("exit 0", terminal);
        let id = sandbox.id("a");
        let created = Container::create(&sandbox.store, &id, &bundle, options);
        argument(created.map(drop).unwrap_err())
    };
    assert_eq!(create(true, &|_| ()), "console");
    assert_eq!(
        create(false, &|options| options.console =
            Some(Console::Socket("/nowhere".into()))),
        "console"
    );
    assert_eq!(
        create(true, &|options| {
            options.console = Some(Console::Return);
            options.streams.stderr = Stdio::Piped;
        }),
        "streams.stderr"
    );
    assert_eq!(
        create(false, &|options| options.preserve_fds = 1000),
        "preserve_fds"
    );
    assert_eq!(sandbox.store.ids().unwrap_or_default(), [""; 0]);

    let created = sandbox.idle("b");
    let mut request = shell("exit 0");
    request.terminal = true;
    assert_eq!(
        argument(created.container.exec(request).unwrap_err()),
        "console"
    );
    assert!(matches!(
        created.container.remove(true),
        Err(Error::WrongStatus { .. })
    ));
    let mut request = shell("exit 0");
    request.args[0] = "/no/such/program".to_owned();
    assert!(created.container.exec(request).is_err());
    created.process.kill().unwrap();
    created.process.wait().unwrap();
    assert!(created.container.exec(shell("exit 0")).is_err());
    assert_eq!(children(), []);
}

/// In a program that never blocks: each call comes back at once, and says what to wait for.
#[test]
fn a_container_is_removed_without_waiting() {
    let Some((_alone, sandbox)) = sandbox("obstacle") else {
        return;
    };
    let text = sandbox.config("sleep 1000 & exit 3", false);
    let text = text.text().replace(r#"{"type":"pid"},"#, "");
    let bundle = Bundle::from_text(&sandbox.path, text);
    let mut options = CreateOptions::default();
    options.streams = Streams::null();
    let created = Container::create(&sandbox.store, &sandbox.id("a"), &bundle, options).unwrap();
    let container = &created.container;
    let obstacle = || {
        let started = Instant::now();
        let obstacle = container.try_remove(false).unwrap();
        assert!(started.elapsed() < Duration::from_secs(1));
        obstacle
    };
    // Waits for its start.
    assert_eq!(obstacle().unwrap().processes(), [created.process.pid()]);
    container.start().unwrap();
    assert_eq!(created.process.wait().unwrap(), Exit::Code(3));
    // Has ended, but for a process that it has left.
    let left = obstacle().unwrap();
    let &[other] = left.processes() else {
        panic!("{left:?}");
    };
    let mut watch = [PollFd::new(left.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut watch, 20u8).unwrap(), 0);
    // Somebody else works on it.
    let folder = std::fs::File::open(sandbox.store.root().join(container.id())).unwrap();
    let folder = kernel::Fd::from(OwnedFd::from(folder));
    kernel::file::lock(folder.borrow()).unwrap();
    let locked = obstacle().unwrap();
    assert!(locked.processes().is_empty());
    let mut watch = [PollFd::new(locked.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut watch, 1000u16).unwrap(), 1);
    drop(folder);
    assert_eq!(container.status().unwrap(), Status::Stopped);
    kernel::process::kill(other, KILL).unwrap();
    let mut tries = 0;
    while let Some(obstacle) = obstacle() {
        let mut watch = [PollFd::new(obstacle.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut watch, 5000u16).unwrap(), 1);
        tries += 1;
        assert!(tries < 1000);
    }
    let error = container.try_remove(false).unwrap_err();
    assert!(error.is_not_found(), "{error}");
}
