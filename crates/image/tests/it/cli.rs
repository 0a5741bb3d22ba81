//! The verbs that need no registry, and running what they make.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::*;

fn runtime() -> Option<&'static str> {
    ["runc", "crun"].into_iter().find(|r| have(r))
}

#[test]
fn save_and_load() {
    let program = Program::new();
    make_image(&program, "localhost/app:1", 1);
    let digest = program.run(&["inspect", "--raw", "localhost/app:1"]);
    for (format, file) in [("docker", "d.tar"), ("oci", "o.tar")] {
        let file = program.path(file);
        let save = || {
            program.run(&[
                "save",
                "--format",
                format,
                "localhost/app:1",
                file.to_str().unwrap(),
            ])
        };
        save();
        let first = fs::read(&file).unwrap();
        save();
        assert!(
            first == fs::read(&file).unwrap(),
            "{format}: the same image gives the same file"
        );
        let other = Program::new();
        match format {
            "docker" => assert_eq!(
                other.run(&["load", file.to_str().unwrap()]),
                "localhost/app:1"
            ),
            _ => {
                other.run(&["load", file.to_str().unwrap(), "localhost/app:1"]);
                assert_eq!(other.run(&["inspect", "--raw", "localhost/app:1"]), digest);
            }
        }
        let out = other.path("out");
        other.run(&["unpack", "localhost/app:1", out.to_str().unwrap()]);
        assert_eq!(
            snapshot(&out, true),
            snapshot(&program.path("rootfs"), true),
            "{format}"
        );
        if have("skopeo") {
            let place = if format == "docker" {
                "docker-archive"
            } else {
                "oci-archive"
            };
            tool(
                "skopeo",
                ["inspect", &format!("{place}:{}", file.display())],
            );
        }
        let compressed = program.path("c.tar.gz");
        let gz = fs::File::create(&compressed).unwrap();
        assert!(
            std::process::Command::new("gzip")
                .arg("-c")
                .arg(&file)
                .stdout(gz)
                .status()
                .unwrap()
                .success()
        );
        Program::new().run(&["load", compressed.to_str().unwrap(), "localhost/again:1"]);
    }
}

#[test]
fn layouts() {
    let program = Program::new();
    make_image(&program, "localhost/app:1", 1);
    let layout = format!("oci:{}", program.path("layout").display());
    program.run(&["copy", "localhost/app:1", &format!("{layout}:v1")]);
    program.run(&["copy", &format!("{layout}:v1"), &format!("{layout}:v2")]);
    let listed: Value = serde_json::from_str(&program.run(&["list", "--json", &layout])).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let error = program.try_run(&["inspect", &layout]).unwrap_err();
    assert!(error.contains("v1, v2"), "{error}");
    let archive = format!("oci:{}:x", program.path("a.tar").display());
    program.run(&["copy", &format!("{layout}:v2"), &archive]);
    program.run(&["copy", &archive, "localhost/back"]);
    assert_eq!(
        program.run(&["inspect", "--raw", "localhost/back"]),
        program.run(&["inspect", "--raw", "localhost/app:1"])
    );
    let docker = format!(
        "docker-archive:{}:localhost/z:9",
        program.path("d.tar").display()
    );
    program.run(&["copy", "localhost/back", &docker]);
    program.run(&["pull", &docker]);
    assert!(program.run(&["list"]).contains("localhost/z:9"));
    if have("umoci") {
        let rootfs = program.path("umoci-rootfs");
        tool(
            "umoci",
            [
                "raw",
                "unpack",
                "--rootless",
                "--image",
                &format!("{}:v1", program.path("layout").display()),
                rootfs.to_str().unwrap(),
            ],
        );
    }
}

#[test]
fn names_and_garbage() {
    let program = Program::new();
    make_image(&program, "localhost/a:1", 1);
    program.run(&["tag", "localhost/a:1", "localhost/b:2"]);
    program.run(&["remove", "localhost/a:1"]);
    assert_eq!(program.counts()[0], 3, "another name still leads there");
    fs::create_dir_all(program.store().join("ingest")).unwrap();
    fs::write(program.store().join("ingest/sha256-x"), "half").unwrap();
    assert!(program.run(&["gc"]).contains("0 blobs"));
    assert!(
        program
            .run(&["remove", "localhost/b:2"])
            .contains("3 blobs")
    );
    assert_eq!(program.counts(), [0, 0, 0, 0]);
    assert!(
        program
            .try_run(&["remove", "localhost/b:2"])
            .unwrap_err()
            .contains("not in the store")
    );
}

#[test]
fn the_same_input_gives_the_same_image() {
    let (one, two) = (Program::new(), Program::new());
    for program in [&one, &two] {
        make_image(program, "localhost/app", 1);
    }
    // Times in the archive are the only difference; take them away.
    let tar = one.path("same.tar");
    tool(
        "tar",
        [
            "--sort=name",
            "--mtime=@1000",
            "-C",
            one.path("rootfs").to_str().unwrap(),
            "-cf",
            tar.to_str().unwrap(),
            ".",
        ],
    );
    for compression in ["none", "gzip", "zstd"] {
        let make = |p: &Program| {
            p.run(&[
                "import",
                "--compression",
                compression,
                tar.to_str().unwrap(),
                "localhost/x",
                "--label",
                "a=b",
                "--env",
                "A=1",
            ])
        };
        assert_eq!(make(&one), make(&two), "{compression}");
    }
}

#[test]
fn export_is_what_was_imported() {
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let out = program.path("out.tar");
    program.run(&["export", "localhost/app", out.to_str().unwrap()]);
    let folder = program.path("exported");
    fs::create_dir(&folder).unwrap();
    tool(
        "tar",
        [
            "-C",
            folder.to_str().unwrap(),
            "-xpf",
            out.to_str().unwrap(),
        ],
    );
    assert_eq!(
        snapshot(&folder, true),
        snapshot(&program.path("rootfs"), true)
    );
}

#[test]
fn bundles_leave_nothing_when_they_fail() {
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    let bundle = program.path("bundle");
    program.run(&[
        "bundle",
        "localhost/app",
        bundle.to_str().unwrap(),
        "/bin/sh",
        "-c",
        "exit 3",
    ]);
    let config: Value =
        serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    assert_eq!(
        config["process"]["args"],
        serde_json::json!(["/bin/sh", "-c", "exit 3"])
    );
    assert!(bundle.join("rootfs/bin").is_dir());
    let error = program
        .try_run(&["bundle", "localhost/app", bundle.to_str().unwrap()])
        .unwrap_err();
    assert!(error.contains("not empty"), "{error}");
    let other = program.path("other");
    let error = program
        .try_run(&[
            "bundle",
            "-u",
            "nobody-here",
            "localhost/app",
            other.to_str().unwrap(),
        ])
        .unwrap_err();
    assert!(error.contains("nobody-here"), "{error}");
    assert!(!other.exists());
    assert!(
        program
            .try_run(&["unpack", "localhost/app", bundle.to_str().unwrap()])
            .is_err()
    );
}

#[test]
fn privileged_containers_run_and_their_changes_become_layers() {
    let Some(runtime) = runtime() else { return };
    if !(is_root() && have("busybox")) {
        return;
    }
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let run = |arguments: &[&str]| {
        let output = program
            .command(arguments)
            .env("TARE", runtime)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).to_string(),
            String::from_utf8_lossy(&output.stderr).to_string(),
        )
    };
    assert_eq!(run(&["run", "localhost/app"]).1, "default\n");
    assert_eq!(
        run(&[
            "run",
            "--flat",
            "localhost/app",
            "/bin/echo",
            "-n",
            "--flat"
        ])
        .1,
        "--flat"
    );
    assert_eq!(
        run(&["run", "localhost/app", "/bin/sh", "-c", "exit 7"]).0,
        Some(7)
    );
    assert_eq!(
        run(&[
            "run",
            "-e",
            "A=b",
            "localhost/app",
            "/bin/sh",
            "-c",
            "echo $A $HOME"
        ])
        .1,
        "b /\n"
    );
    let containers = program.store().join("containers");
    assert_eq!(
        fs::read_dir(&containers).unwrap().count(),
        0,
        "nothing is left of containers that ended"
    );

    let change = "echo new > /new; rm /data/0; rm -r /bin/cat; mkdir /dir; chmod 700 /dir";
    let (code, _, said) = run(&[
        "run",
        "--keep",
        "--name",
        "kept",
        "localhost/app",
        "/bin/sh",
        "-c",
        change,
    ]);
    assert_eq!(code, Some(0), "{said}");
    let first = program.run(&[
        "commit",
        "kept",
        "localhost/changed",
        "--cmd",
        "/bin/cat /new",
    ]);
    assert_eq!(
        program.run(&[
            "commit",
            "kept",
            "localhost/changed2",
            "--cmd",
            "/bin/cat /new"
        ]),
        first,
        "reproducible"
    );
    let out = program.path("changed");
    program.run(&["unpack", "localhost/changed", out.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(out.join("new")).unwrap(), "new\n");
    assert!(
        !out.join("data/0").exists() && out.join("data").exists() && !out.join("bin/cat").exists()
    );
    assert!(
        program
            .run(&["history", "localhost/changed"])
            .lines()
            .count()
            == 2
    );
    assert_eq!(
        run(&["run", "localhost/changed", "/bin/echo", "again"]).1,
        "again\n"
    );
    if have("umoci") {
        let layout = program.path("layout");
        program.run(&[
            "copy",
            "localhost/changed",
            &format!("oci:{}:v", layout.display()),
        ]);
        let theirs = program.path("theirs");
        tool(
            "umoci",
            [
                "raw",
                "unpack",
                "--image",
                &format!("{}:v", layout.display()),
                theirs.to_str().unwrap(),
            ],
        );
        assert_eq!(snapshot(&out, true), snapshot(&theirs, true));
    }
}

#[test]
fn privileged_what_a_killed_run_leaves_is_removed() {
    let Some(runtime) = runtime() else { return };
    if !(is_root() && have("busybox")) {
        return;
    }
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    let mut child = program
        .command(&[
            "run",
            "--name",
            "victim",
            "localhost/app",
            "/bin/sh",
            "-c",
            "while true; do /bin/test -e /none; done",
        ])
        .env("TARE", runtime)
        .spawn()
        .unwrap();
    let containers = program.store().join("containers");
    let start = std::time::Instant::now();
    while !containers.join("victim/config.json").exists() {
        assert!(start.elapsed().as_secs() < 20);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // The store is free while the container runs, and its layers are safe.
    std::thread::sleep(std::time::Duration::from_millis(500));
    program.run(&["remove", "localhost/app"]);
    assert_eq!(program.counts()[2], 1, "the layer of a running container");
    child.kill().unwrap();
    child.wait().unwrap();
    let _ = std::process::Command::new(runtime)
        .args(["delete", "--force", "victim"])
        .output();
    program.run(&["gc"]);
    assert_eq!(program.counts(), [0, 0, 0, 0]);
    assert_eq!(fs::read_dir(&containers).unwrap().count(), 0);
}

#[test]
fn what_a_killed_unpack_leaves_is_removed() {
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    // No process has this number.
    let left = program.path(".out.unpacking-99999999");
    fs::create_dir_all(left.join("0/fs")).unwrap();
    program.run(&[
        "unpack",
        "localhost/app",
        program.path("out").to_str().unwrap(),
    ]);
    assert!(!left.exists());
    let beside: Vec<_> = fs::read_dir(program.folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        beside
            .iter()
            .all(|n| !n.to_string_lossy().contains("unpacking")),
        "{beside:?}"
    );
}

#[test]
fn privileged_many_layers_are_mounted() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    make_image(&program, "localhost/app:0", 0);
    // 140 layers, each from the changes in a directory.
    let store = tare_image::store::Store::open(&program.store()).unwrap();
    let options = tare_image::pull::Options::default();
    for n in 0..140 {
        let upper = program.path(&format!("upper{n}"));
        fs::create_dir(&upper).unwrap();
        fs::write(upper.join(format!("f{n}")), "x").unwrap();
        let name = |n| format!("localhost/app:{n}").parse().unwrap();
        let descriptor = store.resolve(&name(n)).unwrap();
        let source = tare_image::source::LayoutSource::new(
            store.layout().clone(),
            Some(descriptor.digest().to_string()),
            options.limits.clone(),
        );
        let document = tare_image::source::Source::root(&source).unwrap();
        let (image, _) = tare_image::pull::choose(&source, &document, &options).unwrap();
        tare_image::commit::commit(
            &store,
            &image,
            &upper,
            &name(n + 1),
            &tare_image::commit::Description::default(),
        )
        .unwrap();
    }
    drop(store);
    let bundle = program.path("bundle");
    program.run(&[
        "bundle",
        "--overlay",
        "localhost/app:140",
        bundle.to_str().unwrap(),
    ]);
    let found = fs::read_dir(bundle.join("rootfs")).unwrap().count();
    tare_image::overlay::unmount(&bundle.join("rootfs")).unwrap();
    assert_eq!(found, 142);
    assert!(
        program.run(&["gc"]).contains("0 layers"),
        "the bundle's layers are kept"
    );
    tare_image::unpack::remove_tree(&bundle).unwrap();
    program.run(&["remove", "localhost/app:140"]);
}

#[test]
fn privileged_users_without_privilege_unpack_and_run() {
    let Some(runtime) = runtime() else { return };
    if !(is_root() && have("busybox") && have("setpriv") && have("newuidmap")) {
        return;
    }
    let Some(subordinate) = subordinate_user() else {
        println!("skipped: no user has subordinate ids");
        return;
    };
    let maker = Program::new();
    let root = maker.path("made");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", root.join("bin/sh")).unwrap();
    fs::write(root.join("owned"), "x").unwrap();
    tool("chown", ["1234:5678", root.join("owned").to_str().unwrap()]);
    tool("chmod", ["755", maker.folder.path().to_str().unwrap()]);
    let tar = maker.path("made.tar");
    tool(
        "tar",
        [
            "-C",
            root.to_str().unwrap(),
            "-cf",
            tar.to_str().unwrap(),
            ".",
        ],
    );
    // A place that the user owns, and a program that the user can read.
    let home = maker.path("home");
    fs::create_dir(&home).unwrap();
    let program = maker.path("tare-image");
    fs::copy(env!("CARGO_BIN_EXE_tare-image"), &program).unwrap();
    tool(
        "chown",
        [
            &format!("{}:{}", subordinate.0, subordinate.3),
            home.to_str().unwrap(),
        ],
    );
    let run = |arguments: &[&str]| {
        let (uid, gid) = (subordinate.0.to_string(), subordinate.3.to_string());
        let output = std::process::Command::new("setpriv")
            .args([
                "--reuid",
                &uid,
                "--regid",
                &gid,
                "--clear-groups",
                program.to_str().unwrap(),
            ])
            .args(arguments)
            .env("HOME", &home)
            .env("TARE_IMAGE_ROOT", home.join("store"))
            .env("XDG_RUNTIME_DIR", &home)
            .env("TARE", runtime)
            .current_dir(&home)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).to_string()
    };
    run(&["import", tar.to_str().unwrap(), "localhost/app"]);
    run(&[
        "unpack",
        "localhost/app",
        home.join("out").to_str().unwrap(),
    ]);
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(home.join("out/owned")).unwrap();
    assert_eq!(
        (owner.uid(), owner.gid()),
        (subordinate.1 + 1233, subordinate.2 + 5677)
    );
    assert_eq!(
        fs::metadata(home.join("out/bin")).unwrap().uid(),
        subordinate.0
    );
    run(&[
        "bundle",
        "localhost/app",
        home.join("bundle").to_str().unwrap(),
        "/bin/sh",
    ]);
    let config: Value =
        serde_json::from_slice(&fs::read(home.join("bundle/config.json")).unwrap()).unwrap();
    assert!(config["linux"]["resources"].is_null());
    assert_eq!(
        run(&[
            "run",
            "--name",
            "kept",
            "--keep",
            "localhost/app",
            "/bin/sh",
            "-c",
            "echo $((6 * 7)) | /bin/busybox tee /x"
        ]),
        "42\n"
    );
    run(&["commit", "kept", "localhost/changed"]);
    run(&[
        "unpack",
        "localhost/changed",
        home.join("changed").to_str().unwrap(),
    ]);
    assert_eq!(fs::read_to_string(home.join("changed/x")).unwrap(), "42\n");
}

/// A user with subordinate ids: its id, the first subordinate user and group ids, its group.
fn subordinate_user() -> Option<(u32, u32, u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let first = |file: &str, name: &str| -> Option<u32> {
        let text = fs::read_to_string(Path::new("/etc").join(file)).ok()?;
        text.lines().find_map(|l| {
            l.strip_prefix(&format!("{name}:"))?
                .split(':')
                .next()?
                .parse()
                .ok()
        })
    };
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let gid: u32 = fields.next()?.parse().ok()?;
        Some((uid, first("subuid", name)?, first("subgid", name)?, gid)).filter(|u| u.0 != 0)
    })
}
