//! What layers mean: whiteouts, replacement, attributes that were left out.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tare_image::Limits;
use tare_image::tar::EntryKind;

use crate::support::*;

/// Names and contents after applying layers.
fn tree(layers: &[&[Item]]) -> Vec<String> {
    let temporary = quick_folder();
    let layers: Vec<_> = layers.iter().map(|l| archive(l)).collect();
    unpack_layers(temporary.path(), &layers, &Limits::default()).unwrap_or_else(|e| panic!("{e}"));
    list(&temporary.path().join("target"))
}

fn list(root: &Path) -> Vec<String> {
    snapshot(root, false)
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, what)| match what.split(' ').next() {
            Some("file") if name.contains('\\') => name,
            Some("file") => format!("{name}={}", fs::read_to_string(root.join(&name)).unwrap()),
            Some("link") => format!(
                "{name}->{}",
                fs::read_link(root.join(&name)).unwrap().display()
            ),
            Some("dir") => format!("{name}/"),
            _ => name,
        })
        .collect()
}

#[test]
fn whiteouts_hide_lower_layers_and_never_their_own() {
    let base: &[Item] = &[dir("d"), file("d/a", "1"), file("d/b", "1"), file("f", "1")];
    let w = |path: &str| file(path, "");
    let table: [(&str, &[Item], &[&str]); 12] = [
        ("a file", &[w(".wh.f")], &["d/", "d/a=1", "d/b=1"]),
        ("a directory", &[w(".wh.d")], &["f=1"]),
        ("inside", &[w("d/.wh.a")], &["d/", "d/b=1", "f=1"]),
        (
            "before its own file",
            &[w(".wh.f"), file("f", "2")],
            &["d/", "d/a=1", "d/b=1", "f=2"],
        ),
        (
            "after its own file",
            &[file("f", "2"), w(".wh.f")],
            &["d/", "d/a=1", "d/b=1", "f=2"],
        ),
        (
            "before its own directory",
            &[w(".wh.d"), dir("d"), file("d/c", "2")],
            &["d/", "d/c=2", "f=1"],
        ),
        (
            "after its own directory",
            &[dir("d"), file("d/c", "2"), w(".wh.d")],
            &["d/", "d/c=2", "f=1"],
        ),
        (
            "opaque first",
            &[w("d/.wh..wh..opq"), file("d/c", "2")],
            &["d/", "d/c=2", "f=1"],
        ),
        (
            "opaque after children",
            &[file("d/c", "2"), w("d/.wh..wh..opq")],
            &["d/", "d/c=2", "f=1"],
        ),
        (
            "opaque root",
            &[w(".wh..wh..opq"), file("n", "2")],
            &["n=2"],
        ),
        (
            "nothing there",
            &[w(".wh.x"), w("x/.wh.y")],
            &["d/", "d/a=1", "d/b=1", "f=1", "x/"],
        ),
        (
            "bookkeeping",
            &[w(".wh..wh.aufs"), w(".wh..wh.plnk/1.2")],
            &["d/", "d/a=1", "d/b=1", "f=1"],
        ),
    ];
    for (name, layer, wanted) in table {
        assert_eq!(tree(&[base, layer]), wanted, "{name}");
    }
    assert_eq!(
        tree(&[base, &[w(".wh.d")], &[dir("d"), file("d/n", "3")]]),
        ["d/", "d/n=3", "f=1"],
        "over a whiteout"
    );
    assert_eq!(
        tree(&[&[w(".wh.x"), dir("e"), w("e/.wh.y"), w("e/.wh..wh..opq")]]),
        ["e/"],
        "in the first layer"
    );
}

#[test]
fn replacement() {
    let base: &[Item] = &[
        dir("d"),
        file("d/a", "1"),
        file("f", "1"),
        symlink("l", "f"),
    ];
    let table: [(&str, &[Item], &[&str]); 6] = [
        (
            "file over directory",
            &[file("d", "2")],
            &["d=2", "f=1", "l->f"],
        ),
        (
            "directory over file",
            &[dir("f"), file("f/x", "2")],
            &["d/", "d/a=1", "f/", "f/x=2", "l->f"],
        ),
        (
            "file over link",
            &[file("l", "2")],
            &["d/", "d/a=1", "f=1", "l=2"],
        ),
        (
            "directory over link",
            &[dir("l")],
            &["d/", "d/a=1", "f=1", "l/"],
        ),
        (
            "link over directory",
            &[symlink("d", "f")],
            &["d->f", "f=1", "l->f"],
        ),
        (
            "directory over directory",
            &[dir("d"), file("d/b", "2")],
            &["d/", "d/a=1", "d/b=2", "f=1", "l->f"],
        ),
    ];
    for (name, layer, wanted) in table {
        assert_eq!(tree(&[base, layer]), wanted, "{name}");
    }
    // The same name twice in one layer: the last one.
    assert_eq!(tree(&[&[file("a", "1"), file("a", "2")]]), ["a=2"]);
    assert_eq!(
        tree(&[&[dir("a"), file("a/x", "1"), file("a", "2")]]),
        ["a=2"]
    );
    assert_eq!(
        tree(&[&[file("a", "1"), dir("a"), file("a/x", "2")]]),
        ["a/", "a/x=2"]
    );
    assert_eq!(
        tree(&[&[
            file("A", "1"),
            file("a", "2"),
            file("\u{e4}", "3"),
            file("a\u{308}", "4")
        ]])
        .len(),
        4,
        "no folding"
    );
}

#[test]
fn hard_links() {
    let temporary = quick_folder();
    let layers = [
        archive(&[
            file("a", "1"),
            hardlink("b", "a"),
            hardlink("late", "z"),
            file("z", "3"),
            symlink("s", "a"),
            hardlink("t", "s"),
        ]),
        archive(&[hardlink("c", "a")]),
        archive(&[file("a", "2")]),
    ];
    unpack_layers(temporary.path(), &layers, &Limits::default()).unwrap();
    let root = temporary.path().join("target");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert_eq!(
        [read("a"), read("b"), read("c"), read("late")],
        ["2", "1", "1", "3"]
    );
    let inode = |name: &str| fs::symlink_metadata(root.join(name)).unwrap().ino();
    assert_eq!(inode("b"), inode("c"), "one file, also from another layer");
    assert!(
        root.join("t").is_symlink(),
        "a hard link to a link is that link"
    );
    assert_eq!(fs::symlink_metadata(root.join("t")).unwrap().nlink(), 2);
}

#[test]
fn attributes() {
    let temporary = quick_folder();
    let mut special = file("sub/x", "1").mode(0o6751);
    special.entry.mtime.seconds = -5;
    let mut late = dir("d").mode(0o1770);
    late.entry.mtime.seconds = 77;
    let layers = [
        archive(&[dir(".").mode(0o750), dir("sub").mode(0o711), special]),
        // "sub" is not described here: it keeps what it has. Times of directories survive what is put into them.
        archive(&[file("sub/y", "2"), late.clone(), file("d/1", "")]),
    ];
    unpack_layers(temporary.path(), &layers, &Limits::default()).unwrap();
    let root = temporary.path().join("target");
    let look = |name: &str| fs::symlink_metadata(root.join(name)).unwrap();
    assert_eq!(look("sub").mode() & 0o7777, 0o711);
    assert_eq!(look("sub").mtime(), 1_000_000_000);
    assert_eq!(look("sub/x").mode() & 0o7777, 0o6751);
    assert_eq!(look("sub/x").mtime(), -5);
    assert_eq!((look("d").mode() & 0o7777, look("d").mtime()), (0o1770, 77));
    assert_eq!(
        look("").mode() & 0o7777,
        0o750,
        "the second layer does not mention the root"
    );
}

/// Mode and time of a directory in both forms, after the layers.
fn described(layers: &[&[Item]], name: &str) -> [(u32, i64); 2] {
    let temporary = quick_folder();
    let layers: Vec<_> = layers.iter().map(|l| archive(l)).collect();
    unpack_layers(temporary.path(), &layers, &Limits::default()).unwrap();
    unpack_for_overlay(temporary.path(), &layers);
    let top = (layers.len() - 1).to_string();
    ["target", &top].map(|form| {
        let path = temporary.path().join(form).join(name);
        let stat = fs::symlink_metadata(path).unwrap();
        (stat.mode() & 0o7777, stat.mtime())
    })
}

#[test]
fn directories_without_an_entry_are_the_lower_ones_unless_these_are_gone() {
    let w = |path: &str| file(path, "");
    let base: &[Item] = &[dir("d").mode(0o711), dir("d/sub").mode(0o700), w("d/sub/f")];
    let (kept, own) = ((0o711, 1_000_000_000), (0o755, 0));
    type Case<'a> = (&'a str, &'a [&'a [Item]], &'a str, (u32, i64));
    let table: [Case<'_>; 9] = [
        (
            "opaque",
            &[base, &[w("d/.wh..wh..opq"), w("d/n")]],
            "d",
            kept,
        ),
        (
            "opaque last",
            &[base, &[w("d/n"), w("d/.wh..wh..opq")]],
            "d",
            kept,
        ),
        (
            "below opaque",
            &[base, &[w("d/.wh..wh..opq"), w("d/sub/n")]],
            "d/sub",
            own,
        ),
        ("removed", &[base, &[w(".wh.d"), w("d/n")]], "d", own),
        ("removed last", &[base, &[w("d/n"), w(".wh.d")]], "d", own),
        (
            "below removed",
            &[base, &[w(".wh.d"), w("d/sub/n")]],
            "d/sub",
            own,
        ),
        (
            "root opaque",
            &[base, &[w(".wh..wh..opq"), w("d/n")]],
            "d",
            own,
        ),
        (
            "opaque in between",
            &[base, &[w("d/.wh..wh..opq")], &[w("d/sub/n")]],
            "d/sub",
            own,
        ),
        (
            "over two",
            &[base, &[w("other")], &[w("d/sub/n")]],
            "d",
            kept,
        ),
    ];
    for (what, layers, name, wanted) in table {
        assert_eq!(described(layers, name), [wanted; 2], "{what}");
    }
    // An entry that comes after its children describes all the same, also through a link.
    let late: &[Item] = &[w("d/n"), dir("d").mode(0o700)];
    assert_eq!(described(&[base, late], "d")[0].0, 0o700);
    let linked: &[Item] = &[
        dir("real"),
        symlink("link", "real"),
        w("link/sub/f"),
        dir("real/sub").mode(0o700),
    ];
    assert_eq!(described(&[linked], "real/sub")[0].0, 0o700);
}

#[test]
fn targets_of_hard_links_may_go_up_inside() {
    let temporary = quick_folder();
    let items = [
        dir("a"),
        file("b", "x"),
        hardlink("c", "a/../b"),
        hardlink("d", "./a/.././b"),
    ];
    unpack_layers(temporary.path(), &[archive(&items)], &Limits::default()).unwrap();
    let root = temporary.path().join("target");
    assert_eq!(fs::metadata(root.join("b")).unwrap().nlink(), 3);
    for target in ["../b", "a/../../b"] {
        let temporary = quick_folder();
        let items = [dir("a"), file("b", "x"), hardlink("c", target)];
        let done = unpack_layers(temporary.path(), &[archive(&items)], &Limits::default());
        assert!(done.unwrap_err().to_string().contains("leads upwards"));
    }
}

#[test]
fn privileged_targets_without_extended_attributes() {
    if !(is_root() && have("unshare") && have("busybox")) {
        return;
    }
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    // Directories without entries, and whiteouts.
    let tar = program.path("r.tar");
    fs::write(&tar, archive(&[file("a/b/c", "x")])).unwrap();
    program.run(&["import", tar.to_str().unwrap(), "localhost/implicit"]);
    let script = "set -eu; mount --make-rprivate /; mkdir $HOME/at; mount -t ramfs none $HOME/at
        $PROGRAM unpack localhost/app $HOME/at/app; test -x $HOME/at/app/bin/busybox
        $PROGRAM unpack localhost/implicit $HOME/at/i; cat $HOME/at/i/a/b/c";
    let output = peer("unshare")
        .args(["-m", "sh", "-c", script])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", program.folder.path())
        .env("TARE_IMAGE_ROOT", program.store())
        .env("PROGRAM", env!("CARGO_BIN_EXE_tare-image"))
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"x", "{output:?}");
}

#[test]
fn overlay_attributes_of_an_image_are_dropped() {
    let temporary = quick_folder();
    let mut evil = dir("d");
    evil.entry.xattrs = [
        "trusted.overlay.opaque",
        "user.overlay.opaque",
        "trusted.overlay.redirect",
        "user.tare.implicit",
        "user.kept",
    ]
    .map(|n| (n.as_bytes().to_vec(), b"y".to_vec()))
    .to_vec();
    let layers = [archive(&[dir("d"), file("d/a", "1")]), archive(&[evil])];
    unpack_layers(temporary.path(), &layers, &Limits::default()).unwrap();
    let root = temporary.path().join("target");
    assert!(root.join("d/a").exists(), "the attribute was not obeyed");
    let mut buffer = [0u8; 4096];
    let n = rustix::fs::listxattr(root.join("d"), &mut buffer).unwrap();
    let names: Vec<_> = buffer[..n]
        .split(|b| *b == 0)
        .filter(|n| !n.is_empty())
        .map(|n| String::from_utf8_lossy(n).to_string())
        .collect();
    assert_eq!(names, ["user.kept"]);
}

#[test]
fn deep_directories_and_many_entries() {
    let mut items = Vec::new();
    let mut path = String::new();
    for n in 0..1000 {
        path += if n == 0 { "d" } else { "/d" };
        items.push(dir(&path));
    }
    items.push(file(&format!("{path}/f"), "deep"));
    items.extend((0..5000).map(|n| file(&format!("many/{n}"), "")));
    let temporary = quick_folder();
    let summaries =
        unpack_layers(temporary.path(), &[archive(&items)], &Limits::default()).unwrap();
    assert_eq!(summaries[0].entries, 6001);
    assert_eq!(
        fs::read_dir(temporary.path().join("target/many"))
            .unwrap()
            .count(),
        5000
    );
    tare_image::unpack::remove_tree(&temporary.path().join("target")).unwrap();
}

#[test]
fn pipes_are_made_and_devices_only_with_privilege() {
    let temporary = quick_folder();
    let mut null = item(EntryKind::CharDevice, b"null");
    null.entry.device = (1, 3);
    let summaries = unpack_layers(
        temporary.path(),
        &[archive(&[item(EntryKind::Fifo, b"pipe"), null])],
        &Limits::default(),
    )
    .unwrap();
    let root = temporary.path().join("target");
    assert!(snapshot(&root, false)["pipe"].starts_with("fifo 644"));
    let made = root.join("null").exists();
    assert_eq!(made, summaries[0].skipped_devices == 0);
    if made {
        assert_eq!(
            fs::metadata(root.join("null")).unwrap().rdev(),
            rustix::fs::makedev(1, 3)
        );
    }
}

#[test]
fn what_is_in_a_directory_with_a_group_of_its_own_does_not_inherit_that() {
    if !is_root() {
        return;
    }
    let mut shared = dir("shared");
    (shared.entry.mode, shared.entry.gid) = (0o2775, 50);
    let mut link = item(EntryKind::Symlink, b"shared/link");
    link.entry.link = b"file".to_vec();
    let pipe = item(EntryKind::Fifo, b"shared/pipe");
    let mut other = dir("again");
    other.entry.uid = 1000;
    let (file, inner) = (file("shared/file", ""), dir("shared/dir"));
    let items = [shared, file, inner, link, pipe, other, dir("again")];
    let temporary = quick_folder();
    unpack_layers(temporary.path(), &[archive(&items)], &Limits::default()).unwrap();
    let root = temporary.path().join("target");
    for (name, gid) in [
        ("", 50),
        ("/file", 0),
        ("/dir", 0),
        ("/link", 0),
        ("/pipe", 0),
    ] {
        let found = fs::symlink_metadata(root.join(format!("shared{name}"))).unwrap();
        assert_eq!(found.gid(), gid, "{name}");
    }
    assert_eq!(
        fs::metadata(root.join("shared")).unwrap().mode() & 0o7777,
        0o2775
    );
    // Of two entries for a directory, the last one says whose it is.
    assert_eq!(fs::metadata(root.join("again")).unwrap().uid(), 0);
}

#[test]
fn names_are_bytes() {
    // The same letters to people and to some file systems, different names to Linux.
    let names = ["Case", "case", "caf\u{e9}", "cafe\u{301}", "caf\u{e9} "];
    let items: Vec<_> = names.iter().map(|n| file(n, n)).collect();
    let temporary = quick_folder();
    unpack_layers(temporary.path(), &[archive(&items)], &Limits::default()).unwrap();
    for name in names {
        let read = fs::read_to_string(temporary.path().join("target").join(name));
        assert_eq!(read.unwrap(), name);
    }
}
