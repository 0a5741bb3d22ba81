//! The verbs that need no registry and no runtime.

use std::fs;

use serde_json::Value;

use crate::support::*;

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
fn times_that_cannot_be_written_are_refused() {
    let program = Program::new();
    let tar = program.path("layer.tar");
    fs::write(&tar, archive(&[file("a", "b")])).unwrap();
    let import = |created: &str| {
        let tar = tar.to_str().unwrap();
        program.try_run(&["import", tar, "localhost/x", "--created", created])
    };
    for created in ["-62167219200", "-1", "253402300799"] {
        import(created).unwrap();
    }
    for created in ["-62167219201", "253402300800", "9223372036854775807"] {
        let error = import(created).unwrap_err();
        assert!(error.contains("four digits"), "{error}");
    }
    let error = import("9223372036854775808").unwrap_err();
    assert!(error.contains("is not a number"), "{error}");
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
fn what_killed_processes_leave_beside_a_target_is_removed() {
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    let to = |name: &str| program.path(name).to_str().unwrap().to_string();
    let archive = |form: &str| format!("{form}:{}", to("out"));
    let (oci, docker) = (format!("{}.tar", archive("oci")), archive("docker-archive"));
    for (name, command) in [
        ("out", &["unpack", "localhost/app", &to("out")][..]),
        (
            "out.tar",
            &["save", "--format", "oci", "localhost/app", &to("out.tar")],
        ),
        ("out.tar", &["copy", "-q", "localhost/app", &oci]),
        ("out", &["copy", "-q", "localhost/app", &docker]),
    ] {
        let target = program.path(name);
        let _ = fs::remove_file(&target);
        let _ = fs::remove_dir_all(&target);
        // No process has this number; and what has none is somebody's.
        let beside = |end: &str| program.path(&format!(".{name}.unfinished-{end}"));
        let (left, own) = (beside("99999999"), beside("x"));
        fs::create_dir_all(left.join("0/fs")).unwrap();
        fs::create_dir_all(&own).unwrap();
        program.run(command);
        assert!(
            target.exists() && own.exists() && !left.exists(),
            "{command:?}"
        );
        fs::remove_dir(own).unwrap();
        let entries = fs::read_dir(program.folder.path()).unwrap();
        let names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
        let is_left = |n: &std::ffi::OsString| n.to_string_lossy().contains("unfinished");
        assert!(!names.iter().any(is_left), "{names:?}");
    }
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
        let source = tare_image::layout::LayoutSource::new(
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
            &std::collections::BTreeSet::new(),
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
fn run_without_a_container_ends_with_125() {
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    let unreachable = "localhost:1/none/app";
    for (arguments, status) in [
        (&["run"][..], 125),
        (&["run", "--none", "localhost/app"], 125),
        (&["run", "localhost/APP"], 125),
        (&["run", "--retries", "1", unreachable], 125),
        (&["run", "--name", "a/b", "localhost/app"], 125),
        (&["run", "--user", "nobody", "localhost/app"], 125),
        (&["pull", "--retries", "1", unreachable], 1),
        (&["none"], 1),
        (&["run", "--help"], 0),
    ] {
        let output = program
            .command(arguments)
            .env("TARE", "/bin/true")
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {output:?}"
        );
    }
    let output = program
        .command(&["run", "localhost/app"])
        .env("TARE", "/none/runtime")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let left = fs::read_dir(program.store().join("containers"));
    assert_eq!(left.into_iter().flatten().count(), 0);
}

#[test]
fn terminals_are_not_told_what_names_say() {
    if !have("script") {
        return;
    }
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    let layout = program.path("layout");
    program.run(&[
        "copy",
        "-q",
        "localhost/app",
        &format!("oci:{}:x", layout.display()),
    ]);
    let index = fs::read_to_string(layout.join("index.json")).unwrap();
    let evil = index.replace(r#"ref.name":"x""#, r#"ref.name":"a\u001b[31mb\u009bc""#);
    assert_ne!(evil, index);
    fs::write(layout.join("index.json"), evil).unwrap();
    let list = format!(
        "{} list oci:{}",
        env!("CARGO_BIN_EXE_tare-image"),
        layout.display()
    );
    let output = tool("script", ["-qec", &list, "/dev/null"]).stdout;
    let shown = String::from_utf8_lossy(&output);
    assert!(shown.contains(r"a\u{1b}[31mb\u{9b}c"), "{shown:?}");
    // Programs get the name as it is.
    let name = program.run(&["list", &format!("oci:{}", layout.display())]);
    assert!(name.starts_with("a\u{1b}[31mb\u{9b}c "), "{name:?}");
}

#[test]
fn layers_that_grow_without_end_are_not_saved() {
    let program = Program::new();
    fs::write(program.path("zeros"), vec![0; 40 << 20]).unwrap();
    let (folder, tar) = (
        program.folder.path().to_str().unwrap(),
        program.path("zeros.tar"),
    );
    tool("tar", ["-C", folder, "-cf", tar.to_str().unwrap(), "zeros"]);
    program.run(&["import", tar.to_str().unwrap(), "localhost/zeros"]);
    let to = program.path("saved.tar");
    let limit = ["--max-layer-bytes", "1000000"];
    for arguments in [
        &["save", "localhost/zeros", to.to_str().unwrap()][..],
        &[
            "copy",
            "localhost/zeros",
            &format!("docker-archive:{}", to.display()),
        ],
    ] {
        let error = program.try_run(&[arguments, &limit].concat()).unwrap_err();
        assert!(error.contains("larger than 1000000 bytes"), "{error}");
        assert!(!to.exists());
    }
}

#[test]
fn output_that_nobody_takes() {
    use std::process::Stdio;
    let program = Program::new();
    let full = || {
        Stdio::from(
            fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
    };
    let ended = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for verb in ["help", "gc"] {
        let run = |to: Stdio| program.command(&[verb]).stdout(to).output().unwrap();
        let (full, ended) = (run(full()), run(ended()));
        let said = String::from_utf8(full.stderr).unwrap();
        assert_eq!(full.status.code(), Some(1), "{said}");
        assert!(
            said.contains("write to standard output: No space left"),
            "{said}"
        );
        assert_eq!((ended.status.code(), ended.stderr), (Some(1), Vec::new()));
    }
}

#[test]
fn an_archive_of_very_many_files_is_no_image() {
    let program = Program::new();
    let names: Vec<_> = (0..10).map(|n| file(&format!("f{n}"), "")).collect();
    let path = program.path("a.tar");
    fs::write(&path, archive(&names)).unwrap();
    let load = |most: &str| {
        let arguments = [
            "load",
            "--max-archive-files",
            most,
            path.to_str().unwrap(),
            "localhost/x",
        ];
        program.try_run(&arguments).unwrap_err()
    };
    assert!(load("9").contains("has more than 9 files"), "{}", load("9"));
    assert!(load("10").contains("no index.json"), "{}", load("10"));
}

#[test]
fn archives_through_pipes() {
    use std::process::Stdio;
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    let path = |name: &str| program.path(name).to_str().unwrap().to_string();
    for (format, file) in [("docker", "a.tar"), ("oci", "b.tar")] {
        let save = |to: &str| program.command(&["save", "--format", format, "localhost/app", to]);
        program.run(&["save", "--format", format, "localhost/app", &path(file)]);
        let wanted = fs::read(path(file)).unwrap();
        assert_eq!(save("-").output().unwrap().stdout, wanted, "{format}");

        // A pipe, or a device, is written into and stays what it is.
        let pipe = path(&format!("pipe.{format}"));
        tool("mkfifo", [&pipe]);
        let mut saving = save(&pipe).spawn().unwrap();
        assert_eq!(fs::read(&pipe).unwrap(), wanted);
        assert!(saving.wait().unwrap().success());
        let kind = fs::symlink_metadata(&pipe).unwrap().file_type();
        assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind));

        // A link stays, too.
        let link = path(&format!("link.{format}.tar"));
        fs::write(path("target"), "old").unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        program.run(&["save", "--format", format, "localhost/app", &link]);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(path("target")).unwrap(), wanted);

        for from in ["-", "/dev/stdin"] {
            let other = Program::new();
            let (reader, mut writer) = std::io::pipe().unwrap();
            let feeding = {
                let wanted = wanted.clone();
                std::thread::spawn(move || std::io::Write::write_all(&mut writer, &wanted))
            };
            let mut load = other.command(&["load", from, "localhost/loaded"]);
            assert!(load.stdin(Stdio::from(reader)).status().unwrap().success());
            feeding.join().unwrap().unwrap();
            assert!(other.run(&["list"]).contains("localhost/loaded:latest"));
            assert_eq!(other.counts()[3], 0, "nothing is left");
        }
    }
    let error = program.try_run(&["load", &path("")]).unwrap_err();
    assert!(error.contains("no regular file"), "{error}");
    let left: Vec<_> = fs::read_dir(program.folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with('.') || n.ends_with(".layout"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn images_are_found_by_their_ids() {
    let program = Program::new();
    for name in ["one", "two"] {
        let tar = program.path("r.tar");
        std::fs::write(&tar, archive(&[file("f", name)])).unwrap();
        let name = format!("localhost/{name}:1");
        program.run(&["import", tar.to_str().unwrap(), &name, "--cmd", "/f"]);
    }
    let shown = |name: &str| -> serde_json::Value {
        serde_json::from_str(&program.run(&["inspect", name])).unwrap()
    };
    let one = shown("localhost/one:1");
    let manifest = one["digest"].as_str().unwrap().to_string();
    let config = one["manifest"]["config"]["digest"]
        .as_str()
        .unwrap()
        .to_string();
    let hex = |digest: &str| digest.split(':').nth(1).unwrap().to_string();
    for id in [
        manifest.clone(),
        config.clone(),
        hex(&manifest),
        hex(&config)[..12].to_string(),
        manifest[..19].to_string(),
    ] {
        assert_eq!(shown(&id)["digest"], manifest, "{id}");
    }
    let id = &hex(&config)[..12];
    program.run(&["tag", id, "localhost/again"]);
    let error = program.try_run(&["remove", id]).unwrap_err();
    assert!(
        error.contains("several names: localhost/again:latest, localhost/one:1"),
        "{error}"
    );
    let out = program.path("o.tar");
    program.run(&["save", id, out.to_str().unwrap()]);
    let error = Program::new()
        .try_run(&["load", out.to_str().unwrap()])
        .unwrap_err();
    assert!(error.contains("does not name its image"), "{error}");
    program.run(&["unpack", id, program.path("out").to_str().unwrap()]);
    program.run(&["remove", "localhost/again"]);
    program.run(&["remove", id]);
    assert!(!program.run(&["list"]).contains("one"));
    for unknown in [id, "abc", "sha256:abcd"] {
        assert!(program.try_run(&["inspect", unknown]).is_err(), "{unknown}");
    }
}

#[test]
fn documents_of_an_image_as_they_are() {
    let program = Program::new();
    let tar = program.path("r.tar");
    std::fs::write(&tar, archive(&[file("f", "x")])).unwrap();
    program.run(&[
        "import",
        tar.to_str().unwrap(),
        "localhost/a",
        "--cmd",
        "/f",
    ]);
    let shown: serde_json::Value =
        serde_json::from_str(&program.run(&["inspect", "localhost/a"])).unwrap();
    for (format, digest) in [
        ("manifest", &shown["digest"]),
        ("config", &shown["manifest"]["config"]["digest"]),
    ] {
        let output = program
            .command(&["inspect", "--format", format, "localhost/a"])
            .output()
            .unwrap();
        assert_eq!(
            tare_image::digest::of(&output.stdout).to_string(),
            digest.as_str().unwrap()
        );
    }
    assert_eq!(
        program.run(&["inspect", "--format", "json", "localhost/a"]),
        program.run(&["inspect", "localhost/a"])
    );
    assert!(
        program
            .try_run(&["inspect", "--format", "xml", "localhost/a"])
            .unwrap_err()
            .contains("exist")
    );
}

#[test]
fn unused_images_are_pruned() {
    let program = Program::new();
    for name in ["old", "new", "needed"] {
        let tar = program.path("r.tar");
        std::fs::write(&tar, archive(&[file("f", name)])).unwrap();
        program.run(&[
            "import",
            tar.to_str().unwrap(),
            &format!("localhost/{name}"),
            "--cmd",
            "/f",
        ]);
        let shown: serde_json::Value =
            serde_json::from_str(&program.run(&["inspect", &format!("localhost/{name}")])).unwrap();
        let digest = shown["digest"].as_str().unwrap().replace(':', "/");
        let blob = program.store().join("blobs").join(digest);
        // The clock was wrong when the new one came.
        let time = match name {
            "new" => "@4000000000",
            _ => "@1000000000",
        };
        tool("touch", ["-d", time, blob.to_str().unwrap()]);
    }
    let names = || {
        let list: Vec<serde_json::Value> =
            serde_json::from_str(&program.run(&["list", "--json"])).unwrap();
        list.iter()
            .map(|i| i["name"].as_str().unwrap().to_string())
            .collect::<Vec<_>>()
    };
    let error = program.try_run(&["prune"]).unwrap_err();
    assert!(error.contains("--unused-for or --all"), "{error}");
    let dry = program.run(&["prune", "--unused-for", "1d", "--dry-run"]);
    assert_eq!(dry, "localhost/needed:latest\nlocalhost/old:latest");
    assert_eq!(names().len(), 3);
    // Using it is what counts.
    program.run(&[
        "unpack",
        "localhost/needed",
        program.path("out").to_str().unwrap(),
    ]);
    let said = program.run(&["prune", "--unused-for", "1d"]);
    assert!(
        said.starts_with("localhost/old:latest\nfreed ") && said.contains("3 blobs"),
        "{said}"
    );
    assert_eq!(names(), ["localhost/needed:latest", "localhost/new:latest"]);
    // What a container was made of stays.
    let container = program.store().join("containers/kept");
    std::fs::create_dir_all(&container).unwrap();
    let shown: serde_json::Value =
        serde_json::from_str(&program.run(&["inspect", "localhost/needed"])).unwrap();
    let digest = &shown["digest"];
    let record = serde_json::json!({"manifest": {"mediaType": "x", "size": 1, "digest": digest}, "chainIds": [], "overlay": true});
    std::fs::write(container.join("image.json"), record.to_string()).unwrap();
    program.run(&["prune", "--all"]);
    assert_eq!(names(), ["localhost/needed:latest"]);
    for age in ["", "x", "5", "5w", "-1d", "99999999999999999999d"] {
        assert!(
            program.try_run(&["prune", "--unused-for", age]).is_err(),
            "{age}"
        );
    }
}

#[test]
fn copies_in_another_form() {
    let program = Program::new();
    make_image(&program, "localhost/app:1", 1);
    let out = program.path("out");
    program.run(&["unpack", "localhost/app:1", out.to_str().unwrap()]);
    let wanted = snapshot(&out, true);
    let inspect = |name: &str| -> serde_json::Value {
        serde_json::from_str(&program.run(&["inspect", name])).unwrap()
    };
    let made = inspect("localhost/app:1");
    let (oci, docker) = (
        "vnd.oci.image.layer.v1.tar",
        "vnd.docker.image.rootfs.diff.tar",
    );
    for (n, (words, layer)) in [
        (
            &["--compression", "zstd"][..],
            format!("application/{oci}+zstd"),
        ),
        (&["--compression", "none"], format!("application/{oci}")),
        (
            &["--format", "docker"],
            format!("application/{docker}.gzip"),
        ),
        (
            &["--format", "docker", "--compression", "none"],
            format!("application/{docker}"),
        ),
        (
            &["--compression", "gzip", "--level", "9"],
            format!("application/{oci}+gzip"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let layout = format!("{}:v", program.path(&format!("layout{n}")).display());
        let place = format!("oci:{layout}");
        let copy = [&["copy", "localhost/app:1", &place][..], words].concat();
        let digest = program.run(&copy);
        assert_eq!(program.run(&copy), digest, "{words:?}: reproducible");
        let shown = inspect(&place);
        assert_eq!(shown["digest"], digest.as_str());
        assert_eq!(shown["manifest"]["layers"][0]["mediaType"], layer);
        let config = &shown["manifest"]["config"];
        assert_eq!(
            config["digest"], made["manifest"]["config"]["digest"],
            "the image's id stays"
        );
        let target = program.path(&format!("out{n}"));
        program.run(&["unpack", &place, target.to_str().unwrap()]);
        assert_eq!(snapshot(&target, true), wanted, "{words:?}");
        let back = format!("{place}-back");
        program.run(&[
            "copy",
            &place,
            &back,
            "--format",
            "oci",
            "--compression",
            "gzip",
        ]);
        assert_eq!(
            inspect(&back)["manifest"]["layers"][0]["mediaType"],
            format!("application/{oci}+gzip")
        );
        // Debian's knows neither docker's types in layouts nor zstd.
        let known = !words.contains(&"docker") && !words.contains(&"zstd");
        if known && have("umoci") {
            let theirs = program.path(&format!("theirs{n}"));
            tool(
                "umoci",
                [
                    "raw",
                    "unpack",
                    "--image",
                    &layout,
                    theirs.to_str().unwrap(),
                ],
            );
        }
    }
    for (words, said) in [
        (
            &["--format", "docker", "--compression", "zstd"][..],
            "no layers of zstd",
        ),
        (&["--level", "3"], "--level is for"),
        (&["--format", "x"], "oci and docker exist"),
    ] {
        let place = format!("oci:{}", program.path("none").display());
        let error = program.try_run(&[&["copy", "localhost/app:1", &place][..], words].concat());
        assert!(error.unwrap_err().contains(said), "{words:?}");
    }
}

#[test]
fn whole_indexes_in_another_form_go_through_a_registry() {
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let registry = crate::own_registry::OwnRegistry::start(crate::own_registry::Manner::default());
    let layout = tare_image::layout::Layout::open(&program.store()).unwrap();
    let entry = layout.resolve(Some("localhost/app:latest")).unwrap();
    let mut entry = serde_json::to_value(entry).unwrap();
    entry.as_object_mut().unwrap().remove("annotations");
    entry["platform"] = serde_json::json!({"os": "linux", "architecture": "amd64"});
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [entry], "annotations": {"a": "b"}});
    let bytes = index.to_string().into_bytes();
    let digest = tare_image::digest::of(&bytes);
    let descriptor =
        oci_spec::image::Descriptor::new(media_type.into(), bytes.len() as u64, digest);
    layout.put(&descriptor, &bytes).unwrap();
    layout
        .tag(Some("localhost/all:latest"), &descriptor)
        .unwrap();
    let to = format!("docker://{}/all:1", registry.address);
    let words = [
        "copy",
        "--plain-http",
        "--all",
        "--format",
        "docker",
        "localhost/all",
        &to,
    ];
    program.run(&words);
    let raw: serde_json::Value =
        serde_json::from_str(&program.run(&["inspect", "--plain-http", "--raw", &to])).unwrap();
    assert_eq!(
        raw["mediaType"],
        "application/vnd.docker.distribution.manifest.list.v2+json"
    );
    assert!(raw["annotations"].is_null());
    assert_eq!(raw["manifests"][0]["platform"]["architecture"], "amd64");
    let other = Program::new();
    other.run(&[
        "pull",
        "--plain-http",
        "--platform",
        "linux/amd64",
        to.trim_start_matches("docker://"),
    ]);
    assert!(
        registry.violations().is_empty(),
        "{:?}",
        registry.violations()
    );
    // Broken off on the way: read again.
    registry.mishap(crate::own_registry::Mishap::BlobBreaks(100_000));
    let place = format!("oci:{}:v", program.path("l").display());
    program.run(&[
        "copy",
        "--plain-http",
        "--platform",
        "linux/amd64",
        "--compression",
        "zstd",
        &to,
        &place,
    ]);
}
