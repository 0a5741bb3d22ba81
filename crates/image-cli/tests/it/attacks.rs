//! Every known way to make an unpacker write outside its target: combined, unpacked, and the outside compared.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tare_image::tar::EntryKind;
use tare_image::{Kind, Limits};

use crate::support::*;

/// What must never change, next to the target.
fn outside(folder: &Path) {
    let outside = folder.join("outside");
    fs::create_dir_all(outside.join("dir")).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    fs::write(outside.join("dir/inner"), "precious too").unwrap();
    fs::set_permissions(outside.join("dir"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(outside.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
}

const KINDS: [EntryKind; 7] = [
    EntryKind::File,
    EntryKind::Directory,
    EntryKind::Symlink,
    EntryKind::HardLink,
    EntryKind::Fifo,
    EntryKind::CharDevice,
    EntryKind::BlockDevice,
];

/// Names that lead somewhere else, or that two readers could understand differently.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "..",
        "../outside/file",
        "../../outside/new",
        "a/../../outside/new",
        "a/..",
        "/..",
        "/.",
        "/",
        ".",
        "./",
        "",
        "//",
        "/./.",
        "/outside/file",
        "./../outside/dir",
        "out",
        "out/file",
        "out/new",
        "out/dir",
        "out/dir/inner",
        "out/dir/new",
        "up/outside/new",
        "self/new",
        "loop/new",
        "dangling/new",
        "plain/new",
        "plain",
        "dir/",
        "dir",
        "dir/../../outside/new",
        ".wh.",
        ".wh..",
        ".wh...",
        ".wh.out",
        "out/.wh.file",
        ".wh..wh..opq",
        "out/.wh..wh..opq",
        "out/dir/.wh..wh..opq",
        ".wh.a/b",
        ".wh..wh.plnk/x",
        "...",
        "hard",
        "proc/self/root/x",
        "magic/outside/new",
    ]
    .iter()
    .map(|n| n.as_bytes().to_vec())
    .collect();
    names.push(vec![b'n'; 255]);
    names.push(vec![b'n'; 256]);
    names.push([b"x/".repeat(20), vec![b'x']].concat());
    names.push([b"d/".repeat(1024), vec![b'f']].concat());
    names.push([b"p/".repeat(1900), vec![b'q'; 400]].concat());
    names.push(b"\xff\xfe\n\x01".to_vec());
    names.push("Ünïcode".as_bytes().to_vec());
    names
}

/// What may be there before: links to the outside in every spelling.
fn traps(folder: &Path) -> Vec<Item> {
    let outside = folder.join("outside").display().to_string();
    vec![
        symlink("out", &outside),
        symlink("up", ".."),
        symlink("self", "."),
        symlink("loop", "loop"),
        symlink("dangling", "../outside/nothing"),
        symlink("magic", "/proc/self/cwd"),
        symlink("deep", "../../../../../../../../"),
        file("plain", "x"),
        dir("dir"),
        hardlink("hard", "plain"),
    ]
}

#[test]
fn nothing_is_written_outside() {
    let mut tried = 0;
    for name in names() {
        for kind in KINDS {
            // The trap before, after, and in a layer below.
            for order in 0..3 {
                let temporary = quick_folder();
                let folder = temporary.path();
                outside(folder);
                let before = snapshot(&folder.join("outside"), true);
                let mut hostile = item(kind, &name);
                hostile.entry.mode = 0o4777;
                hostile.entry.device = (1, 3);
                if matches!(kind, EntryKind::Symlink | EntryKind::HardLink) {
                    for target in [
                        "../outside/file",
                        "/outside/file",
                        "out/file",
                        "plain",
                        "up/outside/file",
                        "..",
                        "",
                        "out",
                        "loop",
                    ] {
                        hostile.entry.link = target.as_bytes().to_vec();
                        tried += attempt(folder, &hostile, order);
                        assert_eq!(
                            snapshot(&folder.join("outside"), true),
                            before,
                            "{kind:?} {} -> {target}",
                            name.escape_ascii()
                        );
                        tare_image::unpack::remove_tree(&folder.join("target")).unwrap();
                    }
                    continue;
                }
                tried += attempt(folder, &hostile, order);
                assert_eq!(
                    snapshot(&folder.join("outside"), true),
                    before,
                    "{kind:?} {} order {order}",
                    name.escape_ascii()
                );
                let left: Vec<_> = fs::read_dir(folder)
                    .unwrap()
                    .map(|e| e.unwrap().file_name())
                    .collect();
                assert!(
                    left.iter().all(|n| n == "outside" || n == "target"),
                    "{left:?}"
                );
                tare_image::unpack::remove_tree(&folder.join("target")).unwrap();
            }
        }
    }
    assert!(tried > 2000, "{tried}");
}

fn attempt(folder: &Path, hostile: &Item, order: usize) -> usize {
    // Something follows that would go through whatever the hostile entry made.
    let after = [
        file("out/file", "overwritten"),
        dir("out/dir").mode(0o777),
        file("out/dir/inner", "overwritten"),
    ];
    let layers: Vec<Vec<Item>> = match order {
        0 => vec![[traps(folder), vec![hostile.clone()], after.to_vec()].concat()],
        1 => vec![[vec![hostile.clone()], traps(folder), after.to_vec()].concat()],
        _ => vec![
            traps(folder),
            [vec![hostile.clone()], after.to_vec()].concat(),
        ],
    };
    let layers: Vec<_> = layers.iter().map(|l| archive(l)).collect();
    // Refusing and unpacking harmlessly are both right here; which of them, the tables below say.
    let _ = unpack_layers(folder, &layers, &Limits::default());
    1
}

fn refused(items: &[Item]) -> Kind {
    refused_bytes(&archive(items))
}

fn refused_bytes(archive: &[u8]) -> Kind {
    let temporary = quick_folder();
    match unpack_layers(temporary.path(), &[archive.to_vec()], &Limits::default()) {
        Ok(_) => panic!(
            "was unpacked: {:?}",
            snapshot(&temporary.path().join("target"), false)
        ),
        Err(e) => e.kind(),
    }
}

#[test]
fn what_cannot_be_honest_is_refused() {
    use EntryKind::*;
    let named = |kind, name: &str| item(kind, name.as_bytes());
    let null_device = |name| {
        let mut item = named(CharDevice, name);
        item.entry.device = (0, 0);
        item
    };
    let table: Vec<(&str, Vec<Item>)> = vec![
        ("upwards", vec![file("../x", "")]),
        ("upwards inside", vec![dir("a"), file("a/../b", "")]),
        ("root as link", vec![symlink("/.", "/etc")]),
        ("root as file", vec![file("./", "x")]),
        ("root as hard link", vec![hardlink("/", "a")]),
        ("root as device", vec![named(BlockDevice, "")]),
        ("whiteout of nothing", vec![file(".wh.", "")]),
        ("whiteout of the parent", vec![file("a/.wh...", "")]),
        ("whiteout of itself", vec![file("a/.wh..", "")]),
        ("directory as whiteout", vec![dir(".wh.a")]),
        ("below a whiteout", vec![file(".wh.a/b", "")]),
        ("device that is a whiteout", vec![null_device("d")]),
        ("hard link upwards", vec![hardlink("a", "../outside/file")]),
        (
            "hard link to a directory",
            vec![dir("d"), hardlink("a", "d")],
        ),
        ("hard link to the root", vec![hardlink("a", ".")]),
        (
            "hard link to itself",
            vec![file("a", ""), hardlink("a", "a")],
        ),
        (
            "hard link to a whiteout",
            vec![file(".wh.x", ""), hardlink("a", ".wh.x")],
        ),
        (
            "hard link to something removed",
            vec![file(".wh.x", ""), hardlink("a", "x")],
        ),
        ("file as directory", vec![file("a", ""), file("a/b", "")]),
        (
            "through a dangling link",
            vec![symlink("a", "nothing"), file("a/b", "")],
        ),
        (
            "through a circle",
            vec![symlink("a", "b"), symlink("b", "a"), file("a/b", "")],
        ),
    ];
    for (name, items) in table {
        assert_eq!(refused(&items), Kind::Unsafe, "{name}");
    }
    assert_eq!(refused(&[hardlink("a", "nothing")]), Kind::Malformed);
    assert_eq!(refused(&[symlink("a", "")]), Kind::Malformed);
    assert_eq!(refused(&[item(File, &[b'n'; 256])]), Kind::Limit);
    assert_eq!(
        refused(&[item(File, &[b"d/".repeat(1024), vec![b'f']].concat())]),
        Kind::Limit
    );
    assert_eq!(refused(&[item(File, &[b'n'; 5000])]), Kind::Limit);
}

/// Writes a header with chosen fields, with a right checksum.
fn header(name: &[u8], kind: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0u8; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    out.resize(data.len().div_ceil(512) * 512, 0);
    out
}

fn pax(records: &str) -> Vec<u8> {
    [
        header(b"pax", b'x', records.len() as u64),
        padded(records.as_bytes()),
    ]
    .concat()
}

#[test]
fn what_readers_understand_differently_is_refused() {
    let end = vec![0u8; 1024];
    let data = padded(b"0123456789");
    let table: Vec<(&str, Kind, Vec<u8>)> = vec![
        (
            "two sizes",
            Kind::Unsafe,
            [
                pax("12 size=512\n").as_slice(),
                &header(b"a", b'0', 10),
                &data,
                &end,
            ]
            .concat(),
        ),
        (
            "directory with data",
            Kind::Unsafe,
            [header(b"d/", b'5', 10).as_slice(), &data, &end].concat(),
        ),
        (
            "link with data",
            Kind::Unsafe,
            [header(b"l", b'2', 10).as_slice(), &data, &end].concat(),
        ),
        (
            "hard link with data",
            Kind::Unsafe,
            [header(b"h", b'1', 10).as_slice(), &data, &end].concat(),
        ),
        (
            "file named like a directory",
            Kind::Unsafe,
            [header(b"f/", b'0', 10).as_slice(), &data, &end].concat(),
        ),
        (
            "one zero block",
            Kind::Unsafe,
            [
                vec![0; 512].as_slice(),
                &header(b"a", b'0', 10),
                &data,
                &end,
            ]
            .concat(),
        ),
        (
            "global path",
            Kind::Unsafe,
            [
                header(b"g", b'g', 10).as_slice(),
                &padded(b"10 path=x\n"),
                &header(b"a", b'0', 0),
                &end,
            ]
            .concat(),
        ),
        (
            "NUL in a path",
            Kind::Unsafe,
            [
                pax("12 path=a\0b\n").as_slice(),
                &header(b"a", b'0', 0),
                &end,
            ]
            .concat(),
        ),
        (
            "unknown type",
            Kind::Unsupported,
            [header(b"a", b'Z', 0).as_slice(), &end].concat(),
        ),
        (
            "several volumes",
            Kind::Unsupported,
            [header(b"a", b'M', 0).as_slice(), &end].concat(),
        ),
        (
            "extension without entry",
            Kind::Malformed,
            [pax("10 path=x\n").as_slice(), &end].concat(),
        ),
        (
            "cut in a header",
            Kind::Malformed,
            header(b"a", b'0', 0)[..300].to_vec(),
        ),
        (
            "cut in the data",
            Kind::Malformed,
            [header(b"a", b'0', 1000).as_slice(), &data].concat(),
        ),
        (
            "huge extension",
            Kind::Limit,
            [header(b"pax", b'x', 2 << 20).as_slice(), &vec![0; 2 << 20]].concat(),
        ),
        (
            "huge long name",
            Kind::Limit,
            [
                header(b"long", b'L', 2 << 20).as_slice(),
                &vec![b'x'; 2 << 20],
            ]
            .concat(),
        ),
        (
            "no header",
            Kind::Malformed,
            b"this is no archive".repeat(40),
        ),
    ];
    for (name, kind, bytes) in table {
        assert_eq!(refused_bytes(&bytes), kind, "{name}");
    }
    for field in [124..136, 100..108, 136..148, 108..116] {
        let mut block = header(b"a", b'0', 0);
        block[field.clone()].fill(b'9');
        seal(&mut block);
        assert_eq!(
            refused_bytes(&[block.as_slice(), &end].concat()),
            Kind::Malformed,
            "{field:?}"
        );
    }
    let mut negative = header(b"a", b'0', 0);
    negative[124..136].fill(0xff);
    seal(&mut negative);
    assert_eq!(
        refused_bytes(&[negative.as_slice(), &end].concat()),
        Kind::Malformed
    );
}

#[test]
fn an_archive_cut_at_each_byte_is_refused_or_whole() {
    let whole = archive(&[
        dir("d"),
        file("d/f", "content"),
        symlink("l", "d/f"),
        hardlink("h", "d/f"),
    ]);
    for length in 1..whole.len() - 1024 {
        let temporary = quick_folder();
        let result = unpack_layers(
            temporary.path(),
            &[whole[..length].to_vec()],
            &Limits::default(),
        );
        // The format has no length: an archive that ends between entries is an archive. The digest catches the rest. The last
        // entry's padding is forgiven, as by other readers.
        let between = length % 512 == 0 || (1024 + 7..1536).contains(&length);
        assert!(result.is_err() || between, "cut at {length}");
    }
}

#[test]
fn limits_hold() {
    let limits = Limits {
        entries: 10,
        layer_bytes: 1 << 20,
        xattr_bytes: 100,
        sparse_segments: 4,
        ..Limits::default()
    };
    let unpack = |items: &[Item]| {
        let temporary = quick_folder();
        unpack_layers(temporary.path(), &[archive(items)], &limits).map_err(|e| e.kind())
    };
    let many: Vec<Item> = (0..11).map(|n| file(&format!("f{n}"), "")).collect();
    assert!(unpack(&many[..10]).is_ok());
    assert_eq!(unpack(&many).unwrap_err(), Kind::Limit);
    let mut heavy = file("f", "");
    heavy.entry.xattrs = vec![(b"user.x".to_vec(), vec![0; 101])];
    assert_eq!(unpack(&[heavy]).unwrap_err(), Kind::Limit);
    // A file that is huge only by its holes.
    let records =
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n37 GNU.sparse.realsize=9999999999999\n";
    let map = padded(b"1\n0\n10\n");
    let bomb = [
        pax(records).as_slice(),
        &header(b"s", b'0', 522),
        &map,
        &padded(b"0123456789"),
        &[0; 1024],
    ]
    .concat();
    let temporary = quick_folder();
    assert_eq!(
        unpack_layers(temporary.path(), &[bomb], &limits)
            .unwrap_err()
            .kind(),
        Kind::Limit
    );
}

#[test]
fn links_are_followed_inside_only() {
    let temporary = quick_folder();
    let folder = temporary.path();
    outside(folder);
    // "/etc" means the image's own, and as many ".." as one likes end at the image's root.
    let layer = archive(&[
        dir("etc"),
        symlink("absolute", "/etc"),
        symlink("upwards", "../../../../etc"),
        file("absolute/a", "1"),
        file("upwards/b", "2"),
    ]);
    unpack_layers(folder, &[layer], &Limits::default()).unwrap();
    assert_eq!(
        fs::read_to_string(folder.join("target/etc/a")).unwrap(),
        "1"
    );
    assert_eq!(
        fs::read_to_string(folder.join("target/etc/b")).unwrap(),
        "2"
    );
    // A directory where a link was: the link is replaced, what it points to stays (CVE-2026-33056).
    let target = folder.join("outside/dir");
    let layer = archive(&[
        symlink("d", target.to_str().unwrap()),
        dir("d").mode(0o777),
        file("d/x", "3"),
    ]);
    unpack_layers(folder, &[layer], &Limits::default()).unwrap();
    assert_eq!(
        fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert!(!target.join("x").exists());
    assert_eq!(fs::read_to_string(folder.join("target/d/x")).unwrap(), "3");
}

/// A PAX record: its length counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let length = (rest.len() + 1..)
        .find(|n| n.to_string().len() + rest.len() == *n)
        .unwrap();
    format!("{length}{rest}")
}

fn gnu_long(kind: u8, text: &[u8]) -> Vec<u8> {
    let body = [text, b"\0"].concat();
    [
        header(b"././@LongLink", kind, body.len() as u64),
        padded(&body),
    ]
    .concat()
}

#[test]
fn names_from_extensions_are_looked_at_like_others() {
    let temporary = quick_folder();
    outside(temporary.path());
    let before = snapshot(&temporary.path().join("outside"), true);
    let end = [0u8; 1024];
    let entry = |before: Vec<u8>, kind: u8| [&before[..], &header(b"a", kind, 0), &end].concat();
    let (up, file, link) = ("../outside/new", b'0', b'1');
    let mut linked = header(b"a", link, 0);
    linked[157..172].copy_from_slice(b"../outside/file");
    seal(&mut linked);
    let table = [
        ("path", entry(pax(&record("path", up)), file)),
        ("long name", entry(gnu_long(b'L', up.as_bytes()), file)),
        (
            "linkpath",
            entry(pax(&record("linkpath", "../outside/file")), link),
        ),
        ("long link", entry(gnu_long(b'K', b"../outside/file"), link)),
        ("link", [&linked[..], &end].concat()),
        (
            "name of a sparse file",
            entry(
                pax(&[
                    record("GNU.sparse.map", ""),
                    record("GNU.sparse.numblocks", "0"),
                    record("GNU.sparse.realsize", "0"),
                    record("GNU.sparse.size", "0"),
                    record("GNU.sparse.name", up),
                ]
                .concat()),
                file,
            ),
        ),
        // The last one of several counts for everybody; all of them are looked at here.
        (
            "two paths",
            entry(
                pax(&[record("path", "b"), record("path", up)].concat()),
                file,
            ),
        ),
    ];
    for (what, bytes) in table {
        let result = unpack_layers(temporary.path(), &[bytes], &Limits::default());
        assert!(result.is_err(), "{what}");
        assert_eq!(
            snapshot(&temporary.path().join("outside"), true),
            before,
            "{what}"
        );
    }
    // No size, but data: it is read as the next header, and is none.
    let hidden = [&header(b"a", b'0', 0)[..], &padded(b"data"), &end].concat();
    assert_eq!(refused_bytes(&hidden), Kind::Malformed);
    // As long as a name may be, and one more.
    for (length, good) in [(4096, true), (4097, false)] {
        let last = 200 + length % 2;
        let name = "d/".repeat((length - last) / 2) + &"f".repeat(last);
        assert_eq!(name.len(), length);
        let path = entry(pax(&record("path", &name)), file);
        let limits = Limits {
            depth: 4096,
            ..Limits::default()
        };
        let temporary = quick_folder();
        let result = unpack_layers(temporary.path(), &[path], &limits);
        match good {
            true => drop(result.unwrap()),
            false => assert_eq!(result.unwrap_err().kind(), Kind::Limit),
        }
        tare_image::unpack::remove_tree(temporary.path()).unwrap();
    }
}

#[test]
fn links_in_archives_of_images_stay_inside() {
    let program = Program::new();
    let config =
        r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["DIFF"]}}"#;
    let layer = archive(&[file("f", "here")]);
    let config = config.replace("DIFF", tare_image::digest::of(&layer).as_ref());
    let manifest = r#"[{"Config":"c.json","RepoTags":["localhost/x:1"],"Layers":["l/layer.tar"]}]"#;
    let data = |path: &str, bytes: &[u8]| Item {
        data: bytes.to_vec(),
        ..file(path, "")
    };
    let load = |items: &[Item]| {
        let path = program.path("a.tar");
        fs::write(&path, archive(items)).unwrap();
        program.try_run(&["load", path.to_str().unwrap()])
    };
    fs::write(program.path("secret.json"), manifest).unwrap();
    let secret = program.path("secret.json").display().to_string();
    // Docker itself once wrote a layer that comes twice as a link to the first.
    let good = [
        data("manifest.json", manifest.as_bytes()),
        data("c.json", config.as_bytes()),
        data("real/layer.tar", &layer),
        symlink("l/layer.tar", "../real/layer.tar"),
    ];
    load(&good).unwrap();
    for target in [
        &secret,
        "../secret.json",
        "../../../../../../etc/passwd",
        "/etc/passwd",
    ] {
        for hostile in [
            symlink("manifest.json", target),
            hardlink("manifest.json", target),
        ] {
            let items = [&[hostile][..], &good[1..]].concat();
            assert!(load(&items).is_err(), "manifest.json -> {target}");
        }
        let mut items = good.to_vec();
        items[3] = symlink("l/layer.tar", target);
        let error = load(&items).unwrap_err();
        assert!(error.contains("not in the archive"), "{error}");
    }
}
