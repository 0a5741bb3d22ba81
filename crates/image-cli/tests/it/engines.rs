//! Images that skopeo, buildah, umoci and podman made, and ours in their hands.

use std::fs;

use crate::debian_registry::{Protection, Registry};
use crate::support::*;

#[test]
fn images_of_skopeo_and_for_skopeo() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    if !have("skopeo") {
        return;
    }
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    program.run(&[
        "push",
        "--plain-http",
        "localhost/app",
        &format!("{}/ours", registry.address),
    ]);
    let layout = program.path("layout");
    let to = format!("oci:{}:v1", layout.display());
    tool(
        "skopeo",
        [
            "copy",
            "--src-tls-verify=false",
            &format!("docker://{}/ours", registry.address),
            &to,
        ],
    );
    // Docker's own formats, and zstd.
    for (n, options) in [
        ["--format", "v2s2"],
        ["--format", "oci"],
        ["--dest-compress-format", "zstd"],
    ]
    .iter()
    .enumerate()
    {
        let name = format!("{}/theirs{n}:x", registry.address);
        let mut arguments = vec!["copy".to_string(), "--dest-tls-verify=false".into()];
        arguments.extend(options.map(String::from));
        arguments.extend([to.clone(), format!("docker://{name}")]);
        tool("skopeo", arguments);
        let other = Program::new();
        other.run(&["pull", "--plain-http", &name]);
        assert_eq!(other.counts(), [3, 0, 1, 0], "{options:?}");
    }
    // The store itself is a layout.
    let out = program.path("from-store");
    let from = format!("oci:{}:localhost/app:latest", program.store().display());
    tool("skopeo", ["copy", &from, &format!("dir:{}", out.display())]);
}

#[test]
fn privileged_images_of_buildah_are_unpacked_as_umoci_does() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    if !(is_root() && have("buildah") && have("umoci") && have("skopeo")) {
        return;
    }
    let program = Program::new();
    make_image(&program, "localhost/base", 1);
    let base = format!("{}/base", registry.address);
    program.run(&["push", "--plain-http", "localhost/base", &base]);
    let storage = program.path("buildah");
    let run = |arguments: &[&str]| {
        let root = storage.join("root");
        let runroot = storage.join("run");
        let global = [
            "--root",
            root.to_str().unwrap(),
            "--runroot",
            runroot.to_str().unwrap(),
            "--storage-driver",
            "vfs",
        ];
        let all: Vec<&str> = global.iter().chain(arguments).copied().collect();
        String::from_utf8_lossy(&tool("buildah", all).stdout)
            .trim()
            .to_string()
    };
    let container = run(&["from", "--tls-verify=false", &base]);
    let mounted = run(&["mount", &container]);
    fs::write(format!("{mounted}/new"), "new").unwrap();
    fs::remove_file(format!("{mounted}/data/0")).unwrap();
    fs::remove_dir_all(format!("{mounted}/bin")).unwrap();
    fs::create_dir(format!("{mounted}/bin")).unwrap();
    fs::write(format!("{mounted}/bin/only"), "only").unwrap();
    tool("chown", ["-R", "1234:5678", &format!("{mounted}/bin")]);
    let name = format!("{}/built", registry.address);
    run(&[
        "commit",
        "--tls-verify=false",
        &container,
        &format!("docker://{name}"),
    ]);
    run(&["rm", &container]);

    program.run(&["pull", "--plain-http", &name]);
    program.run(&["unpack", &name, program.path("ours").to_str().unwrap()]);
    let layout = program.path("layout");
    tool(
        "skopeo",
        [
            "copy",
            "--src-tls-verify=false",
            &format!("docker://{name}"),
            &format!("oci:{}:v", layout.display()),
        ],
    );
    tool(
        "umoci",
        [
            "raw",
            "unpack",
            "--image",
            &format!("{}:v", layout.display()),
            program.path("theirs").to_str().unwrap(),
        ],
    );
    assert_eq!(
        snapshot(&program.path("ours"), true),
        snapshot(&program.path("theirs"), true)
    );
    assert!(!program.path("ours/data/0").exists());
    tare_image::unpack::remove_tree(&storage).unwrap();
}

#[test]
fn privileged_podman_pulls_and_runs_ours() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    if !(is_root() && have("podman")) {
        return;
    }
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let name = format!("{}/app", registry.address);
    program.run(&["push", "--plain-http", "localhost/app", &name]);
    let storage = program.path("podman");
    let (root, runroot) = (storage.join("root"), storage.join("run"));
    let global = [
        "--root",
        root.to_str().unwrap(),
        "--runroot",
        runroot.to_str().unwrap(),
        "--storage-driver",
        "vfs",
    ];
    tool(
        "podman",
        global
            .iter()
            .copied()
            .chain(["pull", "-q", "--tls-verify=false", &name]),
    );
    // And an archive of theirs comes back.
    let archive = program.path("podman.tar");
    tool(
        "podman",
        global
            .iter()
            .copied()
            .chain(["save", "-q", "-o", archive.to_str().unwrap(), &name]),
    );
    let other = Program::new();
    assert_eq!(
        other.run(&["load", archive.to_str().unwrap()]),
        format!("{name}:latest")
    );
    tare_image::unpack::remove_tree(&storage).unwrap();
}
