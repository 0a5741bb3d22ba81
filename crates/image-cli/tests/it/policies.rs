//! Signatures, and policies that ask for them.

use std::fs;

use serde_json::{Value, json};

use crate::debian_registry::{Protection, Registry};
use crate::own_registry::{Manner, OwnRegistry};
use crate::support::*;

/// A program with an image in a registry, and a pair of keys called `key`.
fn setup(address: &str) -> (Program, String) {
    let program = Program::new();
    make_image(&program, "localhost/app", 0);
    let name = format!("{address}/team/app:1");
    program.run(&["push", "--plain-http", "localhost/app", &name]);
    keys(&program, "key");
    (program, name)
}

fn keys(program: &Program, name: &str) {
    let (private, public) = (program.path(name), program.path(&format!("{name}.pub")));
    let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
    let curve = "ec_paramgen_curve:P-256";
    tool(
        "openssl",
        [
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            curve,
            "-out",
            private,
        ],
    );
    tool(
        "openssl",
        ["pkey", "-in", private, "-pubout", "-out", public],
    );
}

fn write_policy(program: &Program, requirement: Value) -> String {
    let path = program.path("policy.json");
    let policy = json!({"default": [requirement]});
    fs::write(&path, policy.to_string()).unwrap();
    path.display().to_string()
}

fn signed(program: &Program, key: &str) -> Value {
    json!({"type": "sigstoreSigned", "keyPath": program.path(&format!("{key}.pub"))})
}

fn pull(name: &str, policy: &str) -> Result<String, String> {
    let program = Program::new();
    let done = program.try_run(&["pull", "--plain-http", "--policy", policy, name]);
    if done.is_err() {
        assert_eq!(program.counts(), [0, 0, 0, 0], "nothing of it is kept");
    }
    done
}

#[test]
fn only_what_is_signed_is_taken() {
    if !have("openssl") {
        return;
    }
    let registry = OwnRegistry::start(Manner::default());
    let (program, name) = setup(&registry.address);
    let policy = write_policy(&program, signed(&program, "key"));
    assert!(pull(&name, &policy).unwrap_err().contains("is not signed"));
    let key = program.path("key");
    let sign = |name: &str, key: &str| {
        program.run(&["sign", "--plain-http", "--key", key, name]);
    };
    // With another key, and then with the right one besides.
    keys(&program, "other");
    sign(&name, program.path("other").to_str().unwrap());
    assert!(pull(&name, &policy).unwrap_err().contains("another key"));
    sign(&name, key.to_str().unwrap());
    let digest = pull(&name, &policy).unwrap();
    let by_digest = format!("{}@{digest}", name.trim_end_matches(":1"));
    pull(&by_digest, &policy).unwrap();
    // The same image under another name was not signed.
    let second = format!("{}/team/app:2", registry.address);
    let (from, to) = (format!("docker://{name}"), format!("docker://{second}"));
    program.run(&["copy", "--plain-http", &from, &to]);
    let error = pull(&second, &policy).unwrap_err();
    assert!(
        error.contains("one is for") && error.contains("team/app:1"),
        "{error}"
    );
    let mut any_tag = signed(&program, "key");
    any_tag["signedIdentity"] = json!({"type": "matchRepository"});
    pull(&second, &write_policy(&program, any_tag)).unwrap();
    // Another image under the name that was signed.
    let policy = write_policy(&program, signed(&program, "key"));
    let tar = program.path("r.tar");
    fs::write(&tar, archive(&[file("f", "x")])).unwrap();
    program.run(&[
        "import",
        tar.to_str().unwrap(),
        "localhost/evil",
        "--cmd",
        "/f",
    ]);
    program.run(&["push", "--plain-http", "localhost/evil", &name]);
    assert!(pull(&name, &policy).unwrap_err().contains("is not signed"));
    // Not by copies either, nor by what pulls on the way.
    let layout = format!("oci:{}", program.path("layout").display());
    let out = program.path("out").display().to_string();
    for words in [
        &["copy", &from, &layout][..],
        &["unpack", &from, &out],
        &["run", &from],
    ] {
        let options = [words[0], "--plain-http", "--policy", &policy];
        let mut command = program.command(&[&options[..], &words[1..]].concat());
        let output = command.env("TARE", "/bin/true").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("is not signed"), "{words:?}: {said}");
    }
    // To look at it is no fault.
    program.run(&["inspect", "--plain-http", "--policy", &policy, &from]);
    assert_eq!(registry.violations(), Vec::<String>::new());
}

#[test]
fn policies_reject_and_broken_ones_refuse_everything() {
    let registry = OwnRegistry::start(Manner::default());
    let (program, name) = setup(&registry.address);
    let policy = write_policy(&program, json!({"type": "reject"}));
    let before = registry.seen("GET").len();
    assert!(
        pull(&name, &policy)
            .unwrap_err()
            .contains("the policy rejects")
    );
    assert_eq!(
        registry.seen("GET").len(),
        before,
        "it is not even asked for"
    );
    let file = program.path("a.tar");
    let text = file.to_str().unwrap();
    program.run(&["save", "localhost/app", text]);
    let layout = format!("oci:{}", program.path("layout").display());
    program.run(&["copy", "localhost/app", &layout]);
    let archive = format!("docker-archive:{text}");
    let all = || {
        for words in [
            &["load", text][..],
            &["copy", &layout, "localhost/x"],
            &["copy", &archive, "localhost/x"],
            &["pull", &layout, "localhost/x"],
        ] {
            let arguments = [&words[..1], &["--policy", &policy], &words[1..]].concat();
            let error = program.try_run(&arguments).unwrap_err();
            assert!(error.contains("policy"), "{words:?}: {error}");
        }
    };
    all();
    fs::write(&policy, "{\"default\": [").unwrap();
    assert!(pull(&name, &policy).unwrap_err().contains("policy.json"));
    all();
    write_policy(
        &program,
        json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}),
    );
    assert!(
        pull(&name, &policy)
            .unwrap_err()
            .contains("not understood here")
    );
    all();
    write_policy(&program, json!({"type": "insecureAcceptAnything"}));
    pull(&name, &policy).unwrap();
    // The user's own file is found without being named.
    let own = program.path(".config/containers");
    fs::create_dir_all(&own).unwrap();
    fs::write(
        own.join("policy.json"),
        r#"{"default":[{"type":"reject"}]}"#,
    )
    .unwrap();
    let error = program
        .try_run(&["pull", "--plain-http", &name])
        .unwrap_err();
    assert!(error.contains("the policy rejects"), "{error}");
    // What is in the store already was judged when it came.
    program.run(&[
        "unpack",
        "localhost/app",
        program.path("out").to_str().unwrap(),
    ]);
}

/// By the words of others: openssl verifies the signature, and skopeo, where it is built with that, the whole.
#[test]
fn others_believe_our_signatures() {
    if !have("openssl") {
        return;
    }
    let Some(registry) = Registry::start(Protection::None) else {
        return;
    };
    let (program, name) = setup(&registry.address);
    let key = program.path("key");
    let digest = program.run(&[
        "sign",
        "--plain-http",
        "--key",
        key.to_str().unwrap(),
        &name,
    ]);
    let tag = digest.replace(':', "-") + ".sig";
    let place = format!("docker://{}/team/app:{tag}", registry.address);
    let layout = program.path("signature");
    program.run(&[
        "copy",
        "--plain-http",
        &place,
        &format!("oci:{}", layout.display()),
    ]);
    let manifest = program.run(&["inspect", "--plain-http", "--raw", &place]);
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let layer = &manifest["layers"][0];
    let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
    assert_eq!(layer["mediaType"], kind);
    let blob = layer["digest"].as_str().unwrap().replace(':', "/");
    let payload = layout.join("blobs").join(blob);
    let said: Value = serde_json::from_slice(&fs::read(&payload).unwrap()).unwrap();
    let wanted = json!({
        "identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    });
    assert_eq!(said["critical"], wanted);
    use base64::Engine;
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str();
    let signature = base64::engine::general_purpose::STANDARD.decode(signature.unwrap());
    let file = program.path("raw");
    fs::write(&file, signature.unwrap()).unwrap();
    let (public, file) = (program.path("key.pub"), file.display().to_string());
    let words = [
        "dgst",
        "-sha256",
        "-verify",
        public.to_str().unwrap(),
        "-signature",
        &file,
    ];
    tool(
        "openssl",
        [&words[..], &[payload.to_str().unwrap()]].concat(),
    );

    if !have("skopeo") {
        return;
    }
    let policy = write_policy(&program, signed(&program, "key"));
    let folder = program.path("registries.d");
    fs::create_dir(&folder).unwrap();
    let settings = "default-docker:\n  use-sigstore-attachments: true\n";
    fs::write(folder.join("a.yaml"), settings).unwrap();
    let layout = format!("oci:{}:v", program.path("theirs").display());
    let from = format!("docker://{name}");
    let options = [
        "--policy",
        &policy,
        "--registries.d",
        folder.to_str().unwrap(),
    ];
    let more = ["copy", "--src-tls-verify=false", &from, &layout];
    let output = peer("skopeo").args(options).args(more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    match said.contains("sigstore disabled") {
        true => println!("skipped: skopeo is built without sigstore"),
        false => assert!(output.status.success(), "{said}"),
    }
}
