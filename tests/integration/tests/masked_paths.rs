//! `linux.maskedPaths` and `linux.readonlyPaths`.

use std::fs;

use harness::{Sandbox, cases};
use serde_json::json;

cases![
    many_files_and_directories_are_masked,
    missing_and_repeated_paths_do_no_harm,
    the_root_as_read_only_path,
    the_root_cannot_be_masked,
    the_roots_directory_mounted_elsewhere_is_not_the_root,
];

fn many_files_and_directories_are_masked() {
    let sandbox = Sandbox::new();
    let names = ["a", "b", "c", "d"];
    let files = names.map(|name| format!("/etc/{name}.file"));
    let folders = names.map(|name| format!("/etc/{name}.folder"));
    let all: Vec<&String> = files
        .iter()
        .zip(&folders)
        .flat_map(|(file, folder)| [file, folder])
        .collect();
    let bundle = sandbox.bundle().set("/linux/maskedPaths", json!(all));
    let root = bundle.rootfs();
    for (file, folder) in files.iter().zip(&folders) {
        fs::write(root.join(&file[1..]), "secret").unwrap();
        fs::create_dir(root.join(&folder[1..])).unwrap();
        fs::write(root.join(&folder[1..]).join("secret"), "").unwrap();
    }
    let commands = format!(
        "cat {} -- ls {} -- echo end",
        files.join(" "),
        folders.join(" ")
    );
    sandbox.see(bundle, &commands).ok().lines(&["end"]);
}

fn missing_and_repeated_paths_do_no_harm() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set(
        "/linux/maskedPaths",
        json!(["/proc/nothing", "/run", "/run", "/nowhere/x"]),
    );
    let bundle = bundle.set(
        "/linux/readonlyPaths",
        json!(["/nowhere", "/proc/sys", "/proc/sys"]),
    );
    sandbox.see(bundle, "echo ran").ok().lines(&["ran"]);
}

/// However the root is named: a mount laid on it would not be seen by who is inside already.
fn the_root_as_read_only_path() {
    let sandbox = Sandbox::new();
    for path in ["/", "/.", "/proc/..", "/link"] {
        let bundle = sandbox
            .bundle()
            .writable()
            .mount("/run", "tmpfs", "tmpfs", &["mode=755"])
            .set("/linux/readonlyPaths", json!([path]));
        std::os::unix::fs::symlink("/", bundle.rootfs().join("link")).unwrap();
        sandbox
            .see(bundle, "touch /new -- touch /run/new")
            .exits(1)
            .lines(&["open /new: EROFS"]);
    }
}

fn the_root_cannot_be_masked() {
    let sandbox = Sandbox::new();
    for path in ["/", "/link"] {
        let bundle = sandbox
            .bundle()
            .set("/linux/maskedPaths", json!(["/etc", path]));
        std::os::unix::fs::symlink("/", bundle.rootfs().join("link")).unwrap();
        sandbox
            .run(&bundle)
            .fails_with(1, &["linux.maskedPaths[1]", "the root cannot be hidden"]);
    }
}

fn the_roots_directory_mounted_elsewhere_is_not_the_root() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().writable();
    let source = bundle.rootfs().display().to_string();
    let bundle = bundle
        .mount("/mnt", "bind", &source, &["bind"])
        .mount("/run", "bind", &source, &["bind"])
        .set("/linux/readonlyPaths", json!(["/mnt"]))
        .set("/linux/maskedPaths", json!(["/run"]));
    sandbox
        .see(bundle, "touch /mnt/new -- touch /new -- ls /run")
        .exits(1)
        .lines(&["open /mnt/new: EROFS"]);
}
