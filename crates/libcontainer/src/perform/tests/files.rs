//! Steps that make or hide files.

use init::step::{BindDevice, CloseWorking, Device, Hide, ReadOnlyPath, Symlink, Terminal};
use kernel::file::{device, mode};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::mounts::{bind, filesystem, tmpfs};
use super::*;

#[test]
fn device_step() {
    let root = Folder::new();
    let step = |script: &mut Script, place: &str, kind, number| {
        let path = script.text(place);
        script.child(Device {
            path,
            mode: kind | 0o640,
            device: number,
            uid: 0,
            gid: 0,
        })
    };
    for _ in 0..2 {
        // The second time it is there already, and the same.
        let mut script = Script::below(&root);
        // A tmpfs of its own, for the caller's file systems may be mounted without devices.
        step(&mut script, "/made/pipe", mode::FIFO, 0);
        drop(script.waits());
        let there = fs::metadata(root.join("made/pipe")).unwrap();
        assert!(there.file_type().is_fifo());
        assert_eq!(there.mode() & 0o7777, 0o640);
    }
    root.file("other", "");
    let mut script = Script::below(&root);
    let index = step(&mut script, "/other", mode::FIFO, 0);
    script.fails(index, Call::Mknodat, Errno::EEXIST);
    // A user namespace has no devices to give.
    let mut script = Script::below(&root);
    let index = step(&mut script, "/null", mode::CHARACTER, device(1, 3));
    script.fails(index, Call::Mknodat, Errno::EPERM);
}

#[test]
fn bind_device() {
    let root = Folder::new();
    let step = |script: &mut Script, number| {
        let (path, source) = (script.text("/dev/null"), script.text("/dev/null"));
        script.child(BindDevice {
            path,
            source,
            mode: mode::CHARACTER | 0o666,
            device: number,
        })
    };
    let mut script = Script::below(&root);
    step(&mut script, device(1, 3));
    let waiting = script.waits();
    let there = fs::metadata(waiting.seen(root.join("dev/null"))).unwrap();
    assert_eq!(there.rdev(), device(1, 3));
    drop(waiting);
    // What is called null on this host is something else.
    let mut script = Script::below(&root);
    let index = step(&mut script, device(1, 5));
    script.fails(index, Call::Fstat, Errno::ENODEV);
}

#[test]
fn symlink() {
    let root = Folder::new();
    root.file("kept", "old");
    root.file("replaced", "old");
    root.file("file", "");
    let step = |script: &mut Script, place: &str, replace| {
        let (content, path) = (script.text("/proc/self/fd"), script.text(place));
        script.child(Symlink {
            content,
            below: Slot::ROOT,
            path,
            replace,
        })
    };
    let mut script = Script::below(&root);
    step(&mut script, "/dev/fd", false);
    step(&mut script, "/kept", false);
    step(&mut script, "/replaced", true);
    drop(script.waits());
    for place in ["dev/fd", "replaced"] {
        let content = fs::read_link(root.join(place)).unwrap();
        assert_eq!(content, Path::new("/proc/self/fd"));
    }
    assert_eq!(fs::read_to_string(root.join("kept")).unwrap(), "old");
    let mut script = Script::below(&root);
    let index = step(&mut script, "/file/fd", false);
    script.fails(index, Call::Openat2, Errno::ENOTDIR);
}

#[test]
fn hide() {
    let root = Folder::new();
    root.file("secret", "key");
    root.file("other", "key");
    root.file("secrets/key", "key");
    let step = |script: &mut Script, place: &str| {
        let path = script.text(place);
        script.child(Hide { path })
    };
    let mut script = Script::below(&root);
    step(&mut script, "");
    for place in ["/secret", "/other", "/secrets", "/nosuch"] {
        step(&mut script, place);
    }
    let waiting = script.waits();
    for place in ["secret", "other"] {
        let seen = waiting.seen(root.join(place));
        assert_eq!(fs::metadata(seen).unwrap().rdev(), device(1, 3));
    }
    let seen = waiting.seen(root.join("secrets"));
    assert_eq!(fs::read_dir(&seen).unwrap().count(), 0);
    assert!(fs::write(seen.join("new"), "").is_err());
    drop(waiting);
    assert_eq!(fs::read_to_string(root.join("secret")).unwrap(), "key");
    // The null device was not fetched.
    let mut script = Script::below(&root);
    let index = step(&mut script, "/secret");
    script.fails(index, Call::MoveMount, Errno::EBADF);
}

/// What only the making of files needs is closed; what comes after cannot use it.
#[test]
fn close_working() {
    let root = Folder::new();
    root.file("secret", "key");
    let fetched = || {
        let mut script = Script::below(&root);
        let nothing = script.text("");
        script.child(Hide { path: nothing });
        script
    };
    let has_null = |waiting: &Waiting| {
        let mut fds = fs::read_dir(waiting.path("fd")).unwrap();
        // Standard input and output may be the device, too.
        fds.any(|fd| {
            let path = fd.unwrap().path();
            let number: i32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            number > 2 && fs::metadata(path).is_ok_and(|file| file.rdev() == device(1, 3))
        })
    };
    assert!(has_null(&fetched().waits()));
    let mut script = fetched();
    script.child(CloseWorking {
        kept: super::mounts::NOTHING,
    });
    assert!(!has_null(&script.waits()));
    let mut script = fetched();
    script.child(CloseWorking {
        kept: super::mounts::NOTHING,
    });
    let path = script.text("/secret");
    let index = script.child(Hide { path });
    script.fails(index, Call::MoveMount, Errno::EBADF);
}

#[test]
fn read_only_path() {
    let root = Folder::new();
    root.file("kept/below/file", "");
    let step = |script: &mut Script, place: &str| {
        let path = script.text(place);
        script.child(ReadOnlyPath { path })
    };
    let mut script = Script::below(&root);
    let below = tmpfs(&mut script, "/kept/below");
    script.child(below);
    step(&mut script, "/kept");
    step(&mut script, "/nosuch");
    let waiting = script.waits();
    for place in ["kept/new", "kept/below/new"] {
        let error = fs::write(waiting.seen(root.join(place)), "").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }
    drop(waiting);
    std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
    let mut script = Script::below(&root);
    let index = step(&mut script, "/loop");
    script.fails(index, Call::Openat2, Errno::ELOOP);
}

#[test]
fn terminal() {
    let root = Folder::new();
    let step = |script: &mut Script| {
        script.child(init::step::Session {});
        script.child(Terminal {
            socket: Slot(9),
            rows: 24,
            columns: 80,
            uid: 0,
            console: true,
        })
    };
    let (ours, theirs) = kernel::socket::pair().unwrap();
    let mut script = Script::below(&root);
    script.give(Slot(9), theirs);
    let devpts = filesystem(
        &mut script,
        "devpts",
        "/dev/pts",
        "newinstance,ptmxmode=0666",
    );
    script.child(devpts);
    step(&mut script);
    let waiting = script.waits();
    // Field 7 is the controlling terminal: major 136 is a pty.
    assert_eq!(waiting.stat(7) >> 8, 136);
    let console = fs::metadata(waiting.seen(root.join("dev/console"))).unwrap();
    assert_eq!(console.rdev() as i64, waiting.stat(7));
    let (mut name, mut fds) = ([0; 64], [const { None }; kernel::socket::MOST_FDS]);
    let received = kernel::socket::receive(ours.raw(), &mut name, &mut fds, true).unwrap();
    assert_eq!(
        (&name[..received.bytes], received.fds),
        (&b"/dev/ptmx"[..], 1)
    );
    let master = fds[0].take().unwrap();
    assert_eq!(
        kernel::terminal::size(master.raw()).unwrap(),
        kernel::terminal::Size::new(24, 80)
    );
    drop(waiting);
    // No devpts there, and then something that is none.
    let empty = Folder::new();
    let mut script = Script::below(&empty);
    let index = step(&mut script);
    script.fails(index, Call::Openat2, Errno::ENOENT);
    let mut script = Script::below(&empty);
    let place = script.text("/dev/pts");
    let source = script.text(empty.path());
    script.child(bind(source, place));
    let index = step(&mut script);
    script.fails(index, Call::Fstatfs, Errno::ENODEV);
}
