//! Steps that make or hide files.

use init::step::{
    Attach, BindDevice, CloseWorking, Device, FetchNull, ForeignDevice, Hide, ReadOnlyPath,
    RequireDevice, StandardStreams, Symlink, Terminal,
};
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
fn foreign_device() {
    let root = Folder::new();
    let step = |script: &mut Script, kind| {
        script.child(ForeignDevice {
            mode: kind | 0o640,
            device: if kind == mode::FIFO { 0 } else { device(1, 3) },
            uid: 0,
            gid: 0,
            slot: Slot::numbered(9),
        })
    };
    let mut script = Script::below(&root);
    step(&mut script, mode::FIFO);
    let target = script.text("/made/pipe");
    script.child(Attach {
        slot: Slot::numbered(9),
        target,
        propagation: Span {
            start: 0,
            length: 0,
        },
        keep: Slot::NONE,
    });
    let waiting = script.waits();
    let there = fs::metadata(waiting.seen(root.join("made/pipe"))).unwrap();
    assert!(there.file_type().is_fifo());
    assert_eq!(there.mode() & 0o7777, 0o640);
    drop(waiting);
    // Root of a user namespace has none to give.
    let mut script = Script::below(&root);
    let index = step(&mut script, mode::CHARACTER);
    script.fails(index, Call::Mknodat, Errno::EPERM);
}

#[test]
fn require_device() {
    let null = fs::metadata("/dev/null").unwrap();
    let step = |script: &mut Script, what, value| {
        let source = script.text("/dev/null");
        script.child(RequireDevice {
            source,
            what,
            value,
        })
    };
    let mut script = Script::outside();
    let values = [null.mode() & 0o7777, null.uid(), null.gid()];
    for (what, value) in (0..).zip(values) {
        step(&mut script, what, value);
    }
    drop(script.waits());
    for (what, value) in (0..).zip(values) {
        let mut script = Script::outside();
        let index = step(&mut script, what, value + 1);
        script.fails(index, Call::Fstat, Errno::EPERM);
    }
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
    script.child(FetchNull {});
    for place in ["/secret", "/other", "/secrets", "/nosuch"] {
        step(&mut script, place);
    }
    let waiting = script.waits();
    for place in ["secret", "other"] {
        let seen = waiting.seen(root.join(place));
        assert_eq!(fs::metadata(seen).unwrap().rdev(), device(1, 3));
        assert!(
            waiting
                .mount(root.join(place))
                .contains(" ro,nosuid,noexec")
        );
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

#[test]
fn fetch_null() {
    let root = Folder::new();
    root.file("secret", "key");
    let cover = |make_own: bool, root: &Folder| {
        let mut script = Script::below(root);
        if make_own {
            let path = script.text("/dev/null");
            let node = BindDevice {
                path,
                source: path,
                mode: mode::CHARACTER,
                device: device(1, 3),
            };
            script.child(node);
        }
        script.child(FetchNull {});
        let path = script.text("/secret");
        script.child(Hide { path });
        let waiting = script.waits();
        let seen = waiting.seen(root.join("secret"));
        assert_eq!(fs::metadata(seen).unwrap().rdev(), device(1, 3));
    };
    // Of the container's; of the host's where there is none inside, or one that is none.
    cover(true, &root);
    let root = Folder::new();
    root.file("secret", "key");
    cover(false, &root);
    root.file("dev/null", "no device");
    cover(false, &root);
}

#[test]
fn standard_streams() {
    let root = Folder::new();
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let null = || file::open_at(file::HERE, c"/dev/null", file::open::RDONLY, 0).ok();
    let script = |root: &Folder| {
        let mut script = Script::below(root);
        let path = script.text("/dev/null");
        let (mode, device) = (mode::CHARACTER, device(1, 3));
        script.child(BindDevice {
            path,
            source: path,
            mode,
            device,
        });
        script.standard = [null(), Some(write.try_clone().unwrap().into()), None];
        script
    };
    let mut streams = script(&root);
    streams.child(StandardStreams { uid: 7 });
    let waiting = streams.waits();
    let input = fs::read_link(waiting.path("fd/0")).unwrap();
    assert_eq!(input, root.join("dev/null"));
    if is_root() {
        assert_eq!(fs::metadata(waiting.path("fd/1")).unwrap().uid(), 7);
    }
    drop((waiting, read));
    // A container without a null device, or with something else in its place, does not get the host's.
    for (other, call, errno) in [
        (false, Call::Openat2, Errno::ENOENT),
        (true, Call::Fstat, Errno::ENODEV),
    ] {
        let root = Folder::new();
        if other {
            root.file("dev/null", "no device");
        }
        let mut streams = Script::below(&root);
        streams.standard = [null(), None, None];
        let index = streams.child(StandardStreams { uid: 0 });
        streams.fails(index, call, errno);
    }
}

/// What only the making of files needs is closed; what comes after cannot use it.
#[test]
fn close_working() {
    let root = Folder::new();
    root.file("secret", "key");
    let fetched = || {
        let mut script = Script::below(&root);
        script.child(FetchNull {});
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
            socket: Slot::numbered(9),
            rows: 24,
            columns: 80,
            uid: 0,
            newlines: true,
            console: true,
        })
    };
    let (ours, theirs) = kernel::socket::pair().unwrap();
    let mut script = Script::below(&root);
    script.give(NINE, theirs);
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
    let received = kernel::socket::receive(ours.borrow(), &mut name, &mut fds, true).unwrap();
    assert_eq!(
        (&name[..received.bytes], received.fds),
        (&b"/dev/ptmx"[..], 1)
    );
    let master = fds[0].take().unwrap();
    let settings = nix::sys::termios::tcgetattr(&master).unwrap();
    let newlines = nix::sys::termios::OutputFlags::ONLCR;
    assert!(!settings.output_flags.contains(newlines));
    assert_eq!(
        kernel::terminal::size(master.borrow()).unwrap(),
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
