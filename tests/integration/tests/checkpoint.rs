//! The command `checkpoint`: what is asked of criu, and what is left when that fails. A program of the tests' own plays criu;
//! [`crate::restore`] has the tests with the real one.

use std::fs;
use std::path::PathBuf;

use harness::{Container, Invocation, Sandbox, cases, need};
use serde_json::json;

use crate::fake_criu;
use crate::restore::with_a_file_of_the_host;

cases![
    privileged_every_flag_reaches_criu,
    privileged_without_flags_little_is_asked,
    privileged_a_dump_before_the_dump,
    privileged_what_is_from_outside_is_named,
    privileged_the_config_of_criu_is_the_annotations,
    privileged_a_failed_dump_leaves_nothing_and_the_container,
    privileged_criu_must_be_there_and_able,
    privileged_wrong_flags,
    privileged_only_what_runs_can_be_dumped,
    privileged_the_check_names_what_would_fail
];

/// The folder in which `criu` is.
fn programs(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path.join("programs");
    if !folder.exists() {
        fs::create_dir(&folder).unwrap();
        fake_criu::install(&folder);
    }
    folder
}

/// A call of the runtime that finds our criu.
pub(crate) fn call(sandbox: &Sandbox, arguments: &[&str], does: &str) -> Invocation {
    need::cgroups();
    let path = format!(
        "{}:/usr/sbin:/usr/bin:/sbin:/bin",
        programs(sandbox).display()
    );
    sandbox
        .runtime(arguments)
        .env("PATH", path)
        .env("CRIU_ASKED", sandbox.path.join("asked"))
        .env("CRIU_DOES", does)
}

/// What criu was asked since the last look.
pub(crate) fn asked(sandbox: &Sandbox) -> Vec<String> {
    let path = sandbox.path.join("asked");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
pub(crate) fn assert_asked(asked: &[String], lines: &[&str]) {
    for line in lines {
        assert!(
            asked.iter().any(|asked| asked == line),
            "{line}: {asked:#?}"
        );
    }
}

/// Without the numbers of descriptors and paths that differ from run to run.
pub(crate) fn names(asked: &[String]) -> Vec<&str> {
    asked
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect()
}

pub(crate) fn running(sandbox: &Sandbox) -> Container<'_> {
    sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a")
}

fn privileged_every_flag_reaches_criu() {
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let [images, work] = ["images", "work"].map(|name| sandbox.path.join(name));
    fs::create_dir_all(images.join("parent")).unwrap();
    let status = fs::File::create(sandbox.path.join("status")).unwrap();
    let script = "exec 7>\"$1\"; shift; exec \"$@\"";
    let call = call(&sandbox, &[], "");
    drop(call);
    let path = format!("{}:/usr/bin:/bin", programs(&sandbox).display());
    let output = sandbox
        .command("/bin/sh")
        .env("PATH", path)
        .env("CRIU_ASKED", sandbox.path.join("asked"))
        .args(["-c", script, "sh"])
        .arg(sandbox.path.join("status"))
        .arg(sandbox.program())
        .arg("--root")
        .arg(&sandbox.root)
        .args([
            "checkpoint",
            "--leave-running",
            "--tcp-established",
            "--tcp-skip-in-flight",
        ])
        .args([
            "--link-remap",
            "--ext-unix-sk",
            "--shell-job",
            "--lazy-pages",
            "--file-locks",
        ])
        .args([
            "--auto-dedup",
            "--empty-ns",
            "network",
            "--manage-cgroups-mode",
            "strict",
        ])
        .args([
            "--page-server",
            "[fe80::1]:27",
            "--status-fd",
            "7",
            "--parent-path",
            "parent",
        ])
        .arg("--image-path")
        .arg(&images)
        .arg("--work-path")
        .arg(&work)
        .arg(&container.id)
        .output();
    drop(status);
    output.ok();
    let asked = asked(&sandbox);
    assert_asked(
        &asked,
        &[
            "DUMP",
            "leave_running 1",
            "tcp_established 1",
            "tcp_skip_in_flight 1",
            "link_remap 1",
            "ext_unix_sk 1",
            "shell_job 1",
            "lazy_pages 1",
            "file_locks 1",
            "auto_dedup 1",
            "manage_cgroups 1",
            "manage_cgroups_mode 5",
            "empty_ns 1073741824",
            "ps fe80::1 27",
            "parent_img parent",
            "track_mem 1",
            "notify_scripts 1",
            "orphan_pts_master 1",
            "log_file dump.log",
            "log_level 4",
            "config_file /etc/criu/runc.conf",
            &format!("pid {}", container.pid),
        ],
    );
    assert_eq!(fs::read(sandbox.path.join("status")).unwrap(), [0]);
    assert_eq!(container.status(), "running");
    assert!(images.join("pstree.img").exists());
    assert!(work.join("dump.log").exists());
    let streams = fs::read_to_string(images.join("descriptors.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<String>>(&streams).unwrap().len(),
        3
    );
}

fn privileged_without_flags_little_is_asked() {
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let call = call(&sandbox, &["checkpoint", &container.id], "").directory(&sandbox.path);
    call.output().ok();
    let asked = asked(&sandbox);
    let mut names = names(&asked);
    // The tests' containers write to files of the host's.
    names.retain(|name| !matches!(*name, "ext_mnt" | "external" | "freeze_cgroup"));
    names.sort_unstable();
    let expected = [
        "DUMP",
        "config_file",
        "empty_ns",
        "images_dir_fd",
        "log_file",
        "log_level",
        "manage_cgroups",
        "manage_cgroups_mode",
        "notify_scripts",
        "orphan_pts_master",
        "pid",
        "root",
        "work_dir_fd",
    ];
    assert_eq!(names, expected);
    // In the caller's directory; and the container is gone.
    assert!(sandbox.path.join("checkpoint/pstree.img").exists());
    container.wait();
    sandbox
        .runtime(["state", &container.id])
        .output()
        .fails_with(1, &["does not exist"]);
}

fn privileged_a_dump_before_the_dump() {
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let (first, second) = (sandbox.path.join("1"), sandbox.path.join("2"));
    let dump = |arguments: &[&str]| {
        let mut all = vec!["checkpoint"];
        all.extend(arguments);
        all.push(&container.id);
        call(&sandbox, &all, "").output()
    };
    dump(&["--pre-dump", "--image-path", first.to_str().unwrap()]).ok();
    let before = asked(&sandbox);
    assert_asked(&before, &["PRE_DUMP"]);
    assert!(!names(&before).contains(&"ext_mnt"), "{before:#?}");
    assert!(!first.join("descriptors.json").exists());
    assert_eq!(container.status(), "running");
    dump(&[
        "--image-path",
        second.to_str().unwrap(),
        "--parent-path",
        "../1",
    ])
    .ok();
    assert_asked(
        &asked(&sandbox),
        &["DUMP", "parent_img ../1", "track_mem 1"],
    );
    container.wait();
}

fn privileged_what_is_from_outside_is_named() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::new();
    let folder = sandbox.folder("shared");
    let file = sandbox.path.join("file");
    fs::write(&file, "").unwrap();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", &folder, &["rbind", "ro"])
        .mount("/etc/hosts", "bind", &file, &["bind"])
        .mount("/tmp", "tmpfs", "tmpfs", &[])
        .probe("sleep 1000");
    let container = sandbox.detach(&bundle, "a");
    let net = format!("/proc/{}/ns/net", container.pid);
    let joined = bundle.join_namespace("network", &net);
    let second = sandbox.detach(&joined, "b");
    for (container, joins) in [(&container, false), (&second, true)] {
        let flags = [
            "checkpoint",
            "--leave-running",
            "--image-path",
            "images",
            &container.id,
        ];
        call(&sandbox, &flags, "").output().ok();
        let asked = asked(&sandbox);
        assert_asked(
            &asked,
            &["ext_mnt /mnt /mnt", "ext_mnt /etc/hosts /etc/hosts"],
        );
        let inside = ["/tmp", "/proc", "/dev", "/dev/pts"];
        let inside = inside.map(|place| format!("ext_mnt {place} {place}"));
        assert!(
            asked.iter().all(|line| !inside.contains(line)),
            "{asked:#?}"
        );
        let freezes = asked
            .iter()
            .any(|line| line.starts_with("freeze_cgroup /sys/fs/cgroup/"));
        assert!(freezes, "{asked:#?}");
        let link = fs::read_link(&net).unwrap();
        let inode = link.to_str().unwrap().trim_start_matches("net:");
        let external = format!("external net{inode}:extRootNetNS");
        assert_eq!(asked.contains(&external), joins, "{external}: {asked:#?}");
        // What it writes goes to a file of the host's: its number among the mounts, and its inode's.
        let output = format!("/proc/{}/fd/1", container.pid);
        let inode = fs::metadata(&output).unwrap().ino();
        let streams = fs::read_to_string(sandbox.path.join("images/descriptors.json")).unwrap();
        let streams: Vec<String> = serde_json::from_str(&streams).unwrap();
        assert!(streams[1].ends_with(&format!(":{inode:x}]")), "{streams:?}");
        assert_asked(&asked, &[&format!("external {}", streams[1])]);
    }
}

fn privileged_the_config_of_criu_is_the_annotations() {
    let sandbox = Sandbox::new();
    for (path, line) in [("/a b", Some("config_file /a b")), ("", None)] {
        let bundle = sandbox
            .bundle()
            .set("/annotations", json!({"org.criu.config": path}))
            .probe("sleep 1000");
        let container = sandbox.detach(&bundle, "a");
        call(
            &sandbox,
            &["checkpoint", "--image-path", "images", &container.id],
            "",
        )
        .output()
        .ok();
        let asked = asked(&sandbox);
        let found = asked.iter().find(|line| line.starts_with("config_file"));
        assert_eq!(found.map(String::as_str), line);
        container.wait();
    }
}

fn privileged_a_failed_dump_leaves_nothing_and_the_container() {
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    for (does, how) in [("fail", "type DUMP errno 0"), ("die", "without an answer")] {
        let images = sandbox.path.join(does);
        let flags = ["checkpoint", "--image-path", does, &container.id];
        call(&sandbox, &flags, does)
            .directory(&sandbox.path)
            .output()
            .fails_with(1, &["criu failed", how, "the reason why", "dump.log"]);
        let left: Vec<_> = fs::read_dir(&images)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["dump.log"]);
        assert_eq!(container.status(), "running");
        assert_eq!(
            container.exec("echo still-here").ok().stdout,
            "still-here\n"
        );
    }
    // What was there before is nobody's to remove.
    let images = sandbox.path.join("used");
    fs::create_dir(&images).unwrap();
    fs::write(images.join("note"), "").unwrap();
    let flags = ["checkpoint", "--image-path", "used", &container.id];
    call(&sandbox, &flags, "fail")
        .directory(&sandbox.path)
        .output()
        .exits(1);
    assert!(images.join("note").exists());
}

fn privileged_criu_must_be_there_and_able() {
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let empty = sandbox.folder("empty");
    let dump = ["checkpoint", "--image-path", "images", &container.id];
    sandbox
        .runtime(dump)
        .env("PATH", empty)
        .output()
        .fails_with(1, &["criu", "executable file not found in $PATH"]);
    call(&sandbox, &dump, "old")
        .output()
        .fails_with(1, &["requires at least CRIU 3.0"]);
    for flag in ["--pre-dump", "--lazy-pages"] {
        let flags = ["checkpoint", flag, "--image-path", "images", &container.id];
        call(&sandbox, &flags, "featureless")
            .output()
            .fails_with(1, &["criu is missing features"]);
    }
    assert_eq!(container.status(), "running");
    assert!(asked(&sandbox).is_empty());
}

fn privileged_wrong_flags() {
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    fs::write(sandbox.path.join("file"), "").unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&["--parent-path", "/tmp"], "--parent-path must be relative"),
        (&["--parent-path", "nowhere"], "invalid --parent-path"),
        (&["--parent-path", "../file"], "invalid --parent-path"),
        (
            &["--page-server", "nowhere"],
            "Use --page-server ADDRESS:PORT",
        ),
        (&["--page-server", "host:port"], "Invalid port number"),
        (
            &["--manage-cgroups-mode", "loose"],
            "Invalid manage-cgroups-mode value",
        ),
        (&["--empty-ns", "pid"], "namespace \"pid\" is not supported"),
        (
            &["--lazy-pages", "--status-fd", "77"],
            "invalid --status-fd argument",
        ),
        (
            &["--status-fd", "99999999999"],
            "invalid --status-fd argument",
        ),
    ];
    for (flags, text) in cases {
        let mut all = vec!["checkpoint", "--image-path", "images"];
        all.extend(flags);
        all.push(&container.id);
        call(&sandbox, &all, "")
            .directory(&sandbox.path)
            .output()
            .fails_with(1, &[text]);
    }
    assert!(asked(&sandbox).is_empty());
    assert_eq!(container.status(), "running");
}

fn privileged_only_what_runs_can_be_dumped() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle().probe("true"), "a");
    let dump = ["checkpoint", "--image-path", "images", &container.id];
    let refused = |state: &str| {
        let text = format!("Container cannot be checkpointed in {state} state");
        call(&sandbox, &dump, "").output().fails_with(1, &[&text]);
    };
    refused("created");
    container.start();
    container.wait();
    refused("stopped");
    call(&sandbox, &["checkpoint", "nobody"], "")
        .output()
        .fails_with(1, &["does not exist"]);
    assert!(asked(&sandbox).is_empty());
}

fn privileged_the_check_names_what_would_fail() {
    let sandbox = Sandbox::new();
    let id = sandbox.id("a");
    with_a_file_of_the_host(&sandbox, &sandbox.bundle().probe("sleep 1000"), &id);
    let status = || {
        let state = sandbox.runtime(["state", &id]).output().ok().json();
        state["status"].clone()
    };
    let check = |flags: &[&str], id: &str| {
        let mut all = vec!["checkpoint", "--check"];
        all.extend(flags);
        all.push(id);
        call(&sandbox, &all, "").output()
    };
    let output = check(&[], &id).exits(1);
    let mut outside = output.stdout.lines();
    let is_named = outside.any(|line| {
        line.starts_with("descriptor 3 ") && line.contains("outside of the container's mounts")
    });
    assert!(is_named, "{output:?}");
    assert_eq!(status(), "running");
    assert!(asked(&sandbox).is_empty(), "nothing is dumped");

    let null = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let id = sandbox.id("b");
    let run = |id: &str| {
        let flags = [
            "run",
            "-d",
            "--pid-file",
            "io/b.pid",
            "-b",
            bundle.path.to_str().unwrap(),
            id,
        ];
        let output = sandbox
            .runtime(flags)
            .directory(&sandbox.path)
            .standard(&null)
            .output();
        output.exits(0);
        sandbox.adopt(&sandbox.path.join("io/b.pid"))
    };
    run(&id);
    check(&["--shell-job"], &id).ok().lines(&[]);
    let stopped = sandbox.create(&sandbox.bundle().probe("true"), "c");
    check(&[], &stopped.id)
        .exits(1)
        .prints("the container is created, not running");
}
