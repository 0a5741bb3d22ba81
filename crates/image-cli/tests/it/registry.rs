//! Images go to a real registry and come back, with the programs that others use at the other end.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::debian_registry::{Protection, Registry};
use crate::support::*;

fn login(program: &Program, registry: &Registry, password: &str) -> bool {
    let mut command = program.command(&[
        "login",
        "--plain-http",
        "-u",
        "user",
        "--password-stdin",
        &registry.address,
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = writeln!(child.stdin.take().unwrap(), "{password}");
    child.wait().unwrap().success()
}

#[test]
fn there_and_back() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    let program = Program::new();
    make_image(&program, "localhost/app:1", 1);
    let name = format!("{}/deep/path/app:1", registry.address);
    let pushed = program.run(&["push", "--plain-http", "localhost/app:1", &name]);
    let other = Program::new();
    let pulled = other.run(&["pull", "--plain-http", &name]);
    assert_eq!(pushed, pulled);
    assert_eq!(
        other.run(&[
            "pull",
            "--plain-http",
            &format!("{}@{pulled}", name.trim_end_matches(":1"))
        ]),
        pulled
    );
    assert_eq!(other.counts(), [3, 0, 1, 0]);
    assert_eq!(other.run(&["tags", "--plain-http", &name]), "1");
    let shown: Value =
        serde_json::from_str(&other.run(&["inspect", "--plain-http", &format!("docker://{name}")]))
            .unwrap();
    assert_eq!(shown["digest"], pulled.as_str());
    assert_eq!(shown["config"]["config"]["Cmd"][0], "/bin/echo");
    assert!(other.run(&["history", &name]).contains("tare-image"));
    // Content that is there is not sent again, and comes from a neighbour where possible.
    program.run(&["push", "--plain-http", "localhost/app:1", &name]);
    let copy = format!("docker://{}/second:x", registry.address);
    other.run(&["copy", "--plain-http", &format!("docker://{name}"), &copy]);
    assert_eq!(
        other.run(&["inspect", "--plain-http", "--raw", &copy]),
        other.run(&["inspect", "--raw", &name])
    );
    other.run(&["remove", "--plain-http", &copy]);
    assert!(
        other
            .try_run(&["inspect", "--plain-http", &copy])
            .unwrap_err()
            .contains("404")
    );
    assert!(other.run(&["tags", "--plain-http", &copy]).is_empty());
}

#[test]
fn passwords() {
    let Some(registry) = Registry::start(Protection::Password) else {
        return;
    };
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let name = format!("{}/app", registry.address);
    let error = program
        .try_run(&["push", "--plain-http", "localhost/app", &name])
        .unwrap_err();
    assert!(error.contains("tare-image login"), "{error}");
    assert!(!login(&program, &registry, "wrong"));
    assert!(login(&program, &registry, "secret"));
    program.run(&["push", "--plain-http", "localhost/app", &name]);
    // The file is the one that others use.
    if have("skopeo") {
        let auth = program.path("auth.json");
        tool(
            "skopeo",
            [
                "inspect",
                "--tls-verify=false",
                "--authfile",
                auth.to_str().unwrap(),
                &format!("docker://{name}"),
            ],
        );
    }
    program.run(&["logout", &registry.address]);
    assert!(program.try_run(&["pull", "--plain-http", &name]).is_err());
    // A helper in its place.
    let bin = program.path("bin");
    fs::create_dir(&bin).unwrap();
    let helper = bin.join("docker-credential-test");
    fs::write(&helper, "#!/bin/sh\n[ \"$1\" = get ] || exit 1\necho '{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"secret\"}'\n").unwrap();
    tool("chmod", ["755", helper.to_str().unwrap()]);
    fs::write(program.path("auth.json"), r#"{"credsStore":"test"}"#).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = program
        .command(&["pull", "--plain-http", &name])
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn encrypted_connections() {
    let Some(registry) = Registry::start(Protection::Tls) else {
        return;
    };
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let name = format!("{}/app", registry.address);
    let error = program
        .try_run(&["push", "--retries", "1", "localhost/app", &name])
        .unwrap_err();
    assert!(error.contains("--ca-file"), "{error}");
    program.run(&[
        "push",
        "--ca-file",
        &registry.file("ca.crt"),
        "localhost/app",
        &name,
    ]);
    let other = Program::new();
    other.run(&["pull", "--ca-file", &registry.file("ca.crt"), &name]);
    // As a folder of settings.
    let folder = program
        .path("hosts")
        .join(registry.address.replace(':', "_"));
    fs::create_dir_all(&folder).unwrap();
    fs::copy(registry.file("ca.crt"), folder.join("ca.crt")).unwrap();
    Program::new().run(&[
        "pull",
        "--hosts-dir",
        program.path("hosts").to_str().unwrap(),
        &name,
    ]);
}

#[test]
fn layers_with_addresses_of_their_own() {
    use crate::own_registry::{Manner, OwnRegistry};
    let Some(elsewhere) = Registry::start(Protection::Tls) else {
        return;
    };
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let authority = elsewhere.file("ca.crt");
    let name = format!("{}/app", elsewhere.address);
    program.run(&["push", "--ca-file", &authority, "localhost/app", &name]);
    // The same image, whose layer may not be passed on and is to be fetched from there.
    let raw = program.run(&["inspect", "--raw", "localhost/app"]);
    let mut manifest: Value = serde_json::from_str(&raw).unwrap();
    let digest = manifest["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_string();
    let media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    manifest["layers"][0]["mediaType"] = Value::from(media_type);
    let address = format!("https://{}/v2/app/blobs/{digest}", elsewhere.address);
    // Nobody is sent anywhere without encryption.
    manifest["layers"][0]["urls"] = serde_json::json!(["http://127.0.0.1:1/x", address]);
    let layout = tare_image::layout::Layout::create(&program.store()).unwrap();
    let put = put(
        &layout,
        "application/vnd.oci.image.manifest.v1+json",
        &manifest,
    );
    let descriptor = serde_json::from_value(put).unwrap();
    layout
        .tag(Some("localhost/foreign:latest"), &descriptor)
        .unwrap();
    let registry = OwnRegistry::start(Manner::default());
    let name = format!("{}/foreign:1", registry.address);
    program.run(&["push", "--plain-http", "localhost/foreign", &name]);
    let sent = registry.seen("PUT /v2/foreign/blobs/");
    assert_eq!(
        sent.len(),
        1,
        "the configuration, and not the layer: {sent:?}"
    );

    let pull = |more: &[&str]| {
        Program::new().try_run(&[&["pull", "--plain-http", &name][..], more].concat())
    };
    let error = pull(&[]).unwrap_err();
    assert!(
        error.contains("404") && error.contains("--foreign-urls"),
        "{error}"
    );
    let error = pull(&["--foreign-urls", "--retries", "1"]).unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    pull(&["--foreign-urls", "--ca-file", &authority]).unwrap();
}

#[test]
fn client_certificates() {
    let Some(registry) = Registry::start(Protection::ClientCertificate) else {
        return;
    };
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let name = format!("{}/app", registry.address);
    let authority = registry.file("ca.crt");
    let plain = [
        "push",
        "--retries",
        "1",
        "--ca-file",
        &authority,
        "localhost/app",
        &name,
    ];
    assert!(
        program.try_run(&plain).is_err(),
        "without a certificate of our own"
    );
    let (certificate, key) = (registry.file("client.crt"), registry.file("client.key"));
    program.run(&[
        "push",
        "--ca-file",
        &authority,
        "--client-cert",
        &certificate,
        "--client-key",
        &key,
        "localhost/app",
        &name,
    ]);
    let error = program
        .try_run(&[
            "pull",
            "--ca-file",
            &authority,
            "--client-cert",
            &certificate,
            &name,
        ])
        .unwrap_err();
    assert!(error.contains("belong together"), "{error}");
}

/// Puts a JSON document into a layout and returns its descriptor.
fn put(layout: &tare_image::layout::Layout, media_type: &str, value: &Value) -> Value {
    let bytes = serde_json::to_vec(value).unwrap();
    let descriptor = oci_spec::image::Descriptor::new(
        media_type.into(),
        bytes.len() as u64,
        tare_image::digest::of(&bytes),
    );
    layout.put(&descriptor, &bytes).unwrap();
    serde_json::to_value(descriptor).unwrap()
}

#[test]
fn the_same_layer_several_times() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let shown: Value = serde_json::from_str(&program.run(&["inspect", "localhost/app"])).unwrap();
    let (layer, diff_id) = (
        &shown["manifest"]["layers"][0],
        &shown["config"]["rootfs"]["diff_ids"][0],
    );
    let layout = tare_image::layout::Layout::open(&program.store()).unwrap();
    let config = put(
        &layout,
        "application/vnd.oci.image.config.v1+json",
        &serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id, diff_id, diff_id]}}),
    );
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer, layer, layer],
    });
    let manifest = put(
        &layout,
        "application/vnd.oci.image.manifest.v1+json",
        &manifest,
    );
    layout
        .tag(
            Some("localhost/thrice:latest"),
            &serde_json::from_value(manifest).unwrap(),
        )
        .unwrap();
    let name = format!("{}/thrice", registry.address);
    program.run(&[
        "push",
        "--plain-http",
        "--platform",
        "linux/amd64",
        "localhost/thrice",
        &name,
    ]);
    let other = Program::new();
    other.run(&["pull", "--plain-http", &name]);
    assert_eq!(other.counts(), [3, 0, 3, 0]);
    let out = other.path("out");
    other.run(&["unpack", &name, out.to_str().unwrap()]);
    assert_eq!(
        snapshot(&out, true),
        snapshot(&program.path("rootfs"), true)
    );
}

#[test]
fn indexes_platforms_and_referrers() {
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    let program = Program::new();
    let layout = tare_image::layout::Layout::create(&program.path("layout")).unwrap();
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64", "riscv64"] {
        let config = put(
            &layout,
            "application/vnd.oci.image.config.v1+json",
            &serde_json::json!({"architecture": architecture, "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": {"type": "layers", "diff_ids": []}}),
        );
        let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []});
        let mut entry = put(
            &layout,
            "application/vnd.oci.image.manifest.v1+json",
            &manifest,
        );
        entry["platform"] = serde_json::json!({"architecture": architecture, "os": "linux"});
        entries.push(entry);
    }
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries});
    let root = put(&layout, "application/vnd.oci.image.index.v1+json", &index);
    layout
        .tag(
            Some("multi"),
            &serde_json::from_value(root.clone()).unwrap(),
        )
        .unwrap();

    let from = format!("oci:{}:multi", layout.root().display());
    let name = format!("{}/multi:1", registry.address);
    let to = format!("docker://{name}");
    let copied = program.run(&["copy", "--plain-http", "--all", &from, &to]);
    assert_eq!(copied, root["digest"].as_str().unwrap());
    program.run(&["pull", "--plain-http", "--platform", "linux/riscv64", &name]);
    let shown: Value =
        serde_json::from_str(&program.run(&["inspect", "--platform", "linux/riscv64", &name]))
            .unwrap();
    assert_eq!(shown["config"]["architecture"], "riscv64");
    assert_eq!(
        shown["digest"],
        copied.as_str(),
        "the name still stands for the index"
    );
    let error = program
        .try_run(&["pull", "--plain-http", "--platform", "linux/s390x", &name])
        .unwrap_err();
    assert!(error.contains("linux/arm64"), "{error}");
    program.run(&["gc"]);

    // This registry has no API for referrers: the tag takes its place.
    let empty = put(
        &layout,
        "application/vnd.oci.empty.v1+json",
        &serde_json::json!({}),
    );
    for kind in ["test/signature", "test/sbom"] {
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": kind,
            "config": empty, "layers": [empty], "subject": root, "annotations": {"made-for": "test"},
        });
        let descriptor = put(
            &layout,
            "application/vnd.oci.image.manifest.v1+json",
            &manifest,
        );
        layout
            .tag(
                Some(&kind.replace('/', "-")),
                &serde_json::from_value(descriptor).unwrap(),
            )
            .unwrap();
        let from = format!("oci:{}:{}", layout.root().display(), kind.replace('/', "-"));
        program.run(&[
            "copy",
            "--plain-http",
            &from,
            &format!(
                "docker://{}/multi:{}",
                registry.address,
                kind.replace('/', "-")
            ),
        ]);
    }
    let referrers = || -> Vec<Value> {
        serde_json::from_str(&program.run(&["inspect", "--plain-http", "--referrers", &to]))
            .unwrap()
    };
    let found = referrers();
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .any(|d| d["artifactType"] == "test/sbom" && d["annotations"]["made-for"] == "test")
    );
    program.run(&[
        "remove",
        "--plain-http",
        &format!("docker://{}/multi:test-sbom", registry.address),
    ]);
    assert_eq!(referrers().len(), 1, "deleting keeps the list right");
}
