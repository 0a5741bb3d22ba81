//! The same archive read here, by GNU tar and by libarchive: what all of them accept must become the same tree.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tare_image::Limits;
use tare_image::tar::{EntryKind, Time};

use crate::support::*;

/// Names that programs have had trouble with, all of them honest. None with combining characters: libarchive composes them.
fn names() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => "[a-c]",
        1 => Just("with space".to_string()),
        1 => Just("Ünï".to_string()),
        1 => Just("-rf".to_string()),
        1 => Just("new\nline".to_string()),
        1 => Just("n".repeat(99)),
        1 => Just("n".repeat(101)),
        1 => Just("back\\slash*?[".to_string()),
    ];
    let path = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/").into_bytes());
    prop_oneof![8 => path.clone(), 1 => path.prop_map(|mut p| { p.extend(b"/\xff\xfe"); p })]
}

fn times() -> impl Strategy<Value = Time> {
    let seconds = prop_oneof![
        4 => 0i64..2_000_000_000,
        1 => Just(0),
        1 => Just((1 << 33) + 5),
        1 => -100_000i64..0,
    ];
    let fraction = prop_oneof![2 => Just(0), 1 => 0u32..1_000_000_000];
    // libarchive reads -1.25 as -0.75.
    (seconds, fraction).prop_map(|(seconds, nanoseconds)| Time {
        seconds,
        nanoseconds: if seconds < 0 { 0 } else { nanoseconds },
    })
}

fn kinds() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        4 => Just(EntryKind::File),
        4 => Just(EntryKind::Directory),
        2 => Just(EntryKind::Symlink),
        2 => Just(EntryKind::HardLink),
        1 => Just(EntryKind::Fifo),
    ]
}

/// An archive in which names come several times and folders may be missing.
fn archives() -> impl Strategy<Value = Vec<Item>> {
    let mode = prop_oneof![
        Just(0o644),
        Just(0o755),
        Just(0o700),
        Just(0o4755),
        Just(0o2710)
    ];
    let data = prop_oneof![Just(0usize), 1usize..600, Just(512), Just(10_000)];
    let attribute = prop::option::of("[a-z]{1,3}");
    let entry = (
        kinds(),
        names(),
        times(),
        mode,
        data,
        attribute,
        any::<usize>(),
    );
    prop::collection::vec(entry, 1..12).prop_map(|entries| {
        let mut items: Vec<Item> = Vec::new();
        for (kind, path, time, mode, length, attribute, pick) in entries {
            let mut made = item(kind, &path).mode(mode);
            made.entry.mtime = time;
            match kind {
                EntryKind::File => {
                    made.data = (0..length).map(|n| (n % 251) as u8).collect();
                    if let Some(name) = attribute {
                        let name = format!("user.{name}").into_bytes();
                        made.entry.xattrs.push((name, b"va\0lue".to_vec()));
                    }
                }
                EntryKind::Symlink => made.entry.link = b"somewhere/else".to_vec(),
                EntryKind::HardLink => {
                    let files = items.iter().filter(|i| i.entry.kind == EntryKind::File);
                    let files: Vec<_> = files.map(|i| i.entry.path.clone()).collect();
                    if files.is_empty() {
                        continue;
                    }
                    made.entry.link = files[pick % files.len()].clone();
                }
                _ => {}
            }
            items.push(made);
        }
        items
    })
}

/// Unpacks with another program; none when it is not there or did not like the archive.
fn theirs(program: &str, archive: &Path, to: &Path) -> Option<()> {
    fs::create_dir(to).unwrap();
    let mut command = peer(program);
    if program == "tar" {
        command.args([
            "--xattrs",
            "--xattrs-include=*",
            "--numeric-owner",
            "--warning=no-timestamp",
            "--delay-directory-restore",
        ]);
    } else {
        command.args(["--numeric-owner", "--no-acls", "--no-fflags"]);
    }
    command
        .args(["-x", "-p", "-C"])
        .arg(to)
        .arg("-f")
        .arg(archive);
    let status = command.stderr(Stdio::null()).status().ok()?;
    status.success().then_some(())
}

/// Without the root, whose time not every program restores.
fn below(root: &Path) -> BTreeMap<String, String> {
    let mut all = snapshot(root, true);
    all.remove("");
    all
}

/// Removes what programs do not agree on: attributes of folders that the archive does not list, or lists twice, and with
/// libarchive the times of all folders, which it sets before it is done with what is in them.
fn agreed(tree: &Path, items: &[Item], by: &str) -> Vec<(String, String)> {
    let count = |name: &str| {
        let same = |i: &&Item| i.entry.path.escape_ascii().to_string() == name;
        items.iter().filter(same).count()
    };
    let strip = |(name, line): (String, String)| {
        let once = count(&name) == 1;
        match line.rsplit_once(' ') {
            Some(_) if line.starts_with("dir ") && !once => (name, "dir".to_string()),
            Some((rest, _)) if line.starts_with("dir ") && by == "bsdtar" => (name, rest.into()),
            _ => (name, line),
        }
    };
    below(tree).into_iter().map(strip).collect()
}

/// The same cases on every run, so that a failure is a change's own; `TARE_CASES=10000` tries more.
fn runner(cases: u32) -> TestRunner {
    let more = std::env::var("TARE_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    let config = Config {
        cases: more.unwrap_or(cases),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
}

#[test]
fn what_others_accept_too_becomes_the_same_tree() {
    let others: Vec<_> = ["tar", "bsdtar"].into_iter().filter(|t| have(t)).collect();
    let (compared, refused) = (Cell::new(0), Cell::new(0));
    let run = runner(200).run(&archives(), |items| {
        let folder = quick_folder();
        let bytes = archive(&items);
        let file = folder.path().join("a.tar");
        fs::write(&file, &bytes).unwrap();
        if unpack_layers(folder.path(), &[bytes], &Limits::default()).is_err() {
            refused.set(refused.get() + 1);
            return Ok(());
        }
        for other in &others {
            let out = folder.path().join(other);
            if theirs(other, &file, &out).is_some() {
                compared.set(compared.get() + 1);
                let ours = agreed(&folder.path().join("target"), &items, other);
                prop_assert_eq!(agreed(&out, &items, other), ours, "{}", other);
            }
        }
        Ok(())
    });
    run.unwrap();
    let (compared, refused) = (compared.get(), refused.get());
    println!("{compared} trees compared, {refused} archives refused here");
    assert!(
        compared >= 100 * others.len(),
        "{compared} compared, {refused} refused"
    );
}

/// What a generated tree is made of.
#[derive(Clone, Debug)]
enum Leaf {
    File {
        length: usize,
        mode: u32,
    },
    /// Data at these multiples of 4 KiB, and holes elsewhere.
    Sparse(Vec<u64>),
    Symlink(String),
    /// Another name of an earlier file.
    Link(usize),
}

fn trees() -> impl Strategy<Value = Vec<(Vec<u8>, Leaf, Time)>> {
    let leaf = prop_oneof![
        4 => (0usize..3000, prop_oneof![Just(0o644), Just(0o4711)])
            .prop_map(|(length, mode)| Leaf::File { length, mode }),
        2 => prop::collection::vec(0u64..200, 0..30).prop_map(Leaf::Sparse),
        1 => "[a-z/.]{1,120}".prop_map(Leaf::Symlink),
        2 => any::<usize>().prop_map(Leaf::Link),
    ];
    prop::collection::vec((names(), leaf, times()), 1..15)
}

fn build(root: &Path, tree: &[(Vec<u8>, Leaf, Time)]) {
    fs::create_dir(root).unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    for (n, (name, leaf, time)) in tree.iter().enumerate() {
        // Numbered, so that no name is in another's way.
        let path = root.join(format!("{n}")).join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match leaf {
            Leaf::File { length, mode } => {
                fs::write(&path, vec![b'x'; *length]).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                let none = rustix::fs::XattrFlags::empty();
                let _ = rustix::fs::setxattr(&path, "user.n", format!("{n}").as_bytes(), none);
                files.push(path.clone());
            }
            Leaf::Sparse(pieces) => {
                let file = fs::File::create(&path).unwrap();
                file.set_len(200 * 4096).unwrap();
                for piece in pieces {
                    file.write_all_at(&[b'd'; 4096], piece * 4096).unwrap();
                }
                files.push(path.clone());
            }
            Leaf::Symlink(to) => std::os::unix::fs::symlink(to, &path).unwrap(),
            Leaf::Link(_) if files.is_empty() => continue,
            Leaf::Link(pick) => fs::hard_link(&files[pick % files.len()], &path).unwrap(),
        }
        let time = rustix::fs::Timespec {
            tv_sec: time.seconds,
            tv_nsec: time.nanoseconds.into(),
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, &path, &times, flags).unwrap();
    }
}

#[test]
fn generated_trees_packed_by_others_and_by_us() {
    let gnu: [(&str, &[&str]); 6] = [
        ("tar", &["--format=gnu"]),
        ("tar", &["--format=gnu", "-S"]),
        (
            "tar",
            &["--format=posix", "--xattrs", "-S", "--sparse-version=0.0"],
        ),
        (
            "tar",
            &["--format=posix", "--xattrs", "-S", "--sparse-version=0.1"],
        ),
        (
            "tar",
            &["--format=posix", "--xattrs", "-S", "--sparse-version=1.0"],
        ),
        ("tar", &["--format=posix", "--xattrs"]),
    ];
    let libarchive: [(&str, &[&str]); 2] = [
        ("bsdtar", &["--format=pax", "--xattrs"]),
        ("bsdtar", &["--format=gnutar"]),
    ];
    let mut packers: Vec<_> = gnu.iter().chain(&libarchive).collect();
    packers.retain(|p| have(p.0));
    let run = runner(12).run(&trees(), |tree| {
        let folder = quick_folder();
        let root = folder.path().join("root");
        build(&root, &tree);
        for (n, (program, options)) in packers.iter().enumerate() {
            let file = folder.path().join(format!("{n}.tar"));
            let mut command = peer(program);
            command
                .args(*options)
                .arg("-C")
                .arg(&root)
                .arg("-c")
                .arg("-f")
                .arg(&file)
                .arg(".");
            // What a format cannot say, its program reports, and leaves out.
            if !command.stderr(Stdio::null()).status().unwrap().success() {
                continue;
            }
            let own = folder.path().join(format!("own{n}"));
            fs::create_dir(&own).unwrap();
            let bytes = fs::read(&file).unwrap();
            unpack_layers(&own, &[bytes], &Limits::default())
                .map_err(|e| TestCaseError::fail(format!("{program} {options:?}: {e}")))?;
            let out = folder.path().join(format!("out{n}"));
            if theirs(program, &file, &out).is_some() {
                let ours = below(&own.join("target"));
                prop_assert_eq!(below(&out), ours, "{} {:?}", program, options);
            }
        }
        // And what is written here is read by others as it was.
        let bytes = tare_image::changes::write(&root, tare_image::changes::What::Tree, Vec::new())
            .unwrap()
            .0;
        let file = folder.path().join("ours.tar");
        fs::write(&file, bytes).unwrap();
        for program in ["tar", "bsdtar"] {
            let out = folder.path().join(format!("{program}-of-ours"));
            if have(program) && theirs(program, &file, &out).is_some() {
                prop_assert_eq!(below(&out), below(&root), "{}", program);
            }
        }
        Ok(())
    });
    run.unwrap();
}
