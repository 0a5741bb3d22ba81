//! Files with images: several in one, their names, the forms that they are packed in.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::*;

/// A program with two images that share nothing, one of them under two names.
fn maker() -> Program {
    let program = Program::new();
    for name in ["one", "two"] {
        let tar = program.path("r.tar");
        fs::write(&tar, archive(&[file("f", name)])).unwrap();
        let name = format!("localhost/{name}:1");
        program.run(&["import", tar.to_str().unwrap(), &name, "--cmd", "/f"]);
    }
    program.run(&["tag", "localhost/one:1", "localhost/also:2"]);
    program
}

fn names(program: &Program) -> Vec<String> {
    let list: Vec<Value> = serde_json::from_str(&program.run(&["list", "--json"])).unwrap();
    let names = list.iter().map(|i| i["name"].as_str().unwrap().to_string());
    names.collect()
}

const ALL: [&str; 3] = ["localhost/also:2", "localhost/one:1", "localhost/two:1"];

/// Loads `file` through a pipe, and by its name.
fn load(file: &Path) -> Vec<Program> {
    let by_name = Program::new();
    by_name.run(&["load", file.to_str().unwrap()]);
    let piped = Program::new();
    let mut cat = peer("cat")
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut command = piped.command(&["load", "-"]);
    let output = command.stdin(cat.stdout.take().unwrap()).output().unwrap();
    cat.wait().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    vec![by_name, piped]
}

#[test]
fn several_images_in_one_file() {
    let program = maker();
    for format in ["docker", "oci"] {
        let file = program.path(&format!("{format}.tar"));
        let mut arguments = vec!["save", "--format", format];
        arguments.extend(ALL);
        arguments.push(file.to_str().unwrap());
        program.run(&arguments);
        for other in load(&file) {
            assert_eq!(names(&other), ALL, "{format}");
            for (name, text) in [("one:1", "one"), ("also:2", "one"), ("two:1", "two")] {
                let out = other.path(name);
                let name = format!("localhost/{name}");
                other.run(&["unpack", &name, out.to_str().unwrap()]);
                assert_eq!(fs::read_to_string(out.join("f")).unwrap(), text);
            }
        }
        let error = Program::new().try_run(&["load", file.to_str().unwrap(), "localhost/x"]);
        assert!(error.unwrap_err().contains("for one name"), "{format}");
    }
    // One alone keeps its name too, and its tag is how others find it.
    let file = program.path("single.tar");
    let text = file.to_str().unwrap();
    program.run(&["save", "--format", "oci", "localhost/one:1", text]);
    assert_eq!(names(&load(&file)[1]), ["localhost/one:1"]);
    for name in ["1", "localhost/one:1"] {
        program.run(&["inspect", &format!("oci:{text}:{name}")]);
    }
    if have("skopeo") {
        tool("skopeo", ["inspect", &format!("oci-archive:{text}:1")]);
    }
    let error = program.try_run(&["save", "localhost/one:1"]).unwrap_err();
    assert!(
        error.contains("at least 2 are expected: REFERENCE... FILE"),
        "{error}"
    );
}

#[test]
fn names_of_podman_and_of_docker_are_found_and_bad_ones_said() {
    let program = maker();
    let file = program.path("a.tar");
    let text = file.to_str().unwrap();
    let folder = program.path("changed");
    fs::create_dir(&folder).unwrap();
    let change = |document: &str, change: &dyn Fn(&mut Value)| {
        let at = folder.to_str().unwrap();
        tool("tar", ["-C", at, "-xf", text]);
        let path = folder.join(document);
        let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(&path, value.to_string()).unwrap();
        tool("tar", ["-C", at, "-cf", text, "."]);
    };
    for (annotations, wanted) in [
        (
            json!({"org.opencontainers.image.ref.name": "localhost/p:3"}),
            Ok("localhost/p:3"),
        ),
        (
            json!({"io.containerd.image.name": "localhost/d:4", "org.opencontainers.image.ref.name": "4"}),
            Ok("localhost/d:4"),
        ),
        (
            json!({"org.opencontainers.image.ref.name": "5"}),
            Err("does not name its image"),
        ),
        (
            json!({"io.containerd.image.name": "localhost/UPPER"}),
            Err("\"localhost/UPPER\""),
        ),
    ] {
        program.run(&["save", "--format", "oci", "localhost/one:1", text]);
        change("index.json", &|index| {
            index["manifests"][0]["annotations"] = annotations.clone()
        });
        let other = Program::new();
        let done = other.try_run(&["load", text]);
        match wanted {
            Ok(name) => assert_eq!((done, names(&other)), (Ok(name.into()), vec![name.into()])),
            Err(said) => assert!(done.unwrap_err().contains(said), "{annotations}"),
        }
        other.run(&["load", text, "localhost/given"]);
    }
    program.run(&["save", "localhost/one:1", text]);
    change("manifest.json", &|list| {
        list[0]["RepoTags"] = json!(["localhost/BAD:1", "localhost/good:1"])
    });
    let other = Program::new();
    let output = other.command(&["load", text]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("localhost/BAD:1"),
        "{said}"
    );
    assert_eq!(names(&other), ["localhost/good:1"]);
}

#[test]
fn archives_in_every_usual_packing() {
    let program = maker();
    let file = program.path("a.tar");
    let text = file.to_str().unwrap();
    for format in ["docker", "oci"] {
        program.run(&["save", "--format", format, "localhost/one:1", text]);
        for packer in ["gzip", "bzip2", "xz", "zstd"] {
            if !have(packer) {
                continue;
            }
            let packed = program.path("packed");
            let output = peer(packer).args(["-c", text]).output().unwrap().stdout;
            // Two members after each other are one content.
            fs::write(&packed, output).unwrap();
            assert_eq!(names(&load(&packed)[0]), ["localhost/one:1"], "{packer}");
        }
    }
    // A dictionary of 1.5 GB is no honest archive's.
    if have("xz") {
        let packed = program.path("large.xz");
        let mut command = peer("xz");
        command.args([
            "-c",
            "--lzma2=dict=1536MiB,mode=fast,mf=hc3",
            "--block-size=0",
        ]);
        command.stdin(File::open(&file).unwrap());
        command.stdout(File::create(&packed).unwrap());
        if command.status().unwrap().success() {
            let error = Program::new().try_run(&["load", packed.to_str().unwrap()]);
            assert!(error.unwrap_err().contains("memory"));
        }
    }
}

#[test]
fn privileged_podman_loads_what_save_wrote() {
    if !(is_root() && have("podman")) {
        return;
    }
    let program = maker();
    let root = program.path("podman");
    let root = root.to_str().unwrap();
    let options = ["--root", root, "--runroot", root, "--storage-driver", "vfs"];
    for format in ["docker", "oci"] {
        let file = program.path(&format!("{format}.tar"));
        let text = file.to_str().unwrap();
        program.run(&["save", "--format", format, "localhost/one:1", text]);
        tool("podman", [&options[..], &["load", "-i", text]].concat());
        let back = program.path(&format!("back-{format}.tar"));
        let kind = if format == "oci" {
            "oci-archive"
        } else {
            "docker-archive"
        };
        let list = tool("podman", [&options[..], &["images", "-n"]].concat());
        let list = String::from_utf8_lossy(&list.stdout).to_string();
        let name = if list.contains("localhost/one") {
            "localhost/one:1"
        } else {
            "localhost/1:latest"
        };
        let text = back.to_str().unwrap();
        let save = ["save", "-q", "--format", kind, "-o", text, name];
        tool("podman", [&options[..], &save].concat());
        assert_eq!(names(&load(&back)[0]), [name], "{format}: {list}");
        tool("podman", [&options[..], &["rmi", "-a", "-f"]].concat());
    }
}
