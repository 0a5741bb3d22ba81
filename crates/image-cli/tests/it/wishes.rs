//! Indexes, whole repositories, what refers to images, differences, mounts, one layer of many, and progress.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::debian_registry::{Protection, Registry};
use crate::own_registry::{Manner, OwnRegistry};
use crate::support::*;

/// An image `name` with one file `data`.
fn image(program: &Program, name: &str, data: &str) {
    let path = program.path("one.tar");
    fs::write(&path, archive(&[dir("d"), file("d/f", data)])).unwrap();
    program.run(&["import", path.to_str().unwrap(), name]);
}

#[test]
fn images_are_put_together_for_several_platforms() {
    let registry = OwnRegistry::start(Manner::default());
    let program = Program::new();
    image(&program, "localhost/a:1", "a");
    image(&program, "localhost/b:1", "b");
    let shown = || -> Value {
        let raw = program.run(&["inspect", "--raw", "localhost/all:1"]);
        serde_json::from_str(&raw).unwrap()
    };
    let platforms = |index: &Value| -> Vec<String> {
        let entries = index["manifests"].as_array().unwrap();
        let platform = |e: &Value| {
            let part = |key: &str| e["platform"][key].as_str().unwrap_or("-").to_string();
            format!("{}/{}", part("architecture"), part("variant"))
        };
        entries.iter().map(platform).collect()
    };
    program.run(&["index", "create", "localhost/all:1", "localhost/a:1"]);
    let own = match std::env::consts::ARCH {
        "x86_64" => "amd64/-",
        "aarch64" => "arm64/-",
        other => panic!("{other}"),
    };
    assert_eq!(platforms(&shown()), [own]);
    program.run(&[
        "index",
        "add",
        "localhost/all:1",
        "localhost/b:1",
        "--arch",
        "arm",
        "--variant",
        "v7",
    ]);
    assert_eq!(platforms(&shown()), [own, "arm/v7"]);
    program.run(&[
        "index",
        "annotate",
        "localhost/all:1",
        "localhost/b:1",
        "--variant",
        "v6",
        "--annotation",
        "a=b=c",
    ]);
    let index = shown();
    assert_eq!(platforms(&index), [own, "arm/v6"]);
    assert_eq!(index["manifests"][1]["annotations"]["a"], "b=c");
    let out = program.path("arm");
    program.run(&[
        "unpack",
        "--platform",
        "linux/arm/v6",
        "localhost/all:1",
        out.to_str().unwrap(),
    ]);
    assert_eq!(fs::read_to_string(out.join("d/f")).unwrap(), "b");

    let to = format!("docker://{}/all:2", registry.address);
    let pushed = program.run(&["index", "push", "--plain-http", "localhost/all:1", &to]);
    let raw = program.run(&["inspect", "--plain-http", "--raw", &to]);
    assert_eq!(serde_json::from_str::<Value>(&raw).unwrap(), index);
    // From the registry into another one, with all its images.
    let again = program.run(&["index", "create", "--plain-http", "localhost/again:1", &to]);
    assert_eq!(again, pushed, "the same entries give the same index");
    // Where its images have no names, an entry's digest says which is meant.
    let fresh = Program::new();
    fresh.run(&["index", "create", "--plain-http", "localhost/all:1", &to]);
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    fresh.run(&["index", "remove", "localhost/all:1", digest]);
    let raw = fresh.run(&["inspect", "--raw", "localhost/all:1"]);
    assert_eq!(platforms(&serde_json::from_str(&raw).unwrap()), ["arm/v6"]);
    program.run(&["index", "remove", "localhost/all:1", "localhost/b:1"]);
    assert_eq!(platforms(&shown()), [own]);
    for (words, said) in [
        (
            &["index", "add", "localhost/a:1", "localhost/b:1"][..],
            "is an image and no index",
        ),
        (
            &["index", "turn", "localhost/all:1", "localhost/b:1"],
            "there is no such verb",
        ),
        (&["index", "add", "localhost/all:1"], "takes images"),
        (
            &[
                "index",
                "annotate",
                "localhost/all:1",
                "localhost/a:1",
                "--annotation",
                "x",
            ],
            "NAME=VALUE",
        ),
    ] {
        let error = program.try_run(words).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    assert!(registry.violations().is_empty());
}

#[test]
fn several_programs_add_to_one_index() {
    let program = Program::new();
    let names: Vec<String> = (0..8).map(|n| format!("localhost/i{n}:1")).collect();
    for name in &names {
        image(&program, name, name);
    }
    program.run(&["index", "create", "localhost/all:1"]);
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| program.run(&["index", "add", "localhost/all:1", name]));
        }
    });
    let index: Value =
        serde_json::from_str(&program.run(&["inspect", "--raw", "localhost/all:1"])).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), names.len());
}

#[test]
fn repositories_and_lists_are_copied_whole() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    let program = Program::new();
    let name = |rest: &str| format!("docker://{}/{rest}", registry.address);
    for tag in ["1", "2", "3"] {
        image(&program, "localhost/x", tag);
        program.run(&[
            "push",
            "--plain-http",
            "localhost/x",
            &name(&format!("team/app:{tag}")),
        ]);
    }
    let tags = |repository: &str| -> BTreeSet<String> {
        let tags = program.run(&["tags", "--plain-http", &name(repository)]);
        tags.lines().map(String::from).collect()
    };
    let done = program.run(&["sync", "--plain-http", &name("team/app"), &name("copy/app")]);
    assert_eq!(done.lines().count(), 3);
    assert_eq!(tags("copy/app"), tags("team/app"));
    let raw = |place: &str| program.run(&["inspect", "--plain-http", "--raw", place]);
    assert_eq!(raw(&name("copy/app:2")), raw(&name("team/app:2")));

    // One that is missing is said, and the others are copied all the same.
    let list = program.path("list");
    let lines = format!(
        "# two\n{0}/team/app:1\n\n{0}/team/none:1\nlocalhost/x\n",
        name("").trim_end_matches('/')
    );
    fs::write(
        &list,
        lines.replace("localhost/x\n", &format!("{}\n", name("team/app:3"))),
    )
    .unwrap();
    let layout = format!("oci:{}", program.path("layout").display());
    let list = list.to_str().unwrap();
    let words = ["sync", "--plain-http", "--retries", "1", list, &layout];
    let error = program.try_run(&words).unwrap_err();
    assert!(
        error.contains("1 of 3 images could not be copied"),
        "{error}"
    );
    assert!(error.contains("team/none"), "{error}");
    let full = format!("{}/team/app:3", registry.address);
    assert_eq!(raw(&format!("{layout}:{full}")), raw(&name("team/app:3")));
    let error = program.try_run(&["sync", list, "localhost/x"]).unwrap_err();
    assert!(error.contains("no more than one image"), "{error}");
    if have("skopeo") {
        let layout = program.path("layout");
        tool(
            "skopeo",
            ["inspect", &format!("oci:{}:{full}", layout.display())],
        );
    }
}

#[test]
fn files_are_attached_to_images() {
    for referrers in [true, false] {
        let registry = OwnRegistry::start(Manner {
            referrers,
            ..Manner::default()
        });
        let program = Program::new();
        image(&program, "localhost/x", "x");
        let name = format!("docker://{}/app:1", registry.address);
        program.run(&["push", "--plain-http", "localhost/x", &name]);
        let path = program.path("bill.json");
        fs::write(&path, "{\"a\":1}").unwrap();
        let file = format!("{}:application/json", path.display());
        let attached = program.run(&[
            "attach",
            "--plain-http",
            "--artifact-type",
            "test/sbom",
            "--annotation",
            "who=me",
            &name,
            &file,
        ]);
        let nothing = program.run(&[
            "attach",
            "--plain-http",
            "--artifact-type",
            "test/mark",
            &name,
        ]);
        let list =
            |more: &[&str]| program.run(&[&["referrers", "--plain-http", &name], more].concat());
        assert_eq!(list(&[]).lines().count(), 2);
        let one = list(&["--artifact-type", "test/sbom"]);
        assert!(
            one.starts_with(&attached) && one.ends_with("test/sbom"),
            "{one}"
        );
        assert!(list(&["--artifact-type", "test/mark"]).starts_with(&nothing));
        // It is content like any other.
        let at = format!("docker://{}/app@{attached}", registry.address);
        let shown = program.run(&["inspect", "--plain-http", "--raw", &at]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["layers"][0]["mediaType"], "application/json");
        assert_eq!(
            shown["layers"][0]["annotations"]["org.opencontainers.image.title"],
            "bill.json"
        );
        assert_eq!(shown["annotations"]["who"], "me");
        let to = format!("oci:{}:sbom", program.path("kept").display());
        program.run(&["copy", "--plain-http", &at, &to]);
        let error = program
            .try_run(&["attach", "--plain-http", &name, &file])
            .unwrap_err();
        assert!(error.contains("--artifact-type"), "{error}");
        assert!(
            registry.violations().is_empty(),
            "{:?}",
            registry.violations()
        );
    }
}

#[test]
fn images_are_compared() {
    let program = Program::new();
    let import = |name: &str, items: &[Item]| {
        let path = program.path("one.tar");
        fs::write(&path, archive(items)).unwrap();
        program.run(&["import", path.to_str().unwrap(), name]);
    };
    import(
        "localhost/a",
        &[
            dir("d"),
            file("d/same", "x"),
            file("d/other", "1"),
            file("gone", ""),
            dir("old"),
            file("old/f", ""),
            symlink("l", "a"),
        ],
    );
    import(
        "localhost/b",
        &[
            dir("d"),
            file("d/same", "x"),
            file("d/other", "2"),
            dir("new"),
            file("new/f", ""),
            symlink("l", "b"),
            file("mode", "").mode(0o600),
        ],
    );
    let listed = program.run(&["diff", "localhost/a", "localhost/b"]);
    let lines: Vec<&str> = listed.lines().collect();
    let wanted = [
        "C /d/other",
        "D /gone",
        "C /l",
        "A /mode",
        "A /new",
        "A /new/f",
        "D /old",
    ];
    assert_eq!(lines, wanted);
    assert_eq!(program.run(&["diff", "localhost/a", "localhost/a"]), "");
    assert_eq!(
        program.run(&["diff", "--stat", "localhost/a", "localhost/b"]),
        "3 added, 2 changed, 2 deleted"
    );
}

#[test]
fn many_layers_become_one() {
    let program = Program::new();
    make_image(&program, "localhost/app:1", 1);
    program.run(&[
        "squash",
        "localhost/app:1",
        "localhost/flat:1",
        "--cmd",
        "/other",
    ]);
    assert_eq!(
        program.run(&["diff", "localhost/app:1", "localhost/flat:1"]),
        ""
    );
    let shown: Value =
        serde_json::from_str(&program.run(&["inspect", "localhost/flat:1"])).unwrap();
    assert_eq!(shown["manifest"]["layers"].as_array().unwrap().len(), 1);
    assert_eq!(shown["config"]["history"].as_array().unwrap().len(), 1);
    assert_eq!(shown["config"]["config"]["Cmd"][0], "/other");
    let again = program.run(&[
        "squash",
        "localhost/app:1",
        "localhost/again:1",
        "--cmd",
        "/other",
    ]);
    assert_eq!(
        again,
        shown["digest"].as_str().unwrap(),
        "the same files give the same image"
    );
}

/// Takes the mount away, also when the test fails.
struct Mounted<'a>(&'a Program, String);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = self.0.try_run(&["umount", &self.1]);
    }
}

#[test]
fn privileged_images_are_mounted_changed_and_committed() {
    if !is_root() {
        return;
    }
    let program = Program::new();
    image(&program, "localhost/app:1", "old");
    let target = program.path("at");
    let at = target.to_str().unwrap();
    let _mounted = Mounted(&program, at.to_string());
    let device = || fs::metadata(&target).unwrap().dev();
    let before = {
        fs::create_dir_all(&target).unwrap();
        device()
    };
    let id = program.run(&["mount", "localhost/app:1", at]);
    assert_ne!(device(), before);
    assert_eq!(fs::read_to_string(target.join("d/f")).unwrap(), "old");
    let error = program
        .try_run(&["mount", "localhost/app:1", at])
        .unwrap_err();
    assert!(error.contains("mounted at"), "{error}");
    fs::write(target.join("d/f"), "new").unwrap();
    program.run(&["commit", &id, "localhost/app:2"]);
    assert_eq!(
        program.run(&["diff", "localhost/app:1", "localhost/app:2"]),
        "C /d/f"
    );
    program.run(&["gc"]);
    assert_eq!(
        fs::read_to_string(target.join("d/f")).unwrap(),
        "new",
        "its layers are needed"
    );
    program.run(&["umount", at]);
    assert_eq!(device(), before);
    assert_eq!(
        fs::read_dir(program.store().join("containers"))
            .unwrap()
            .count(),
        0
    );
    let error = program.try_run(&["umount", at]).unwrap_err();
    assert!(error.contains("no image"), "{error}");
    // Whoever removes it like a container takes the mount away, too.
    let id = program.run(&["mount", "localhost/app:1", at]);
    program.run(&["remove", "--container", &id]);
    assert_eq!(device(), before);
}

#[test]
fn progress_in_every_form() {
    let registry = OwnRegistry::start(Manner::default());
    let maker = Program::new();
    make_image(&maker, "localhost/app:1", 2);
    let name = format!("{}/app:1", registry.address);
    maker.run(&[
        "push",
        "--plain-http",
        "localhost/app:1",
        &format!("docker://{name}"),
    ]);
    let said = |words: &[&str]| {
        let program = Program::new();
        let words = [&["pull", "--plain-http", &name], words].concat();
        let output = program.command(&words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let layers = said(&[]).lines().count();
    assert!(
        layers > 0
            && said(&["--progress", "plain"])
                .lines()
                .all(|l| l.ends_with("/s"))
    );
    assert_eq!(said(&["--quiet"]), "");
    assert_eq!(said(&["--progress", "none"]), "");
    let events: Vec<Value> = said(&["--progress", "json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |kind: &str| events.iter().filter(|e| e["event"] == kind).count();
    assert_eq!(
        (count("expect"), count("begin"), count("end")),
        (1, layers, layers)
    );
    assert_eq!(events[0]["layers"], layers);
    let error = maker.try_run(&["list", "--progress", "loud"]).unwrap_err();
    assert!(error.contains("bar, plain, json and none"), "{error}");
}

#[test]
fn load_has_as_many_layers_on_their_way_as_it_is_told() {
    let maker = Program::new();
    let place = crate::memory::wide(&maker, 4);
    maker.run(&["pull", "-q", &place, "localhost/wide:1"]);
    let file = maker.path("wide.tar");
    let file = file.to_str().unwrap();
    maker.run(&["save", "--parallel", "2", "localhost/wide:1", file]);
    let program = Program::new();
    let words = ["load", "--parallel", "1", "--progress", "json", file];
    let output = program.command(&words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let (mut under_way, mut layers) = (0, 0);
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        match serde_json::from_str::<Value>(line).unwrap()["event"].as_str() {
            Some("begin") => under_way += 1,
            Some("end") => (under_way, layers) = (under_way - 1, layers + 1),
            _ => {}
        }
        assert!(under_way < 2);
    }
    assert!(layers >= 4, "{layers}");
}

/// Ends the work after so many bytes.
#[derive(Debug)]
struct Ends(u64, std::sync::atomic::AtomicU64);

impl tare_image::progress::Watch for Ends {
    fn bytes(&self, _: &oci_spec::image::Descriptor, count: u64) -> tare_image::Result<()> {
        let before = self
            .1
            .fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        match before + count > self.0 {
            true => Err(tare_image::Error::cancelled()),
            false => Ok(()),
        }
    }
}

#[test]
fn a_caller_ends_what_takes_too_long() {
    use std::sync::Arc;
    use tare_image::reference::Reference;
    use tare_image::registry::{self, Elsewhere, PlainHttp, RegistryDestination, RegistrySource};
    use tare_image::{copy, pull, store::Store};
    let served = OwnRegistry::start(Manner::default());
    let maker = Program::new();
    make_image(&maker, "localhost/app:1", 2);
    let name = format!("{}/app:1", served.address);
    maker.run(&[
        "push",
        "--plain-http",
        "localhost/app:1",
        &format!("docker://{name}"),
    ]);
    served.forget();
    let client = registry::Registry::new(registry::Options {
        plain_http: PlainHttp::Always,
        ..registry::Options::default()
    });
    let folder = quick_folder();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let reference: Reference = name.parse().unwrap();
    let mut options = pull::Options::default();
    options.transfer.watch = Some(Arc::new(Ends(1 << 20, Default::default())));
    let source = RegistrySource::new(client.repository(&reference).unwrap());
    let error = pull::pull(&source, &store, &reference, true, &options).unwrap_err();
    assert!(error.to_string().ends_with("cancelled"), "{error}");
    assert!(!error.to_string().contains("attempts"), "{error}");
    // What came is not lost.
    options.transfer.watch = None;
    pull::pull(&source, &store, &reference, true, &options).unwrap();
    let layer = served.seen("/blobs/sha256:").len();
    assert_eq!(
        layer, 4,
        "each time the configuration, then the layer, and then its rest"
    );

    let to: Reference = format!("{}/other:1", served.address).parse().unwrap();
    let to = RegistryDestination::new(client.repository(&to).unwrap(), Elsewhere::Unknown);
    let to = to.watched(Some(Arc::new(Ends(1 << 20, Default::default()))));
    let local = store.image(&reference, &options.limits).unwrap();
    let error = copy::copy(&local, &to, &copy::Selection::All, 1).unwrap_err();
    assert!(error.to_string().contains("cancelled"), "{error}");
    assert!(!error.to_string().contains("attempts"), "{error}");
    assert_eq!(served.sessions(), 0, "the upload was taken back");
}
