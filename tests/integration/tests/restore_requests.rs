//! The command `restore`: what is asked of criu, and what is left when that fails. A program of the tests' own plays criu;
//! [`crate::restore`] has the tests with the real one.

use std::fs;
use std::path::PathBuf;

use harness::{Sandbox, cases, wait_until};
use serde_json::json;

use crate::checkpoint::{asked, assert_asked, call, names, running};

cases![
    privileged_restore_asks_for_what_the_flags_say,
    privileged_a_restored_container_is_one_like_others,
    privileged_a_failed_restore_leaves_nothing,
    privileged_hooks_of_a_restore,
    privileged_restore_wants_an_id_and_images,
];

/// Images as a checkpoint leaves them, of a container with this bundle.
fn images(sandbox: &Sandbox) -> PathBuf {
    let images = sandbox.folder("images");
    let streams = json!(["/dev/null", "pipe:[12]", "file[1b:2f]"]);
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
        "inherit_fd ile[1b:2f] 2",
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
    // By its whole name, too, with a descriptor of its own.
    let file = asked
        .iter()
        .find(|line| line.starts_with("inherit_fd file[1b:2f] "));
    assert!(file.is_some_and(|line| !line.ends_with(" 2")), "{asked:#?}");
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
