//! Steps that mount, and that change the root.

use init::step::{
    Attach, Attributes, Bind, ChangeRoot, CopyMount, EnterRoot, Filesystem, MoveRoot, Propagation,
    SetAttributes, encode_propagation,
};
use kernel::mount::{attributes, flags};

use super::*;
use crate::plan::Tree;

/// An empty part of the text.
pub(super) const NOTHING: Span = Span {
    start: 0,
    length: 0,
};

/// A list of propagation types.
fn types(script: &mut Script, list: &[u64]) -> Span {
    let bytes: Vec<u8> = list
        .iter()
        .map(|flags| encode_propagation(*flags))
        .collect();
    script.bytes(&bytes)
}

/// A mount with these.
fn set(set: u64) -> Attributes {
    Attributes {
        set,
        ..Attributes::default()
    }
}

/// A bind mount without anything special.
pub(super) fn bind(source: Span, target: Span) -> Bind {
    Bind {
        source,
        inside: false,
        may_be_gone: false,
        below: Slot::ROOT,
        target,
        recursive: true,
        propagation: NOTHING,
        keep: Slot::NONE,
        attributes: Attributes::default(),
    }
}

/// A tmpfs at this place.
pub(super) fn tmpfs(script: &mut Script, place: &str) -> Filesystem {
    filesystem(script, "tmpfs", place, "size=64k")
}

pub(super) fn filesystem(script: &mut Script, kind: &str, place: &str, data: &str) -> Filesystem {
    Filesystem {
        kind: script.text(kind),
        source: script.text("a test"),
        below: Slot::ROOT,
        target: script.text(place),
        flags: 0,
        data: script.text(data),
        propagation: NOTHING,
        keep: Slot::NONE,
        plain: false,
        inherit_mode: false,
        copy_up: false,
        ids: Slot::NO_NAMESPACE,
    }
}

/// The options of a line of mountinfo: the mount's, the optional fields, and the file system's.
fn options(line: &str) -> (Vec<&str>, Vec<&str>, Vec<&str>) {
    let (mount, filesystem) = line.split_once(" - ").unwrap();
    let fields: Vec<&str> = mount.split(' ').collect();
    let super_options = filesystem.split(' ').nth(2).unwrap();
    (
        fields[5].split(',').collect(),
        fields[6..].to_vec(),
        super_options.split(',').collect(),
    )
}

#[test]
fn open_root() {
    let root = Folder::new();
    let waiting = Script::below(&root).waits();
    assert!(waiting.mount(root.path()).contains(root.path()));
    let mut script = Script::inside(NEWNS);
    let path = script.text("/nosuch/root");
    let index = script.child(OpenRoot {
        path,
        private_parent: false,
        only_open: false,
    });
    script.fails(index, Call::Openat, Errno::ENOENT);
}

#[test]
fn enter_root() {
    let root = Folder::new();
    root.file("marker", "here");
    let mut script = Script::below(&root);
    script.child(EnterRoot { shared: false });
    let waiting = script.waits();
    assert_eq!(fs::read_to_string(waiting.seen("/marker")).unwrap(), "here");
    // Nothing of the host is left.
    assert_eq!(waiting.read("mountinfo").lines().count(), 1);
    let mut script = Script::inside(NEWNS);
    let index = script.child(EnterRoot { shared: false });
    script.fails(index, Call::Fchdir, Errno::EBADF);
}

#[test]
fn change_root() {
    let root = Folder::new();
    root.file("marker", "here");
    let mut script = Script::below(&root);
    let to = Slot::ROOT_DIRECTORY;
    script.child(ChangeRoot { to });
    let waiting = script.waits();
    assert_eq!(fs::read_to_string(waiting.seen("/marker")).unwrap(), "here");
    let mut script = Script::outside();
    let to = Slot::numbered(9);
    let index = script.child(ChangeRoot { to });
    script.fails(index, Call::Fcntl, Errno::EBADF);
}

#[test]
fn move_root() {
    let root = Folder::new();
    root.file("marker", "here");
    let mut script = Script::below(&root);
    let exposed = script.strings(&["/proc"]);
    script.child(MoveRoot { exposed });
    let waiting = script.waits();
    assert!(waiting.seen("/marker").exists());
    assert!(!waiting.seen("/../../proc/self").exists());
    let mut script = Script::below(&root);
    let exposed = script.strings(&["/nosuch"]);
    let index = script.child(MoveRoot { exposed });
    script.fails(index, Call::Mount, Errno::ENOENT);
}

#[test]
fn filesystem_step() {
    let root = Folder::new();
    use std::os::unix::fs::PermissionsExt;
    let covered = root.directory("covered");
    fs::set_permissions(&covered, fs::Permissions::from_mode(0o751)).unwrap();
    root.file("covered/file", "copied");
    let mut script = Script::below(&root);
    let step = Filesystem {
        flags: flags::NOSUID | flags::NOEXEC,
        propagation: types(&mut script, &[flags::SHARED]),
        inherit_mode: true,
        copy_up: true,
        ids: Slot::NO_NAMESPACE,
        ..tmpfs(&mut script, "/covered")
    };
    script.child(step);
    let made = tmpfs(&mut script, "/made/on/the/way");
    script.child(made);
    let waiting = script.waits();
    let line = waiting.mount(&covered);
    let (mount, optional, inner) = options(&line);
    assert!(
        mount.contains(&"nosuid") && mount.contains(&"noexec"),
        "{line}"
    );
    assert!(
        optional.iter().any(|field| field.starts_with("shared:")),
        "{line}"
    );
    assert!(inner.contains(&"size=64k"), "{line}");
    let seen = fs::metadata(waiting.seen(&covered)).unwrap();
    assert_eq!(seen.permissions().mode() & 0o7777, 0o751);
    let copy = waiting.seen(covered.join("file"));
    assert_eq!(fs::read_to_string(copy).unwrap(), "copied");
    waiting.mount(root.join("made/on/the/way"));
    drop(waiting);
    for (kind, place, data, call, errno) in [
        ("nosuchfs", "/covered", "", Call::Mount, Errno::ENODEV),
        (
            "tmpfs",
            "/covered",
            "nosuch=option",
            Call::Mount,
            Errno::EINVAL,
        ),
        ("tmpfs", "/covered/file", "", Call::Openat2, Errno::ENOTDIR),
    ] {
        let mut script = Script::below(&root);
        let step = filesystem(&mut script, kind, place, data);
        let index = script.child(step);
        script.fails(index, call, errno);
    }
    // /proc and /sys may not be reached through a link.
    std::os::unix::fs::symlink("covered", root.join("link")).unwrap();
    let mut script = Script::below(&root);
    let step = Filesystem {
        plain: true,
        ..tmpfs(&mut script, "/link")
    };
    let index = script.child(step);
    script.fails(index, Call::Openat2, Errno::ELOOP);
}

#[test]
fn bind_step() {
    let (root, source) = (Folder::new(), Folder::new());
    source.file("file", "bound");
    let mut script = Script::below(&root);
    let (from, to) = (script.text(source.path()), script.text("/there"));
    let propagation = types(&mut script, &[flags::PRIVATE | flags::REC]);
    script.child(Bind {
        attributes: set(attributes::RDONLY | attributes::NODEV),
        propagation,
        ..bind(from, to)
    });
    let (from, to) = (
        script.text(source.join("file").to_str().unwrap()),
        script.text("/a/file"),
    );
    script.child(bind(from, to));
    let waiting = script.waits();
    let line = waiting.mount(root.join("there"));
    let (mount, optional, _) = options(&line);
    assert!(mount.contains(&"ro") && mount.contains(&"nodev"), "{line}");
    assert_eq!(optional, [""; 0], "{line}");
    for place in ["there/file", "a/file"] {
        assert_eq!(
            fs::read_to_string(waiting.seen(root.join(place))).unwrap(),
            "bound"
        );
    }
    assert!(!root.join("there/file").exists(), "seen outside");
    drop(waiting);
    let mut script = Script::below(&root);
    let (from, to) = (script.text("/nosuch/source"), script.text("/absent"));
    script.child(Bind {
        may_be_gone: true,
        ..bind(from, to)
    });
    let waiting = script.waits();
    assert!(!waiting.seen(root.join("absent")).exists());
    drop(waiting);
    let mut script = Script::below(&root);
    let (from, to) = (script.text("/nosuch/source"), script.text("/there"));
    let index = script.child(bind(from, to));
    script.fails(index, Call::OpenTree, Errno::ENOENT);
    // A file cannot be where a directory is to be bound.
    root.file("file", "");
    let mut script = Script::below(&root);
    let (from, to) = (script.text(source.path()), script.text("/file"));
    let index = script.child(bind(from, to));
    script.fails(index, Call::Openat2, Errno::ENOTDIR);
}

#[test]
fn copy_mount() {
    let root = Folder::new();
    root.directory("from");
    root.file("from/file", "copied");
    let copy = |script: &mut Script, source: &str| {
        let source = script.text(source);
        script.child(CopyMount {
            source,
            recursive: true,
            attributes: set(attributes::RDONLY),
            slot: Slot::numbered(9),
        })
    };
    let mut script = Script::below(&root);
    copy(&mut script, "/from");
    // The turn that carries it.
    script.runtime(RuntimeStep::RecordProcess);
    let target = script.text("/there");
    script.child(Attach {
        slot: Slot::numbered(9),
        target,
        propagation: NOTHING,
        keep: Slot::NONE,
    });
    let waiting = script.waits();
    let line = waiting.mount(root.join("there"));
    assert!(options(&line).0.contains(&"ro"), "{line}");
    let seen = waiting.seen(root.join("there/file"));
    assert_eq!(fs::read_to_string(seen).unwrap(), "copied");
    drop(waiting);
    let mut script = Script::below(&root);
    let index = copy(&mut script, "/nosuch");
    script.fails(index, Call::Openat2, Errno::ENOENT);
}

#[test]
fn attach() {
    let root = Folder::new();
    let attach = |script: &mut Script| {
        let target = script.text("/there");
        let propagation = types(script, &[flags::PRIVATE]);
        script.child(Attach {
            slot: Slot::numbered(9),
            target,
            propagation,
            keep: Slot::NONE,
        })
    };
    let mut script = Script::below(&root);
    let index = attach(&mut script);
    script.fails(index, Call::Fcntl, Errno::EBADF);
    if !HostFacts::probe().unwrap().privileged {
        return skipped("attach", "copying a mount outside takes CAP_SYS_ADMIN");
    }
    let source = Folder::new();
    source.file("file", "attached");
    let mut script = Script::below(&root);
    let tree = Tree {
        source: source.path().to_owned(),
        recursive: true,
        attributes: set(attributes::RDONLY),
        propagation: flags::PRIVATE | flags::REC,
        slot: Slot::numbered(9),
    };
    let copy = Entry {
        step: Step::Runtime(RuntimeStep::CopyTree(tree)),
        from: ConfigPath::none(),
    };
    script.plan.entries.insert(0, copy);
    attach(&mut script);
    let waiting = script.waits();
    let line = waiting.mount(root.join("there"));
    assert!(options(&line).0.contains(&"ro"), "{line}");
    let seen = waiting.seen(root.join("there/file"));
    assert_eq!(fs::read_to_string(seen).unwrap(), "attached");
}

/// By the descriptor that was kept, although the path leads elsewhere by now; and by a path.
#[test]
fn set_attributes() {
    let (root, other) = (Folder::new(), Folder::new());
    let step = |script: &mut Script, slot, place: &str| {
        let target = script.text(place);
        let propagation = types(script, &[flags::SHARED]);
        script.child(SetAttributes {
            slot,
            target,
            attributes: Attributes {
                clear: attributes::NOSUID,
                deep_set: attributes::NODEV,
                ..set(attributes::RDONLY)
            },
            propagation,
        })
    };
    let mut script = Script::below(&root);
    let mount = Filesystem {
        flags: flags::NOSUID,
        keep: Slot::numbered(9),
        ..tmpfs(&mut script, "/t")
    };
    script.child(mount);
    let (from, to) = (script.text(other.path()), script.text("/t"));
    script.child(bind(from, to));
    step(&mut script, Slot::numbered(9), "/t");
    let waiting = script.waits();
    let text = waiting.read("mountinfo");
    let place = root.join("t");
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.split(' ').nth(4) == place.to_str())
        .map(options)
        .collect();
    let [below, above] = &lines[..] else {
        panic!("{text}")
    };
    assert!(
        below.0.contains(&"ro") && below.0.contains(&"nodev"),
        "{text}"
    );
    assert!(!below.0.contains(&"nosuid"), "{text}");
    assert!(below.1[0].starts_with("shared:"), "{text}");
    // It lies on the mount, so what is recursive reaches it.
    assert!(
        above.0.contains(&"rw") && above.0.contains(&"nodev"),
        "{text}"
    );
    drop(waiting);
    let mut script = Script::below(&root);
    let mount = tmpfs(&mut script, "/t");
    script.child(mount);
    step(&mut script, Slot::NONE, "/t");
    let line = script.waits().mount(root.join("t"));
    assert!(options(&line).0.contains(&"ro"), "{line}");
    // Not the root of a mount.
    root.directory("plain");
    let mut script = Script::below(&root);
    let index = step(&mut script, Slot::NONE, "/plain");
    script.fails(index, Call::MountSetattr, Errno::EINVAL);
}

#[test]
fn propagation() {
    let mut script = Script::inside(NEWNS);
    script.child(Propagation {
        flags: flags::PRIVATE | flags::REC,
    });
    script.child(Propagation {
        flags: flags::SHARED,
    });
    let line = script.waits().mount("/");
    let (_, optional, _) = options(&line);
    assert!(
        optional.iter().any(|field| field.starts_with("shared:")),
        "{line}"
    );
    assert!(
        !optional.iter().any(|field| field.starts_with("master:")),
        "{line}"
    );
    let mut script = Script::inside(NEWNS);
    let index = script.child(Propagation {
        flags: flags::PRIVATE | flags::SHARED,
    });
    script.fails(index, Call::Mount, Errno::EINVAL);
}
