//! The command `checkpoint`: what is asked of criu, and what is left when that fails. A program of the tests' own plays criu;
//! [`crate::restore`] has the tests with the real one.

use std::fs;
use std::path::PathBuf;

use harness::{Container, Invocation, Sandbox, cases, need, wait_until};
use serde_json::json;

use crate::fake_criu;

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
    privileged_restore_asks_for_what_the_flags_say,
    privileged_a_restored_container_is_one_like_others,
    privileged_a_failed_restore_leaves_nothing,
    privileged_hooks_of_a_restore,
    privileged_restore_wants_an_id_and_images,
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
fn call(sandbox: &Sandbox, arguments: &[&str], does: &str) -> Invocation {
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
fn asked(sandbox: &Sandbox) -> Vec<String> {
    let path = sandbox.path.join("asked");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_asked(asked: &[String], lines: &[&str]) {
    for line in lines {
        assert!(
            asked.iter().any(|asked| asked == line),
            "{line}: {asked:#?}"
        );
    }
}

/// Without the numbers of descriptors and paths that differ from run to run.
fn names(asked: &[String]) -> Vec<&str> {
    asked
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect()
}

fn running(sandbox: &Sandbox) -> Container<'_> {
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
    names.retain(|name| !matches!(*name, "ext_mnt" | "freeze_cgroup"));
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

/// Images as a checkpoint leaves them, of a container with this bundle.
fn images(sandbox: &Sandbox) -> PathBuf {
    let images = sandbox.folder("images");
    let streams = json!(["/dev/null", "pipe:[12]", "pipe:[13]"]);
    fs::write(images.join("descriptors.json"), streams.to_string()).unwrap();
    images
}

fn privileged_restore_asks_for_what_the_flags_say() {
    let sandbox = Sandbox::new();
    let images = images(&sandbox);
    let shared = sandbox.folder("shared");
    let bundle = sandbox
        .bundle()
        .mount("/new/place", "bind", &shared, &["bind"])
        .join_namespace("network", "/proc/self/ns/net")
        .join_namespace("ipc", "/proc/self/ns/ipc")
        .probe("true");
    let id = sandbox.id("a");
    let flags = [
        "restore",
        "--detach",
        "--tcp-established",
        "--ext-unix-sk",
        "--shell-job",
        "--file-locks",
        "--lazy-pages",
        "--auto-dedup",
        "--manage-cgroups-mode",
        "ignore",
        "--empty-ns",
        "network",
        "--lsm-profile",
        "apparmor:x",
        "--lsm-mount-context",
        "c",
        "--no-pivot",
        "--no-subreaper",
        "--work-path",
        "work",
        "--bundle",
        bundle.path.to_str().unwrap(),
        "--image-path",
        images.to_str().unwrap(),
        &id,
    ];
    call(&sandbox, &flags, "")
        .directory(&sandbox.path)
        .output()
        .ok();
    let asked = asked(&sandbox);
    let expected = [
        "RESTORE",
        "tcp_established 1",
        "ext_unix_sk 1",
        "shell_job 1",
        "file_locks 1",
        "lazy_pages 1",
        "auto_dedup 1",
        "evasive_devices 1",
        "rst_sibling 1",
        "manage_cgroups_mode 0",
        "lsm_profile apparmor:x",
        "lsm_mount_context c",
        "inherit_fd pipe:[12] 1",
        "inherit_fd pipe:[13] 2",
        "join_ns ipc /proc/self/ns/ipc",
        "log_file restore.log",
        "ext_mnt /dev/null /dev/null",
        &format!("ext_mnt /new/place {}", shared.display()),
        &format!(
            "root {}",
            sandbox.root.join(&id).join("criu-root").display()
        ),
    ];
    assert_asked(&asked, &expected);
    let network = asked
        .iter()
        .any(|line| line.starts_with("inherit_fd extRootNetNS "));
    assert!(network, "{asked:#?}");
    assert!(names(&asked).contains(&"cg_root"), "{asked:#?}");
    // The place of the mount was made, and nothing is mounted where others see it.
    assert!(bundle.rootfs().join("new/place").is_dir());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&sandbox.tag), "{mounts}");
    sandbox.runtime(["delete", "--force", &id]).output().ok();
}

fn privileged_a_restored_container_is_one_like_others() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/annotations", json!({"a": "b"}))
        .probe("true");
    let id = sandbox.id("a");
    let images = images(&sandbox);
    let flags = [
        "restore",
        "-d",
        "--pid-file",
        "pid",
        "-b",
        bundle.path.to_str().unwrap(),
        "--image-path",
        images.to_str().unwrap(),
        &id,
    ];
    call(&sandbox, &flags, "")
        .directory(&sandbox.path)
        .output()
        .ok();
    let pid = sandbox.adopt(&sandbox.path.join("pid"));
    let state = sandbox.runtime(["state", &id]).output().ok().json();
    assert_eq!(state["status"], "running");
    assert_eq!(state["pid"], json!(pid));
    assert_eq!(state["annotations"], json!({"a": "b"}));
    assert_eq!(
        sandbox
            .runtime(["ps", "-f", "json", &id])
            .output()
            .ok()
            .json(),
        json!([pid])
    );
    assert!(!sandbox.root.join(&id).join("criu-root").exists());
    sandbox.runtime(["pause", &id]).output().ok();
    sandbox.runtime(["resume", &id]).output().ok();
    sandbox.runtime(["kill", &id, "KILL"]).output().ok();
    wait_until("stopped", || {
        sandbox.runtime(["state", &id]).output().ok().json()["status"] == "stopped"
    });
    sandbox.runtime(["gc"]).output().ok();
    sandbox.runtime(["delete", &id]).output().ok();
}

fn privileged_a_failed_restore_leaves_nothing() {
    let sandbox = Sandbox::new();
    let trace = sandbox.path.join("poststop");
    let bundle = sandbox.bundle().probe("true").set(
        "/hooks",
        json!({"poststop": [{"path": "/bin/sh", "args": ["sh", "-c", format!("echo >> {}", trace.display())]}]}),
    );
    let images = images(&sandbox);
    let before = sandbox.host(None);
    for (does, how) in [
        ("fail", "type RESTORE errno 0"),
        ("die", "without an answer"),
        ("old", "CRIU 3.0"),
    ] {
        let flags = [
            "restore",
            "-d",
            "-b",
            bundle.path.to_str().unwrap(),
            "--image-path",
            images.to_str().unwrap(),
            &sandbox.id("a"),
        ];
        call(&sandbox, &flags, does).output().fails_with(1, &[how]);
        sandbox.host(None).same_as(&before);
        sandbox.runtime(["list", "-q"]).output().ok().lines(&[]);
    }
    // A pid file that cannot be written comes last.
    let flags = [
        "restore",
        "-d",
        "-b",
        bundle.path.to_str().unwrap(),
        "--pid-file",
        "/nowhere/pid",
        "--image-path",
        images.to_str().unwrap(),
        &sandbox.id("a"),
    ];
    call(&sandbox, &flags, "")
        .output()
        .fails_with(1, &["write the pid file"]);
    sandbox.host(None).same_as(&before);
    assert_eq!(fs::read_to_string(&trace).unwrap().lines().count(), 4);
}

fn privileged_hooks_of_a_restore() {
    let sandbox = Sandbox::new();
    let images = images(&sandbox);
    let trace = sandbox.path.join("hooks");
    let hook = |word: &str, end: &str| {
        let script = format!(
            "cat > {}; echo {word} >> {}; {end}",
            sandbox.path.join(word).display(),
            trace.display()
        );
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
    };
    let bundle = sandbox.bundle().probe("true");
    let path = bundle.path.to_str().unwrap().to_owned();
    let id = sandbox.id("a");
    let flags = [
        "restore",
        "-d",
        "--pid-file",
        "pid",
        "-b",
        &path,
        "--image-path",
        images.to_str().unwrap(),
        &id,
    ];
    let hooks = json!({"createRuntime": hook("create", "true"), "prestart": hook("pre", "true"),
        "createContainer": hook("inside", "true"), "poststart": hook("post", "true")});
    let bundle_of = bundle.set("/hooks", hooks);
    call(&sandbox, &flags, "")
        .directory(&sandbox.path)
        .output()
        .ok();
    let pid = sandbox.adopt(&sandbox.path.join("pid"));
    assert_eq!(fs::read_to_string(&trace).unwrap(), "pre\ncreate\n");
    let told: serde_json::Value =
        serde_json::from_slice(&fs::read(sandbox.path.join("create")).unwrap()).unwrap();
    assert_eq!(told["pid"], json!(pid));
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    let _failing = bundle_of.set("/hooks", json!({"createRuntime": hook("bad", "exit 3")}));
    let text = "error running createRuntime hook #0";
    call(&sandbox, &flags, "")
        .directory(&sandbox.path)
        .output()
        .fails_with(1, &[text, "exit status 3"]);
    sandbox.runtime(["list", "-q"]).output().ok().lines(&[]);
}

fn privileged_restore_wants_an_id_and_images() {
    let sandbox = Sandbox::new();
    let container = running(&sandbox);
    let bundle = sandbox.bundle().probe("true");
    let (path, images) = (bundle.path.to_str().unwrap().to_owned(), images(&sandbox));
    let restore = |images: &str, id: &str| {
        let flags = ["restore", "-d", "-b", &path, "--image-path", images, id];
        call(&sandbox, &flags, "").output()
    };
    let images = images.to_str().unwrap();
    restore(images, &container.id).fails_with(1, &["container with given ID already exists"]);
    restore(images, "a/b").fails_with(1, &["invalid container ID format"]);
    restore("/nowhere", "a").fails_with(
        1,
        &["read /nowhere/descriptors.json: no such file or directory"],
    );
    let terminal = bundle.set("/process/terminal", json!(true));
    restore(images, "a").fails_with(1, &["without setting console socket"]);
    let cgroup = terminal
        .set("/process/terminal", json!(false))
        .join_namespace("cgroup", &format!("/proc/{}/ns/cgroup", container.pid));
    drop(cgroup);
    restore(images, "a").fails_with(1, &["linux.namespaces[", "cgroup namespace"]);
    assert!(asked(&sandbox).is_empty());
}

fn privileged_the_check_names_what_would_fail() {
    let sandbox = Sandbox::new();
    // What the tests' containers write goes to files of the host's.
    let container = running(&sandbox);
    let check = |flags: &[&str], id: &str| {
        let mut all = vec!["checkpoint", "--check"];
        all.extend(flags);
        all.push(id);
        call(&sandbox, &all, "").output()
    };
    let output = check(&[], &container.id).exits(1);
    let outside = output
        .stdout
        .lines()
        .filter(|line| line.contains("outside of the container's mounts"));
    assert!(outside.count() >= 1, "{output:?}");
    assert_eq!(container.status(), "running");
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
