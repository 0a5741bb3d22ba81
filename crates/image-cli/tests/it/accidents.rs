//! Stores that accidents happened to: each is repaired, or the message says how.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

use crate::own_registry::{Manner, OwnRegistry};
use crate::support::*;

/// A program with an image in its store that it pulled, and where that came from.
struct Pulled {
    program: Program,
    name: String,
    /// Blobs of the layer, the configuration and the manifest.
    blobs: [PathBuf; 3],
}

impl Pulled {
    fn new() -> Self {
        // One for all, since nothing changes in it.
        static REGISTRY: OnceLock<OwnRegistry> = OnceLock::new();
        let registry = REGISTRY.get_or_init(|| {
            let maker = Program::new();
            make_image(&maker, "localhost/app", 0);
            let registry = OwnRegistry::start(Manner::default());
            let name = format!("{}/app:1", registry.address);
            maker.run(&["push", "--plain-http", "localhost/app", &name]);
            registry
        });
        let name = format!("{}/app:1", registry.address);
        let program = Program::new();
        program.run(&["pull", "--plain-http", &name]);
        let shown: Value = serde_json::from_str(&program.run(&["inspect", &name])).unwrap();
        let blob = |value: &Value| {
            let digest = value.as_str().unwrap().replace(':', "/");
            program.store().join("blobs").join(digest)
        };
        let blobs = [
            blob(&shown["manifest"]["layers"][0]["digest"]),
            blob(&shown["manifest"]["config"]["digest"]),
            blob(&shown["digest"]),
        ];
        Pulled {
            program,
            name,
            blobs,
        }
    }

    fn pull(&self) -> Result<String, String> {
        self.program.try_run(&["pull", "--plain-http", &self.name])
    }

    fn unpack(&self) -> Result<String, String> {
        let out = self.program.path("out");
        let result = self
            .program
            .try_run(&["unpack", &self.name, out.to_str().unwrap()]);
        tare_image::unpack::remove_tree(&out).unwrap();
        result
    }

    fn forget_layers(&self) {
        tare_image::unpack::remove_tree(&self.program.store().join("layers/sha256")).unwrap();
    }
}

/// Another byte in the middle; the size stays.
fn flip(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_content_is_fetched_again() {
    type Damage = fn(&PathBuf);
    let damages: [(&str, Damage); 3] = [
        ("another byte", flip),
        ("cut", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("gone", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, damage) in damages {
        for n in 0..3 {
            let pulled = Pulled::new();
            damage(&pulled.blobs[n]);
            pulled.forget_layers();
            let error = pulled.unpack().unwrap_err();
            assert_eq!(
                error.lines().count(),
                if what == "another byte" && n == 0 {
                    2
                } else {
                    1
                },
                "{error}"
            );
            pulled
                .pull()
                .unwrap_or_else(|e| panic!("{what}, blob {n}: {e}"));
            pulled
                .unpack()
                .unwrap_or_else(|e| panic!("{what}, blob {n}: {e}"));
        }
    }
}

#[test]
fn a_damaged_layer_is_unpacked_again() {
    let pulled = Pulled::new();
    let layers = pulled.program.store().join("layers/sha256");
    let layer = fs::read_dir(&layers)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    tare_image::unpack::remove_tree(&layer.join("fs")).unwrap();
    fs::write(layer.join("rest"), "").unwrap();
    pulled.pull().unwrap();
    assert!(layer.join("fs/data").is_dir() && !layer.join("rest").exists());
}

#[test]
fn check_finds_what_is_damaged_and_repairs_it() {
    let pulled = Pulled::new();
    let program = &pulled.program;
    let clean = "checked 3 blobs and 1 unpacked layers, 0 damaged";
    assert_eq!(program.run(&["check"]), clean);
    let layer = program.store().join("layers/sha256");
    let layer = fs::read_dir(layer).unwrap().next().unwrap().unwrap();
    let fs_folder = layer.path().join("fs");
    let sample = fs_folder.join("bin/busybox");
    type Damage = fn(&PathBuf);
    let damages: [(&str, Damage); 6] = [
        ("content", |f| {
            let time = fs::metadata(f).unwrap().modified().unwrap();
            flip(f);
            fs::File::options()
                .write(true)
                .open(f)
                .unwrap()
                .set_modified(time)
                .unwrap();
        }),
        ("mode", |f| {
            drop(tool("chmod", ["700", f.to_str().unwrap()]))
        }),
        ("time", |f| drop(tool("touch", [f.to_str().unwrap()]))),
        ("gone", |f| fs::remove_file(f).unwrap()),
        ("more", |f| fs::write(f.with_file_name("more"), "").unwrap()),
        ("attribute", |f| {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(f, "user.x", b"y", flags).unwrap();
        }),
    ];
    for (what, damage) in damages {
        damage(&sample);
        let before = snapshot(&program.store(), true);
        let output = program.command(&["check"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(
            said.contains("unpacked layer sha256:") && said.contains(": /bin"),
            "{what}: {said}"
        );
        assert_eq!(
            snapshot(&program.store(), true).len(),
            before.len(),
            "nothing changes"
        );
        program.run(&["check", "--repair"]);
        let clean = program.run(&["check"]);
        assert!(
            clean.ends_with("1 unpacked layers, 0 damaged"),
            "{what}: {clean}"
        );
    }
    for blob in &pulled.blobs {
        flip(blob);
        let error = program.command(&["check"]).output().unwrap();
        let said = String::from_utf8_lossy(&error.stdout);
        assert!(said.contains("blob sha256:"), "{said}");
        program.run(&["check", "--repair"]);
        assert!(!blob.exists());
        pulled.pull().unwrap();
        program.run(&["check"]);
    }
}

#[test]
fn files_of_killed_processes_go_and_are_counted() {
    let pulled = Pulled::new();
    let store = pulled.program.store();
    let container = store.join("containers/kept");
    fs::create_dir_all(&container).unwrap();
    fs::write(container.join("image.json"), r#"{"manifest":{"mediaType":"x","size":1,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"chainIds":[],"overlay":true}"#).unwrap();
    let left = [
        store.join(".index.json.123.tmp"),
        container.join(".image.json.4.tmp"),
        store.join("ingest/sha256-x"),
        // Of a container that was being removed, or made.
        store.join("containers/half/upper"),
    ];
    for folder in ["ingest", "containers/half"] {
        fs::create_dir_all(store.join(folder)).unwrap();
    }
    for path in &left {
        fs::write(path, vec![0; 100_000]).unwrap();
    }
    let said = pulled.program.run(&["gc"]);
    assert!(
        said.contains("0 blobs and 0 layers, and 4 leftovers"),
        "{said}"
    );
    assert!(!said.contains("freed 0 B"), "{said}");
    assert!(left.iter().all(|p| !p.exists()) && container.join("image.json").exists());
    assert_eq!(
        pulled.program.run(&["gc"]),
        "freed 0 B in 0 blobs and 0 layers"
    );
    // Layers count too.
    let said = pulled.program.run(&["remove", &pulled.name]);
    assert!(said.contains("3 blobs and 1 layers"), "{said}");
}

#[test]
fn one_damaged_image_does_not_hide_the_others() {
    let pulled = Pulled::new();
    let program = &pulled.program;
    let other = program.path("r.tar");
    fs::write(&other, archive(&[file("f", "")])).unwrap();
    program.run(&["import", other.to_str().unwrap(), "localhost/other"]);
    flip(&pulled.blobs[2]);
    let list = program.run(&["list"]);
    assert!(
        list.contains("image with 1 layer") && list.contains("cannot be read"),
        "{list}"
    );
    // What cannot be understood may lead to anything: nothing is removed.
    let error = program.try_run(&["gc"]).unwrap_err();
    assert!(
        error.contains(&pulled.name) && error.contains("remove the image"),
        "{error}"
    );
    program.run(&["remove", &pulled.name]);
    assert_eq!(program.run(&["list"]).lines().count(), 1);
}

#[test]
fn messages_about_damaged_files_say_what_to_do() {
    let pulled = Pulled::new();
    let store = pulled.program.store();
    for (file, said) in [
        ("index.json", "Without that file"),
        ("oci-layout", "Without that file"),
    ] {
        let before = fs::read(store.join(file)).unwrap();
        fs::write(store.join(file), "").unwrap();
        for verb in ["list", "gc"] {
            let error = pulled.program.try_run(&[verb]).unwrap_err();
            assert!(
                error.starts_with(&format!("tare-image: {verb}: ")),
                "{error}"
            );
            assert!(error.contains(file) && error.contains(said), "{error}");
        }
        fs::remove_file(store.join(file)).unwrap();
        pulled
            .program
            .run(&["gc", "--root", store.to_str().unwrap()]);
        fs::write(store.join(file), before).unwrap();
    }
    let container = store.join("containers/x");
    fs::create_dir_all(&container).unwrap();
    fs::write(container.join("image.json"), "{").unwrap();
    let error = pulled.program.try_run(&["gc"]).unwrap_err();
    assert!(error.contains("remove --container"), "{error}");
    pulled.program.run(&["remove", "--container", "x"]);
    pulled.program.run(&["gc"]);
    let error = pulled.program.try_run(&["remove", "--container", "x"]);
    assert!(error.unwrap_err().contains("there is no container"));
}

#[test]
fn a_store_is_looked_at_without_writing() {
    let program = Program::new();
    // Where nothing is, nothing is made.
    assert_eq!(program.run(&["list"]), "");
    assert_eq!(program.run(&["list", "--json"]), "[]");
    let error = program.try_run(&["inspect", "localhost/x"]).unwrap_err();
    assert!(error.contains("there is no store at"), "{error}");
    assert!(!program.store().exists());

    let pulled = Pulled::new();
    let out = pulled.program.path("o.tar");
    for arguments in [
        &["list"][..],
        &["inspect", &pulled.name],
        &["history", &pulled.name],
        &["save", &pulled.name, out.to_str().unwrap()],
    ] {
        // A file system cannot be made read-only here: what would be written is watched instead.
        let before = snapshot(&pulled.program.store(), true);
        pulled.program.run(arguments);
        assert_eq!(
            snapshot(&pulled.program.store(), true),
            before,
            "{arguments:?}"
        );
    }
}

/// Not the end by a signal, of which nobody hears why.
#[test]
fn files_that_may_not_grow_are_an_error_with_a_name() {
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let limited = "ulimit -f 100; exec \"$0\" save localhost/app \"$1\"";
    let target = program.path("saved.tar");
    let output = peer("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_tare-image")])
        .arg(&target)
        .env("TARE_IMAGE_ROOT", program.store())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        said.starts_with("tare-image: save ") && said.contains("File too large"),
        "{said}"
    );
    assert!(!target.exists());
}

#[test]
fn privileged_a_full_disk() {
    if !(is_root() && have("unshare")) {
        return;
    }
    let pulled = Pulled::new();
    let store = pulled.program.path("small");
    fs::create_dir(&store).unwrap();
    // In a mount namespace of its own: too small for the blob, then for the unpacked layer, then large enough.
    let script = "set -eu; mount --make-rprivate /; mount -t tmpfs -o size=200k none $STORE
        $PROGRAM pull --quiet --plain-http $NAME && exit 1; ls $STORE/ingest >&2
        mount -o remount,size=2500k $STORE; $PROGRAM pull --quiet --plain-http $NAME && exit 2
        ls $STORE/staging >&2
        mount -o remount,size=60m $STORE; $PROGRAM pull --quiet --plain-http $NAME; ls $STORE/layers/sha256";
    let output = peer("unshare")
        .args(["-m", "sh", "-c", script])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", pulled.program.folder.path())
        .env("STORE", &store)
        .env("TARE_IMAGE_ROOT", &store)
        .env("PROGRAM", env!("CARGO_BIN_EXE_tare-image"))
        .env("NAME", &pulled.name)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().collect();
    assert!(output.status.success(), "{output:?}");
    // Nothing half unpacked stays, what was fetched does.
    assert_eq!(lines.len(), 3, "{said}");
    for line in [lines[0], lines[2]] {
        assert!(
            line.starts_with("tare-image: pull ") && line.contains("Free some space"),
            "{line}"
        );
    }
    assert!(lines[1].starts_with("sha256-"), "{said}");
}
