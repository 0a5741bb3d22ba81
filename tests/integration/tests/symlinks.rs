//! Hostile root file systems: whatever the runtime makes, mounts or writes must stay inside the root.
//!
//! The weaknesses behind these cases: CVE-2019-18837, CVE-2021-30465, CVE-2023-27561, CVE-2023-28642, CVE-2024-45310,
//! CVE-2025-31133, CVE-2025-52565, CVE-2025-54867, CVE-2026-41579 and others of that kind.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use harness::{Bundle, ConsoleSocket, Sandbox, cases};
use serde_json::json;

cases![
    every_target_in_every_hostile_shape,
    proc_and_sys_must_be_directories,
    a_link_does_not_lead_a_mount_into_proc_or_sys,
    privileged_a_neighbour_moves_what_is_covered,
    privileged_a_copy_mixes_no_files,
    dev_as_a_link_changes_nothing_outside,
    console_as_a_link_makes_nothing_outside,
    privileged_null_as_a_link_to_a_mounted_file,
    runtime_files_are_not_in_the_root,
    masked_files_do_not_trust_the_containers_null,
    hostile_passwd_does_not_block,
    rootfs_may_be_below_a_link,
];

/// Files of the host that must not change.
struct Canary {
    path: PathBuf,
    before: Vec<String>,
}

impl Canary {
    fn new(sandbox: &Sandbox) -> Canary {
        let path = sandbox.folder("canary");
        for name in ["ptmx", "fd", "stdin", "core", "file", "null"] {
            fs::write(path.join(name), format!("content of {name}")).unwrap();
        }
        fs::create_dir_all(path.join("folder/below")).unwrap();
        fs::set_permissions(path.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
        let mut canary = Canary {
            path,
            before: Vec::new(),
        };
        canary.before = canary.look();
        canary
    }

    fn look(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap().flatten() {
                let (path, data) = (entry.path(), entry.metadata().unwrap());
                let content = if data.is_file() {
                    fs::read(&path).unwrap()
                } else {
                    Vec::new()
                };
                found.push(format!(
                    "{} {:o} {} {} {} {} {content:?}",
                    path.display(),
                    data.mode(),
                    data.uid(),
                    data.gid(),
                    data.ino(),
                    data.mtime_nsec()
                ));
                if data.is_dir() {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }

    #[track_caller]
    fn unharmed(&self, case: &str) {
        assert_eq!(self.look(), self.before, "{case}");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(self.path.to_str().unwrap()),
            "{case}: something is mounted on the host"
        );
    }
}

/// What stands at the place that the runtime wants to use.
const SHAPES: &[&str] = &[
    "absolute link",
    "relative link",
    "link in the middle",
    "long chain",
    "dangling link",
    "fifo",
    "file",
    "loop",
];

/// Puts the shape in place of `target` (a path below the root).
fn place(root: &Path, target: &str, shape: &str, canary: &Path) {
    let path = root.join(target.trim_start_matches('/'));
    let _ = fs::remove_dir_all(&path);
    let _ = fs::remove_file(&path);
    let parent = path.parent().unwrap();
    fs::create_dir_all(parent).unwrap();
    match shape {
        "absolute link" => symlink(canary.join("folder"), &path).unwrap(),
        "relative link" => {
            let up = "../".repeat(20);
            symlink(
                format!("{up}{}/file", canary.strip_prefix("/").unwrap().display()),
                &path,
            )
            .unwrap();
        }
        "link in the middle" => {
            if parent == root {
                symlink(canary, &path).unwrap();
            } else {
                fs::remove_dir_all(parent).unwrap();
                symlink(canary, parent).unwrap();
            }
        }
        "long chain" => {
            for number in 0..41 {
                let to = if number == 0 {
                    canary.to_owned()
                } else {
                    PathBuf::from(format!("/tmp/chain{}", number - 1))
                };
                let link = root.join(format!("tmp/chain{number}"));
                let _ = fs::remove_file(&link);
                symlink(to, link).unwrap();
            }
            symlink("/tmp/chain40", &path).unwrap();
        }
        "dangling link" => symlink(canary.join("new/file"), &path).unwrap(),
        "fifo" => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        "file" => fs::write(&path, "a file").unwrap(),
        _ => symlink(&path, &path).unwrap_or_else(|_| symlink("loop", &path).unwrap()),
    }
}

fn targets(sandbox: &Sandbox) -> Vec<(&'static str, Bundle)> {
    let shared = sandbox.folder("shared");
    let file = shared.join("hosts");
    fs::write(&file, "hosts").unwrap();
    let base = || sandbox.bundle().writable();
    let no_dev = || {
        base()
            .without_mount("/dev")
            .without_mount("/dev/pts")
            .without_mount("/dev/shm")
    };
    let no_dev = || no_dev().without_mount("/dev/mqueue");
    vec![
        ("/dev", base()),
        ("/mnt", base().mount("/mnt", "tmpfs", "tmpfs", &[])),
        (
            "/mnt/x/y",
            base().mount("/mnt/x/y", "bind", &shared, &["bind"]),
        ),
        (
            "/etc/hosts",
            base().mount("/etc/hosts", "bind", &file, &["bind"]),
        ),
        (
            "/run/secret",
            base().set("/linux/maskedPaths", json!(["/run/secret"])),
        ),
        (
            "/run/fixed",
            base().set("/linux/readonlyPaths", json!(["/run/fixed"])),
        ),
        (
            "/place/here",
            base().set("/process/cwd", json!("/place/here")),
        ),
        ("/dev/null", no_dev()),
        (
            "/dev/pts",
            no_dev().mount(
                "/dev/pts",
                "devpts",
                "devpts",
                &["newinstance", "ptmxmode=0666", "mode=0620"],
            ),
        ),
        (
            "/dev/shm",
            no_dev().mount("/dev/shm", "tmpfs", "shm", &["mode=1777"]),
        ),
        (
            "/dev/mqueue",
            no_dev().mount("/dev/mqueue", "mqueue", "mqueue", &[]),
        ),
        ("/dev/fd", no_dev()),
        ("/dev/ptmx", no_dev()),
        ("/etc/passwd", base()),
    ]
}

/// Either the container runs, with everything resolved inside its root, or there is a clean error; never a hang.
fn every_target_in_every_hostile_shape() {
    let sandbox = Sandbox::new();
    let canary = Canary::new(&sandbox);
    for (target, bundle) in targets(&sandbox) {
        for shape in SHAPES {
            let root = bundle.rootfs();
            for folder in ["dev", "etc", "mnt", "run", "place", "tmp"] {
                let path = root.join(folder);
                if path.symlink_metadata().is_ok_and(|data| !data.is_dir()) {
                    fs::remove_file(&path).unwrap();
                } else {
                    let _ = fs::remove_dir_all(&path);
                }
                fs::create_dir_all(&path).unwrap();
            }
            place(&root, target, shape, &canary.path);
            let case = format!("{target} is a {shape}");
            let call = sandbox
                .runtime(["run", "--bundle"])
                .arg(&bundle.path)
                .arg(sandbox.id("a"))
                .limit(20)
                .output();
            assert!(
                call.code == 0 || !call.stderr.is_empty(),
                "{case}: {call:?}"
            );
            canary.unharmed(&case);
        }
    }
}

fn proc_and_sys_must_be_directories() {
    let sandbox = Sandbox::new();
    let canary = Canary::new(&sandbox);
    for name in ["proc", "sys"] {
        for shape in ["absolute link", "relative link", "file", "dangling link"] {
            let bundle = sandbox.bundle();
            place(&bundle.rootfs(), name, shape, &canary.path);
            let call = sandbox.run(&bundle);
            canary.unharmed(name);
            if name == "sys" && sandbox.rootless().is_some() {
                // There it is an ordinary bind mount, which may follow links inside the root.
                continue;
            }
            assert_eq!(call.code, 1, "{name} is a {shape}");
            if shape.contains("link") {
                assert!(
                    call.stderr
                        .contains("must be mounted on ordinary directory"),
                    "{name}: {}",
                    call.stderr
                );
            }
        }
    }
}

/// Only the config's text was judged; where the image leads it must be judged, too.
fn a_link_does_not_lead_a_mount_into_proc_or_sys() {
    let sandbox = Sandbox::new();
    let (folder, file) = (sandbox.folder("shared"), sandbox.path.join("file"));
    fs::write(&file, "fake").unwrap();
    let binds: &[&str] = &["rbind"];
    for (target, names, kind, options) in [
        ("/vol", "/proc", "bind", binds),
        ("/vol", "/proc", "tmpfs", &[]),
        ("/vol/x", "/proc/self", "bind", binds),
        ("/vol", "/proc/1/attr", "tmpfs", &[]),
        ("/vol", "/proc/sys/kernel", "bind", binds),
        ("/file", "/proc/sys/kernel/core_pattern", "bind", binds),
        ("/file", "/proc/self/attr/exec", "bind", binds),
        ("/file", "/proc/uptime", "bind", binds),
        ("/file", "proc/../proc/./uptime", "bind", binds),
        ("/vol", "/sys", "bind", binds),
        ("/vol", "/sys/kernel", "tmpfs", &[]),
        ("/vol", "/proc", "bind", &["bind", "remount", "ro"]),
    ] {
        let source = if target == "/file" { &file } else { &folder };
        let bundle = sandbox.bundle().mount(target, kind, source, options);
        let link = bundle
            .rootfs()
            .join(target.trim_start_matches('/').trim_end_matches("/x"));
        symlink(names, link).unwrap();
        let output = sandbox.run(&bundle);
        assert_eq!(output.code, 1, "{target} -> {names}: {output:?}");
        // `x` does not exist in procfs, and cannot be made there.
        if target != "/vol/x" && !names.contains("self") && !names.contains("/1/") {
            output.fails_with(1, &["mounts[", target, "symbolic link", "procfs"]);
        }
    }
}

/// Each gets the other's name, in one step.
fn exchange(one: &Path, other: &Path) {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

/// What covers a directory of a shared volume must stay with it: nothing may cross into another volume while a neighbour swaps
/// that directory for a link.
fn privileged_a_neighbour_moves_what_is_covered() {
    let sandbox = Sandbox::new();
    let (shared, own) = (sandbox.folder("shared"), sandbox.folder("own"));
    fs::create_dir(shared.join("t")).unwrap();
    fs::write(shared.join("t/planted"), "from the neighbour").unwrap();
    fs::create_dir(own.join("t")).unwrap();
    fs::write(own.join("t/secret"), "of the container").unwrap();
    symlink("/own/t", shared.join("link")).unwrap();
    // By descriptor, for its name changes.
    let planted = fs::File::open(shared.join("t")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (shared.join("t"), shared.join("link"));
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                exchange(&one, &other);
            }
        });
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..60 {
                let options = ["tmpcopyup", "ro", "rshared", "mode=755"];
                let bundle = sandbox
                    .bundle()
                    .mount("/shared", "bind", &shared, &["rbind"])
                    .mount("/own", "bind", &own, &["rbind"])
                    .mount("/shared/t", "tmpfs", "tmpfs", &options);
                // Which of the two is covered is the neighbour's choice; that the cover is whole is not.
                let seen = sandbox.see(
                    bundle,
                    "ls /own/t -- touch /own/new -- cat /proc/self/mountinfo",
                );
                let names: Vec<String> = fs::read_dir(own.join("t"))
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .collect();
                assert_eq!(names, ["secret"], "round {round}: {seen:?}");
                let names = fs::read_dir(format!("/proc/self/fd/{}", planted.as_raw_fd()))
                    .unwrap()
                    .count();
                assert_eq!(names, 1, "round {round}: {seen:?}");
                if seen.code != 0 {
                    continue;
                }
                let tmpfs = seen.stdout.lines().find(|line| {
                    line.contains(" /shared/t ")
                        || line.contains(" /shared/link ")
                        || line.contains(" /own/t ")
                });
                let tmpfs = tmpfs.unwrap_or_else(|| panic!("round {round}: {seen:?}"));
                assert!(
                    tmpfs.contains(" ro,") && tmpfs.contains(" shared:"),
                    "round {round}: {tmpfs}"
                );
                let _ = fs::remove_file(own.join("new"));
            }
        }));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Err(panic) = judged {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Owner and permissions of one file with the content of another would be a gift to who wrote that content.
fn privileged_a_copy_mixes_no_files() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    let pairs: Vec<_> = (0..100)
        .map(|number| {
            let good = shared.join(format!("{number}"));
            let evil = shared.join(format!("{number}-evil"));
            fs::write(&good, "good").unwrap();
            fs::set_permissions(&good, fs::Permissions::from_mode(0o4755)).unwrap();
            fs::write(&evil, "evil").unwrap();
            std::os::unix::fs::chown(&evil, Some(1000), Some(1000)).unwrap();
            (good, evil)
        })
        .collect();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for (good, evil) in &pairs {
                    exchange(good, evil);
                }
            }
        });
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut copied = 0;
            for round in 0..30 {
                let bundle = sandbox
                    .bundle()
                    .mount("/mnt", "bind", &shared, &["rbind"])
                    .mount("/mnt", "tmpfs", "tmpfs", &["tmpcopyup"]);
                // Where the neighbour interferes it may fail.
                let call = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
                let pid_file = sandbox.path.join("io/pid");
                let id = sandbox.id(&format!("r{round}"));
                let created = call.arg("--pid-file").arg(&pid_file).arg(&id).output();
                if created.code != 0 {
                    continue;
                }
                let pid = fs::read_to_string(&pid_file).unwrap();
                let copies = fs::read_dir(format!("/proc/{pid}/root/mnt")).unwrap();
                copied += 1;
                for copy in copies {
                    let path = copy.unwrap().path();
                    let content = fs::read_to_string(&path).unwrap();
                    let status = fs::metadata(&path).unwrap();
                    let whose = (status.uid(), status.mode() & 0o7777);
                    let wanted = if content == "good" {
                        (0, 0o4755)
                    } else {
                        (1000, 0o644)
                    };
                    assert_eq!(
                        whose,
                        wanted,
                        "round {round}: {content} in {}",
                        path.display()
                    );
                }
                sandbox
                    .runtime(["delete", "--force"])
                    .arg(&id)
                    .output()
                    .ok();
            }
            assert!(copied > 0, "nothing was copied");
        }));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Err(panic) = judged {
            std::panic::resume_unwind(panic);
        }
    });
}

fn dev_as_a_link_changes_nothing_outside() {
    let sandbox = Sandbox::new();
    let canary = Canary::new(&sandbox);
    for with_tmpfs in [true, false] {
        for to in [
            canary.path.clone(),
            PathBuf::from(format!("/proc/1/root{}", canary.path.display())),
        ] {
            let mut bundle = sandbox.bundle().writable();
            if !with_tmpfs {
                for target in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
                    bundle = bundle.without_mount(target);
                }
            }
            fs::remove_dir(bundle.rootfs().join("dev")).unwrap();
            symlink(&to, bundle.rootfs().join("dev")).unwrap();
            let call = sandbox.run(&bundle);
            assert!(call.code == 0 || !call.stderr.is_empty(), "{call:?}");
            canary.unharmed(&format!("/dev -> {}, tmpfs: {with_tmpfs}", to.display()));
        }
    }
}

fn console_as_a_link_makes_nothing_outside() {
    let sandbox = Sandbox::new();
    let canary = Canary::new(&sandbox);
    for terminal in [true, false] {
        let mut bundle = sandbox
            .bundle()
            .writable()
            .set("/process/terminal", json!(terminal));
        for target in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            bundle = bundle.without_mount(target);
        }
        let bundle = bundle.mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["newinstance", "ptmxmode=0666", "mode=0620"],
        );
        fs::create_dir_all(bundle.rootfs().join("dev/pts")).unwrap();
        symlink(canary.path.join("new"), bundle.rootfs().join("dev/console")).unwrap();
        let socket = ConsoleSocket::listen(sandbox.path.join(format!("console{terminal}")));
        let mut call = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
        if terminal {
            call = call.arg("--console-socket").arg(socket.path());
        }
        let id = sandbox.id("a");
        let call = call.arg(&id).output();
        assert!(call.code == 0 || !call.stderr.is_empty(), "{call:?}");
        sandbox.runtime(["delete", "--force", &id]).output();
        canary.unharmed(&format!("terminal: {terminal}"));
    }
}

/// CVE-2026-88265: reopening standard streams must not hand out a descriptor of a file that poses as /dev/null.
fn privileged_null_as_a_link_to_a_mounted_file() {
    let sandbox = Sandbox::new();
    let canary = Canary::new(&sandbox);
    let mut bundle =
        sandbox
            .bundle()
            .writable()
            .mount("/mnt/f", "bind", canary.path.join("file"), &["bind"]);
    for target in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        bundle = bundle.without_mount(target);
    }
    bundle = bundle
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .probe("fds");
    symlink("/mnt/f", bundle.rootfs().join("dev/null")).unwrap();
    let call = sandbox.run(&bundle);
    assert!(!call.stdout.contains("/mnt/f"), "{}", call.stdout);
    canary.unharmed("null");
}

fn runtime_files_are_not_in_the_root() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().writable();
    let root = bundle.rootfs();
    fs::remove_dir(root.join("run")).unwrap();
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let found: Vec<String> = fs::read_dir(root)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| {
            !["bin", "dev", "etc", "mnt", "proc", "root", "sys", "tmp"].contains(&name.as_str())
        })
        .collect();
    assert!(found.is_empty(), "{found:?}");
    let seen = container.exec("cat /proc/self/mountinfo").ok();
    assert!(
        !seen.stdout.contains(sandbox.root.to_str().unwrap()),
        "{}",
        seen.stdout
    );
}

/// CVE-2025-31133: a container's own /dev/null may be anything; masks must not be made of it.
fn masked_files_do_not_trust_the_containers_null() {
    let sandbox = Sandbox::new();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let shared = sandbox.folder("dev");
    let bundle = sandbox
        .bundle()
        .writable()
        .set("/linux/maskedPaths", json!(["/etc/secret"]));
    let mut bundle = bundle;
    for target in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        bundle = bundle.without_mount(target);
    }
    let bundle = bundle.mount("/dev", "bind", &shared, &["bind"]);
    fs::write(bundle.rootfs().join("etc/secret"), "secret").unwrap();
    for wrong in ["link", "nothing", "file"] {
        let _ = fs::remove_file(shared.join("null"));
        match wrong {
            "link" => symlink("/proc/sys/kernel/core_pattern", shared.join("null")).unwrap(),
            "file" => fs::write(shared.join("null"), "fake").unwrap(),
            _ => {}
        }
        let call = sandbox.see_same(
            &bundle,
            "cat /etc/secret -- write /etc/secret x -- cat /etc/secret",
        );
        assert!(
            !call.stdout.contains("secret\n") && !call.stdout.contains("fake"),
            "{wrong}: {}",
            call.stdout
        );
        assert!(
            !call.stdout.contains(pattern.trim()) || pattern.trim().is_empty(),
            "{wrong}: {}",
            call.stdout
        );
        assert_eq!(
            fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(),
            pattern,
            "{wrong}"
        );
    }
}

fn hostile_passwd_does_not_block() {
    let sandbox = Sandbox::new();
    for shape in ["fifo", "huge", "link", "binary", "device folder"] {
        let bundle = sandbox.bundle().set("/process/env", json!(["PATH=/bin"]));
        let passwd = bundle.rootfs().join("etc/passwd");
        match shape {
            "fifo" => nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            "huge" => fs::File::create(&passwd).unwrap().set_len(1 << 30).unwrap(),
            "link" => symlink("/etc/passwd", &passwd).unwrap(),
            "binary" => fs::write(&passwd, [0, 255, b'\n', 0, b':', b':', b':', 10]).unwrap(),
            _ => fs::create_dir(&passwd).unwrap(),
        }
        let id = sandbox.id("a");
        let call = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(id)
            .limit(10)
            .output();
        assert!(
            call.code == 0 || !call.stderr.is_empty(),
            "{shape}: {call:?}"
        );
        if shape == "fifo" {
            assert!(passwd.symlink_metadata().unwrap().file_type().is_fifo());
        }
    }
}

fn rootfs_may_be_below_a_link() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo ran");
    let link = sandbox.path.join("link");
    symlink(&bundle.path, &link).unwrap();
    let call = sandbox
        .runtime(["run", "--bundle"])
        .arg(&link)
        .arg(sandbox.id("a"))
        .output();
    call.ok().lines(&["ran"]);
}
