//! No descriptor of the library's reaches programs that other threads start meanwhile.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod sandbox;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sandbox::{Sandbox, shell};
use tare_libcontainer::{Console, Container, CreateOptions, Streams};

const THREADS: usize = 8;

/// What a program that is started now finds besides its standard streams.
fn leaked() -> Vec<String> {
    let output = Command::new("/bin/ls")
        .args(["-l", "/proc/self/fd"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let links = text.lines().filter_map(|line| line.split_once(" -> "));
    let leaked = links.filter(|(before, target)| {
        let number: u32 = before.rsplit(' ').next().unwrap().parse().unwrap();
        // The directory that it lists.
        number > 2 && !target.starts_with("/proc/")
    });
    leaked.map(|(_, target)| target.to_owned()).collect()
}

#[test]
fn programs_of_other_threads_inherit_nothing() {
    let Some(sandbox) = Sandbox::new("descriptors") else {
        return;
    };
    // What this program has inherited itself.
    let before = leaked();
    let (stop, started) = (AtomicBool::new(false), AtomicUsize::new(0));
    let found = std::thread::scope(|scope| {
        let look = || {
            let mut found = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                found.extend(leaked());
                started.fetch_add(1, Ordering::Relaxed);
            }
            found
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(look)).collect();
        let mut round = 0;
        while round < 20 || started.load(Ordering::Relaxed) < 200 {
            life(&sandbox, round);
            round += 1;
        }
        stop.store(true, Ordering::Relaxed);
        let found = threads.into_iter().map(|thread| thread.join().unwrap());
        let new = |found: &String| !before.contains(found);
        found.flatten().filter(new).collect::<Vec<_>>()
    });
    assert_eq!(found, [""; 0]);
}

/// All that makes descriptors.
fn life(sandbox: &Sandbox, round: usize) {
    let terminal = round.is_multiple_of(2);
    let mut options = CreateOptions::default();
    match terminal {
        true => options.console = Some(Console::Return),
        false => options.streams = Streams::piped(),
    }
    let bundle = sandbox.config("sleep 1000", terminal);
    let id = sandbox.id(&round.to_string());
    let created = Container::create(&sandbox.store, &id, &bundle, options).unwrap();
    created.container.start().unwrap();
    let events = created.container.events().unwrap();
    let mut request = shell("exit 0");
    request.streams = Streams::piped();
    created.container.exec(request).unwrap().wait().unwrap();
    created.container.pause().unwrap();
    created.container.resume().unwrap();
    drop(events);
    created.process.kill().unwrap();
    created.process.wait().unwrap();
    created.container.remove(false).unwrap();
}
